//! What is given to users, looked at from outside: the files of packages, and the bill of materials.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use harness::{Finished, bin};
use serde_json::Value;

use crate::packages::{build, compat};

/// The files of a package, and what its control file says.
#[test]
fn the_packages_bring_what_belongs_to_an_agent() {
    let Some(package) = build("0.1.0") else {
        return;
    };
    let ask = |what: &[&str], file: &Path| {
        let ran = Finished::run(Command::new("dpkg-deb").args(what).arg(file)).success();
        ran.stdout
    };
    let list = ask(&["-c"], &package);
    for (mode, path) in [
        ("-rwxr-xr-x", "./usr/bin/salt-agent"),
        ("-rw-r--r--", "./usr/lib/systemd/system/salt-agent.service"),
        (
            "-rw-r--r--",
            "./usr/lib/systemd/system/salt-agent-key.service",
        ),
        ("-rw-r--r--", "./usr/lib/tmpfiles.d/salt-agent.conf"),
        ("-rw-r--r--", "./etc/salt/minion.d/00-agent.conf"),
        ("-rwxr-xr-x", "./etc/cloud/clean.d/50-salt-agent"),
        ("-rw-r--r--", "./usr/share/man/man1/salt-agent.1.gz"),
        (
            "-rw-r--r--",
            "./usr/share/man/man1/salt-agent-generalize.1.gz",
        ),
        (
            "-rw-r--r--",
            "./usr/share/bash-completion/completions/salt-agent",
        ),
        (
            "-rw-r--r--",
            "./usr/share/zsh/vendor-completions/_salt-agent",
        ),
        (
            "-rw-r--r--",
            "./usr/share/fish/vendor_completions.d/salt-agent.fish",
        ),
        ("-rw-r--r--", "./usr/share/doc/salt-agent/copyright"),
    ] {
        let is = |line: &&str| line.starts_with(mode) && line.ends_with(&format!(" {path}"));
        assert!(
            list.lines().any(|line| is(&line)),
            "{mode} {path} in\n{list}"
        );
    }
    // /lib is a link on every system of today, which a package must not replace.
    assert!(!list.contains(" ./lib/"), "{list}");
    assert_eq!(
        ask(&["-f"], &package)
            .lines()
            .find(|l| l.starts_with("Architecture")),
        Some(format!("Architecture: {}", debian_arch()).as_str())
    );
    let control = ask(&["-f"], &compat(&package));
    for line in [
        "Conflicts: salt-minion",
        "Provides: salt-minion",
        "Depends: salt-agent",
    ] {
        assert!(control.lines().any(|l| l == line), "{line} in\n{control}");
    }
    let links = ask(&["-c"], &compat(&package));
    for link in ["salt-call -> salt-agent", "salt-minion -> salt-agent"] {
        assert!(links.contains(&format!("./usr/bin/{link}")), "{links}");
    }
}

/// The machine's own, in Debian's words.
fn debian_arch() -> String {
    let ran = Finished::run(Command::new("dpkg").arg("--print-architecture")).success();
    ran.stdout.trim().to_owned()
}

/// What the program is made of, whole and in the versions of the lock file, and nothing that only tests need.
#[test]
fn the_bill_of_materials_names_what_is_in_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rustc = Finished::run(Command::new("rustc").arg("-vV"))
        .success()
        .stdout;
    let triple = rustc
        .lines()
        .find_map(|l| l.strip_prefix("host: "))
        .unwrap();
    let program = bin("salt-agent");
    let mut bill = Command::new("python3");
    bill.current_dir(&root)
        .arg("packaging/sbom.py")
        .arg(&program)
        .args([triple, "musl"])
        .env("SOURCE_DATE_EPOCH", "86400");
    let bill = Finished::run(&mut bill).success().json();

    assert_eq!(bill["metadata"]["timestamp"], "1970-01-02T00:00:00Z");
    let sum = Finished::run(Command::new("sha256sum").arg(&program)).success();
    let sum = sum.stdout.split_whitespace().next().unwrap();
    assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], sum);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let components = list(&bill["components"]);
    let named = |c: &Value| {
        format!(
            "{} v{}",
            c["name"].as_str().unwrap(),
            c["version"].as_str().unwrap()
        )
    };
    let billed: BTreeSet<String> = components.iter().map(named).collect();
    let has = |name: &str| billed.iter().any(|c| c.starts_with(&format!("{name} v")));
    assert!(has("ring") && has("salt-wire"), "{billed:?}");
    // Of the bridge; of the tests; run by the compiler.
    for stranger in [
        "aws-lc-rs",
        "openstack_sdk",
        "harness",
        "serde_derive",
        "cc",
    ] {
        assert!(!has(stranger), "{stranger}");
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    for component in &billed {
        let (name, version) = component.split_once(" v").unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{component}");
    }
    for component in &components {
        assert!(component["licenses"][0].is_object(), "{component}");
    }
}
