//! `ini`: settings and sections of INI files that shall be there or not.

use std::path::PathBuf;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Args, Context, Error, python};
use crate::host::charset::Charset;
use crate::host::ini::{Ini, Manner};

/// The rows of `ini`.
pub const STATES: &[State] = &[
    State {
        name: "ini.options_absent",
        signature: "name, sections=None, separator='=', encoding=None",
        doc: "Ensure that a file has no such settings.",
        run: options_absent,
    },
    State {
        name: "ini.options_present",
        signature: "name, sections=None, separator='=', strict=False, encoding=None, no_spaces=False",
        doc: "Ensure that a file has these settings; with ``strict`` no others.",
        run: options_present,
    },
    State {
        name: "ini.sections_absent",
        signature: "name, sections=None, separator='=', encoding=None",
        doc: "Ensure that a file has no such sections.",
        run: sections_absent,
    },
    State {
        name: "ini.sections_present",
        signature: "name, sections=None, separator='=', encoding=None",
        doc: "Ensure that a file has these sections.",
        run: sections_present,
    },
];

type Done = Result<Outcome, Error>;

const NOTHING: &str = "No anomaly detected";
const CHANGED: &str = "Changes take effect";

/// How the arguments want a file to be read and written.
pub fn manner(args: &Args) -> Result<Manner, Error> {
    let encoding = match args.get("encoding") {
        Value::Null => None,
        name => Some(Charset::named(&python::text(name)).map_err(Error::Execution)?),
    };
    Ok(Manner {
        separator: args.text("separator")?,
        no_spaces: args.flag("no_spaces"),
        encoding,
    })
}

fn open(run: &Run<'_>) -> Result<Ini, Error> {
    let path = PathBuf::from(run.args.text("name")?);
    Ini::read(&path, manner(run.args)?).map_err(Error::Execution)
}

fn write(file: &Ini) -> Result<(), Error> {
    file.write().map_err(Error::Execution)
}

/// The names that an argument lists, as a list or as the keys of a map.
fn names(given: &Value) -> Vec<String> {
    match given {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Map(map) => map.keys().map(python::text).collect(),
        _ => Vec::new(),
    }
}

/// What test mode finds, line by line.
#[derive(Default)]
struct Report {
    comment: String,
    changes: bool,
}

impl Report {
    fn same(&mut self, line: &str) {
        self.comment += &format!("{line}\n");
    }

    fn change(&mut self, line: &str) {
        self.same(line);
        self.changes = true;
    }

    fn finish(self, when_silent: &str) -> Outcome {
        let comment = if self.comment.is_empty() {
            when_silent.to_owned()
        } else {
            self.comment
        };
        if self.changes {
            Outcome::would(Map::new(), comment)
        } else {
            Outcome::unchanged(comment)
        }
    }
}

fn outcome(changes: Map) -> Outcome {
    if changes.is_empty() {
        Outcome::unchanged(NOTHING)
    } else {
        Outcome::changed(changes, CHANGED)
    }
}

/// What differs between wanted settings and those of the file, in words.
fn compare(wanted: &Map, now: &Map, place: &str, report: &mut Report) {
    for (key, value) in wanted {
        let same = now
            .get(key)
            .is_some_and(|n| python::text(n) == python::text(value));
        let key = python::text(key);
        if same {
            report.same(&format!("Unchanged key {key}{place}."));
        } else {
            report.change(&format!("Changed key {key}{place}."));
        }
    }
}

/// Those of `now` that are not wanted.
fn surplus(now: &Map, wanted: &Map) -> Vec<(String, Value)> {
    let strange = now.iter().filter(|(key, _)| !wanted.contains_key(*key));
    strange.map(|(k, v)| (python::text(k), v.clone())).collect()
}

fn options_present(_: &Context, run: &Run<'_>) -> Done {
    let mut file = open(run)?;
    let strict = run.args.flag("strict");
    let wanted = run.args.get("sections").as_map().cloned();
    let wanted = wanted.unwrap_or_default();
    if wanted.is_empty() {
        if !run.test {
            write(&file)?;
        }
        return Ok(Outcome::unchanged(if run.test { "" } else { NOTHING }));
    }
    let split = |all: Map| -> (Map, Map) {
        all.into_iter()
            .partition(|(_, v)| matches!(v, Value::Map(_)))
    };
    let ((sections, options), (there, top)) = (split(wanted), split(file.settings()));
    let body = |sections: &Map, name: &Value| -> Map {
        let found = sections.get(name).and_then(Value::as_map);
        found.cloned().unwrap_or_default()
    };
    let place = |name: &Value| match python::text(name).as_str() {
        "" => String::new(),
        name => format!(" in section {name}"),
    };
    if run.test {
        let mut report = Report::default();
        compare(&options, &top, "", &mut report);
        if strict {
            for (key, _) in surplus(&top, &options) {
                report.change(&format!("Removed key {key}."));
            }
            for (section, _) in surplus(&there, &sections) {
                report.change(&format!("Removed section {section}."));
            }
        }
        for name in sections.keys() {
            let (wanted, now) = (body(&sections, name), body(&there, name));
            if strict {
                for (key, _) in surplus(&now, &wanted) {
                    report.change(&format!("Deleted key {key}{}.", place(name)));
                }
            }
            compare(&wanted, &now, &place(name), &mut report);
        }
        return Ok(report.finish(""));
    }
    let gone = |before: Value| map! { "before" => before, "after" => Value::Null };
    let mut changes = file.update(&options);
    if strict {
        for (key, before) in surplus(&top, &options) {
            file.remove_option("", &key);
            changes.insert(key.into(), gone(before).into());
        }
        for (section, before) in surplus(&there, &sections) {
            file.remove_section(&section);
            changes.insert(section.into(), gone(before).into());
        }
    }
    for name in sections.keys() {
        let wanted = body(&sections, name);
        let mut own = Map::new();
        if strict {
            for (key, before) in surplus(&body(&there, name), &wanted) {
                file.remove_option(&python::text(name), &key);
                own.insert(key.into(), gone(before).into());
            }
        }
        let one = Map::from_iter([(name.clone(), wanted.into())]);
        if let Some(Value::Map(new)) = file.update(&one).get(name) {
            own.extend(new.clone());
        }
        if !own.is_empty() {
            changes.insert(name.clone(), own.into());
        }
    }
    write(&file)?;
    Ok(outcome(changes))
}

fn options_absent(_: &Context, run: &Run<'_>) -> Done {
    let mut file = open(run)?;
    let sections = run.args.get("sections").as_map().cloned();
    let sections = sections.unwrap_or_default();
    let now = Value::Map(file.settings());
    if run.test {
        let mut report = Report::default();
        for (section, keys) in &sections {
            let section = python::text(section);
            let Value::List(keys) = keys else {
                if now.get(&section).is_some_and(Value::is_truthy) {
                    report.change(&format!("Deleted key {section}."));
                } else {
                    report.same(&format!("Key {section} does not exist."));
                }
                continue;
            };
            let place = if section.is_empty() {
                String::new()
            } else {
                format!(" in section {section}")
            };
            for key in keys.iter().map(python::text) {
                let value = now.get(&section).and_then(|s| s.get(&key));
                if value.is_some_and(Value::is_truthy) {
                    report.change(&format!("Deleted key {key}{place}."));
                } else {
                    report.same(&format!("Key {key}{place} does not exist."));
                }
            }
        }
        return Ok(report.finish("No changes detected."));
    }
    let mut changes = Map::new();
    for (section, keys) in &sections {
        let name = python::text(section);
        let mut own = Map::new();
        for key in names(keys) {
            let gone = file.remove_option(&name, &key);
            if let Some(value) = gone.filter(Value::is_truthy) {
                own.insert(key.into(), value);
            }
        }
        if !own.is_empty() {
            changes.insert(section.clone(), own.into());
        }
    }
    if !sections.is_empty() {
        write(&file)?;
    }
    Ok(outcome(changes))
}

/// What would become of sections that are to be there, or not.
fn foretold(sections: &[String], now: &Map, wanted: bool) -> Outcome {
    let mut report = Report::default();
    for name in sections {
        match (now.contains_key(name.as_str()), wanted) {
            (true, true) => report.same(&format!("Section unchanged {name}.")),
            (false, true) => report.change(&format!("Created new section {name}.")),
            (true, false) => report.change(&format!("Deleted section {name}.")),
            (false, false) => report.same(&format!("Section {name} does not exist.")),
        }
    }
    report.finish("No changes detected.")
}

fn sections_present(_: &Context, run: &Run<'_>) -> Done {
    let mut file = open(run)?;
    let wanted = names(run.args.get("sections"));
    if run.test {
        return Ok(foretold(&wanted, &file.settings(), true));
    }
    let wanted = wanted.into_iter().map(|n| (n.into(), Map::new().into()));
    let changes = file.update(&wanted.collect());
    write(&file)?;
    Ok(Outcome::changed(changes, CHANGED))
}

fn sections_absent(_: &Context, run: &Run<'_>) -> Done {
    let mut file = open(run)?;
    let unwanted = names(run.args.get("sections"));
    if run.test {
        return Ok(foretold(&unwanted, &file.settings(), false));
    }
    let (mut changes, mut touched) = (Map::new(), false);
    for name in unwanted {
        let Some(gone) = file.remove_section(&name) else {
            continue;
        };
        touched = true;
        if !gone.is_empty() {
            changes.insert(name.into(), gone.into());
        }
    }
    if touched {
        write(&file)?;
    }
    Ok(outcome(changes))
}
