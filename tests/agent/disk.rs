//! A full disk: said in clear words, survived, and no return is lost.

use harness::{Agent, Client, Disk, Master, Release, until};
use serde_json::json;

/// One release is enough: the disk is ours.
const RELEASE: Release = Release::V3008;
const SIZE: u64 = 8 << 20;

#[test]
fn a_full_disk_is_named_and_survived_and_loses_nothing() {
    if !RELEASE.is_installed() {
        return;
    }
    let mut master = Master::of(RELEASE).auto_accept().start();
    let mut agent = Agent::prepare(
        "narrow",
        &master.address.to_string(),
        "agent: {trust: first-use, dead_after: 3s}\nkeysize: 2048\nrecon_default: 200\nrecon_max: 1000",
    );
    let Some(disk) = Disk::mount(&agent.dir().join("var"), SIZE) else {
        return;
    };
    let Some(keys) = Disk::mount(&agent.dir().join("etc/salt/pki"), 1 << 20) else {
        return;
    };

    // Not even a key can be made.
    disk.fill();
    keys.fill();
    agent.run();
    agent.wait_state(60, "lost", "keys-unusable");
    let why = agent.status()["masters"][0]["detail"].clone();
    assert!(why.as_str().unwrap().contains("No space left"), "{why}");
    let told = agent.command("doctor", &["-o", "json"]).json();
    let reasons: Vec<_> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["reason"])
        .collect();
    assert!(reasons.contains(&&json!("disk-full")), "{told}");
    keys.free();
    agent.wait_ready();

    // Jobs run and their returns go out, from memory.
    let mut client = Client::of(&master);
    let before = agent.process().resident();
    let (ret, _) = client.call("narrow", "test.echo", json!(["full"]), json!({}));
    assert_eq!(ret, "full");
    let large = "print('x' * 1000000)";
    for _ in 0..20 {
        let (ret, _) = client.call(
            "narrow",
            "cmd.run",
            json!([format!("python3 -c \"{large}\"")]),
            json!({}),
        );
        assert_eq!(ret.as_str().map(str::len), Some(1_000_000));
    }
    let after = agent.process().resident();
    assert!(after < before + (48 << 20), "grew from {before} to {after}");

    // The master goes before the return is there: it waits in memory, and says so.
    let jid = client
        .publish("narrow", "cmd.run", json!(["sleep 1; echo kept"]), 1)
        .remove(0);
    until(20, "the job to be running", || agent.log().contains(&jid));
    master.kill();
    agent.wait_state(30, "lost", "");
    until(20, "the return to be in memory", || {
        agent.status()["spool"]["in_memory"] == 1
    });
    assert_eq!(agent.status()["spool"]["reason"], "spool-not-writable");

    // With room again it goes to the disk by itself, at the latest when the agent ends, and to its master after that.
    disk.free();
    assert_eq!(agent.process().stop(10).0, 0);
    agent.run();
    until(20, "the return to be on disk", || {
        agent.status()["spool"]["entries"] == 1
    });
    assert_eq!(agent.status()["spool"]["in_memory"], 0);
    master.start();
    let mut client = Client::of(&master);
    until(60, "the return to arrive", || {
        client.returns("narrow", std::slice::from_ref(&jid)) == [json!("kept")]
    });
}
