//! The binary as a black box: help, errors, exit codes.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;
use std::process::Command;

use clap::{CommandFactory, Parser};
use harness::Finished;
use master_bridge::cli::Cli;

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
    for command in [
        "keys accept",
        "run",
        "minions",
        "remaster",
        "remaster status",
        "remaster clean",
        "remaster-all",
        "ops rollback",
        "orders sign",
        "master check",
        "master handover",
        "master launch",
        "master pin",
        "sandbox up",
        "sandbox fault",
        "server list",
        "flavor list",
        "boot",
        "replace",
        "flip",
        "bake",
        "image prune",
        "stack set",
        "stack roll-image",
        "secgroup apply",
        "volume create",
        "image import",
        "env up",
        "keypair create",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let name = format!("help-{}.txt", command.replace(' ', "-"));
        snapshot(&name, &bridge(&args).success().stdout);
    }
}

/// Every command line in a text: each word that a shell would see.
fn commands_in(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| line.trim().trim_start_matches("$ "))
        .filter(|line| line.starts_with("master-bridge "))
        .map(|line| {
            // What follows is for people, or for the shell.
            let line = line.split("   (").next().unwrap();
            let line = line.split(" > ").next().unwrap();
            let line = line.split(" #").next().unwrap();
            let mut words = vec![String::new()];
            let mut quoted = false;
            for c in line.chars() {
                match c {
                    '\'' => quoted = !quoted,
                    ' ' if !quoted => words.push(String::new()),
                    c => words.last_mut().unwrap().push(c),
                }
            }
            words.retain(|word| !word.is_empty());
            // A fingerprint is long; a text may cut it.
            let whole = vec!["51"; 32].join(":");
            let key = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            words
                .into_iter()
                .map(|word| match word.as_str() {
                    cut if cut.starts_with("ed25519:") && cut.ends_with('…') => key.to_owned(),
                    cut if cut.ends_with(":…") => whole.clone(),
                    _ => word,
                })
                .collect()
        })
        .collect()
}

fn parses(words: &[String]) {
    let parsed = Cli::try_parse_from(words);
    assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
}

#[test]
fn every_command_has_an_example_that_works() {
    fn each(command: &mut clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let has_children = command.get_subcommands().next().is_some();
        if !has_children || command.get_arguments().any(|a| a.get_id() == "ids") {
            let help = command.get_after_help().map(ToString::to_string);
            let examples = commands_in(&help.unwrap_or_default());
            assert!(!examples.is_empty(), "{path} has no example");
            for words in examples {
                parses(&words);
            }
        }
        for child in command
            .get_subcommands_mut()
            .filter(|c| c.get_name() != "help")
        {
            each(child, &path);
        }
    }
    each(&mut Cli::command(), "");
}

#[test]
fn every_command_of_the_documentation_works() {
    for page in [
        "docs/move-your-fleet.md",
        "docs/the-old-master-is-gone.md",
        "docs/sandbox.md",
        "docs/replace-a-vm.md",
        "docs/golden-images.md",
        "docs/bake-it-into-your-image.md",
        "docs/install-by-user-data.md",
        "docs/environments.md",
        "docs/a-new-master.md",
        "docs/import-an-image.md",
        "README.md",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        // A line that ends in a backslash goes on.
        let text = text.replace("\\\n", " ");
        let found = commands_in(&text);
        assert!(!found.is_empty(), "{page}");
        for words in found {
            parses(&words);
        }
    }
}

#[test]
fn an_empty_journal_and_a_wrong_operation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j/journal.sqlite").display().to_string();
    let ops = |args: &[&str]| bridge(&[&["--journal", &path, "ops"], args].concat());
    let empty = ops(&["list"]).success();
    assert!(
        empty.stdout.is_empty() && empty.stderr.contains("no operations"),
        "{empty:?}"
    );
    let empty = ops(&["list", "-o", "json"]).success().json();
    assert_eq!(empty["operations"], serde_json::json!([]));
    for command in ["show", "resume", "rollback", "end"] {
        assert_eq!(ops(&[command, "nope"]).code, 5, "{command}");
    }
    std::fs::write(
        dir.path().join("text"),
        "no database, but a text that is long enough".repeat(99),
    )
    .unwrap();
    let text = dir.path().join("text").display().to_string();
    let broken = bridge(&["--journal", &text, "ops", "list"]);
    assert_eq!(broken.code, 7, "{broken:?}");
    assert!(broken.stderr.contains("--journal"), "{broken:?}");
}

#[test]
fn orders_are_made_signed_verified_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (key, locked, order) = (at("key"), at("locked"), at("order"));
    let made = bridge(&["-o", "json", "orders", "keygen", &key])
        .success()
        .json();
    let public = made["public"].as_str().unwrap().to_owned();
    assert_eq!(
        bridge(&["orders", "keygen", &key]).code,
        7,
        "never overwritten"
    );
    std::fs::write(at("pass"), "secret words\n").unwrap();
    let other = bridge(&[
        "-o",
        "json",
        "orders",
        "keygen",
        &locked,
        "--passphrase-file",
        &at("pass"),
    ]);
    let other = other.success().json()["public"]
        .as_str()
        .unwrap()
        .to_owned();

    let finger = vec!["ab"; 32].join(":");
    let to = [
        "--to",
        "new.example",
        "--finger",
        &finger,
        "--for",
        "L@a,b",
        "--out",
        &order,
    ];
    let sign = |more: &[&str]| bridge(&[&["-o", "json", "orders", "sign"], &to[..], more].concat());
    let signed = sign(&["--key", &key]).success().json();
    assert_eq!(signed["targets"], serde_json::json!(["L@a,b"]));
    assert!(
        signed["metadata"]["salt-agent-order-0"].is_string(),
        "{signed}"
    );
    let good = bridge(&["-o", "json", "orders", "verify", &order, "--key", &public]).success();
    assert_eq!(good.json()["counts_now"], true);
    assert_eq!(
        bridge(&["orders", "verify", &order, "--key", &other]).code,
        6
    );
    let shown = bridge(&["orders", "show", &order]).success();
    assert!(
        shown.stdout.contains("new.example") && shown.stderr.contains("not looked at"),
        "{shown:?}"
    );

    sign(&["--key", &locked, "--passphrase-file", &at("pass")]).success();
    bridge(&["orders", "verify", &order, "--key", &other]).success();
    assert_eq!(sign(&["--key", &locked]).code, 2, "nobody to be asked");
    let later = sign(&["--key", &key, "--after", "24"]);
    later.success();
    assert_eq!(
        bridge(&["orders", "verify", &order, "--key", &public]).code,
        1,
        "not yet"
    );
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
    // Understood, and further than the command line: the configuration is missing.
    let to = [
        "remaster",
        "web1",
        "--to",
        "new",
        "--finger",
        &vec!["51"; 32].join(":"),
    ];
    assert_eq!(bridge(&[&["-c", "/nonexistent"], &to[..]].concat()).code, 7);
    assert_eq!(
        bridge(&["remaster", "--to", "new"]).code,
        2,
        "which minions?"
    );
    let status = [
        "-c",
        "/nonexistent",
        "remaster",
        "status",
        "--to-config",
        "/none",
    ];
    assert_eq!(bridge(&status).code, 7);
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
