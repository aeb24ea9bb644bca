//! `adopt` and a move do not step on each other: neither begins while the other is half done, and what salt-minion
//! gets back is the minion that it was, on the master that it is with by then.

use std::process::Command;

use harness::{Finished, Minion, Process, bin, until};
use serde_json::Value;

use crate::pair::{Pair, answers};

pub(crate) fn adopt_and_a_move_one_after_the_other(pair: &Pair) {
    let id = "heir";
    // No salt-minion is newer than its master.
    let releases = [pair.old.release, pair.new.release];
    let older = releases.into_iter().min_by_key(|r| r.version()).unwrap();
    let mut minion = Minion::prepare(older, id, &pair.old.address.to_string(), "");
    minion.start();
    until(120, "salt-minion to answer", || answers(&pair.old, id));
    minion.process().stop(150);
    let config = minion.config_dir();
    let agent = |args: &[&str]| {
        let mut command = Command::new(bin("salt-agent"));
        Finished::run(command.args(args).arg("-c").arg(&config))
    };
    let adopt = |more: &[&str]| agent(&[&["adopt", "--no-systemd"], more].concat());
    let reaches = |state: &str| {
        let mut told = Value::Null;
        until(90, &format!("the agent to be {state}"), || {
            let asked = agent(&["remaster", "status", "-o", "json"]);
            told = serde_json::from_str(&asked.stdout).unwrap_or_default();
            told["state"] == state
        });
        told
    };
    adopt(&[]).success();
    let mut command = Command::new(bin("salt-agent"));
    command.arg("run").arg("-c").arg(&config);
    let mut running = Process::start(&mut command, &config.join("agent.out"));
    until(60, "the agent to answer", || answers(&pair.old, id));

    let (to, finger) = (format!("{}:4506", pair.new.address), pair.new.finger());
    agent(&[
        "remaster",
        "to",
        &to,
        "--finger",
        &finger,
        "--confirm",
        "120",
    ])
    .success();
    reaches("waiting");
    for more in [&[][..], &["--undo"], &["--dry-run"]] {
        let refused = adopt(more);
        assert_ne!(refused.code, 0, "{refused:?}");
        let words = "a remaster is under way (waiting)";
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    pair.new.accept(id);
    reaches("probation");
    assert!(adopt(&["--undo"]).stderr.contains("under way (probation)"));
    agent(&["remaster", "confirm"]).success();
    assert_eq!(reaches("steady")["last"]["outcome"], "confirmed");
    running.stop(30);

    // Adopted again it is no news; given back, salt-minion is on the new master, which it has pinned.
    adopt(&[]).success();
    adopt(&["--undo"]).success();
    minion.start();
    until(120, "salt-minion to answer the new master", || {
        answers(&pair.new, id)
    });
    assert!(!answers(&pair.old, id));
    assert!(!pair.new.keys("minions_denied").contains(&id.to_owned()));
    minion.process().stop(150);
}
