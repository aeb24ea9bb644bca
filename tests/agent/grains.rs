//! Grains: ours beside those of `salt-call` on the same machine.

use harness::{Agent, Minion, Release};
use serde_json::Value;

on_each_release!(grains_equal_those_of_salt_call);

/// Grains that are not the machine's but the program's.
const PROGRAM: &[(&str, &str)] = &[
    ("pid", "each process has its own"),
    ("pythonexecutable", "the agent runs without Python"),
    ("pythonpath", "the agent runs without Python"),
    ("pythonversion", "the agent runs without Python"),
    ("saltpath", "where the program lies"),
    ("zmqversion", "the agent has no libzmq"),
    ("ca_truststore", "whether Python brings certificates"),
    ("salt_agent", "by which an agent is known"),
];

/// What a release before the one that we follow has more, fewer or otherwise.
const OLDER: &[&str] = &[
    "saltversion",
    "saltversioninfo",
    "zfs_feature_flags",
    "zfs_support",
    "fibre_channel_host",
    "package",
];

fn grains_equal_those_of_salt_call(release: Release) {
    let args = ["--local", "--out", "json", "grains.items"];
    let minion = Minion::prepare(release, "same", "127.0.0.1", "");
    let theirs = minion.call(&args).json();
    let agent = Agent::prepare("same", "127.0.0.1", "");
    let ours = agent.command("call", &args).json();
    let (theirs, ours) = (map(&theirs["local"]), map(&ours["local"]));
    let ours_only = ours.keys().filter(|k| !theirs.contains_key(*k));
    let differing: Vec<_> = theirs
        .keys()
        .chain(ours_only)
        .filter(|key| PROGRAM.iter().all(|(k, _)| k != key))
        .filter(|key| release == Release::V3008 || !OLDER.contains(&key.as_str()))
        .filter(|key| theirs.get(*key) != ours.get(*key))
        .map(|key| format!("{key}: {:?}\n  ours: {:?}", theirs.get(key), ours.get(key)))
        .collect();
    assert!(theirs.len() > 60, "salt-call gave {} grains", theirs.len());
    assert!(differing.is_empty(), "{release}:\n{}", differing.join("\n"));
}

fn map(value: &Value) -> &serde_json::Map<String, Value> {
    value.as_object().unwrap()
}
