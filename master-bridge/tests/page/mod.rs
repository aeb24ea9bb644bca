//! A page of the documentation as a transcript: each command runs, and says what the page says.

use std::path::Path;
use std::process::Command;

use harness::Finished;

/// A command of a page, and the lines that follow it.
struct Said {
    command: String,
    lines: Vec<String>,
}

/// The files that a page shows, by the names before them, and its commands.
fn read(page: &str) -> (Vec<(String, String)>, Vec<Said>) {
    let (mut files, mut all) = (Vec::new(), Vec::<Said>::new());
    let (mut name, mut inside) = (String::new(), String::new());
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            inside = if inside.is_empty() {
                kind.to_owned()
            } else {
                String::new()
            };
            if matches!(kind, "toml" | "yaml") {
                files.push((name.clone(), String::new()));
            }
            continue;
        }
        match inside.as_str() {
            "" => {
                if let Some(file) = line.strip_prefix('`').and_then(|l| l.strip_suffix("`:")) {
                    name = file.to_owned();
                }
            }
            "toml" | "yaml" => {
                let text = &mut files.last_mut().unwrap().1;
                text.push_str(line);
                text.push('\n');
            }
            "console" => match line.strip_prefix("$ ") {
                Some(command) => all.push(Said {
                    command: command.to_owned(),
                    lines: Vec::new(),
                }),
                None => all.last_mut().unwrap().lines.push(line.to_owned()),
            },
            _ => {}
        }
    }
    (files, all)
}

/// As a shell splits: blanks, unless between quotes.
fn split(command: &str) -> Vec<String> {
    let quoted = command.split('\'').enumerate();
    let mut words = vec![String::new()];
    for (at, part) in quoted {
        for (n, piece) in part.split(if at % 2 == 0 { ' ' } else { '\n' }).enumerate() {
            if n > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(piece);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words of a line, each run of blanks as one.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs the commands of a page, in a folder with its files; `bridge` knows how `master-bridge` is called there.
pub(crate) fn run(page: &str, folder: &Path, bridge: &dyn Fn(&[&str]) -> Command) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let (files, all) = read(&std::fs::read_to_string(path).unwrap());
    assert!(!all.is_empty(), "{page} has no transcript");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    for said in all {
        let parts = split(&said.command);
        let args: Vec<&str> = parts[1..].iter().map(String::as_str).collect();
        let mut command = match parts[0].as_str() {
            "master-bridge" => bridge(&args),
            other => {
                let mut command = Command::new(other);
                command.args(&args);
                command
            }
        };
        let done = Finished::run(command.current_dir(folder));
        assert_eq!(done.code, 0, "{page}: {}: {done:?}", said.command);
        let heard: Vec<String> = done
            .stdout
            .lines()
            .chain(done.stderr.lines())
            .map(words)
            .collect();
        for line in said.lines {
            let found = heard.iter().any(|h| h.contains(&words(&line)));
            assert!(
                found,
                "{page}: {}: no {line:?} in\n{}\n{}",
                said.command, done.stdout, done.stderr
            );
        }
    }
}
