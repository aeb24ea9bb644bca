//! From the first contact to a working minion: keys on both sides.

use harness::{Agent, Client, Master, Release, until_some};
use serde_json::json;

on_each_release!(
    a_key_is_pending_then_accepted,
    a_rejected_key_is_refused_until_it_is_deleted_and_accepted,
    a_pinned_master_is_trusted_and_a_wrong_one_is_not,
);

fn a_key_is_pending_then_accepted(release: Release) {
    let master = Master::of(release).start();
    let mut agent = Agent::start("first", &master.address.to_string(), "");
    agent.wait_state(30, "pending", "pending");
    assert_eq!(master.keys("minions_pre"), ["first"]);
    master.accept("first");
    agent.wait_ready();
    assert_eq!(master.salt(&["first", "test.ping"])["first"], true);
    // The fingerprint that the agent shows is the one of the key that the master holds.
    let shown = agent
        .command("fingerprint", &["-o", "json"])
        .success()
        .json();
    let held = std::fs::read_to_string(master.pki_dir().join("minions/first")).unwrap();
    let own = std::fs::read_to_string(agent.dir().join("etc/salt/pki/minion/minion.pub")).unwrap();
    assert_eq!(held.trim(), own.trim());
    assert!(shown.to_string().contains("minion"), "{shown}");
}

fn a_rejected_key_is_refused_until_it_is_deleted_and_accepted(release: Release) {
    let master = Master::of(release).start();
    let mut agent = Agent::start("outcast", &master.address.to_string(), "");
    agent.wait_state(30, "pending", "pending");
    master.salt_key(&["-y", "-r", "outcast"]).success();
    agent.wait_state(30, "lost", "rejected");
    assert_eq!(agent.process().ended(), None, "a rejected agent must stay");
    master.salt_key(&["-y", "-d", "outcast"]).success();
    master.accept("outcast");
    agent.wait_ready();
    assert_eq!(master.salt(&["outcast", "test.ping"])["outcast"], true);
    // Deleted while it works: the return of its running job is refused, and it is pending again by itself.
    Client::of(&master).publish("outcast", "test.sleep", json!([5]), 1);
    master.salt_key(&["-y", "-d", "outcast"]).success();
    agent.wait_state(60, "pending", "pending");
    master.accept("outcast");
    agent.wait_state(60, "ready", "");
    assert_eq!(master.salt(&["outcast", "test.ping"])["outcast"], true);
}

fn a_pinned_master_is_trusted_and_a_wrong_one_is_not(release: Release) {
    let master = Master::of(release).auto_accept().start();
    let address = master.address.to_string();
    let wrong = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    let mut agent = Agent::prepare("careful", &address, &format!("master_finger: '{wrong}'"));
    agent.run();
    let finger = master.finger();
    agent.wait_log(30, &finger);
    agent.wait_state(10, "lost", "master-key-mismatch");
    let pinned = agent.dir().join("etc/salt/pki/minion/minion_master.pub");
    assert!(
        !pinned.exists(),
        "a master that is not trusted left its key"
    );
    assert_eq!(agent.process().ended(), None);
    agent.process().stop(10);
    // No pin and no leave to trust at first sight: the same refusal.
    agent.configure(&format!("master: {address}"));
    agent.run();
    agent.wait_state(30, "lost", "master-not-trusted");
    assert!(!pinned.exists());
    agent.process().stop(10);
    agent.configure(&format!("master: {address}\nmaster_finger: '{finger}'"));
    agent.run();
    agent.wait_state(30, "ready", "");
    assert!(pinned.exists());
    assert_eq!(master.salt(&["careful", "test.ping"])["careful"], true);
}

/// States and reasons on the console, each with the one fingerprint; what is said twice stands there once.
fn on_console(agent: &Agent) -> Vec<String> {
    let text = std::fs::read_to_string(agent.dir().join("console")).unwrap_or_default();
    let log = std::fs::read_to_string(agent.dir().join("agent.out")).unwrap_or_default();
    let said = text.lines().map(|line| {
        let said: salt_wire::Announcement = salt_wire::Announcement::parse(line).unwrap();
        assert!(log.contains("A new key was made."), "{log}");
        assert!(log.contains(&said.fingerprint.to_string()), "{line}");
        assert_eq!(said.nonce.as_deref(), Some("n-1"));
        said.state + &said.reason.map(|r| format!(" {r}")).unwrap_or_default()
    });
    said.collect()
}

#[test]
fn the_console_shows_the_key_before_any_master_has_it_and_then_each_state() {
    let config = "agent: {console: CONSOLE, nonce: n-1, trust: first-use, report: {url: 'http://127.0.0.1:9/', \
                  timeout: 2s}}\nstartup_states: highstate\nretry_dns: 1\nkeysize: 2048\n";
    let begin = |master: &str| {
        let mut agent = Agent::prepare("web", master, "");
        let console = agent.dir().join("console").display().to_string();
        agent.configure(&format!(
            "master: {master}\n{}",
            config.replace("CONSOLE", &console)
        ));
        agent.run();
        agent
    };
    let shows = |agent: &Agent, wanted: &[&str]| {
        until_some(60, &format!("the console to show {wanted:?}"), || {
            let shown = on_console(agent);
            (shown.len() >= wanted.len()).then_some(shown)
        })
    };
    // Nobody asks for the key there, and it is what the operator looks for.
    let lost = ["connecting", "lost dns", "failed dns"];
    assert_eq!(shows(&begin("nowhere.invalid"), &lost), lost);
    if !Release::V3008.is_installed() {
        return;
    }
    let master = Master::of(Release::V3008).start();
    let mut agent = begin(&master.address.to_string());
    let waits = ["connecting", "pending pending", "failed pending"];
    assert_eq!(shows(&agent, &waits), waits);
    master.accept("web");
    agent.wait_ready();
    let all = [&waits[..], &["ready"]].concat();
    assert_eq!(shows(&agent, &all), all);
}
