//! Returns that a master does not take as they are: signed, unsigned, or not at all.

use harness::{Agent, Client, Master, Release, until};
use serde_json::{Value, json};

on_each_release!(a_signed_return_is_never_lost);

fn logged(agent: &Agent, piece: &str) -> usize {
    agent.log().matches(piece).count()
}

/// Publishes one job and waits for its return.
fn arrives(client: &mut Client, id: &str, text: &str) {
    let jids = client.publish(id, "test.echo", json!([text]), 1);
    until(30, &format!("the return {text}"), || {
        client.returns(id, &jids) == [json!(text)]
    });
}

fn a_signed_return_is_never_lost(release: Release) {
    let mut master = Master::of(release).auto_accept().start();
    let config = std::fs::read_to_string(master.config_dir().join("master")).unwrap();
    let mut agent = Agent::start(
        "signer",
        &master.address.to_string(),
        "minion_sign_messages: true\nreturn_retry_timer: 1\nreturn_retry_timer_max: 2\n\
         recon_default: 200\nrecon_max: 1000\nagent: {trust: first-use, dead_after: 3s}",
    );
    agent.wait_ready();

    // A default master cannot verify: a stock minion's return would be lost.
    let mut client = Client::of(&master);
    arrives(&mut client, "signer", "one");
    arrives(&mut client, "signer", "two");
    assert_eq!(logged(&agent, "cannot verify signed returns"), 1);

    // One that wants signatures and cannot verify them stores nothing: the return waits, and the reason is told.
    let mut reconfigured = |agent: &mut Agent, more: &str| {
        master.kill();
        agent.wait_state(30, "lost", "");
        master.write("etc/salt/master", &format!("{config}{more}\n"));
        master.start();
        agent.wait_state(60, "ready", "");
        Client::of(&master)
    };
    let mut client = reconfigured(&mut agent, "require_minion_sign_messages: true");
    let jids = client.publish("signer", "test.echo", json!(["three"]), 1);
    // Another one may wait beside it, whose acknowledgement went down with the master.
    until(30, "the return to be parked", || {
        agent
            .log()
            .lines()
            .any(|l| l.contains("Return not stored") && l.contains(&jids[0]))
    });
    assert_ne!(agent.status()["spool"]["parked"], 0);
    let spool = agent.status()["spool"].clone();
    assert_eq!(spool["reason"], "return-not-stored");
    assert!(
        spool["detail"]
            .as_str()
            .unwrap()
            .contains("signing_algorithm"),
        "{spool}"
    );
    assert_eq!(client.returns("signer", &jids), [Value::Null]);
    let tries = agent
        .log()
        .lines()
        .filter(|l| l.contains("Return not stored") && l.contains(&jids[0]))
        .count();
    assert_eq!(tries, 1, "no loop");

    // Mended on the master, everything arrives; it drops what does not verify with its own algorithm.
    let strict = "require_minion_sign_messages: true\ndrop_messages_signature_fail: true\n\
                  signing_algorithm: PKCS1v15-SHA1";
    let mut client = reconfigured(&mut agent, strict);
    until(30, "the parked return to arrive", || {
        client.returns("signer", &jids) == [json!("three")]
    });
    arrives(&mut client, "signer", "four");
    assert_eq!(agent.status()["spool"]["entries"], 0);
}
