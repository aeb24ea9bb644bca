//! Several masters, which share one key pair as Salt wants it.

use harness::{Agent, Master, Release};

/// One release is enough: who is next is ours to decide, not the master's.
pub(crate) const RELEASE: Release = Release::V3006;

pub(crate) fn pair() -> (Master, Master) {
    let first = Master::of(RELEASE).auto_accept().start();
    let second = Master::of(RELEASE)
        .auto_accept()
        .with_key_of(&first)
        .start();
    (first, second)
}

pub(crate) fn answers(master: &Master, id: &str) -> bool {
    master.salt(&[id, "test.ping"])[id] == true
}

#[test]
fn all_of_a_list_are_served_at_once() {
    if !RELEASE.is_installed() {
        return;
    }
    let (first, second) = pair();
    let list = format!("[{}, {}]", first.address, second.address);
    let mut agent = Agent::start("hot", &list, "");
    agent.wait_ready();
    harness::until(60, "both sessions", || {
        let status = agent.status();
        status["masters"]
            .as_array()
            .is_some_and(|all| all.len() == 2 && all.iter().all(|m| m["state"] == "ready"))
    });
    assert!(answers(&first, "hot") && answers(&second, "hot"));
}

#[test]
fn the_next_one_takes_over_and_the_first_is_gone_back_to() {
    if !RELEASE.is_installed() {
        return;
    }
    let (mut first, second) = pair();
    let list = format!("[{}, {}]", first.address, second.address);
    let options = "master_type: failover\nmaster_failback: true\nmaster_failback_interval: 2";
    let mut agent = Agent::start("loyal", &list, options);
    agent.wait_ready();
    assert!(answers(&first, "loyal"));
    first.kill();
    let ready_on = |master: &Master| format!("{}:4506", master.address);
    harness::until(60, "the second master to be the one", || {
        agent.status()["masters"][0]["address"] == ready_on(&second).as_str()
            && agent.status()["masters"][0]["state"] == "ready"
    });
    assert!(answers(&second, "loyal"));
    first.start();
    harness::until(60, "the first master to be the one again", || {
        agent.status()["masters"][0]["address"] == ready_on(&first).as_str()
            && agent.status()["masters"][0]["state"] == "ready"
    });
    assert!(answers(&first, "loyal"));
}
