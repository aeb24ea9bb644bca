//! One agent after the other moves from a 3008 master to a 3006 one, or fails to and stays.

use std::fs;

use harness::{Agent, Master, Release, until, until_some};
use serde_json::Value;

struct Pair {
    old: Master,
    new: Master,
}

impl Pair {
    /// An agent that is ready on the old master.
    fn agent(&self, id: &str) -> Agent {
        let mut agent = Agent::start(id, &self.old.address.to_string(), "");
        agent.wait_ready();
        agent
    }

    /// Orders a move through the old master; what the agent answered.
    fn order(&self, id: &str, finger: &str, more: &[&str]) -> Value {
        let (master, finger) = (
            format!("master={}", self.new.address),
            format!("finger={finger}"),
        );
        let mut args = vec![id, "remaster.to", &master, &finger];
        args.extend(more);
        self.old.salt(&args)[id].clone()
    }
}

/// Null while nobody is there to be asked.
fn status(agent: &Agent) -> Value {
    let asked = agent.command("remaster", &["status", "-o", "json"]);
    serde_json::from_str(&asked.stdout).unwrap_or_default()
}

fn wait_state(agent: &Agent, state: &str) -> Value {
    until_some(60, &format!("{} to be {state}", agent.id), || {
        let status = status(agent);
        (status["state"] == state).then_some(status)
    })
}

fn answers(master: &Master, id: &str) -> bool {
    master
        .run(
            "salt",
            &["--out", "json", "--static", "-t", "3", id, "test.ping"],
        )
        .stdout
        .contains("true")
}

/// One master and no other, in configuration and connections.
fn on_only(agent: &Agent, master: &Master) {
    let address = format!("{}:4506", master.address);
    until(60, &format!("{} to be on {address} only", agent.id), || {
        let report = agent.command("status", &["-o", "json"]);
        let report: Value = serde_json::from_str(&report.stdout).unwrap_or_default();
        let masters = report["masters"].as_array().cloned().unwrap_or_default();
        masters.len() == 1
            && masters[0]["address"] == address.as_str()
            && masters[0]["state"] == "ready"
    });
}

fn drop_in(agent: &Agent) -> std::path::PathBuf {
    agent.config_dir().join("minion.d/90-remaster.conf")
}

fn leftovers(agent: &Agent) -> bool {
    agent
        .config_dir()
        .join("pki/minion/remaster/candidate.pub")
        .exists()
}

#[test]
fn moves_from_3008_to_3006() {
    let (from, to) = (Release::V3008, Release::V3006);
    if !from.is_installed() || !to.is_installed() {
        return;
    }
    let old = Master::of(from).auto_accept().start();
    let new = Master::of(to).start();
    let pair = Pair { old, new };
    what_cannot_be_reached_is_not_tried(&pair);
    waits_for_its_key_then_moves_and_stays(&pair);
    a_wrong_fingerprint_is_refused(&pair);
    an_unconfirmed_move_is_undone(&pair);
    a_killed_agent_comes_back_on_one_master(&pair);
}

fn what_cannot_be_reached_is_not_tried(pair: &Pair) {
    let agent = pair.agent("careful");
    let good = format!("{}:4506", pair.new.address);
    let looks = agent
        .command("remaster", &["check", &good, "-o", "json"])
        .success()
        .json();
    assert_eq!(looks["request port"]["ok"], true, "{looks}");
    let closed = format!("{}:4599", pair.new.address);
    let looks = agent.command("remaster", &["check", &closed, "-o", "json"]);
    assert_eq!(looks.code, 1);
    assert_eq!(looks.json()["request port"]["reason"], "port-4506-closed");
    let ours = pair.old.address.to_string();
    let looks = agent
        .command("remaster", &["check", &ours, "-o", "json"])
        .json();
    assert_eq!(looks["configuration"]["reason"], "same-master");

    let finger = pair.new.finger();
    let ended = agent.command(
        "remaster",
        &["to", &closed, "--finger", &finger, "--follow", "-o", "json"],
    );
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(
        ended.json()["last"]["reason"],
        "port-4506-closed",
        "{ended:?}"
    );
    let nothing = agent.command("remaster", &["confirm"]);
    assert!(
        nothing.stderr.contains("no order is under way"),
        "{nothing:?}"
    );
    on_only(&agent, &pair.old);
    assert_eq!(
        pair.new.keys("minions_pre"),
        Vec::<String>::new(),
        "no trace there"
    );
}

fn waits_for_its_key_then_moves_and_stays(pair: &Pair) {
    let mut agent = pair.agent("mover");
    let taken = pair.order("mover", &pair.new.finger(), &["confirm=60"]);
    assert_eq!(taken["state"], "staged", "{taken}");
    wait_state(&agent, "waiting");
    assert!(answers(&pair.old, "mover"), "managed while it waits");
    let again = pair.order("mover", &pair.new.finger(), &[]);
    assert!(again.as_str().unwrap().contains("under way"), "{again}");
    pair.new.accept("mover");
    let moved = wait_state(&agent, "probation");
    assert!(moved["since"]["waiting"].is_number(), "{moved}");
    on_only(&agent, &pair.new);
    assert!(answers(&pair.new, "mover"));
    let confirmed = pair.new.salt(&["mover", "remaster.confirm"]);
    assert_eq!(
        confirmed["mover"]["last"]["outcome"], "confirmed",
        "{confirmed}"
    );
    assert!(!leftovers(&agent));

    agent.kill();
    agent.run();
    on_only(&agent, &pair.new);
    let conf = fs::read_to_string(drop_in(&agent)).unwrap();
    assert!(conf.contains(&pair.new.finger()), "{conf}");
    let pinned =
        fs::read_to_string(agent.config_dir().join("pki/minion/minion_master.pub")).unwrap();
    let key = fs::read_to_string(pair.new.pki_dir().join("master.pub")).unwrap();
    assert_eq!(pinned.trim(), key.trim());
}

fn a_wrong_fingerprint_is_refused(pair: &Pair) {
    let agent = pair.agent("stayer");
    let wrong = vec!["00"; 32].join(":");
    pair.order("stayer", &wrong, &[]);
    // A master shows its key to accepted minions only.
    pair.new.accept("stayer");
    let end = until_some(60, "the refusal", || {
        let status = status(&agent);
        status["last"]["reason"].is_string().then_some(status)
    });
    assert_eq!(end["last"]["reason"], "master-key-mismatch", "{end}");
    on_only(&agent, &pair.old);
    assert!(answers(&pair.old, "stayer"));
    assert!(!drop_in(&agent).exists());
    assert!(!leftovers(&agent));
}

fn an_unconfirmed_move_is_undone(pair: &Pair) {
    let agent = pair.agent("homesick");
    pair.order("homesick", &pair.new.finger(), &["confirm=8"]);
    pair.new.accept("homesick");
    wait_state(&agent, "probation");
    on_only(&agent, &pair.new);
    let end = wait_state(&agent, "steady");
    assert_eq!(end["last"]["reason"], "unconfirmed", "{end}");
    on_only(&agent, &pair.old);
    assert!(answers(&pair.old, "homesick"));
    assert!(!drop_in(&agent).exists());
}

fn a_killed_agent_comes_back_on_one_master(pair: &Pair) {
    let mut agent = pair.agent("victim");
    pair.order("victim", &pair.new.finger(), &["confirm=300"]);
    wait_state(&agent, "waiting");
    agent.kill();
    agent.run();
    wait_state(&agent, "waiting");
    until(60, "victim to answer", || answers(&pair.old, "victim"));
    pair.new.accept("victim");
    wait_state(&agent, "probation");
    agent.kill();
    agent.run();
    let back = wait_state(&agent, "probation");
    assert!(back["seconds_left"].as_f64().unwrap() < 300.0, "{back}");
    on_only(&agent, &pair.new);
    let rolled = pair.new.salt(&["victim", "remaster.rollback"]);
    assert_eq!(rolled["victim"]["state"], "returning", "{rolled}");
    on_only(&agent, &pair.old);
}
