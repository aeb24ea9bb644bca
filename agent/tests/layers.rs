//! The order of the agent's folders: an arrow that points back fails here, with the line that drew it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A folder may use those before it. One line of a new folder goes where its arrows say.
const ORDER: &[&str] = &[
    "fnmatch",
    "python",
    "host",
    "config",
    "logging",
    "identity",
    "keys",
    "transport",
    "session",
    "grains",
    "context",
    "targeting",
    "fileclient",
    "pillar",
    "render",
    "states",
    "compat",
    "highstate",
    "output",
    "mine",
    "schedule",
    "orders",
    "remaster",
    "modules",
    "returns",
    "dispatch",
    "notify",
    "control",
    "supervisor",
    "cli",
    "commands",
];

/// Further arrows that the order alone would allow: a session never sees what it carries, and what runs
/// jobs never sees a socket.
const NEVER: &[(&str, &[&str])] = &[
    ("context", &["transport", "session"]),
    ("states", &["transport", "session", "modules"]),
    ("highstate", &["transport", "session", "modules"]),
    ("modules", &["transport", "session"]),
    ("dispatch", &["transport", "session"]),
    ("returns", &["transport", "session"]),
    ("remaster", &["transport", "session"]),
];

#[test]
fn arrows_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        // Tests in files of their own, and what they share, may use everything.
        if matches!(
            file.file_stem().and_then(|s| s.to_str()),
            Some("tests" | "testing")
        ) {
            continue;
        }
        let Some(room) = room(relative) else { continue };
        let from = position(&room).unwrap_or_else(|| {
            panic!(
                "{} is in no layer: add `{room}` to ORDER",
                relative.display()
            )
        });
        let text = fs::read_to_string(&file).unwrap();
        // What stands behind a file's tests may use everything.
        let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or("");
        for (number, line) in text.lines().enumerate() {
            for target in targets(line) {
                let forbidden = NEVER
                    .iter()
                    .any(|(f, list)| *f == room && list.contains(&target.as_str()));
                if position(&target).is_some_and(|to| to > from) || forbidden {
                    wrong.push(format!(
                        "{}:{}: `{room}` must not use `{target}`",
                        relative.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn position(room: &str) -> Option<usize> {
    ORDER.iter().position(|r| *r == room)
}

/// The top folder (or file) of a path below `src`; the crate's own two files stand above all layers.
fn room(relative: &Path) -> Option<String> {
    let first = relative.iter().next()?.to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib" && name != "main").then(|| name.to_owned())
}

fn targets(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or("");
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with('$'))
        .map(|(at, found)| {
            code[at + found.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}
