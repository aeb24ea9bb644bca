//! The binary as a black box: help, errors, exit codes.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;
use std::process::Command;

use harness::Finished;

fn bridge(args: &[&str]) -> Finished {
    Finished::run(
        Command::new(env!("CARGO_BIN_EXE_master-bridge"))
            .env_clear()
            .env("COLUMNS", "100")
            .args(args),
    )
}

/// Compares with the recorded text; `UPDATE_SNAPSHOTS=1` records anew.
fn snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        recorded, text,
        "{name} changed: if it should, UPDATE_SNAPSHOTS=1 cargo test -p master-bridge --test cli"
    );
}

#[test]
fn help_reads_well() {
    snapshot("help.txt", &bridge(&["--help"]).success().stdout);
    for command in ["keys accept", "run", "minions", "remaster", "remaster-all"] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let name = format!("help-{}.txt", command.replace(' ', "-"));
        snapshot(&name, &bridge(&args).success().stdout);
    }
}

#[test]
fn mistakes_end_in_a_hint() {
    let missing = bridge(&["-c", "/nonexistent", "minions"]);
    assert_eq!(missing.code, 7);
    snapshot("no-config.txt", &missing.stderr);
    let source = bridge(&["-c", "/nonexistent", "keys", "accept", "web1"]);
    assert_eq!(source.code, 2);
    snapshot("no-proof.txt", &source.stderr);
    let usage = bridge(&["keys", "accept", "web1", "--finger", "nonsense"]);
    assert_eq!(usage.code, 2);
    snapshot("bad-finger.txt", &usage.stderr);
    assert_eq!(bridge(&[]).code, 2);
}

#[test]
fn completions_and_man_pages_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let script = bridge(&["completions", shell]).success().stdout;
        assert!(script.contains("remaster-all"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().display().to_string();
    bridge(&["-q", "man", &pages]).success();
    for page in ["master-bridge.1", "master-bridge-keys-accept.1"] {
        assert!(dir.path().join(page).exists(), "{page}");
    }
}
