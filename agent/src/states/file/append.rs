//! `file.append` and `file.prepend`: lines at the end or at the beginning, unless they are there already.

use std::path::Path;

use salt_wire::{Map, map};

use super::edit::{check_file, contains, from_sources, put, read, shown, texts};
use super::pattern::{kept_lines, python_lines, whitespace_tolerant};
use super::{Done, failed, path_of, perms, touch};
use crate::context::{Context, Error};
use crate::host::diff;
use crate::states::{Outcome, Run};
use salt_wire::Value;

/// The file and what is to be in it; or what the state says before it comes to that.
enum Ready {
    Text { old: String, chunks: Vec<String> },
    Done(Outcome),
}

fn ready(ctx: &Context, run: &Run<'_>, name: &str, fun: &str) -> Result<Ready, Error> {
    let refuse = |text: String| Ok(Ready::Done(Outcome::failed(text)));
    if name.is_empty() {
        return refuse(format!("Must provide name to file.{fun}"));
    }
    let path = Path::new(name);
    let makedirs = run.args.get("makedirs") == &Value::Bool(true);
    if makedirs && !run.test && name.starts_with('/') {
        let dir = path.parent().unwrap_or(path);
        if !dir.is_dir() {
            perms::make_dirs(dir, &perms::Wanted::ANY)?;
        }
    }
    let rendered = match from_sources(ctx, run) {
        Ok(rendered) => rendered,
        Err(text) if text.contains("exclusive") => return refuse(text),
        Err(text) => {
            // The file is there by then.
            if check_file(name).is_err() && !run.test {
                drop(touch::create(path));
            }
            return refuse(text);
        }
    };
    if let Err(text) = check_file(name) {
        if run.test && name.starts_with('/') {
            return Ok(Ready::Done(touch::check(name, &Value::Null, &Value::Null)));
        }
        if !name.starts_with('/') || touch::create(path).is_err() {
            return refuse(text);
        }
    }
    let chunks = rendered.unwrap_or_else(|| texts(run.args.get("text")));
    Ok(Ready::Text {
        old: read(path)?,
        chunks,
    })
}

fn owned(lines: Vec<&str>) -> Vec<String> {
    lines.into_iter().map(str::to_owned).collect()
}

pub(super) fn append(ctx: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    let (old, chunks) = match ready(ctx, run, &name, "append")? {
        Ready::Text { old, chunks } => (old, chunks),
        Ready::Done(outcome) => return Ok(outcome),
    };
    let mut added = Vec::new();
    for chunk in &chunks {
        let there = if run.args.flag("ignore_whitespace") {
            contains(&old, &whitespace_tolerant(chunk))?
        } else {
            contains(&old, chunk)?
        };
        if !there {
            added.extend(owned(python_lines(chunk)));
        }
    }
    let before = owned(python_lines(&old));
    let after: Vec<String> = before.iter().chain(&added).cloned().collect();
    let changes = (before != after).then(|| {
        let text = if !diff::is_text(old.as_bytes()) {
            "Replace binary file".to_owned()
        } else if run.args.flag("show_changes") {
            diff::unified_lines(&before, &after).join("\n")
        } else {
            "<show_changes=False>".to_owned()
        };
        map! { "diff" => text }
    });
    let right = format!("File {name} is in correct state");
    let Some(changes) = changes else {
        return Ok(Outcome::unchanged(right));
    };
    if run.test {
        return Ok(Outcome::would(
            changes,
            format!("File {name} is set to be updated"),
        ));
    }
    let mut new = old;
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    for line in &added {
        new += line;
        new.push('\n');
    }
    put(Path::new(&name), &new, None)?;
    Ok(Outcome::changed(
        changes,
        format!("Appended {} lines", added.len()),
    ))
}

pub(super) fn prepend(ctx: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    let (old, chunks) = match ready(ctx, run, &name, "prepend")? {
        Ready::Text { old, chunks } => (old, chunks),
        Ready::Done(outcome) => return Ok(outcome),
    };
    let header = run.args.flag("header");
    let mut preface = Vec::new();
    for chunk in &chunks {
        if header || !contains(&old, &whitespace_tolerant(chunk))? {
            preface.extend(python_lines(chunk));
        }
    }
    let right = format!("File {name} is in correct state");
    let head: Vec<&str> = python_lines(&old).into_iter().take(preface.len()).collect();
    // In test mode Salt does not look whether the header is there already.
    if header && !run.test && head == preface {
        preface.clear();
    }
    let mut new: String = preface.iter().map(|line| format!("{line}\n")).collect();
    new += &old;
    let changes: Option<Map> =
        shown(&old, &new, run.args.flag("show_changes")).map(|mut changes| {
            if run.args.flag("show_changes") && diff::is_text(new.as_bytes()) {
                let lines = diff::unified_lines(&owned(kept_lines(&old)), &owned(kept_lines(&new)));
                changes.insert("diff".into(), lines.concat().into());
            }
            changes
        });
    let Some(changes) = changes else {
        return Ok(Outcome::unchanged(right));
    };
    if run.test {
        return Ok(Outcome::would(
            changes,
            format!("File {name} is set to be updated"),
        ));
    }
    put(Path::new(&name), &new, None)?;
    if preface.is_empty() {
        return failed(right);
    }
    Ok(Outcome::changed(
        changes,
        format!("Prepended {} lines", preface.len()),
    ))
}
