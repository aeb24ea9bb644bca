//! The configuration of logrotate, read as Salt reads it and written back stanza by stanza.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value};

use crate::python;

/// What begins a script; it ends with `endscript`.
const SCRIPTS: [&str; 5] = [
    "prerotate",
    "postrotate",
    "firstaction",
    "lastaction",
    "preremove",
];

/// How deep files may include each other.
const DEEPEST: usize = 16;

/// A number where a text is one.
pub fn number(text: &str) -> Value {
    let trimmed = text.trim();
    trimmed
        .parse::<i64>()
        .map_or_else(|_| text.into(), Value::from)
}

/// What a file says: directives, and a map for each log file.
pub fn read(path: &Path) -> Result<Map, String> {
    below(path, 0)
}

/// Whether a lone word names a log file rather than being a directive.
fn is_log(word: &str) -> bool {
    word.starts_with(['/', '~', '"', '\'']) || word.contains(['*', '?', '['])
}

fn below(path: &Path, depth: usize) -> Result<Map, String> {
    let text = fs::read(path).map_err(|e| python::os_error(path, &e))?;
    let text = String::from_utf8_lossy(&text);
    let mut all = Map::new();
    let mut stanza: Option<(Vec<String>, Map)> = None;
    let mut names: Vec<String> = Vec::new();
    let mut script: Option<(String, Vec<Value>)> = None;
    for line in text.lines().map(str::trim) {
        if let Some((name, body)) = &mut script {
            if line != "endscript" {
                body.push(line.into());
                continue;
            }
            let (name, body) = (std::mem::take(name), std::mem::take(body));
            let into = stanza.as_mut().map_or(&mut all, |(_, map)| map);
            into.insert(name.into(), Value::List(body));
            script = None;
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains('{') && !line.contains('}') {
            let own = words.iter().filter(|w| **w != "{").map(|w| (*w).to_owned());
            names.extend(own);
            stanza = Some((std::mem::take(&mut names), Map::new()));
            continue;
        }
        if line.contains('}') {
            if let Some((names, map)) = stanza.take() {
                for name in names {
                    all.insert(name.into(), map.clone().into());
                }
            }
            continue;
        }
        let Some(first) = words.first().copied() else {
            continue;
        };
        if stanza.is_none() && words.len() == 1 {
            if is_log(first) {
                names.push(first.to_owned());
            } else {
                all.insert(first.into(), true.into());
            }
            continue;
        }
        if first == "include" && words.len() > 1 {
            include(&mut all, words[1], depth)?;
        }
        if SCRIPTS.contains(&first) && words.len() == 1 {
            script = Some((first.to_owned(), Vec::new()));
            continue;
        }
        let value = match words.len() {
            1 => true.into(),
            2 => number(words[1]),
            _ => words[1..].join(" ").into(),
        };
        let into = stanza.as_mut().map_or(&mut all, |(_, map)| map);
        into.insert(first.into(), value);
    }
    for name in names {
        all.insert(name.into(), true.into());
    }
    Ok(all)
}

/// The files of a directory, their content beside the rest and by file in `include files`.
fn include(all: &mut Map, dir: &str, depth: usize) -> Result<(), String> {
    if depth >= DEEPEST {
        return Err(format!("{dir}: files include each other without end"));
    }
    all.insert("include".into(), dir.into());
    let entries = fs::read_dir(dir).map_err(|e| python::os_error(Path::new(dir), &e))?;
    for entry in entries.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let mut keys = Vec::new();
        for (key, value) in below(&entry.path(), depth + 1)? {
            keys.push(key.clone());
            all.insert(key, value);
        }
        let files = all
            .entry("include files".into())
            .or_insert_with(|| Map::new().into());
        if let Value::Map(files) = files {
            files.insert(file.into(), Value::List(keys));
        }
    }
    Ok(())
}

/// A log file's directives as they stand in the configuration.
pub fn stanza(name: &str, directives: &Map) -> String {
    let mut text = format!("{name} {{\n");
    for (key, value) in directives {
        let key = python::text(key);
        match value {
            Value::List(body) if SCRIPTS.contains(&key.as_str()) => {
                text += &format!("    {key}\n");
                for line in body {
                    text += &format!("        {}\n", python::text(line));
                }
                text += "    endscript\n";
            }
            Value::Bool(true) => text += &format!("    {key} \n"),
            other => text += &format!("    {key} {}\n", python::text(other)),
        }
    }
    text + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_read_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("conf");
        let text = "weekly\nrotate 4\n# c\n/var/log/a\n/var/log/b {\n  size 10M now\n  missingok\n  postrotate\n    kill -1 x\n  endscript\n}\n";
        fs::write(&file, text).unwrap();
        let all = read(&file).unwrap();
        assert_eq!(all.get("rotate"), Some(&4.into()));
        assert_eq!(all.get("weekly"), Some(&true.into()));
        assert_eq!(all.get("/var/log/a"), all.get("/var/log/b"));
        let Some(Value::Map(b)) = all.get("/var/log/b") else {
            panic!("no stanza")
        };
        assert_eq!(
            stanza("/b", b),
            "/b {\n    size 10M now\n    missingok \n    postrotate\n        kill -1 x\n    endscript\n}"
        );
    }
}
