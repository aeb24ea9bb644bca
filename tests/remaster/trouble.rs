//! What a look at a new master finds, and that it leaves nothing there.

use harness::Agent;
use serde_json::Value;

use crate::pair::{Pair, on_only};

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
