//! `master-bridge remaster-all` between two real masters: planned, in waves, verified, undone.

use std::process::Command;

use harness::{Agent, Finished, Master, Release, bin, until};
use serde_json::Value;

use crate::pair::answers;

/// The bridge beside `old`, with a journal of this test's own.
pub(crate) fn bridge(old: &Master, args: &[&str]) -> Finished {
    Finished::run(&mut command(old, args))
}

/// As [`bridge`], killed at a fault point.
pub(crate) fn killed(old: &Master, point: &str, args: &[&str]) {
    let end = Finished::run(command(old, args).env("MASTER_BRIDGE_FAULT", point));
    assert_eq!(end.code, -9, "{point} was not passed: {end:?}");
}

/// As a command, for a few minions: they answer soon or not at all.
pub(crate) fn command(old: &Master, args: &[&str]) -> Command {
    waiting(old, 3, args)
}

/// As a command that waits so many seconds for an answer.
pub(crate) fn waiting(old: &Master, seconds: usize, args: &[&str]) -> Command {
    let mut command = Command::new(bin("master-bridge"));
    command
        .arg("-c")
        .arg(old.config_dir())
        .arg("--journal")
        .arg(old.dir().join("journal.sqlite"))
        .args(["-t", &seconds.to_string(), "--gather-timeout", "2"])
        .args(args);
    command
}

pub(crate) fn result<'a>(document: &'a Value, id: &str) -> &'a Value {
    let all = document["minions"].as_array().unwrap();
    all.iter().find(|m| m["id"] == id).unwrap()
}

#[test]
fn a_fleet_moves_in_waves_and_nobody_is_lost() {
    let (from, to) = (Release::V3008, Release::V3006);
    if !from.is_installed() || !to.is_installed() {
        return;
    }
    // A pillar that only they have whose grains are known.
    let top = "base: {'kernel:Linux': [{match: grain}, some]}\n";
    let old = Master::of(from)
        .auto_accept()
        .file("srv/pillar/top.sls", top)
        .file("srv/pillar/some.sls", "password: secret\nplace: old\n")
        .start();
    let new = Master::of(to)
        .file("srv/salt/top.sls", "base: {'nobody': []}\n")
        .file("srv/pillar/top.sls", top)
        .file("srv/pillar/some.sls", "password: secret\n")
        .start();
    let mut agents: Vec<Agent> = ["a1", "a2", "a3"]
        .map(|id| Agent::start(id, &old.address.to_string(), "keysize: 2048"))
        .into();
    for agent in &mut agents {
        agent.wait_ready();
    }
    let config = new.config_dir().display().to_string();
    let to_new = ["remaster-all", "--to-config", &config, "--wave", "2"];

    looked_at(&old, &new, &config);
    let plan = bridge(&old, &[&["-o", "json", "--dry-run"], &to_new[..]].concat()).json();
    let waves: Vec<_> = plan["plan"]["waves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["name"].clone(), w["members"].as_array().unwrap().len()))
        .collect();
    assert_eq!(
        waves,
        [("canary".into(), 1), ("wave 1".into(), 2)],
        "{plan}"
    );
    assert_eq!(plan["plan"]["waves"][0]["members"][0]["key"], "copy");
    let hash = plan["hash"].as_str().unwrap();
    let file = old.dir().join("plan.json");
    std::fs::write(&file, plan.to_string()).unwrap();
    let file = file.display().to_string();
    assert_eq!(bridge(&old, &to_new).code, 6, "nobody agreed");
    assert_eq!(
        new.keys("minions"),
        Vec::<String>::new(),
        "nothing was done"
    );

    // The new master has another key under the canary's id.
    std::fs::write(
        new.pki_dir().join("minions/a2"),
        std::fs::read_to_string(new.pki_dir().join("master.pub")).unwrap(),
    )
    .unwrap();
    let agreed = [&["-y", "-o", "json"], &to_new[..], &["--plan-hash", hash]].concat();
    assert_eq!(bridge(&old, &agreed).code, 6, "the world has moved");
    let moved = bridge(&old, &[&["-y"], &to_new[..], &["--plan", &file]].concat());
    assert_eq!(moved.code, 6, "{moved:?}");
    let why = "a2: was wave 1 with key";
    assert!(
        moved.stderr.contains(why) && moved.stderr.contains("denied-other-key"),
        "{moved:?}"
    );
    let part = bridge(&old, &[&["-y", "-o", "json"], &to_new[..]].concat());
    assert_eq!(part.code, 1, "{part:?}");
    let part = part.json();
    assert_eq!(result(&part, "a2")["reason"], "denied-other-key", "{part}");
    for id in ["a1", "a3"] {
        assert_eq!(result(&part, id)["result"], "moved", "{part}");
    }
    assert_eq!(new.keys("minions"), ["a1", "a2", "a3"]);

    std::fs::remove_file(new.pki_dir().join("minions/a2")).unwrap();
    // Somebody looks on at a terminal: one tree that lives, and the document beside it.
    let rest = [&["-y", "-o", "json"], &to_new[..]].concat();
    let rest = Finished::on_terminal(&mut command(&old, &rest));
    assert_eq!(rest.code, 0, "{rest:?}");
    for piece in ["ETA", "├─ canary", "└─ a2: ", "a2: moved", "\u{1b}["] {
        assert!(rest.stderr.contains(piece), "{piece}: {rest:?}");
    }
    let rest = rest.json();
    assert_eq!(result(&rest, "a1")["result"], "there", "{rest}");
    assert_eq!(result(&rest, "a2")["result"], "moved", "{rest}");
    until(60, "all to answer the new master", || {
        let answers = new.salt(&["*", "test.ping"]);
        ["a1", "a2", "a3"].iter().all(|id| answers[id] == true)
    });
    let truth = bridge(
        &old,
        &["-o", "json", "remaster", "status", "--to-config", &config],
    )
    .json();
    assert_eq!(truth["count"]["new"], 3, "{truth}");
    for id in ["a1", "a2", "a3"] {
        assert_eq!(result(&truth, id)["on"], "new", "{truth}");
        assert_eq!(result(&truth, id)["keys"], "both", "{truth}");
    }
    wave_by_wave(&old, &new, &part["operation"], &to_new);
    crate::leftovers::go_at_their_time_and_come_back(&old, &new, &agents[2]);
    for agent in &agents {
        let status = agent.command("remaster", &["status", "-o", "json"]).json();
        assert_eq!(status["last"]["outcome"], "confirmed", "{status}");
    }
    seen_from_one_side(&new, &old);
}

/// The new master's pillar is compiled for those who are to come, and held against what they have.
fn looked_at(old: &Master, new: &Master, config: &str) {
    let check = |more: &[&str]| {
        let args = ["-o", "json", "master", "check", "--to-config", config];
        bridge(old, &[&args[..], more].concat())
    };
    // Where there is nobody yet, it is compiled all the same.
    let own = bridge(
        new,
        &["-o", "json", "master", "check", "--to-config", config],
    );
    let words = own.json()["checks"]["pillar"].to_string();
    assert!(
        words.contains("true") && words.contains("nobody.invalid"),
        "{words}"
    );
    let less = check(&["--sample", "2"]);
    assert_eq!(less.code, 1, "{less:?}");
    let words = less.json()["checks"]["pillar"]["found"].to_string();
    for piece in [
        "the pillar of a1 lacks place",
        "the pillar of a2 lacks place",
    ] {
        assert!(words.contains(piece), "{words}");
    }
    assert!(
        !words.contains("a3") && !words.contains("password"),
        "{words}"
    );
    new.write("srv/pillar/some.sls", "password: secret\nplace: new\n");
    let good = check(&["--minion", "a3"]);
    assert_eq!(good.code, 0, "{good:?}");
    let words = good.json()["checks"]["pillar"]["found"].to_string();
    let whole = "compiles for a3: 2 top-level keys, among them all that they have on the old one";
    assert!(
        words.contains(whole) && !words.contains("not known"),
        "{words}"
    );
}

/// Two waves of an operation go back one by one, and come again with a pause between them.
fn wave_by_wave(old: &Master, new: &Master, operation: &Value, to_new: &[&str]) {
    let operation = operation.as_str().unwrap();
    let on = |master: &Master, id: &str| {
        until(60, &format!("{id} to answer"), || answers(master, id));
    };
    let back = |wave: &str| {
        let words = [
            "-y", "-o", "json", "ops", "rollback", operation, "--wave", wave,
        ];
        bridge(old, &words)
    };
    let nothing = back("wave 7");
    assert!(
        nothing.stderr.contains("it has canary, wave 1"),
        "{nothing:?}"
    );
    assert_eq!(back("canary").success().json()["back"], 1);
    on(old, "a1");
    on(new, "a3");
    assert_eq!(back("wave 1").success().json()["back"], 1);
    on(old, "a3");
    let go = [&["-y", "-o", "json"], to_new, &["--pause-after", "1"]].concat();
    let paused = bridge(old, &go);
    assert_eq!(paused.code, 1, "not everyone had a turn: {paused:?}");
    let paused = paused.json();
    assert_eq!(result(&paused, "a1")["result"], "moved", "{paused}");
    assert_eq!(result(&paused, "a3")["result"], "waits", "{paused}");
    on(old, "a3");
    let resumed = bridge(old, &["-o", "json", "ops", "resume", "last"]).success();
    assert_eq!(result(&resumed.json(), "a3")["result"], "moved");
}

/// Back again, but the bridge sees only the master that they leave: what it can say is still true.
fn seen_from_one_side(from: &Master, to: &Master) {
    let (address, finger) = (to.address.to_string(), to.finger());
    let go = [
        "-y", "-o", "json", "remaster", "--to", &address, "--finger", &finger,
    ];
    let final_one = bridge(from, &[&go[..], &["a1", "--confirm", "0"]].concat()).success();
    let moved = final_one.json();
    assert_eq!(result(&moved, "a1")["result"], "moved", "{moved}");
    let left = bridge(
        from,
        &[&go[..], &["a2", "--confirm", "60", "--no-follow"]].concat(),
    );
    assert_eq!(left.code, 1, "nobody confirmed it: {left:?}");
    let sent = left.json();
    assert_eq!(result(&sent, "a2")["reason"], "unverified", "{sent}");
    assert!(
        left.stderr.contains("remaster.confirm"),
        "what is missing: {left:?}"
    );
    let unconfirmed = bridge(from, &[&go[..], &["a3", "--confirm", "5"]].concat());
    assert_eq!(unconfirmed.code, 1, "{unconfirmed:?}");
    let back = unconfirmed.json();
    assert_eq!(result(&back, "a3")["reason"], "unconfirmed", "{back}");
}
