//! What an operator does every day: keys, runners, events, reactors.

use std::time::Instant;

use harness::{Agent, Events, Master, Release, until};
use serde_json::json;

on_each_release!(the_operators_tools_see_an_ordinary_minion);

fn the_operators_tools_see_an_ordinary_minion(release: Release) {
    let mut master = Master::of(release).auto_accept().prepare();
    let root = master.dir().display().to_string();
    master.write(
        "etc/salt/master.d/reactor.conf",
        &format!("reactor:\n  - 'salt/minion/*/start': [{root}/srv/reactor/start.sls]\n"),
    );
    master.write(
        "srv/reactor/start.sls",
        "mark:\n  local.file.write:\n    - tgt: {{ data['id'] }}\n    - arg: [/nowhere]\n\
         told:\n  local.event.send:\n    - tgt: {{ data['id'] }}\n    - arg: [reacted/{{ data['id'] }}]\n",
    );
    master.start();
    let events = Events::of(&master);
    let since = Instant::now();
    let mut agent = Agent::start(
        "plain",
        &master.address.to_string(),
        "start_event_grains: [id, os]",
    );
    let started = events.wait(60, "salt/minion/plain/start", since);
    assert_eq!(started.data["id"], "plain");
    assert_eq!(started.data["grains"]["id"], "plain");
    events.wait(60, "minion_start", since);
    events.wait(60, "reacted/plain", since);
    agent.wait_ready();

    assert_eq!(
        master
            .run("salt-run", &["--out", "json", "manage.up"])
            .json(),
        json!(["plain"])
    );
    let sent = master.salt(&["plain", "event.send", "demo/tag", "{\"n\": 1}"]);
    assert_eq!(sent["plain"], true);
    let event = events.wait(20, "demo/tag", since);
    assert_eq!(event.data["data"]["n"], 1);

    let listed = master.salt_key(&["-L", "--out", "json"]).success().json();
    assert_eq!(listed["minions"], json!(["plain"]));
    until(30, "the mine", || {
        master.salt(&["plain", "mine.send", "test.ping"])["plain"] == true
    });
    let mined = master.salt(&["plain", "mine.get", "*", "test.ping"]);
    assert_eq!(mined["plain"], json!({"plain": true}));
}
