//! `salt-agent call` as the operator on the machine types it: with the master's files, pillar and job cache, without
//! a daemon.

use std::time::Instant;

use harness::{Agent, Events, Master, Release};
use serde_json::json;

on_each_release!(a_call_asks_the_master);

const TREE: &str = "made:\n  file.managed:\n    - name: {{ pillar['into'] }}\n    - source: salt://who\n    - template: jinja\n";

fn a_call_asks_the_master(release: Release) {
    let master = Master::of(release)
        .file("srv/salt/tree.sls", TREE)
        .file(
            "srv/salt/who",
            "{{ grains['id'] }} of {{ pillar['owner'] }}\n",
        )
        .file("srv/pillar/top.sls", "base:\n  '*': [all]\n")
        .file("srv/pillar/all.sls", "owner: the master\n")
        .start();
    let address = master.address.to_string();
    let agent = Agent::prepare("caller", &address, "");

    let pending = agent.command("call", &["test.ping"]);
    assert_eq!(pending.code, 1, "{pending:?}");
    assert!(pending.stderr.contains(": pending:"), "{pending:?}");
    assert!(pending.stderr.contains("--local"), "{pending:?}");
    master.accept("caller");
    let stranger = agent.command("call", &["test.ping"]);
    assert_eq!(stranger.code, 1, "{stranger:?}");
    assert!(stranger.stderr.contains(&master.finger()), "{stranger:?}");
    agent.configure(&format!(
        "master: {address}\nmaster_finger: '{}'\n",
        master.finger()
    ));

    let events = Events::of(&master);
    let since = Instant::now();
    let pillar = agent.command("call", &["--out", "json", "pillar.ls"]);
    assert_eq!(pillar.success().json(), json!({"local": ["owner"]}));
    let file = agent.dir().join("made");
    let into = format!("pillar={{into: {}}}", file.display());
    let applied = agent.command("call", &["--out", "json", "state.apply", "tree", &into]);
    let applied = applied.success().json();
    let states = applied["local"].as_object().unwrap();
    assert!(states.values().all(|s| s["result"] == true), "{applied}");
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        "caller of the master\n"
    );

    // The master knows of it, under an id of its own.
    let told = events.find(60, "the return of the call", since, |e| {
        e.tag.ends_with("/ret/caller") && e.data["fun"] == "state.apply"
    });
    assert_eq!(told.data["retcode"], 0);
    assert_ne!(told.data["jid"], "req");
    let local = agent.command("call", &["--local", "--out", "json", "pillar.ls"]);
    assert_eq!(local.success().json(), json!({"local": []}));
}
