//! The effective configuration, compared with Salt's own on the same files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test, and it says which case"
)]

mod cases;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Release, bin};
use serde_json::{Map, Value};

#[test]
fn as_salt_reads_it() {
    let release = Release::V3008;
    if !release.is_installed() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dirs: Vec<PathBuf> = (0..cases::CASES.len())
        .map(|n| home.path().join(format!("case-{n}")))
        .collect();
    // Before Salt looks: it renames a broken schedule.
    let mut differences = Vec::new();
    for ((_, files), dir) in cases::CASES.iter().zip(&dirs) {
        lay_out(files, dir);
    }
    let ours: Vec<_> = dirs.iter().map(|dir| agent(dir)).collect();
    let salts = salt(release, &dirs);
    for (n, (name, _)) in cases::CASES.iter().enumerate() {
        match (&ours[n], &salts[n]) {
            (None, None) => {}
            (Some(ours), Some(salts)) => {
                for difference in compare(ours, salts) {
                    differences.push(format!("{name}: {difference}"));
                }
            }
            (ours, _) => {
                let who = if ours.is_some() { "salt" } else { "the agent" };
                differences.push(format!("{name}: only {who} refuses it"));
            }
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

fn lay_out(files: &[(&str, &str)], dir: &Path) {
    fs::create_dir(dir).unwrap();
    let root = dir.to_str().unwrap();
    let mut rooted = false;
    for (path, text) in files {
        let file = dir.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut text = text.replace("ROOT", root);
        let is_map = !["- ", "false", "5", "master salt"]
            .iter()
            .any(|t| text.starts_with(t));
        if *path == "minion" && !text.contains("root_dir") && is_map {
            // At its end a line of its own, unless the document is closed.
            text = match text.strip_suffix("...\n") {
                Some(open) => format!("{open}root_dir: {root}\n...\n"),
                None => format!("{text}root_dir: {root}\n"),
            };
            rooted = true;
        }
        rooted |= text.contains("root_dir");
        fs::write(file, text).unwrap();
    }
    if !rooted {
        fs::create_dir_all(dir.join("minion.d")).unwrap();
        fs::write(
            dir.join("minion.d/root.conf"),
            format!("root_dir: {root}\n"),
        )
        .unwrap();
    }
}

/// The options as `check-config` shows them; `None` when it refuses.
fn agent(dir: &Path) -> Option<Map<String, Value>> {
    let output = Command::new(bin("salt-agent"))
        .args(["check-config", "--all", "-o", "json", "-c"])
        .arg(dir)
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let options = document.get("options")?.as_object().unwrap();
    let plain = options.iter().map(|(k, v)| (k.clone(), v["value"].clone()));
    Some(plain.collect())
}

fn salt(release: Release, dirs: &[PathBuf]) -> Vec<Option<Map<String, Value>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/oracle.py");
    let mut child = Command::new(release.program("python"))
        .arg(script)
        .env_remove("SALT_CONFIG_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = dirs.iter().map(|d| format!("{}\n", d.display())).collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Option<_>> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), dirs.len());
    answers
}

/// A share of the machine's memory, of which a virtual one is now and then given a page more or less.
fn nearly(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= a.abs() / 1000.0,
        _ => false,
    }
}

fn compare(ours: &Map<String, Value>, salts: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<_> = ours.keys().chain(salts.keys()).collect();
    names.sort();
    names.dedup();
    let nothing = Value::String("(absent)".to_owned());
    names
        .into_iter()
        // Salt names its default file even when it read none.
        .filter(|name| *name != "conf_file")
        .filter_map(|name| {
            let a = ours.get(name).unwrap_or(&nothing);
            let b = salts.get(name).unwrap_or(&nothing);
            let same = a == b || a == "(hidden)" || name == "ipc_write_buffer" && nearly(a, b);
            (!same).then(|| format!("{name}: ours {a}, salt's {b}"))
        })
        .collect()
}
