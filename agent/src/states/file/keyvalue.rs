//! `file.keyvalue`: keys with their values, a line each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use super::edit::put;
use super::{Done, failed, path_of};
use crate::context::{Context, python};
use crate::states::{Outcome, Run};

/// The lines of the new file, and what is told of the way there.
#[derive(Default)]
struct Edited {
    lines: Vec<String>,
    diff: Vec<String>,
    changes: usize,
    deleted: Vec<String>,
}

/// How lines are compared with keys.
struct Rules {
    separator: String,
    uncomment: Option<String>,
    key_ignore_case: bool,
    value_ignore_case: bool,
    prune: bool,
}

impl Rules {
    /// A line without the signs that comment it out; without such signs, without leading blanks.
    fn bare<'l>(&self, line: &'l str) -> &'l str {
        match &self.uncomment {
            Some(signs) => line.trim_start_matches(|c| signs.contains(c)),
            None => line.trim_start(),
        }
    }

    fn key(&self, text: &str) -> String {
        if self.key_ignore_case {
            text.to_lowercase()
        } else {
            text.to_owned()
        }
    }
}

pub(super) fn keyvalue(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.keyvalue");
    }
    let pairs: Map = match (args.get("key"), args.get("value"), args.get("key_values")) {
        (key, value, all) if !key.is_null() && !value.is_null() => {
            if matches!(all, Value::Map(_)) {
                return failed("file.keyvalue can not combine key_values with key and value");
            }
            map! { python::text(key) => value.clone() }
        }
        (_, _, Value::Map(all)) if !all.is_empty() => all.clone(),
        (_, _, all) => {
            let what = if all.is_truthy() {
                "is not a dictionary"
            } else {
                "is empty"
            };
            return failed(format!(
                "file.keyvalue key and value not supplied and key_values {what}"
            ));
        }
    };
    let path = Path::new(&name);
    let (mut append, mut fresh) = (args.flag("append_if_not_found"), false);
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && args.flag("create_if_missing") =>
        {
            (append, fresh) = (true, true);
            String::new()
        }
        Err(_) => {
            let text = format!("unable to open {name}");
            return Ok(if args.flag("ignore_if_missing") {
                Outcome::unchanged(text)
            } else {
                Outcome::failed(text)
            });
        }
    };
    let rules = Rules {
        separator: args.text("separator")?,
        uncomment: args.opt_text("uncomment")?,
        key_ignore_case: args.flag("key_ignore_case"),
        value_ignore_case: args.flag("value_ignore_case"),
        prune: args.flag("prune"),
    };
    let count = args.get("count").as_int().unwrap_or(1);
    let mut left: BTreeMap<String, i128> = pairs.keys().map(|k| (python::text(k), count)).collect();
    let mut edited = edit(&old, &pairs, &rules, &mut left);
    if append {
        edited.append(&pairs, &rules, &left);
    } else if args.flag("prepend_if_not_found") {
        edited.prepend(&pairs, &rules, &left);
    }
    for line in &edited.deleted {
        let at = edited.diff.len().min(1);
        edited.diff.insert(at, format!("- {line}"));
    }
    if edited.changes == 0 && edited.deleted.is_empty() {
        return Ok(Outcome::unchanged(""));
    }
    let show = args.flag("show_changes");
    let changes = if show {
        map! { "diff" => edited.diff.concat() }
    } else {
        Map::new()
    };
    if run.test {
        let mut text = format!(
            "File {name} is set to be changed ({} lines modified, {} deleted)",
            edited.changes,
            edited.deleted.len()
        );
        if show {
            text += "\nPredicted diff:\n\r\t\t";
            text += &edited.diff.join("\r\t\t");
        }
        return Ok(Outcome::would(changes, text));
    }
    let text = edited.lines.concat();
    let written = if fresh {
        crate::host::fs::write_atomic(path, text.as_bytes(), 0o666 & !crate::host::perms::umask())
            .is_ok()
    } else {
        put(path, &text, None).is_ok()
    };
    let comment = format!(
        "Changed {}, deleted {} lines",
        edited.changes,
        edited.deleted.len()
    );
    Ok(if written {
        Outcome::changed(changes, comment)
    } else {
        Outcome {
            changes,
            ..Outcome::failed(format!("{name} not writable"))
        }
    })
}

fn edit(old: &str, pairs: &Map, rules: &Rules, left: &mut BTreeMap<String, i128>) -> Edited {
    let mut edited = Edited::default();
    for line in old.replace("\r\n", "\n").split_inclusive('\n') {
        let bare = rules.bare(line);
        let was_comment = bare.len() < line.len();
        let test = rules.key(bare);
        let working = if was_comment { bare } else { line };
        if rules.prune
            && !pairs
                .keys()
                .any(|k| test.starts_with(&rules.key(&python::text(k))))
        {
            edited.deleted.push(line.to_owned());
            continue;
        }
        let mut line = line.to_owned();
        if let Some((key, value)) = working.split_once(rules.separator.as_str()) {
            for (wanted, new) in pairs {
                let name = python::text(wanted);
                if rules.key(key) != rules.key(&name) || !test.starts_with(&rules.key(&name)) {
                    continue;
                }
                let fold = |text: &str| {
                    let text = text.trim();
                    if rules.value_ignore_case {
                        text.to_lowercase()
                    } else {
                        text.to_owned()
                    }
                };
                let remaining = left.entry(name).or_default();
                let mut same = fold(value) == fold(&python::text(new));
                let mut touched = false;
                if was_comment {
                    if *remaining > 0 {
                        touched = true;
                    } else {
                        // More of them may stay comments.
                        same = true;
                    }
                } else if *remaining == 0 {
                    touched = true;
                }
                if !same || touched {
                    edited.diff.push(format!("- {line}"));
                    line.clear();
                    if *remaining != 0 {
                        line = format!("{key}{}{}\n", rules.separator, python::text(new));
                        edited.diff.push(told(&line, new));
                    }
                    edited.changes += 1;
                }
                if *remaining > 0 {
                    *remaining -= 1;
                }
            }
        }
        edited.lines.push(line);
    }
    edited
}

/// A new line as the diff has it; a value that is no text is told with its type.
fn told(line: &str, value: &Value) -> String {
    match value {
        Value::Str(_) => format!("+ {line}"),
        other => format!(
            "+ {} (from {} type)\n",
            line.trim_end(),
            crate::context::signature::kind(other)
        ),
    }
}

impl Edited {
    fn missing(pairs: &Map, rules: &Rules, left: &BTreeMap<String, i128>) -> Vec<String> {
        pairs
            .iter()
            .map(|(key, value)| (python::text(key), value))
            .filter(|(key, _)| left.get(key).is_some_and(|n| *n > 0))
            .map(|(key, value)| format!("{key}{}{}\n", rules.separator, python::text(value)))
            .collect()
    }

    fn append(&mut self, pairs: &Map, rules: &Rules, left: &BTreeMap<String, i128>) {
        let lines = Self::missing(pairs, rules, left);
        if lines.is_empty() {
            return;
        }
        self.diff.push("- <EOF>\n".to_owned());
        self.diff.extend(lines.iter().map(|l| format!("+ {l}")));
        self.diff.push("+ <EOF>\n".to_owned());
        self.changes += lines.len();
        self.lines.extend(lines);
    }

    fn prepend(&mut self, pairs: &Map, rules: &Rules, left: &BTreeMap<String, i128>) {
        let lines = Self::missing(pairs, rules, left);
        if lines.is_empty() {
            return;
        }
        self.diff.insert(0, "  <SOF>\n".to_owned());
        for line in lines {
            self.diff.insert(1, format!("+ {line}"));
            self.lines.insert(0, line);
            self.changes += 1;
        }
    }
}
