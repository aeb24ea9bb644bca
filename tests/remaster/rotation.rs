//! A minion's own key follows another one, with the bridge and without it, and when somebody stops in the middle.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::{Agent, Client, Master, Release, until};
use serde_json::{Value, json};

use crate::fleet::bridge;
use crate::pair::{answers, introduce, on_only};

fn accepted(master: &Master, id: &str) -> String {
    let listed = bridge(master, &["-o", "json", "keys", "list", id]).success();
    let keys = listed.json()["keys"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let key = keys.iter().find(|k| k["state"] == "accepted");
    key.map_or_else(String::new, |k| {
        k["fingerprint"].as_str().unwrap_or_default().to_owned()
    })
}

fn rotation(agent: &Agent, action: &str) -> Value {
    agent
        .command("remaster", &["rotate-key", action, "-o", "json"])
        .success()
        .json()
}

/// Null while nobody is there to be asked.
fn standing(agent: &Agent) -> Value {
    let asked = agent.command("remaster", &["rotate-key", "-o", "json"]);
    serde_json::from_str(&asked.stdout).unwrap_or_default()
}

fn rotate(master: &Master, id: &str) -> Value {
    let done = bridge(master, &["-y", "-o", "json", "keys", "rotate", id]);
    assert_eq!(done.code, 0, "{done:?}");
    done.json()["keys"][0].clone()
}

#[test]
fn a_key_follows_another() {
    for release in [Release::V3008, Release::V3006] {
        if release.is_installed() {
            of(release);
        }
    }
}

fn of(release: Release) {
    let master = Master::of(release).auto_accept().start();
    let mut agent = Agent::start(
        "turner",
        &master.address.to_string(),
        "agent: {trust: first-use}\nkeysize: 2048",
    );
    agent.wait_ready();
    let first = accepted(&master, "turner");

    // Nobody has accepted it: nothing changes.
    let nothing = agent.command("remaster", &["rotate-key", "switch"]);
    assert!(nothing.stderr.contains("no key is staged"), "{nothing:?}");
    let staged = rotation(&agent, "stage");
    assert_eq!(staged["state"], "staged", "{staged}");
    assert_eq!(staged["fingerprint"], first.as_str());
    assert_eq!(
        rotation(&agent, "stage")["next"],
        staged["next"],
        "made once"
    );
    let refused = agent.command("remaster", &["rotate-key", "switch"]);
    assert!(
        refused.stderr.contains("does not let the key")
            && refused.stderr.contains("nothing was changed"),
        "{refused:?}"
    );
    let finger = vec!["00"; 32].join(":");
    let check = ["check", "127.0.0.9", "--finger", &finger, "-o", "json"];
    let looks = agent.command("remaster", &check).json();
    assert_eq!(looks["configuration"]["reason"], "key-rotation", "{looks}");
    assert_eq!(rotation(&agent, "cancel")["state"], "steady");

    // The bridge does all of it; jobs before, while and after it are served once each.
    let mut client = Client::of(&master);
    let jobs: Vec<String> = std::thread::scope(|scope| {
        let work = scope.spawn(|| rotate(&master, "turner"));
        let mut jobs = Vec::new();
        // A quick machine is done before the third.
        while !work.is_finished() || jobs.len() < 5 {
            jobs.extend(client.publish("turner", "test.ping", json!([]), 1));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let done = work.join().unwrap();
        assert_eq!(done["before"], first.as_str(), "{done}");
        assert_ne!(done["after"], done["before"], "{done}");
        jobs
    });
    let mut missing = Value::Null;
    until(30, "every job to be answered", || {
        let returns = client.returns("turner", &jobs);
        let returns: BTreeMap<_, _> = jobs.iter().zip(returns).collect();
        missing = json!(returns);
        returns.values().all(|r| !r.is_null())
    });
    let second = accepted(&master, "turner");
    assert_eq!(
        rotation(&agent, "status"),
        json!({"state": "steady", "fingerprint": second})
    );
    agent.kill();
    agent.run();
    on_only(&agent, &master);
    assert!(answers(&master, "turner"));

    interrupted(&master, &mut agent, &second);
    // What lies on the disk is the same with each release.
    if release == Release::V3008 {
        killed_anywhere(&master, &mut agent);
    }
}

/// Killed between any two of what it writes down: the key in use is one that the master holds, and the rotation ends.
fn killed_anywhere(master: &Master, agent: &mut Agent) {
    let say = |agent: &Agent, word: &str| drop(agent.command("remaster", &["rotate-key", word]));
    for point in ["last key kept", "next key in use", "public key written"] {
        agent.kill();
        agent.run_breakable();
        on_only(agent, master);
        agent.crash_at("key staged");
        say(agent, "stage");
        agent.wait_cut("key staged");
        agent.run_breakable();
        on_only(agent, master);
        let next = rotation(agent, "stage")["next"].clone();
        agent.crash_at(point);
        hold_next(agent, master);
        say(agent, "switch");
        agent.wait_cut(point);
        agent.run_breakable();
        until(
            60,
            &format!("the next key to be used after {point}"),
            || standing(agent)["fingerprint"] == next,
        );
        on_only(agent, master);
        agent.crash_at("rotation concluded");
        say(agent, "confirm");
        agent.wait_cut("rotation concluded");
        agent.run();
        on_only(agent, master);
        assert_eq!(
            standing(agent),
            json!({"state": "steady", "fingerprint": next})
        );
        introduce(agent, master);
        assert_eq!(
            accepted(master, &agent.id),
            next.as_str().unwrap(),
            "{point}"
        );
    }
}

/// With several masters each session uses the key that its master holds; ours is another one when all have it.
#[test]
fn all_masters_must_have_the_key() {
    let release = Release::V3008;
    if !release.is_installed() {
        return;
    }
    let one = Master::of(release).auto_accept().start();
    let two = Master::of(release).auto_accept().with_key_of(&one).start();
    let mut agent = Agent::start(
        "turner",
        &format!("[{}, {}]", one.address, two.address),
        "agent: {trust: first-use}\nkeysize: 2048",
    );
    let on_both = |agent: &mut Agent| {
        agent.wait_ready();
        until(60, "both masters to be answered", || {
            answers(&one, "turner") && answers(&two, "turner")
        });
    };
    on_both(&mut agent);
    let staged = rotation(&agent, "stage");
    hold_next(&agent, &one);
    agent.kill();
    agent.run();
    on_both(&mut agent);
    let refused = agent.command("remaster", &["rotate-key", "switch"]);
    assert!(
        refused.stderr.contains(&two.address.to_string()),
        "{refused:?}"
    );
    assert_eq!(rotation(&agent, "status")["next"], staged["next"]);
    assert_eq!(
        rotation(&agent, "status")["fingerprint"],
        staged["fingerprint"]
    );

    hold_next(&agent, &two);
    assert_eq!(rotation(&agent, "switch")["state"], "switched");
    assert_eq!(rotation(&agent, "confirm")["state"], "steady");
    agent.kill();
    agent.run();
    on_both(&mut agent);
    assert_eq!(rotation(&agent, "status")["fingerprint"], staged["next"]);
}

/// The master holds the minion's next key from now on.
fn hold_next(agent: &Agent, master: &Master) {
    let folder = agent.config_dir().join("pki/minion");
    hold(master, agent, &folder.join("remaster/next.pem"));
}

/// The master holds the public key of this private one from now on.
fn hold(master: &Master, agent: &Agent, private: &Path) {
    let pem = fs::read_to_string(private).unwrap();
    let key = salt_wire::crypto::PrivateKey::from_pem(&pem).unwrap();
    let file = master.pki_dir().join("minions").join(&agent.id);
    fs::write(&file, key.public().wire_pem()).unwrap();
}

fn interrupted(master: &Master, agent: &mut Agent, second: &str) {
    // The bridge was killed when the master held the next key: the agent finds out by itself.
    let next = rotation(agent, "stage")["next"]
        .as_str()
        .unwrap()
        .to_owned();
    hold_next(agent, master);
    agent.kill();
    agent.run();
    until(60, "the next key to be taken", || {
        standing(agent)["fingerprint"] == next.as_str()
    });
    assert_eq!(rotation(agent, "status")["last"], second);
    on_only(agent, master);

    // Somebody puts the old key back, while a session is there: that one is used again.
    let last = agent.config_dir().join("pki/minion/remaster/last.pem");
    hold(master, agent, &last);
    until(60, "the key of before to be used", || {
        answers(master, &agent.id);
        let status = standing(agent);
        status["fingerprint"] == second && status["state"] == "steady"
    });
    on_only(agent, master);

    // Interrupted before the last word: the same command again says it.
    let next = rotation(agent, "stage")["next"]
        .as_str()
        .unwrap()
        .to_owned();
    hold_next(agent, master);
    assert_eq!(rotation(agent, "switch")["state"], "switched");
    // A session that is refused may have switched before the order to do so arrives.
    assert_eq!(rotation(agent, "switch")["state"], "switched");
    let done = rotate(master, &agent.id);
    assert_eq!(done["before"], second, "{done}");
    assert_eq!(done["after"], next.as_str(), "{done}");
    assert_eq!(rotation(agent, "status")["state"], "steady");
    introduce(agent, master);
    assert_eq!(
        accepted(master, &agent.id),
        next,
        "minion.pub is the key in use"
    );
}
