//! `highstate`: state runs, chunk by chunk with a summary. `summary.rs` counts, `wrap.rs` fills paragraphs.

mod summary;
mod wrap;

use salt_wire::{Map, Value};

use super::color::Color;
use super::{Options, lines, nested, pprint};
use crate::context::python;
use summary::Summary;

/// `None` for data that is no state return.
pub(super) fn output(data: &Value, options: &Options) -> Option<String> {
    let mut data = data;
    for envelope in ["return", "data"] {
        if let Some(inner) = data.get(envelope) {
            data = inner;
        }
    }
    if let Value::Map(map) = data
        && map.len() == 1
        && let Some(Value::Map(job)) = map.values().next()
        && job.contains_key("jid")
        && job.contains_key("fun")
        && let Some(inner) = job.get("return").and_then(|r| r.get("data"))
    {
        data = inner;
    }
    match data {
        Value::Null | Value::Str(_) | Value::Int(_) | Value::Bool(_) => Some(python::text(data)),
        Value::Map(hosts) => {
            let masters = hosts
                .keys()
                .filter(|k| k.as_str().is_some_and(|k| k.ends_with("_master")))
                .count();
            let orchestrated = masters == 1 && hosts.contains_key("retcode");
            let texts: Option<Vec<String>> = hosts
                .iter()
                .filter(|(host, _)| !orchestrated || host.as_str() != Some("retcode"))
                .map(|(host, data)| Some(format_host(&python::text(host), data, options, 1)?.0))
                .collect();
            Some(texts?.join("\n"))
        }
        _ => None,
    }
}

/// One minion's run, and whether it changed anything.
fn format_host(
    host: &str,
    data: &Value,
    options: &Options,
    level: usize,
) -> Option<(String, bool)> {
    let colors = options.colors;
    let end = colors.of(Color::End);
    let green = colors.of(Color::Green);
    let mut out = Vec::new();
    let (host_color, changed) = match data {
        Value::Int(_) | Value::Bool(_) => {
            out.push(format!("{green}    {}{end}", python::text(data)));
            (Color::Cyan, true)
        }
        Value::Str(text) => {
            out.extend(lines(text).iter().map(|l| format!("{green}    {l}{end}")));
            (Color::Cyan, true)
        }
        Value::List(errors) => {
            let red = colors.of(Color::LightRed);
            out.push(format!("    {red}Data failed to compile:{end}"));
            for error in errors {
                let error = options.harmless(&python::text(error));
                out.push(format!("{red}----------\n    {error}{end}"));
            }
            (Color::LightRed, false)
        }
        Value::Map(chunks) => format_run(host, chunks, options, level, &mut out)?,
        _ => (Color::Green, false),
    };
    let host = options.harmless(host);
    out.insert(0, format!("{}{host}:{end}", colors.of(host_color)));
    Some((out.join("\n"), changed))
}

/// The result of one chunk, as its field has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    Failed,
    Would,
}

impl Outcome {
    fn of(ret: &Map) -> Self {
        match ret.get("result") {
            None | Some(Value::Null) => Self::Would,
            Some(value) if value.is_truthy() => Self::Good,
            Some(_) => Self::Failed,
        }
    }
}

fn format_run(
    host: &str,
    data: &Map,
    options: &Options,
    level: usize,
    out: &mut Vec<String>,
) -> Option<(Color, bool)> {
    let mut chunks = Vec::new();
    let mut unordered = Vec::new();
    for (name, info) in data {
        let Value::Map(chunk) = info else { continue };
        if name.as_str() != Some("changes")
            && !chunk.is_empty()
            && !chunk.contains_key("__run_num__")
        {
            unordered.push(info);
        }
        if chunk.contains_key("result") {
            chunks.push((python::text(name), chunk.clone()));
        }
    }
    for info in unordered.into_iter().rev() {
        out.push(
            "The State execution failed to record the order in which all states were executed. The state return missing data is:"
                .to_owned(),
        );
        out.push(pprint::format(info, 1));
    }
    if options.flag("state_compress_ids", false) {
        chunks = summary::compress(chunks);
    }
    chunks.sort_by_key(|(_, c)| c.get("__run_num__").and_then(Value::as_int).unwrap_or(0));
    let mut summary = Summary::default();
    let mut host_color = Color::Green;
    for (name, mut chunk) in chunks {
        let names: Vec<String> = name.split("_|-").map(str::to_owned).collect();
        let outcome = Outcome::of(&chunk);
        let count = summary.count(&names, &chunk, outcome);
        let (changed, changes) = if chunk
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|n| matches!(n, "state.orch" | "state.orchestrate" | "state.sls"))
        {
            summary.changed += 1;
            (true, orchestrated(&chunk, options, level)?)
        } else {
            let (changed, text) = format_changes(chunk.get("changes"), options)?;
            if changed && count > 1 {
                let inner = chunk
                    .get("changes")
                    .and_then(|c| c.get("compressed changes"));
                summary.changed += inner.and_then(Value::as_map).map_or(1, |m| m.len().max(1));
            } else {
                summary.changed += usize::from(changed);
            }
            (changed, text)
        };
        let silent =
            options.flag("state_output_diff", false) || !options.flag("state_verbose", true);
        if silent && outcome == Outcome::Good && !changed {
            continue;
        }
        let color = match outcome {
            Outcome::Failed => Color::Red,
            Outcome::Would => Color::LightYellow,
            Outcome::Good if changed => Color::Cyan,
            Outcome::Good => Color::Green,
        };
        if outcome != Outcome::Good {
            host_color = color;
        }
        let shown = Shown {
            names,
            color,
            outcome,
            changed,
        };
        shown.write(&mut chunk, &changes, options, &mut summary, out)?;
    }
    summary.write(host, options, out);
    Some((host_color, summary.changed > 0))
}

/// One chunk on its way to the page.
struct Shown {
    names: Vec<String>,
    color: Color,
    outcome: Outcome,
    changed: bool,
}

impl Shown {
    fn write(
        mut self,
        chunk: &mut Map,
        changes: &str,
        options: &Options,
        summary: &mut Summary,
        out: &mut Vec<String>,
    ) -> Option<()> {
        let mode = options
            .opts
            .get("state_output")
            .and_then(Value::as_str)
            .unwrap_or("full")
            .to_lowercase();
        if mode.ends_with("_id") {
            let id = self.names.get(1)?.clone();
            *self.names.get_mut(2)? = id;
        }
        let result = python::text(chunk.get("result").unwrap_or(&Value::Null));
        if mode.starts_with("filter") {
            let listed = |option: &str| match options.opts.get(option) {
                Some(Value::Str(text)) => text.split(',').any(|t| t == result),
                Some(Value::List(items)) => items.iter().any(|i| python::text(i) == result),
                _ => false,
            };
            if listed("state_output_terse") {
                out.push(self.terse(chunk, options)?);
                return Some(());
            }
            if listed("state_output_exclude") {
                return Some(());
            }
        } else if mode.starts_with("terse")
            || (mode.starts_with("mixed") && self.outcome != Outcome::Failed)
            || (mode.starts_with("changes") && self.outcome == Outcome::Good && !self.changed)
        {
            out.push(self.terse(chunk, options)?);
            return Some(());
        }
        self.full(chunk, changes, &result, options, out)?;
        if let Some(warnings) = chunk.get("warnings") {
            summary.warnings += 1;
            let (red, end) = (
                options.colors.of(Color::LightRed),
                options.colors.of(Color::End),
            );
            let text = wrap::fill(&joined(warnings), 80, 14);
            out.push(format!("   {red} Warnings: {}{end}", text.trim_start()));
        }
        Some(())
    }

    fn full(
        &self,
        chunk: &Map,
        changes: &str,
        result: &str,
        options: &Options,
        out: &mut Vec<String>,
    ) -> Option<()> {
        let (paint, end) = (options.colors.of(self.color), options.colors.of(Color::End));
        let [state, id, name, .., fun] = &self.names[..] else {
            return None;
        };
        out.push(format!("{paint}----------{end}"));
        let mut line = |text: String| out.push(format!("    {paint}{text}{end}"));
        line(format!("      ID: {id}"));
        line(format!("Function: {state}.{fun}"));
        if id != name {
            line(format!("    Name: {name}"));
        }
        line(format!("  Result: {result}"));
        line(format!(" Comment: {}", comment(chunk)?));
        if options.flag("state_output_profile", true)
            && let Some(started) = chunk.get("start_time")
        {
            let duration = match chunk.get("duration") {
                None => String::new(),
                Some(Value::Str(text)) if text.is_empty() => String::new(),
                Some(duration) => format!("{} ms", python::text(duration)),
            };
            line(format!(" Started: {}", python::text(started)));
            line(format!("Duration: {duration}"));
        }
        out.push(format!("{paint}     Changes:   {changes}{end}"));
        Some(())
    }

    /// The one-line form.
    fn terse(&self, chunk: &Map, options: &Options) -> Option<String> {
        let [state, _, name, .., fun] = &self.names[..] else {
            return None;
        };
        let colors = options.colors;
        let end = colors.of(Color::End);
        let word = match self.outcome {
            Outcome::Failed => "Failed",
            Outcome::Would => "Differs",
            Outcome::Good if chunk.get("changes").is_some_and(Value::is_truthy) => "Changed",
            Outcome::Good => "Clean",
        };
        let field = |key: &str| chunk.get(key).map(python::text).unwrap_or_default();
        let profile =
            options.flag("state_output_profile", true) && chunk.contains_key("start_time");
        let tabular = options.opts.get("state_tabular") == Some(&Value::Bool(true));
        let red = colors.of(Color::LightRed);
        let mut text = match chunk.get("warnings").map(joined) {
            Some(w) if tabular => format!("{red}Warnings:\n{w}{end}\n"),
            Some(w) => format!("{red}Warnings:\n{w}{end}"),
            None => String::new(),
        };
        let paint = colors.of(self.color);
        if tabular {
            text.push_str(paint);
            if profile {
                text.push_str(&format!(
                    "{} [{:>7} ms] ",
                    field("start_time"),
                    field("duration")
                ));
            }
            text.push_str(&format!(
                "{state:>10}.{fun:<10} {word:7}   Name: {name}{end}"
            ));
        } else {
            text.push_str(&format!(
                " {paint} Name: {name} - Function: {state}.{fun} - Result: {word}"
            ));
            if profile {
                text.push_str(&format!(
                    " - Started: {} - Duration: {} ms",
                    field("start_time"),
                    field("duration")
                ));
            }
            text.push_str(end);
        }
        Some(text)
    }
}

/// A comment with its further lines under the first, and a `data` field behind it.
fn comment(chunk: &Map) -> Option<String> {
    let text = python::text(chunk.get("comment")?);
    let mut comment = text
        .trim_matches(super::is_python_space)
        .replace('\n', &format!("\n{}", " ".repeat(14)));
    match chunk.get("data") {
        None => {}
        Some(Value::List(items)) => {
            for item in items {
                comment.push(' ');
                comment.push_str(&python::text(item));
            }
        }
        Some(Value::Map(map)) => {
            for (key, value) in map {
                comment.push_str(&format!(
                    "\n\t\t{}: {}",
                    python::text(key),
                    python::text(value)
                ));
            }
        }
        Some(other) => {
            comment.push(' ');
            comment.push_str(&python::text(other));
        }
    }
    Some(comment)
}

/// Whether there are changes, and how they read.
fn format_changes(changes: Option<&Value>, options: &Options) -> Option<(bool, String)> {
    let changes = changes?;
    let map = match changes {
        other if !other.is_truthy() => return Some((false, String::new())),
        Value::Map(map) => map,
        other => {
            let text = format!("Invalid Changes data: {}", python::text(other));
            return Some((true, text));
        }
    };
    if map.get("out").and_then(Value::as_str) == Some("highstate")
        && let Some(Value::Map(hosts)) = map.get("ret")
    {
        let mut text = String::new();
        let mut changed = false;
        for (host, data) in hosts {
            let (part, any) = format_host(&python::text(host), data, options, 1)?;
            for line in lines(&part) {
                text.push_str(&format!("\n{}{line}", " ".repeat(14)));
            }
            changed |= any;
        }
        return Some((changed, text));
    }
    let plain = Options {
        retcode: 0,
        ..options.clone()
    };
    let text = nested::output(changes, &plain, 14);
    Some((
        true,
        format!("\n{}", text.trim_end_matches(super::is_python_space)),
    ))
}

/// A run inside of a run.
fn orchestrated(chunk: &Map, options: &Options, level: usize) -> Option<String> {
    let inner = match chunk.get("changes")? {
        Value::Map(hosts) => {
            let texts: Option<Vec<String>> = hosts
                .iter()
                .map(|(host, data)| {
                    Some(format_host(&python::text(host), data, options, level + 1)?.0)
                })
                .collect();
            texts?.join("\n")
        }
        other => python::text(other),
    };
    let indent = " ".repeat(14 * level);
    let lines: Vec<String> = format!("\n{inner}")
        .split('\n')
        .map(|l| format!("{indent}{l}"))
        .collect();
    Some(lines.join("\n"))
}

fn joined(value: &Value) -> String {
    match value {
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(python::text).collect();
            items.join("\n")
        }
        other => python::text(other),
    }
}
