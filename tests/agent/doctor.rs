//! `salt-agent doctor` against a real master: each thing that a master may say has its word and its code.

use std::collections::BTreeSet;
use std::fs;

use harness::{Agent, Auth, FakeMaster, Finished, Master, Names, Release, Reply, Says};
use salt_wire::error::Reason;
use salt_wire::load::AuthAnswer;
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
    let limits = "max_minions: 1\nrequest_server_ttl: 60";
    let mut master = Master::of(release).config(limits).start();
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

    // As many as it takes are connected already; one of ours asks anew.
    master.salt_key(&["-y", "-d", "patient"]).success();
    let mut others = ["first", "second"].map(|id| {
        let mut other = Agent::start(id, &address, "");
        master.accept(id);
        other.wait_ready();
        // It counts for the master when it has its pillar, and answers when it has.
        assert_eq!(master.salt(&[id, "test.ping"])[id], true);
        other
    });
    expect(&agent, "auth", "master-full", 75);

    // Its clock is an hour ahead of ours: it lets everybody in and refuses what they ask for.
    master.kill();
    master.set_clock_ahead(3600);
    master.start();
    others[0].wait_state(60, "ready", "clock-skew");
    others[1].process().stop(10);
    let skewed = &others[1];
    skewed.configure(&base);
    expect(skewed, "round-trip", "clock-skew", 1);
}

/// What only a session that lives for a while can meet, or nobody can tell.
const NOT_MET: [Reason; 4] = [
    // The master says the same as for a rejected key.
    Reason::DeniedOtherKey,
    Reason::MasterSilent,
    Reason::NameMoved,
    Reason::Superseded,
];

#[test]
fn doctor_has_a_word_and_a_hint_for_everything_that_a_master_may_do() {
    let agent = Agent::prepare("patient", "''", "");
    let root = agent.dir().display().to_string();
    let mut met: BTreeSet<Reason> = NOT_MET.into();
    let mut see = |reason: Reason, check: &str, code: i32, master: &str, more: &str| {
        agent.configure(&format!("master: {master}\nkeysize: 2048\n{more}"));
        expect(&agent, check, reason.code(), code);
        met.insert(reason);
    };
    let finger = format!("master_finger: '{}'", FakeMaster::finger());
    agent.configure("master: localhost\nkeysize: 2048");
    agent.command("fingerprint", &["--generate"]).success();

    for (reason, code, auth) in [
        (Reason::Pending, 75, Auth::Word(AuthAnswer::Pending)),
        (Reason::Rejected, 77, Auth::Word(AuthAnswer::No)),
        (Reason::MasterFull, 75, Auth::Word(AuthAnswer::Full)),
        (Reason::AnswerNotAuthentic, 77, Auth::BadlySigned),
        (
            Reason::BadAlgorithm,
            1,
            Auth::Unsigned(AuthAnswer::BadSigAlgo),
        ),
        (Reason::AuthVersionTooOld, 1, Auth::Ancient),
        (Reason::BadLoad, 1, Auth::Raw(b"\xa8bad load".to_vec())),
        (Reason::BadAnswer, 69, Auth::Raw(b"\xc1".to_vec())),
        (Reason::Timeout, 69, Auth::Silence),
    ] {
        let master = FakeMaster::start(auth);
        see(reason, "auth", code, &master.address.to_string(), &finger);
    }
    let master = FakeMaster::start(Auth::Accept);
    let address = master.address.to_string();
    see(Reason::MasterNotTrusted, "auth", 77, &address, "");
    let wrong = format!("master_finger: '{}'", ["00"; 32].join(":"));
    see(Reason::MasterKeyMismatch, "auth", 77, &address, &wrong);
    let no_port = format!("{finger}\npublish_port: 1");
    see(Reason::Port4505Closed, "port-4505", 69, &address, &no_port);
    master.set(|is| is.reply = Reply::Raw(b"\xa8bad load".to_vec()));
    see(Reason::ClockSkew, "round-trip", 1, &address, &finger);
    for (reason, greeting) in [
        (Reason::NotZeroMq, b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()),
        (Reason::ConnectionClosed, Vec::new()),
    ] {
        master.set(|is| is.greetings[0] = Some(greeting));
        see(reason, "port-4506", 69, &address, &finger);
    }
    let nobody = harness::next_address().to_string();
    see(Reason::Port4506Closed, "port-4506", 69, &nobody, "");
    // A loopback address cannot reach out.
    see(
        Reason::Unreachable,
        "port-4506",
        69,
        "192.0.2.1",
        "source_address: 127.0.0.9",
    );
    let names = Names::start(Says::NoSuchName);
    let servers = format!("agent: {{nameservers: ['{}']}}", names.address());
    see(Reason::Dns, "dns", 69, "master.patient.test", &servers);
    let key = format!("{root}/etc/salt/pki/minion/minion.pem");
    fs::remove_file(&key).unwrap();
    fs::write(&key, "no key").unwrap();
    see(Reason::KeysUnusable, "key", 1, &address, &finger);

    let all: BTreeSet<Reason> = Reason::ALL.into();
    assert_eq!(met, all, "a reason is not covered, or is met after all");
}
