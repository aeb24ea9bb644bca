//! The keys that a move leaves on the old master: deleted at their time, in one run that is resumed and undone as
//! any other operation, and watched.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Agent, Finished, Master, until};
use serde_json::json;

use crate::fleet::{bridge, killed, waiting};
use crate::pair::{answers, introduce, wait_end};

/// A part of the day that begins in so many hours, in UTC.
fn window(from: u64, until: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = |hours: u64| {
        let minutes = now.as_secs() / 60 + hours * 60;
        format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
    };
    format!("{}-{}", at(from), at(until))
}

/// Three have moved for good; the last of them comes home in between, so that somebody is left.
pub(crate) fn go_at_their_time_and_come_back(old: &Master, new: &Master, last: &Agent) {
    let config = new.config_dir().display().to_string();
    let clean = [
        "-o",
        "json",
        "-y",
        "remaster",
        "clean",
        "--to-config",
        &config,
    ];
    let cleaned = |more: &[&str]| {
        let args = [&clean[..], more].concat();
        Finished::run(waiting(old, 1, &args).env("TZ", "UTC"))
    };
    // The old master itself is no new one.
    let own = old.config_dir().display().to_string();
    let same = bridge(old, &["-y", "remaster", "clean", "--to-config", &own]);
    assert!(same.stderr.contains("they are the same"), "{same:?}");
    let (closed, open) = (window(2, 3), window(23, 25));
    let all = ["a1", "a2", "a3"];

    // Not now: who is left would have to come back.
    let refused = cleaned(&["a1", "a2", "--window", &closed]);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert!(refused.stderr.contains("not within"), "{refused:?}");
    assert_eq!(old.keys("minions"), all);

    // Killed before and after the deletion; whoever resumes it finds what is there.
    let mut begin = waiting(
        old,
        1,
        &[&clean[..], &["a1", "a2", "--window", &open]].concat(),
    );
    begin
        .env("TZ", "UTC")
        .env("MASTER_BRIDGE_FAULT", "clean.begun");
    assert_eq!(Finished::run(&mut begin).code, -9);
    assert_eq!(old.keys("minions"), all);
    let held = cleaned(&["--now"]);
    assert_eq!(held.code, 6, "{held:?}");
    let shown = bridge(old, &["-o", "json", "ops", "show", "last"])
        .success()
        .json();
    assert_eq!(
        (&shown["state"], &shown["keys"]),
        (&json!("interrupted"), &json!(2)),
        "{shown}"
    );
    let resume = ["-y", "-o", "json", "ops", "resume", "last"];
    // In its window still; at another time of the day it waits.
    let mut late = waiting(old, 1, &resume);
    let late = Finished::run(late.env("TZ", "UTC-12"));
    assert!(
        late.code == 6 && late.stderr.contains("not within"),
        "{late:?}"
    );
    let mut resumed = waiting(old, 1, &resume);
    let resumed = Finished::run(
        resumed
            .env("TZ", "UTC")
            .env("MASTER_BRIDGE_FAULT", "clean.deleted"),
    );
    assert_eq!(resumed.code, -9, "{resumed:?}");
    assert_eq!(old.keys("minions"), ["a3"]);
    let done = bridge(old, &resume).success().json();
    assert_eq!(done["deleted"], json!(["a1", "a2"]), "{done}");
    assert_eq!(
        done["rotated"],
        json!(null),
        "nothing was deleted now: {done}"
    );
    assert_eq!(bridge(old, &resume).code, 6, "it is over");

    // And undone, wherever that is interrupted; one has come for its key meanwhile.
    let pem = fs::read_to_string(new.pki_dir().join("minions/a1")).unwrap();
    fs::write(old.pki_dir().join("minions_pre/a1"), pem).unwrap();
    let rollback = ["-y", "-o", "json", "ops", "rollback", "last"];
    for point in ["back.begun", "back.put", "back.done"] {
        killed(old, point, &rollback);
        assert_eq!(
            bridge(old, &resume).code,
            6,
            "{point}: it is on its way back"
        );
    }
    let back = bridge(old, &rollback).success();
    assert_eq!(back.json()["back"], 2, "{back:?}");
    assert_eq!(old.keys("minions"), all);
    assert_eq!(old.keys("minions_pre"), Vec::<String>::new());

    // One comes home, is left there, and authenticates anew: that is counted.
    let go = |to: &Master| {
        let (address, finger) = (to.address.to_string(), to.finger());
        let terms = ["to", &address, "--finger", &finger, "--rounds", "1"];
        last.command("remaster", &terms).success();
        wait_end(last, "confirmed");
    };
    go(old);
    let watched = std::thread::scope(|scope| {
        let work = scope.spawn(|| cleaned(&["--now"]));
        while !work.is_finished() {
            answers(old, "a3");
        }
        work.join().unwrap()
    });
    let told = watched.success().json();
    assert_eq!(
        (&told["deleted"], &told["left"]),
        (&json!(["a1", "a2"]), &json!(1)),
        "{told}"
    );
    assert_eq!(told["rotated"], true, "{told}");
    assert!(told["peak_per_second"].as_u64() >= Some(1), "{told}");
    assert_eq!(old.keys("minions"), ["a3"]);

    // Whoever is asked takes his time, and another comes to the old master meanwhile.
    go(new);
    let stranger = old.pki_dir().join("minions/stranger");
    let ask = ["remaster", "clean", "--to-config", &config, "--now"];
    let late = Finished::asked(&mut waiting(old, 1, &ask), "[y/N]", || {
        fs::copy(new.pki_dir().join("minions/a3"), &stranger).unwrap();
        "y".to_owned()
    });
    assert_eq!(late.code, 6, "{late:?}");
    let why = "stranger is on the old master by now";
    assert!(late.stderr.contains(why), "{late:?}");
    fs::remove_file(&stranger).unwrap();
    assert_eq!(old.keys("minions"), ["a3"]);

    // Nobody is left: at any time.
    let rest = cleaned(&["--window", &closed]).success().json();
    assert_eq!(rest["deleted"], json!(["a3"]), "{rest}");
    assert_eq!(
        cleaned(&[]).success().json()["deleted"],
        json!([]),
        "a second run"
    );
    one_that_fails_over_keeps_its_key(old, new);
}

/// It is on the new master, and would go to the old one if that failed.
fn one_that_fails_over_keeps_its_key(old: &Master, new: &Master) {
    let masters = format!("[{}, {}]", new.address, old.address);
    let mut over = Agent::start("over", &masters, "master_type: failover\nkeysize: 2048");
    let key = over.config_dir().join("pki/minion/minion.pub");
    until(60, "it to have a key", || key.exists());
    over.kill();
    for master in [new, old] {
        introduce(&over, master);
    }
    over.run();
    until(60, "it to be on the new master", || answers(new, "over"));
    let config = new.config_dir().display().to_string();
    let clean = ["-y", "-o", "json", "remaster", "clean", "--now"];
    let clean = [&clean[..], &["--to-config", &config]].concat();
    let told = Finished::run(&mut waiting(old, 1, &clean)).success();
    let told = told.json();
    assert_eq!(told["deleted"], json!([]), "{told}");
    let why = told["keep"]["over"].as_str().unwrap_or_default();
    assert!(why.contains(&old.address.to_string()), "{told}");
    assert_eq!(old.keys("minions"), ["over"]);
    over.kill();
    for master in [new, old] {
        fs::remove_file(master.pki_dir().join("minions/over")).unwrap();
    }
}
