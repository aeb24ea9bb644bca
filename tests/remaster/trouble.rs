//! What goes wrong, each with its reason code, and each time the agent stays where it was.

use std::fs;

use harness::{Agent, until};
use serde_json::Value;

use crate::pair::{Pair, answers, drop_in, on_only, status, wait_end, wait_state};

pub(crate) fn everything_that_goes_wrong_has_its_word(pair: &Pair) {
    // Nobody accepts the key there.
    let agent = pair.agent("unwanted");
    assert_eq!(pair.fails(&agent, &["--wait", "3"]), "pending");
    assert!(answers(&pair.old, "unwanted"));

    // The same id with another key: a VM that was rebuilt, or somebody else's name. Salt says one word for
    // a rejected and a denied key.
    let agent = pair.agent("rebuilt");
    let folder = pair.new.pki_dir().join("minions");
    fs::create_dir_all(&folder).unwrap();
    let other = fs::read_to_string(pair.new.pki_dir().join("master.pub")).unwrap();
    fs::write(folder.join("rebuilt"), other.trim_end()).unwrap();
    assert_eq!(pair.fails(&agent, &[]), "rejected");
    fs::remove_file(folder.join("rebuilt")).unwrap();
    assert_eq!(pair.new.keys("minions_denied"), ["rebuilt"]);

    // The new master has no pillar for it.
    let agent = pair.known_agent("pillared");
    let looks = check(&agent, pair, &["--auth"]);
    assert_eq!(looks["pillar"]["reason"], "pillar-missing", "{looks}");
    assert_eq!(looks["key"]["found"], "accepted", "{looks}");
    assert_eq!(pair.fails(&agent, &[]), "pillar-missing");

    // Its tree would change more than is allowed.
    let agent = pair.known_agent("budget1");
    let looks = check(&agent, pair, &["--auth", "--changes", "1"]);
    assert_eq!(looks["highstate"]["reason"], "too-many-changes", "{looks}");
    assert_eq!(pair.fails(&agent, &["--changes", "1"]), "too-many-changes");
    let looks = check(&agent, pair, &["--auth", "--changes", "2"]);
    assert_eq!(looks["highstate"]["found"]["changes"], 2, "{looks}");
    for name in ["fingerprint", "authentication", "clock", "pillar"] {
        assert_eq!(looks[name]["ok"], true, "{name}: {looks}");
    }

    // An id that is fine with Salt and odd for files.
    let agent = pair.known_agent("Web_1.Ünï-CODE");
    pair.order_here(&agent, &["--rounds", "1"]).success();
    wait_end(&agent, "confirmed");
    on_only(&agent, &pair.new);
}

fn check(agent: &Agent, pair: &Pair, more: &[&str]) -> Value {
    let (to, finger) = (format!("{}:4506", pair.new.address), pair.new.finger());
    let args = ["check", &to, "--finger", &finger, "-o", "json"];
    let looks = agent.command("remaster", &[&args[..], more].concat());
    looks.json()
}

/// With the public key the fingerprint is proven, and the new master knows nothing of who asked.
pub(crate) fn a_look_leaves_no_trace(pair: &Pair) {
    let agent = pair.agent("looker");
    let folders = [
        "minions",
        "minions_pre",
        "minions_denied",
        "minions_rejected",
    ];
    let keys = || folders.map(|folder| pair.new.keys(folder));
    let before = keys();
    let key = pair.new.pki_dir().join("master.pub").display().to_string();
    let looks = check(&agent, pair, &["--key", &key]);
    for name in [
        "configuration",
        "name",
        "request port",
        "publish port",
        "fingerprint",
    ] {
        assert_eq!(looks[name]["ok"], true, "{name}: {looks}");
        assert!(looks[name]["seconds"].is_number(), "{looks}");
    }
    for name in ["authentication", "key", "clock", "pillar", "highstate"] {
        assert!(looks[name]["skipped"].is_string(), "{name}: {looks}");
    }
    assert_eq!(keys(), before);

    // Another key than the master's own.
    let wrong = agent
        .config_dir()
        .join("pki/minion/minion.pub")
        .display()
        .to_string();
    let to = format!("{}:4506", pair.new.address);
    let looks = agent.command("remaster", &["check", &to, "--key", &wrong, "-o", "json"]);
    assert_eq!(looks.json()["fingerprint"]["reason"], "master-key-mismatch");
    assert_eq!(keys(), before);

    // With leave, the key is shown, and is pending there.
    let looks = check(&agent, pair, &["--auth"]);
    assert_eq!(looks["key"]["reason"], "pending", "{looks}");
    assert!(pair.new.keys("minions_pre").contains(&"looker".to_owned()));
    on_only(&agent, &pair.old);
}

/// A reactor of the old master that rewrites the minion's configuration in the middle of a move.
pub(crate) fn who_writes_into_the_configuration_is_not_obeyed(pair: &Pair) {
    let mut agent = pair.agent("rewritten");
    pair.order_here(&agent, &["--confirm", "120"]).success();
    wait_state(&agent, "waiting");
    let minion = agent.config_dir().join("minion");
    let edited = format!(
        "{}\nmaster: 127.0.0.1\n",
        fs::read_to_string(&minion)
            .unwrap()
            .lines()
            .filter(|l| !l.starts_with("master:"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    fs::write(&minion, &edited).unwrap();
    until(30, "the edit to be noticed", || {
        warned(&agent, "config-changed")
    });
    // The same with a restart and with SIGHUP.
    agent.kill();
    agent.run();
    wait_state(&agent, "waiting");
    agent.process().signal(nix::sys::signal::Signal::SIGHUP);
    until(30, "the edit to be named", || warned(&agent, "127.0.0.1"));
    until(60, "the old master to be served", || {
        answers(&pair.old, "rewritten")
    });
    pair.new.accept("rewritten");
    wait_state(&agent, "probation");
    on_only(&agent, &pair.new);
    agent.command("remaster", &["confirm"]).success();
    assert_eq!(
        fs::read_to_string(&minion).unwrap(),
        edited,
        "not overwritten"
    );

    // A drop-in that is not ours stands in the way: back to the old master, and it stays as it is.
    let agent = pair.agent("intruded");
    pair.order_here(&agent, &["--confirm", "120"]).success();
    wait_state(&agent, "waiting");
    let intruder = "master: 127.0.0.1\n";
    fs::write(drop_in(&agent), intruder).unwrap();
    pair.new.accept("intruded");
    let end = wait_end(&agent, "rolled_back");
    assert_eq!(end["last"]["reason"], "config-changed", "{end}");
    assert_eq!(fs::read_to_string(drop_in(&agent)).unwrap(), intruder);
    until(60, "the old master to be served", || {
        answers(&pair.old, "intruded")
    });
    assert_eq!(status(&agent)["state"], "steady");
}

fn warned(agent: &Agent, words: &str) -> bool {
    let status = agent.status();
    let warnings = status["warnings"].as_array().cloned().unwrap_or_default();
    warnings
        .iter()
        .any(|w| w.as_str().is_some_and(|w| w.contains(words)))
}
