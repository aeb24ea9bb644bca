//! The same state trees through real Salt and through the agent: equal returns, equal files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    let_underscore_drop,
    unreachable_pub,
    clippy::let_underscore_must_use,
    reason = "a failed unwrap in a test is a failed test, and a skip says why"
)]

mod cases;
mod edits;
mod engine;
mod files;
mod functions;
mod languages;
mod more;
mod oracle;
mod ours;
mod repositories;
mod server;
#[path = "../../../tests/harness/venv.rs"]
mod venv;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use salt_wire::{Map, map};
use serde_json::{Value as Json, json};

use cases::Case;
use oracle::Oracle;

/// What differs between two runs of anything.
fn normal(answer: &mut Json, root: &Path) {
    match answer {
        Json::Object(map) => {
            for key in ["duration", "start_time", "pid"] {
                map.remove(key);
            }
            let renamed: Vec<_> = std::mem::take(map).into_iter().collect();
            for (key, mut value) in renamed {
                normal(&mut value, root);
                map.insert(key.replace(&*root.to_string_lossy(), "ROOT"), value);
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|v| normal(v, root)),
        Json::String(text) => {
            *text = text.replace(&*root.to_string_lossy(), "ROOT");
            // A number that is of the moment, where a state shows a whole answer.
            if let Some((before, after)) = text.split_once("pid:\n") {
                let rest = after.split_once('\n').map_or("", |(_, rest)| rest);
                *text = format!("{before}{rest}");
            }
            while let Some((before, after)) = text.split_once("/tmp/__salt.") {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                *text = format!("{before}TEMPORARY{}", &after[end..]);
            }
            // The parts of a recursion come in the order of Python's sets: none.
            if text.starts_with("#### ") {
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                *text = lines.join("\n");
            }
        }
        _ => {}
    }
}

/// What differs, each with its path.
fn differences(expected: &Json, got: &Json, path: &str) -> Vec<String> {
    match (expected, got) {
        (Json::Object(a), Json::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter()
                .flat_map(|key| {
                    let of = |m: &serde_json::Map<String, Json>| {
                        m.get(key).cloned().unwrap_or(json!("(absent)"))
                    };
                    differences(&of(a), &of(b), &format!("{path}/{key}"))
                })
                .collect()
        }
        _ if expected == got => Vec::new(),
        _ => vec![format!("{path}\n  salt: {expected}\n  ours: {got}")],
    }
}

/// Names, kinds, modes and contents of all files that a case may have touched.
fn tree_of(root: &Path) -> BTreeMap<String, String> {
    fn walk(dir: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            // What git and pip keep for themselves has times in it.
            if path.file_name().is_some_and(|n| n == ".git" || n == "env") {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let content = if meta.is_symlink() {
                fs::read_link(&path).unwrap().to_string_lossy().into_owned()
            } else if meta.is_dir() {
                walk(&path, root, found);
                "dir".into()
            } else if !meta.is_file() {
                format!("node {}", meta.rdev())
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            };
            let shown = format!(
                "{:o} {}:{} {content}",
                meta.mode() & 0o7777,
                meta.uid(),
                meta.gid()
            );
            found.insert(name, shown.replace(&*root.to_string_lossy(), "ROOT"));
        }
    }
    let mut found = BTreeMap::new();
    walk(&root.join("work"), &root.join("work"), &mut found);
    found
}

/// A text with each side's own directory, and the address of the server.
fn filled(text: &str, root: &Path) -> String {
    let text = text.replace("ROOT", &root.to_string_lossy());
    if text.contains("SERVER") {
        return text.replace("SERVER", &server::address());
    }
    text
}

/// What a case finds that is more than files; every commit is of the same moment and author.
fn set_up(root: &Path, script: &Path) {
    let mut command = Command::new("sh");
    command.arg("-eu").arg(script).current_dir(root);
    for of in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{of}_NAME"), "parity");
        command.env(format!("GIT_{of}_EMAIL"), "parity@example.org");
        command.env(format!("GIT_{of}_DATE"), "2020-01-01T00:00Z");
    }
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", script.display());
}

fn prepare(case: &Case, root: &Path) -> Json {
    for (name, text) in case.files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, filled(text, root)).unwrap();
    }
    for dir in ["srv", "dev", "pillar", "work", "cache"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let script = root.join("setup.sh");
    if script.exists() {
        set_up(root, &script);
    }
    let text = filled(case.opts, root);
    let mut opts: Json = serde_json::from_str(&text).unwrap();
    let defaults = json!({
        "file_roots": { "base": [root.join("srv")], "dev": [root.join("dev")] },
        "pillar_roots": { "base": [root.join("pillar")] },
    });
    for (key, value) in defaults.as_object().unwrap() {
        opts.as_object_mut()
            .unwrap()
            .entry(key)
            .or_insert(value.clone());
    }
    opts
}

fn grains() -> Map {
    map! { "shell" => "/bin/sh", "os" => "Debian", "id" => "minion" }
}

fn run(module: &str, cases: &[Case]) {
    run_beside("3008.3", module, cases);
}

/// Beside the release that has the module: 3008 left some to extensions.
fn run_beside(release: &str, module: &str, cases: &[Case]) {
    let Some(mut oracle) = Oracle::start(release) else {
        return;
    };
    let only = std::env::var("PARITY_CASE").ok();
    let mut wrong = Vec::new();
    for case in cases {
        if only.as_ref().is_some_and(|o| o != case.name) {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let (salt, agent) = (dir.path().join("salt"), dir.path().join("agnt"));
        let (salt_opts, agent_opts) = (prepare(case, &salt), prepare(case, &agent));
        // A second round on the same files: what was done must be found done.
        for (round, call) in case.calls.iter().enumerate() {
            let parse = |text: &str, root: &Path| -> Json {
                serde_json::from_str(&filled(text, root)).unwrap()
            };
            let mut expected = oracle.ask(
                &salt,
                &salt_opts,
                call.0,
                &parse(call.1, &salt),
                &parse(call.2, &salt),
            );
            let mut got = ours::ask(
                &agent,
                &agent_opts,
                &grains(),
                call.0,
                &parse(call.1, &agent),
                &parse(call.2, &agent),
            );
            normal(&mut expected, &salt);
            normal(&mut got, &agent);
            if let Some(error) = expected.get("error").and_then(Json::as_str) {
                let message = error.split_once(": ").map_or(error, |(_, m)| m);
                expected = json!({ "error": message });
            }
            wrong.extend(
                differences(&expected, &got, "")
                    .into_iter()
                    .map(|d| format!("{module} {} call {round} {}: {d}", case.name, call.0)),
            );
            let (expected, got) = (tree_of(&salt), tree_of(&agent));
            let names: BTreeSet<_> = expected.keys().chain(got.keys()).collect();
            for name in names {
                let (expected, got) = (expected.get(name), got.get(name));
                if expected != got {
                    wrong.push(format!(
                        "{module} {} call {round}: file {name}\n  salt: {expected:?}\n  ours: {got:?}",
                        case.name
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn states_that_only_report() {
    run("test", cases::TEST);
}

#[test]
fn the_engine() {
    run("engine", engine::ENGINE);
}

#[test]
fn files_directories_and_links() {
    run("file", files::FILE);
}

#[test]
fn files_edited_in_place() {
    run("edits", edits::EDITS);
}

#[test]
fn runs_with_slots_and_parallel_states() {
    run("running", edits::RUNNING);
}

#[test]
fn rendered_trees_and_files() {
    run("rendered", files::RENDERED);
}

#[test]
fn functions_that_templates_call() {
    run("functions", functions::FUNCTIONS);
}

#[test]
fn functions_of_git() {
    run("git", repositories::REPOSITORIES);
}

#[test]
fn states_beyond_files() {
    run("more", more::MORE);
}

#[test]
fn python_packages() {
    let there = Command::new("python3")
        .args(["-c", "import pip, venv"])
        .output();
    if !there.is_ok_and(|done| done.status.success()) {
        return eprintln!("skipped: there is no python3 with pip and venv here");
    }
    run("python", more::PYTHON);
}

#[test]
fn packages_of_ruby() {
    if !Path::new("/usr/bin/gem").exists() {
        assert!(std::env::var_os("CI").is_none(), "`make` installs ruby");
        return eprintln!("skipped: there is no ruby here");
    }
    run_beside("3007.15", "gem", languages::GEM);
}

#[test]
fn property_lists() {
    run_beside("3007.15", "plist", languages::PLIST);
}

#[test]
fn packages_of_node() {
    if !Path::new("/usr/bin/npm").exists() {
        assert!(std::env::var_os("CI").is_none(), "`make` installs npm");
        return eprintln!("skipped: there is no npm here");
    }
    run_beside("3007.15", "npm", languages::NPM);
}

#[test]
fn the_schedule_of_a_minion_that_does_not_run() {
    run("schedule", more::SCHEDULE);
}

#[test]
fn accounts_looked_at() {
    run("accounts", cases::ACCOUNTS);
}

#[test]
fn packages_looked_at() {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        return eprintln!("skipped: no Debian here");
    }
    run("packages", cases::PACKAGES);
}

#[test]
fn commands() {
    run("commands", cases::COMMANDS);
}

#[test]
fn guards_that_run_commands() {
    run("guards", cases::GUARDS);
}
