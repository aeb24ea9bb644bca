//! `file.blockreplace`: what stands between two markers; and `file.accumulated`, which gathers texts for it and
//! for templates.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::edit::{check_file, from_sources, outcome, put, read, texts};
use super::pattern;
use super::{Done, failed, path_of};
use crate::context::{Context, Error, python};
use crate::host::diff;
use crate::states::{Outcome, Run};

/// The texts that other states gathered for a file, by accumulator. Those that name this state come alone, if
/// there are any.
pub(super) fn gathered(run: &Run<'_>, name: &str) -> Map {
    let field = |chunk: &Map, key: &str| chunk.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = field(run.chunk, "__id__").unwrap_or_default();
    let (mut all, mut named) = (Map::new(), Map::new());
    for chunk in run.chunks {
        let is = |key: &str, value: &str| field(chunk, key).as_deref() == Some(value);
        if !is("state", "file") || !is("fun", "accumulated") || !is("filename", name) {
            continue;
        }
        let key = Value::from(field(chunk, "name").unwrap_or_default());
        let add = |into: &mut Map| {
            let list = into
                .entry(key.clone())
                .or_insert_with(|| Value::List(Vec::new()));
            if let Value::List(list) = list {
                for text in texts(chunk.get("text").unwrap_or(&Value::Null)) {
                    if !list.contains(&text.as_str().into()) {
                        list.push(text.into());
                    }
                }
            }
        };
        add(&mut all);
        if dependants(chunk).contains(&id) {
            add(&mut named);
        }
    }
    if named.is_empty() { all } else { named }
}

/// The IDs of the `file` states for which an accumulator works.
fn dependants(chunk: &Map) -> Vec<String> {
    ["require_in", "watch_in"]
        .iter()
        .filter_map(|key| chunk.get(*key)?.as_list())
        .flatten()
        .filter_map(|item| match item {
            // A bare ID counts when it happens to have the word in it.
            Value::Str(id) => id.contains("file").then(|| id.clone()),
            other => other.get("file").map(python::text),
        })
        .collect()
}

pub(super) fn accumulated(_: &Context, run: &Run<'_>) -> Done {
    let (name, filename) = (run.args.text("name")?, run.args.text("filename")?);
    if name.is_empty() {
        return failed("Must provide name to file.accumulated");
    }
    let wanted = run.args.get("text");
    if wanted.is_null() {
        return failed("No text supplied for accumulator");
    }
    if dependants(run.chunk).is_empty() {
        return failed(format!(
            "Orphaned accumulator {name} in {}:{}",
            python::text(run.chunk.get("__sls__").unwrap_or(&Value::Null)),
            python::text(run.chunk.get("__id__").unwrap_or(&Value::Null))
        ));
    }
    let here = field_order(run);
    // What an earlier accumulator of the same name gathered is there already.
    let known: Vec<String> = run.chunks[..here]
        .iter()
        .filter(|c| {
            c.get("fun") == Some(&"accumulated".into())
                && c.get("name") == Some(&name.as_str().into())
                && c.get("filename") == Some(&filename.as_str().into())
        })
        .flat_map(|c| texts(c.get("text").unwrap_or(&Value::Null)))
        .collect();
    let added = texts(wanted).into_iter().any(|t| !known.contains(&t));
    let comment = if added {
        format!("Accumulator {name} for file {filename} was charged by text")
    } else {
        String::new()
    };
    Ok(Outcome::unchanged(comment))
}

/// The place of this chunk among all.
fn field_order(run: &Run<'_>) -> usize {
    let same = |chunk: &Map| {
        ["__id__", "state", "name", "fun"]
            .iter()
            .all(|key| chunk.get(*key) == run.chunk.get(*key))
    };
    run.chunks.iter().position(same).unwrap_or_default()
}

/// The markers and what is to stand between them.
struct Block {
    start: String,
    end: String,
    lines: Vec<String>,
    newline: bool,
}

impl Block {
    /// The block's lines, from the start marker (or behind it) to the end.
    fn text(&self, ending: &str, with_start: bool, end: Option<&str>) -> Vec<String> {
        let end = end.unwrap_or(&self.end).trim_end_matches(['\r', '\n']);
        let end = format!("{end}{ending}");
        let mut out = Vec::new();
        if with_start {
            out.push(format!("{}{ending}", self.start));
        }
        let Some((last, others)) = self.lines.split_last() else {
            out.push(end);
            return out;
        };
        out.extend(others.iter().map(|l| format!("{l}{ending}")));
        if self.newline {
            out.push(format!("{last}{ending}"));
            out.push(end);
        } else {
            out.push(format!("{last}{end}"));
        }
        out
    }
}

pub(super) fn blockreplace(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.blockreplace");
    }
    let rendered = match from_sources(ctx, run) {
        Err(text) if text.contains("exclusive") => return failed(text),
        other => other,
    };
    if let Err(text) = check_file(&name) {
        return failed(text);
    }
    let mut content = python::text(args.get("content"));
    for line in gathered(run, &name).values().flat_map(texts) {
        if !content.is_empty() {
            content.push('\n');
        }
        content += &line;
    }
    match rendered {
        Ok(Some(parts)) => content += &parts.concat(),
        Ok(None) => {}
        Err(text) => return failed(text),
    }
    let Ok(old) = read(Path::new(&name)) else {
        return failed(encountered(&format!(
            "Cannot perform string replacements on a binary file: {name}"
        )));
    };
    let newline = match args.get("append_newline") {
        Value::Null => !content.ends_with('\n'),
        given => given.is_truthy(),
    };
    let block = Block {
        start: args.text("marker_start")?,
        end: args.text("marker_end")?,
        lines: content
            .split('\n')
            .map(|l| l.strip_suffix('\r').unwrap_or(l).to_owned())
            .collect(),
        newline,
    };
    let before: Vec<String> = old.split_inclusive('\n').map(str::to_owned).collect();
    let after = match replaced(run, &before, &block) {
        Ok(after) => after,
        Err(error) => return failed(encountered(&error.to_string())),
    };
    let text = diff::unified_lines(&before, &after).concat();
    if text.is_empty() {
        return Ok(outcome(run, None, ""));
    }
    if !run.test {
        let backup = args.get("backup");
        let backup = (backup != &Value::Bool(false)).then(|| python::text(backup));
        put(Path::new(&name), &after.concat(), backup.as_deref())?;
    }
    let shown = if args.flag("show_changes") {
        Value::from(text)
    } else {
        true.into()
    };
    Ok(outcome(
        run,
        Some(map! { "diff" => shown }),
        "Changes would be made",
    ))
}

fn encountered(text: &str) -> String {
    format!("Encountered error managing block: {text}. See the log for details.")
}

/// The file's lines with the block in place.
fn replaced(run: &Run<'_>, before: &[String], block: &Block) -> Result<Vec<String>, Error> {
    let args = run.args;
    let flags = [
        "append_if_not_found",
        "prepend_if_not_found",
        "insert_before_match",
        "insert_after_match",
    ];
    if flags.iter().filter(|f| args.flag(f)).count() > 1 {
        return Err(Error::invocation(
            "Only one of append_if_not_found, prepend_if_not_found, insert_before_match, and insert_after_match is permitted",
        ));
    }
    for key in ["insert_before_match", "insert_after_match"] {
        if args.flag(key) && args.get(key).as_str().is_none() {
            return Err(Error::execution(format!(
                "RegEx expected in {key} parameter."
            )));
        }
    }
    let ending = match before.first() {
        Some(line) if line.ends_with("\r\n") => "\r\n",
        _ => "\n",
    };
    let mut after = Vec::with_capacity(before.len());
    let (mut inside, mut found) = (false, false);
    for line in before {
        if line.contains(&block.start) {
            inside = true;
            after.push(line.clone());
        } else if inside {
            if let Some(at) = line.find(&block.end) {
                (inside, found) = (false, true);
                after.extend(block.text(ending, false, Some(&line[at..])));
            }
        } else {
            after.push(line.clone());
        }
    }
    if inside {
        return Err(Error::execution(
            "Unterminated marked block. End of file reached before marker_end.",
        ));
    }
    if found {
        return Ok(after);
    }
    let fresh = block.text(ending, true, None);
    if args.flag("prepend_if_not_found") {
        after.splice(0..0, fresh);
        return Ok(after);
    }
    if args.flag("append_if_not_found") {
        if let Some(last) = after.last_mut().filter(|l| !l.ends_with(ending)) {
            last.push_str(ending);
        }
        after.extend(fresh);
        return Ok(after);
    }
    for (key, shift) in [("insert_before_match", 0), ("insert_after_match", 1)] {
        let Some(regex) = args.get(key).as_str().filter(|r| !r.is_empty()) else {
            continue;
        };
        let regex = pattern::compile(regex, 0)?;
        for (at, line) in before.iter().enumerate() {
            if pattern::search(&regex, line)? {
                after.splice(at + shift..at + shift, fresh);
                return Ok(after);
            }
        }
    }
    Err(Error::execution(
        "Cannot edit marked block. Markers were not found in file.",
    ))
}
