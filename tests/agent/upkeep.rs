//! Masters that restart, die, hang and change their keys.

use std::time::{Duration, Instant};

use harness::{Agent, Client, Events, Master, Release, until};
use nix::sys::signal::Signal;
use serde_json::json;

on_each_release!(
    the_session_key_rotates_when_a_key_is_deleted,
    a_restarted_master_is_served_again,
    a_hung_master_is_noticed,
    a_return_outlives_its_master_and_its_agent,
    an_agent_ends_quickly,
);

fn joined(release: Release, id: &str) -> (Master, Agent) {
    let master = Master::of(release).auto_accept().start();
    let mut agent = Agent::start(
        id,
        &master.address.to_string(),
        "agent: {trust: first-use, dead_after: 3s}",
    );
    agent.wait_ready();
    (master, agent)
}

fn the_session_key_rotates_when_a_key_is_deleted(release: Release) {
    let (master, mut stays) = joined(release, "stays");
    let mut goes = Agent::start("goes", &master.address.to_string(), "");
    goes.wait_ready();
    goes.process().stop(10);
    let events = Events::of(&master);
    let since = Instant::now();
    master.salt_key(&["-y", "-d", "goes"]).success();
    events.wait(90, "key", since);
    assert_eq!(master.salt(&["stays", "test.ping"])["stays"], true);
    assert_eq!(stays.process().ended(), None);
}

fn a_restarted_master_is_served_again(release: Release) {
    let (mut master, mut agent) = joined(release, "loyal");
    master.kill();
    agent.wait_state(20, "lost", "port-4506-closed");
    master.start();
    agent.wait_state(60, "ready", "");
    assert_eq!(master.salt(&["loyal", "test.ping"])["loyal"], true);
}

fn a_hung_master_is_noticed(release: Release) {
    let (master, mut agent) = joined(release, "watchful");
    // One that would wait for long, but asks the request port now and then.
    let asking =
        "master_alive_interval: 1\nauth_timeout: 2\nagent: {trust: first-use, dead_after: 10m}";
    let mut asking = Agent::start("asking", &master.address.to_string(), asking);
    asking.wait_ready();
    master.freeze();
    let since = Instant::now();
    agent.wait_state(20, "lost", "");
    assert!(
        since.elapsed() < Duration::from_secs(10),
        "{:?}",
        since.elapsed()
    );
    asking.wait_state(20, "lost", "timeout");
    master.thaw();
    agent.wait_state(60, "ready", "");
    asking.wait_state(60, "ready", "");
    assert_eq!(master.salt(&["watchful", "test.ping"])["watchful"], true);
}

fn a_return_outlives_its_master_and_its_agent(release: Release) {
    let (mut master, mut agent) = joined(release, "faithful");
    let mark = agent.dir().join("ran");
    let command = format!("sleep 2; echo done | tee {}", mark.display());
    let jid = Client::of(&master)
        .publish("faithful", "cmd.run", json!([command]), 1)
        .remove(0);
    until(20, "the job to be running", || agent.log().contains(&jid));
    master.kill();
    until(30, "the job to end", || mark.exists());
    agent.wait_state(30, "lost", "port-4506-closed");
    until(10, "the return to be in the spool", || {
        agent.status()["spool"]["entries"] == 1
    });
    agent.kill();
    master.start();
    agent.run();
    let mut client = Client::of(&master);
    until(60, "the return to arrive", || {
        client.returns("faithful", std::slice::from_ref(&jid)) == [json!("done")]
    });
}

fn an_agent_ends_quickly(release: Release) {
    let (_master, mut agent) = joined(release, "brisk");
    let (code, took) = agent.process().stop(10);
    assert_eq!(code, 0);
    assert!(took < Duration::from_millis(300), "{took:?}");
    agent.run();
    agent.wait_state(30, "ready", "");
    agent.process().signal(Signal::SIGHUP);
    agent.wait_log(20, "Configuration read again");
    agent.wait_state(30, "ready", "");
}
