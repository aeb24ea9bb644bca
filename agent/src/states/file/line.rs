//! `file.line`: one line deleted, replaced, inserted, or made sure of.

use std::fs;

use salt_wire::{Value, map};

use super::edit::{self, check_file, outcome, put, read};
use super::{Done, bound, failed, managed, path_of, pattern};
use crate::context::{Context, Error, python};
use crate::host::{clock, diff};
use crate::states::Run;

/// What is to be done, and where.
struct Order<'a> {
    mode: &'a str,
    content: &'a str,
    location: Option<&'a str>,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    found: Option<Vec<String>>,
    indent: bool,
}

pub(super) fn line(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.line");
    }
    own(ctx, run)?;
    if let Err(text) = check_file(&name) {
        return failed(text);
    }
    let text = |key: &str| {
        let value = args.get(key);
        (!value.is_null()).then(|| python::text(value))
    };
    let Some(mode) = text("mode").map(|m| m.to_lowercase()) else {
        return failed("Mode was not defined. How to process the file?");
    };
    let content = text("content");
    if mode != "delete" && content.is_none() {
        return failed("Content can only be empty if mode is ['delete']");
    }
    if !matches!(mode.as_str(), "insert" | "ensure" | "delete" | "replace") {
        return Err(Error::execution(format!("Unknown mode: \"{mode}\"")));
    }
    let path = edit::real(&name);
    if !path.is_file() {
        return Err(Error::execution(format!(
            "File \"{}\" does not exists or is not a file.",
            path.display()
        )));
    }
    // Python reads text with any line end as one.
    let on_disk = read(&path)?.replace("\r\n", "\n").replace('\r', "\n");
    let old: Vec<String> = on_disk.split_inclusive('\n').map(str::to_owned).collect();
    let mut body = old.clone();
    if body.last().is_some_and(|l| l.ends_with('\n')) {
        body.push(String::new());
    }
    let content = content.unwrap_or_default();
    let (before, after) = (text("before"), text("after"));
    let wanted = text("match")
        .filter(|m| !m.is_empty())
        .or_else(|| (before.is_none() && after.is_none()).then(|| content.clone()));
    let order = Order {
        mode: &mode,
        content: &content,
        location: args.get("location").as_str().filter(|l| !l.is_empty()),
        before: fitting(&body, before.as_deref())?,
        after: fitting(&body, after.as_deref())?,
        found: fitting(&body, wanted.as_deref())?,
        indent: args.flag("indent"),
    };
    set(&mut body, &order)?;
    for at in 0..body.len().saturating_sub(1) {
        if end_of(&body[at]).is_empty() {
            let like = if at > 1 { at - 1 } else { 1 };
            body[at] = with_end_of(&body[like], &body[at]);
        }
    }
    if body.last().is_some_and(String::is_empty) {
        body.pop();
    }
    let new = body.concat();
    if new == on_disk {
        return Ok(outcome(run, None, ""));
    }
    let shown = if args.flag("show_changes") {
        Value::from(diff::unified_lines(&old, &body).concat())
    } else {
        true.into()
    };
    if !run.test {
        if args.flag("backup") {
            let copy = format!("{}.{}", path.display(), clock::file_stamp());
            fs::copy(&path, &copy)
                .map_err(|e| Error::execution(super::os_error(copy.as_ref(), &e)))?;
        }
        put(&path, &new, None)?;
    }
    Ok(outcome(
        run,
        Some(map! { "diff" => shown }),
        "Changes would be made",
    ))
}

/// Makes the file if it is to be made, and sets its owner and mode.
fn own(ctx: &Context, run: &Run<'_>) -> Result<(), Error> {
    let get = |key: &str| run.args.get(key).clone();
    let given = map! {
        "name" => get("name"), "create" => get("create"), "user" => get("user"),
        "group" => get("group"), "mode" => get("file_mode"), "replace" => false,
    };
    let args = bound("file.managed", given)?;
    let run = Run {
        args: &args,
        ..*run
    };
    managed::managed(ctx, &run).map(drop)
}

/// The lines in which an expression is found, as pattern or as text; none without an expression or lines.
fn fitting(lines: &[String], regex: Option<&str>) -> Result<Option<Vec<String>>, Error> {
    let Some(regex) = regex.filter(|r| !r.is_empty() && !lines.is_empty()) else {
        return Ok(None);
    };
    // `.` means line breaks, too.
    let compiled = pattern::compile(regex, 16)?;
    let mut found = Vec::new();
    for line in lines {
        if pattern::search(&compiled, line)? || line.contains(regex) {
            found.push(line.clone());
        }
    }
    Ok(Some(found))
}

fn end_of(line: &str) -> &'static str {
    ["\r\n", "\n", "\r"]
        .into_iter()
        .find(|end| line.ends_with(end))
        .unwrap_or("")
}

fn with_end_of(like: &str, line: &str) -> String {
    let end = match end_of(like) {
        "" => "\n",
        end => end,
    };
    format!("{}{end}", line.trim_end())
}

fn indented(like: &str, order: &Order<'_>) -> String {
    if !order.indent {
        return order.content.to_owned();
    }
    let indent: String = like
        .chars()
        .take_while(|c| matches!(c, ' ' | '\t'))
        .collect();
    format!("{indent}{}", order.content.trim_start())
}

/// The place of the one line that an expression means.
fn only(lines: &[String], found: &[String], what: &str) -> Result<usize, Error> {
    let many = match found.len() {
        0 => "less than",
        1 => return Ok(lines.iter().position(|l| *l == found[0]).unwrap_or(0)),
        _ => "more than",
    };
    Err(Error::execution(format!(
        "Found {many} expected occurrences in \"{what}\" expression"
    )))
}

fn same(line: &str, content: &str) -> bool {
    line.trim_end_matches(['\r', '\n']) == content.trim_end_matches(['\r', '\n'])
}

fn set(lines: &mut Vec<String>, order: &Order<'_>) -> Result<(), Error> {
    let some = |list: &Option<Vec<String>>| list.clone().filter(|l| !l.is_empty());
    match order.mode {
        "delete" | "replace" if lines.is_empty() => {
            tracing::warn!(
                mode = order.mode,
                "The file is empty, there is no line to work on."
            );
        }
        "delete" => {
            if let Some(found) = some(&order.found) {
                lines.retain(|l| *l != found[0]);
            }
        }
        "replace" => {
            if let Some(found) = some(&order.found)
                && let Some(at) = lines.iter().position(|l| *l == found[0])
            {
                lines[at] = indented(&found[0], order);
            }
        }
        "insert" => insert(lines, order, some(&order.before), some(&order.after))?,
        _ => ensure(lines, order, some(&order.before), some(&order.after))?,
    }
    Ok(())
}

fn insert(
    lines: &mut Vec<String>,
    order: &Order<'_>,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
) -> Result<(), Error> {
    if order.before.is_none() && order.after.is_none() && order.location.is_none() {
        return Err(Error::execution(
            "On insert either \"location\" or \"before/after\" conditions are required.",
        ));
    }
    match (order.location, before, after) {
        (Some("end"), ..) => {
            let line = lines
                .last()
                .map_or_else(|| order.content.to_owned(), |last| indented(last, order));
            lines.push(line);
        }
        (Some("start"), ..) => {
            let line = match lines.first() {
                Some(first) => with_end_of(first, order.content),
                None => format!("{}\n", order.content),
            };
            lines.insert(0, line);
        }
        (Some(_), ..) => {}
        (None, Some(before), Some(after)) => {
            let last = only(lines, &before, "before")?;
            only(lines, &after, "after")?;
            lines.insert(last, indented(&lines[last], order));
        }
        (None, None, Some(after)) => {
            let at = only(lines, &after, "after")?;
            if lines
                .get(at + 1)
                .is_none_or(|next| !same(next, order.content))
            {
                lines.insert(at + 1, indented(&lines[at], order));
            }
        }
        (None, Some(before), None) => {
            let at = only(lines, &before, "before")?;
            let previous = if at == 0 { lines.len() - 1 } else { at - 1 };
            if !same(&lines[previous], order.content) {
                lines.insert(at, indented(&lines[at], order));
            }
        }
        (None, None, None) => {
            return Err(Error::execution(
                "Neither before or after was found in file",
            ));
        }
    }
    Ok(())
}

fn ensure(
    lines: &mut Vec<String>,
    order: &Order<'_>,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
) -> Result<(), Error> {
    match (before, after) {
        (Some(before), Some(after)) => {
            let first = only(lines, &after, "after")?;
            let last = only(lines, &before, "before")?;
            if lines.iter().any(|l| l.trim_start() == order.content) {
                return Ok(());
            }
            if first + 1 == last {
                lines.insert(first + 1, indented(&lines[first], order));
            } else if first + 2 == last {
                lines[first + 1] = indented(&lines[first], order);
            } else {
                return Err(Error::execution(
                    "Found more than one line between boundaries \"before\" and \"after\".",
                ));
            }
        }
        (Some(before), None) => {
            let at = only(lines, &before, "before")?;
            if at == 0 || !same(&lines[at - 1], order.content) {
                let like = if at == 0 { lines.len() - 1 } else { at - 1 };
                lines.insert(at, indented(&lines[like], order));
            }
        }
        (None, Some(after)) => {
            let at = only(lines, &after, "after")?;
            if lines
                .get(at + 1)
                .is_none_or(|next| !same(next, order.content))
            {
                lines.insert(at + 1, indented(&lines[at], order));
            }
        }
        (None, None) => {
            return Err(Error::execution(
                "Wrong conditions? Unable to ensure line without knowing where to put it before and/or after.",
            ));
        }
    }
    Ok(())
}
