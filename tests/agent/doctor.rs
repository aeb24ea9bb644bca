//! `salt-agent doctor` against a real master: each thing that a master may say has its word and its code.

use harness::{Agent, Finished, Master, Release};
use serde_json::Value;

on_each_release!(doctor_says_what_the_master_says);

fn finding(ran: &Finished, check: &str) -> Value {
    let document = ran.json();
    let all = document["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["check"] == check).cloned();
    assert!(found.is_some(), "no {check}: {ran:?}");
    found.unwrap()
}

#[track_caller]
fn expect(agent: &Agent, check: &str, reason: &str, code: i32) -> Value {
    let ran = agent.command("doctor", &["-o", "json", "--timeout", "2"]);
    let found = finding(&ran, check);
    assert_eq!(found["reason"], reason, "{ran:?}");
    assert_eq!(found["state"], "failed", "{ran:?}");
    assert!(found["hint"].is_string(), "{ran:?}");
    assert_eq!(ran.code, code, "{ran:?}");
    found
}

fn doctor_says_what_the_master_says(release: Release) {
    let master = Master::of(release).start();
    let address = master.address.to_string();
    let base = format!("master: {address}\nkeysize: 2048\n");
    let agent = Agent::prepare("patient", &address, "keysize: 2048");
    let ran = agent.command("doctor", &["-o", "json"]);
    assert_eq!(finding(&ran, "key")["reason"], "no-key");
    assert_eq!(finding(&ran, "auth")["state"], "skipped");
    agent.command("fingerprint", &["--generate"]).success();

    expect(&agent, "auth", "pending", 75);
    assert_eq!(master.keys("minions_pre"), ["patient"]);
    master.accept("patient");
    let told = expect(&agent, "auth", "master-not-trusted", 77);
    let finger = master.finger();
    assert!(told["hint"].as_str().unwrap().contains(&finger), "{told}");

    agent.configure(&format!("{base}master_finger: '{finger}'"));
    let ran = agent.command("doctor", &["-o", "json"]).success();
    assert_eq!(ran.json()["healthy"], true);
    for check in ["dns", "port-4506", "auth", "port-4505", "round-trip"] {
        assert_eq!(finding(&ran, check)["state"], "ok", "{ran:?}");
    }
    let pinned = agent.dir().join("etc/salt/pki/minion/minion_master.pub");
    assert!(!pinned.exists(), "looking changes nothing");

    let wrong = ["00"; 32].join(":");
    agent.configure(&format!("{base}master_finger: '{wrong}'"));
    expect(&agent, "auth", "master-key-mismatch", 77);
    let own = agent.dir().join("etc/salt/pki/minion/minion.pub");
    std::fs::copy(own, &pinned).unwrap();
    agent.configure(&base);
    let told = expect(&agent, "auth", "master-key-mismatch", 77);
    assert!(
        told["hint"].as_str().unwrap().contains("minion_master.pub"),
        "{told}"
    );
    std::fs::remove_file(&pinned).unwrap();

    agent.configure(&format!("{base}master_finger: '{finger}'\npublish_port: 1"));
    expect(&agent, "port-4505", "port-4505-closed", 69);

    agent.configure(&format!("{base}master_finger: '{finger}'"));
    master
        .salt_key(&["-y", "-r", "patient", "--include-accepted"])
        .success();
    expect(&agent, "auth", "rejected", 77);

    master.freeze();
    let ran = agent.command("doctor", &["-o", "json", "--timeout", "1"]);
    master.thaw();
    let reasons: Vec<Value> = ["port-4506", "auth"]
        .map(|c| finding(&ran, c)["reason"].clone())
        .into();
    assert!(reasons.contains(&"timeout".into()), "{ran:?}");
    assert_eq!(ran.code, 69);
}
