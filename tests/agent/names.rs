//! The master's name: it moves while we are connected, its server falls silent, it is not there yet.

use std::time::{Duration, Instant};

use harness::{Agent, Master, Names, Says, until};

use crate::masters::{RELEASE, answers, pair};

#[test]
fn a_name_is_followed_and_a_silent_server_is_survived() {
    if !RELEASE.is_installed() {
        return;
    }
    let (first, second) = pair();
    let names = Names::start(Says::NoSuchName);
    let config = format!(
        "agent: {{trust: first-use, nameservers: ['{}'], dead_after: 3s}}\nretry_dns: 1\nretry_dns_count: 2\n\
         recon_default: 200\nrecon_max: 500",
        names.address()
    );
    let mut agent = Agent::start("nomad", "master.nomad.test", &config);
    // Not there yet. Salt would give up after two tries; we say that they are over, and go on.
    agent.wait_state(30, "lost", "dns");
    agent.wait_log(30, "retry_dns_count 2 is used up");
    names.point(&first.address);
    agent.wait_ready();
    assert!(answers(&first, "nomad"));

    // It moves while the old master still serves us.
    names.point(&second.address);
    agent.wait_log(60, "has moved from");
    let moved = || answers(&second, "nomad");
    until(60, "the agent to serve the second master", moved);
    assert!(!serves(&first, "nomad"), "the old connection is closed");

    // The server falls silent: no reason to leave a master that works, and one to name when it goes.
    let asked = names.asked();
    names.say(Says::Nothing);
    until(30, "the name to be asked for", || names.asked() > asked);
    assert!(answers(&second, "nomad"));
    assert_eq!(agent.status()["masters"][0]["state"], "ready");
    drop(second);
    agent.wait_state(60, "lost", "dns");
    names.point(&first.address);
    agent.wait_state(60, "ready", "");
    assert!(answers(&first, "nomad"));
}

/// Whether it answers at once.
fn serves(master: &Master, id: &str) -> bool {
    let begun = Instant::now();
    let ran = master.run("salt", &["-t", "2", id, "test.ping"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
    ran.stdout.contains("True")
}
