//! New masters that are strange: of another time, of another protocol, of a name that stands for somebody else.

use std::fs;

use harness::{Agent, Master, Names, Release, Says, until};

use crate::pair::{Direction, answers, introduce, on_only, status, wait_end, wait_state, ways};

#[test]
fn strange_masters() {
    for way in ways((Release::V3008, Release::V3008)) {
        strange(way);
    }
}

fn strange((from, to): Direction) {
    let (old, mut new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| Master::of(from).auto_accept().start());
        let new = Master::of(to).config("request_server_ttl: 60").start();
        (old.join().unwrap(), new)
    });
    a_name_that_goes_back(&old, &new);
    a_machine_that_was_rebuilt(&old, &new);
    another_time_and_another_protocol(&old, &mut new);
}

/// Moved by name, and then the name stands for the old master again: its key is not the one that was agreed on.
fn a_name_that_goes_back(old: &Master, new: &Master) {
    let names = Names::start(Says::NoSuchName);
    names.point(&new.address);
    let config = format!(
        "keysize: 2048\nrecon_default: 200\nrecon_max: 500\n\
         agent: {{trust: first-use, dead_after: 3s, nameservers: ['{}']}}",
        names.address()
    );
    let mut agent = Agent::start("named", &old.address.to_string(), &config);
    agent.wait_ready();
    introduce(&agent, new);
    let order = [
        "to",
        "master.moved.test",
        "--finger",
        &new.finger(),
        "--rounds",
        "1",
    ];
    agent.command("remaster", &order).success();
    wait_end(&agent, "confirmed");
    let told = |state: &str, reason: &str| {
        until(
            90,
            &format!("the name's master to be {state} {reason}"),
            || {
                let status = agent.status();
                let masters = status["masters"].as_array().cloned().unwrap_or_default();
                masters.len() == 1
                    && masters[0]["address"] == "master.moved.test:4506"
                    && masters[0]["state"] == state
                    && masters[0]["reason"].as_str().unwrap_or_default() == reason
            },
        );
    };
    told("ready", "");
    assert!(answers(new, "named"));
    names.point(&old.address);
    told("lost", "master-key-mismatch");
    let pinned = agent.config_dir().join("pki/minion/minion_master.pub");
    let pinned = || fs::read_to_string(&pinned).unwrap();
    let key = fs::read_to_string(new.pki_dir().join("master.pub")).unwrap();
    assert_eq!(pinned().trim(), key.trim(), "the pin stands");
    names.point(&new.address);
    told("ready", "");
    assert!(answers(new, "named"));
    assert_eq!(pinned().trim(), key.trim());
}

/// Rebuilt while it waits: the machine of before is gone, its key with it; the new one has the id, and nothing to go on.
fn a_machine_that_was_rebuilt(old: &Master, new: &Master) {
    let config = "agent: {trust: first-use, dead_after: 3s}\nkeysize: 2048";
    let mut before = Agent::start("rebuilt", &old.address.to_string(), config);
    before.wait_ready();
    let order = ["to", &new.address.to_string(), "--finger", &new.finger()];
    before.command("remaster", &order).success();
    wait_state(&before, "waiting");
    before.kill();
    old.salt_key(&["-y", "-d", "rebuilt"]).success();
    let mut after = Agent::start("rebuilt", &old.address.to_string(), config);
    after.wait_ready();
    on_only(&after, old);
    assert!(answers(old, "rebuilt"));
    assert_eq!(status(&after)["state"], "steady");
    // The key that waits on the new master is the old machine's: accepted there, it lets nobody in.
    new.accept("rebuilt");
    let order = [&order[..], &["--follow", "-o", "json"]].concat();
    let ended = after.command("remaster", &order);
    assert_eq!(ended.json()["last"]["reason"], "rejected", "{ended:?}");
    on_only(&after, old);
}

fn another_time_and_another_protocol(old: &Master, new: &mut Master) {
    let mut agent = Agent::start(
        "punctual",
        &old.address.to_string(),
        "agent: {trust: first-use, dead_after: 3s}\nkeysize: 2048",
    );
    agent.wait_ready();
    introduce(&agent, new);
    let (to, finger) = (new.address.to_string(), new.finger());
    let fails = |agent: &Agent, line: &str, reason: &str| {
        let check = ["check", &to, "--finger", &finger, "--auth", "-o", "json"];
        let looks = agent.command("remaster", &check).json();
        assert_eq!(looks[line]["reason"], reason, "{looks:#}");
        let order = ["to", &to, "--finger", &finger, "--follow", "-o", "json"];
        let ended = agent.command("remaster", &order);
        assert_eq!(ended.json()["last"]["reason"], reason, "{ended:?}");
        on_only(agent, old);
        assert!(answers(old, "punctual"));
    };
    // It asks for a version that nobody speaks yet.
    new.kill();
    let file = new.config_dir().join("master");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{config}minimum_auth_version: 4\n")).unwrap();
    new.start();
    fails(&agent, "authentication", "bad-load");
    fs::write(&file, config).unwrap();
    // It lives an hour ahead of us.
    new.kill();
    new.set_clock_ahead(3600);
    new.start();
    fails(&agent, "clock", "clock-skew");
}
