//! The bridge against real masters of all releases, with a real minion.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::process::Command;

use harness::{Finished, Master, Minion, RELEASES, until};

fn bridge(master: &Master, args: &[&str]) -> Finished {
    Finished::run(
        Command::new(env!("CARGO_BIN_EXE_master-bridge"))
            .arg("-c")
            .arg(master.config_dir())
            .args(args),
    )
}

fn json(master: &Master, args: &[&str]) -> serde_json::Value {
    let mut all = vec!["-o", "json"];
    all.extend(args);
    bridge(master, &all).json()
}

#[test]
fn keys_jobs_and_minions_on_every_release() {
    for release in RELEASES {
        if !release.is_installed() {
            continue;
        }
        let master = Master::of(release).start();
        let mut minion = Minion::prepare(release, "m1", &master.address.to_string(), "");
        minion.start();
        until(60, "m1 to be pending", || {
            master.keys("minions_pre") == ["m1"]
        });
        prove_and_accept(&master, &minion);
        until(60, "m1 to answer", || {
            bridge(
                &master,
                &["-t", "2", "--gather-timeout", "1", "run", "m1", "test.ping"],
            )
            .code
                == 0
        });
        jobs(&master);
        minions(&master, release.version());
        as_salt_sees_it(&master);
        reject_and_delete(&master);
    }
}

fn prove_and_accept(master: &Master, minion: &Minion) {
    let finger = minion
        .call(&["--local", "--out", "json", "key.finger"])
        .json()["local"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = json(master, &["keys", "list"]);
    assert_eq!(shown["keys"][0]["state"], "pending");
    assert_eq!(
        shown["keys"][0]["fingerprint"],
        finger.as_str(),
        "as the minion shows it"
    );

    let wrong = vec!["00"; 32].join(":");
    let refused = bridge(
        master,
        &["--yes", "keys", "accept", "m1", "--finger", &wrong],
    );
    assert_eq!(refused.code, 6, "{refused:?}");
    let unproven = bridge(master, &["keys", "accept", "m1"]);
    assert_eq!(unproven.code, 2, "{unproven:?}");
    let unasked = bridge(master, &["keys", "accept", "m1", "--unproven"]);
    assert_eq!(unasked.code, 6, "{unasked:?}");
    let nobody = bridge(master, &["keys", "accept", "m2", "--finger", &finger]);
    assert_eq!(nobody.code, 5, "{nobody:?}");
    assert_eq!(master.keys("minions_pre"), ["m1"], "nothing was accepted");

    let console = master.dir().join("console.log");
    let line = format!("[ 3.1] salt-agent: id=m1 fingerprint={finger} nonce=x state=pending\n");
    std::fs::write(&console, line).unwrap();
    let console = console.display().to_string();
    bridge(master, &["keys", "prove", "--console", &console]).success();
    let dry = bridge(
        master,
        &["--dry-run", "keys", "accept", "--console", &console],
    )
    .success();
    assert!(dry.stdout.contains("would: accept"), "{dry:?}");
    assert_eq!(master.keys("minions"), Vec::<String>::new());
    let done = json(master, &["keys", "accept", "--console", &console]);
    assert_eq!(done["keys"][0]["proof"], "proven");
    assert_eq!(master.keys("minions"), ["m1"]);
    bridge(master, &["keys", "accept", "m1", "--finger", &finger]).success();
}

fn jobs(master: &Master) {
    let ping = json(master, &["run", "*", "test.ping"]);
    assert_eq!(ping["returns"]["m1"]["return"], true);
    let arg = json(
        master,
        &["run", "-L", "m1,nobody", "test.arg", "1", "two", "x=[3, y]"],
    );
    let returned = &arg["returns"]["m1"]["return"];
    assert_eq!(returned["args"], serde_json::json!([1, "two"]));
    assert_eq!(returned["kwargs"]["x"], serde_json::json!([3, "y"]));
    assert_eq!(arg["no_key"], serde_json::json!(["nobody"]));
    for target in [
        ["-G", "id:m1"],
        ["-E", "m."],
        ["-C", "G@id:m1 and not nobody"],
    ] {
        bridge(master, &["run", target[0], target[1], "test.ping"]).success();
    }
    let text = bridge(master, &["run", "m1", "test.echo", "hello"]).success();
    assert_eq!(text.stdout, "m1:\n    hello\n");
    // Longer than the timeout: asked, and waited for.
    let slept = bridge(
        master,
        &[
            "-t",
            "1",
            "--gather-timeout",
            "3",
            "run",
            "m1",
            "test.sleep",
            "4",
        ],
    );
    assert_eq!(slept.success().stdout, "m1:\n    true\n");
    assert_eq!(bridge(master, &["run", "m1", "no.such"]).code, 1);
    assert_eq!(bridge(master, &["run", "nobody", "test.ping"]).code, 5);
}

fn minions(master: &Master, version: &str) {
    let shown = json(master, &["minions"]);
    let m1 = &shown["minions"][0];
    assert_eq!(m1["answers"], true);
    assert_eq!(m1["version"], version);
    assert_eq!(m1["master"], master.address.to_string());
}

/// The same world through Salt's own programs: salt-key, salt and salt-run.
fn as_salt_sees_it(master: &Master) {
    let theirs = master.salt_key(&["-L", "--out", "json"]).json();
    let ours = json(master, &["keys", "list"]);
    for (folder, state) in [
        ("minions", "accepted"),
        ("minions_pre", "pending"),
        ("minions_rejected", "rejected"),
        ("minions_denied", "denied"),
    ] {
        let ids: Vec<_> = ours["keys"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|k| k["state"] == state)
            .map(|k| k["id"].clone())
            .collect();
        assert_eq!(theirs[folder], serde_json::json!(ids), "{state}");
    }
    for (fun, arg) in [
        ("test.echo", "{a: [1, x]}"),
        ("grains.item", "os"),
        ("test.version", ""),
    ] {
        let args: Vec<&str> = [fun, arg].into_iter().filter(|a| !a.is_empty()).collect();
        let theirs = master.salt(&[&["m1"], &args[..]].concat());
        let ours = json(master, &[&["run", "m1"], &args[..]].concat());
        assert_eq!(ours["returns"]["m1"]["return"], theirs["m1"], "{fun}");
    }
    let up = master
        .run("salt-run", &["--out", "json", "manage.up"])
        .json();
    let ours = json(master, &["minions"]);
    let answering: Vec<_> = ours["minions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["answers"] == true)
        .map(|m| m["id"].clone())
        .collect();
    assert_eq!(up, serde_json::json!(answering));
    let ready = bridge(
        master,
        &[
            "-o",
            "json",
            "master",
            "check",
            "--to-config",
            &master.config_dir().display().to_string(),
        ],
    );
    assert_eq!(ready.code, 1, "it has no top.sls: {ready:?}");
    let ready = ready.json();
    assert_eq!(
        ready["checks"]["version"]["found"],
        master.release.version(),
        "{ready}"
    );
    for good in [
        "key",
        "publish_port",
        "request_port",
        "requests",
        "pillar",
        "minion_keys",
    ] {
        assert_eq!(ready["checks"][good]["ok"], true, "{good}: {ready}");
    }
    assert_eq!(ready["checks"]["key"]["found"], master.finger(), "{ready}");
    let pin = bridge(master, &["master", "pin", "--to", "salt.example"]).success();
    assert!(pin.stdout.contains(&master.finger()), "{pin:?}");
}

fn reject_and_delete(master: &Master) {
    assert_eq!(
        bridge(master, &["keys", "reject", "m1"]).code,
        6,
        "not asked"
    );
    assert_eq!(master.keys("minions"), ["m1"]);
    bridge(master, &["-y", "keys", "reject", "m1"]).success();
    assert_eq!(master.keys("minions_rejected"), ["m1"]);
    bridge(
        master,
        &["-y", "keys", "delete", "m1", "--state", "rejected"],
    )
    .success();
    assert_eq!(master.keys("minions_rejected"), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        Finished::run(
            Command::new(env!("CARGO_BIN_EXE_master-bridge"))
                .arg("-c")
                .arg(dir.path())
                .args(args),
        )
    };
    let none = run(&["keys", "list"]);
    assert_eq!(none.code, 7);
    assert!(none.stderr.contains("--salt-config"), "{none:?}");
    let root = dir.path().display();
    std::fs::write(
        dir.path().join("master"),
        format!("root_dir: {root}\nret_port: 1\ninterface: 127.0.0.1\n"),
    )
    .unwrap();
    let dead = run(&["-o", "json", "keys", "list"]);
    assert_eq!(dead.code, 3);
    assert!(dead.stderr.contains("_key"), "{dead:?}");
    assert_eq!(dead.json()["exit"], 3);
    let cache = dir.path().join("var/cache/salt/master");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join(".root_key"), "key").unwrap();
    let dead = run(&["keys", "list"]);
    assert_eq!(dead.code, 3);
    assert!(dead.stderr.contains("127.0.0.1:1"), "{dead:?}");
}
