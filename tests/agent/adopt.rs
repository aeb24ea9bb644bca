//! A salt-minion's directory taken over and given back: same id, same key, and its master notices nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use harness::{Finished, Master, Minion, Process, Release, bin, until};

on_each_release!(a_minions_directory_is_taken_over_and_given_back);

fn answers(master: &Master, id: &str) {
    until(180, &format!("{id} to answer"), || {
        let ran = master.run("salt", &["-t", "3", id, "test.ping"]);
        ran.stdout.contains("True")
    });
}

/// Each key file with its mode and content.
fn keys(dir: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let files = ["minion.pem", "minion.pub", "minion_master.pub"];
    let look = |name: &str| {
        let file = dir.join(name);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        (
            name.to_owned(),
            (mode & 0o7777, std::fs::read(file).unwrap()),
        )
    };
    files.map(look).into()
}

fn agent(minion: &Minion, args: &[&str]) -> Finished {
    let mut command = Command::new(bin("salt-agent"));
    Finished::run(command.args(args).arg("-c").arg(minion.config_dir()))
}

fn a_minions_directory_is_taken_over_and_given_back(release: Release) {
    let master = Master::of(release).auto_accept().start();
    let mut minion = Minion::prepare(release, "heir", &master.address.to_string(), "");
    minion.start();
    answers(&master, "heir");
    minion.process().stop(150);
    let pki = minion.config_dir().join("pki/minion");
    let before = keys(&pki);

    // Salt's fingerprint of the key is ours.
    let shown = agent(&minion, &["fingerprint", "-o", "json"])
        .success()
        .json();
    let finger = minion
        .call(&["--local", "key.finger", "--out=json"])
        .success()
        .json();
    assert_eq!(shown["minion"]["fingerprint"], finger["local"]);
    let of_master = minion
        .call(&["--local", "key.finger_master", "--out=json"])
        .success()
        .json();
    assert_eq!(shown["masters"][0]["fingerprint"], of_master["local"]);

    agent(&minion, &["adopt", "--no-systemd"]).success();
    let log = minion.config_dir().join("agent.out");
    let mut command = Command::new(bin("salt-agent"));
    let mut running = Process::start(command.arg("run").arg("-c").arg(minion.config_dir()), &log);
    answers(&master, "heir");
    assert_eq!(master.keys("minions"), ["heir"]);
    assert_eq!(master.keys("minions_pre"), Vec::<String>::new());
    assert_eq!(master.keys("minions_denied"), Vec::<String>::new());
    assert_eq!(keys(&pki), before);
    running.stop(30);

    agent(&minion, &["adopt", "--undo", "--no-systemd"]).success();
    assert_eq!(keys(&pki), before);
    minion.start();
    answers(&master, "heir");
    assert_eq!(keys(&pki), before);
}
