//! The counts below a state run, and `state_compress_ids`, which rolls names of one ID together.

use std::collections::HashMap;

use salt_wire::{Map, Value};

use super::Outcome;
use crate::context::python;
use crate::output::Options;
use crate::output::color::Color;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Summary {
    good: usize,
    failed: usize,
    would: usize,
    /// Chunks with warnings.
    pub(super) warnings: usize,
    /// Chunks with changes.
    pub(super) changed: usize,
    durations: f64,
    longest_parallel: f64,
}

impl Summary {
    /// Takes one chunk in; returns how many it stands for.
    pub(super) fn count(&mut self, names: &[String], chunk: &Map, outcome: Outcome) -> usize {
        let count = match names {
            [_, id, name, ..] if name.starts_with("state_compressed_") => id
                .rsplit_once('(')
                .and_then(|(_, n)| n.strip_suffix(')')?.parse().ok())
                .unwrap_or(1),
            _ => 1,
        };
        *match outcome {
            Outcome::Good => &mut self.good,
            Outcome::Failed => &mut self.failed,
            Outcome::Would => &mut self.would,
        } += count;
        let duration = duration(chunk);
        if chunk.contains_key("__parallel__") {
            self.longest_parallel = self.longest_parallel.max(duration);
        } else {
            self.durations += duration;
        }
        count
    }

    pub(super) fn write(&self, host: &str, options: &Options, out: &mut Vec<String>) {
        let colors = options.colors;
        let total = self.good + self.failed + self.would;
        let digits = [
            (self.good, self.good > 0),
            (self.failed, self.failed > 0),
            (self.would, self.would > 0),
            (self.warnings, self.warnings > 0),
        ];
        let digits = digits
            .iter()
            .filter(|(_, there)| *there)
            .map(|(n, _)| n.to_string().len())
            .max();
        // What was not there at all takes no room, not even for a `0`.
        let width = "Succeeded".len() + digits.unwrap_or(0) + 2;
        let dashes = "-".repeat(width);
        out.push(colors.paint(Color::Cyan, &format!("\nSummary for {host}\n{dashes}")));
        let line = |label: &str, count: String| {
            let room = width.saturating_sub(label.len() + 2);
            format!("{label}: {count:>room$}")
        };
        let mut notes = Vec::new();
        if self.would > 0 {
            notes.push(colors.paint(Color::LightYellow, &format!("unchanged={}", self.would)));
        }
        if self.changed > 0 {
            notes.push(colors.paint(Color::Green, &format!("changed={}", self.changed)));
        }
        let notes = if notes.is_empty() {
            String::new()
        } else {
            format!(" ({})", notes.join(", "))
        };
        let succeeded = line("Succeeded", (self.good + self.would).to_string());
        out.push(colors.paint(Color::Green, &succeeded) + &notes);
        let bad = if self.failed > 0 {
            Color::Red
        } else {
            Color::Cyan
        };
        out.push(colors.paint(bad, &line("Failed", self.failed.to_string())));
        if options.flag("state_output_pct", false) && total > 0 {
            let percent = |n: usize| {
                let exact = n as f64 / total as f64 * 100.0;
                python::float((exact * 100.0).round() / 100.0)
            };
            let success = line("Success %", percent(self.good + self.would));
            out.push(colors.paint(Color::Green, &success));
            out.push(colors.paint(bad, &line("Failure %", percent(self.failed))));
        }
        if self.warnings > 0 {
            let warnings = line("Warnings", self.warnings.to_string());
            out.push(colors.paint(Color::LightRed, &warnings));
        }
        let room = width - 7;
        let totals = format!("{dashes}\nTotal states run: {total:>room$}");
        out.push(colors.paint(Color::Cyan, &totals));
        if options.flag("state_output_profile", true) {
            let milliseconds = self.durations + self.longest_parallel;
            let (time, unit) = if milliseconds > 999.0 {
                (milliseconds / 1000.0, "s")
            } else {
                (milliseconds, "ms")
            };
            let room = width - 5;
            let time = format!("Total run time: {:>room$} {unit}", format!("{time:.3}"));
            out.push(colors.paint(Color::Cyan, &time));
        }
    }
}

fn duration(chunk: &Map) -> f64 {
    match chunk.get("duration") {
        Some(Value::Str(text)) => {
            let number = text.split(" ms").next().unwrap_or_default();
            number.trim().parse().unwrap_or(0.0)
        }
        Some(other) => other.as_float().unwrap_or(0.0),
        None => 0.0,
    }
}

/// Chunks of one ID, SLS and result become one; data that lacks those fields stays as it is.
pub(super) fn compress(chunks: Vec<(String, Map)>) -> Vec<(String, Map)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (name, chunk) in &chunks {
        let Some(group) = group(name, chunk) else {
            return chunks;
        };
        *counts.entry(group).or_default() += 1;
    }
    let mut rolled: Vec<(String, Map)> = Vec::new();
    for (name, chunk) in chunks {
        let group = group(&name, &chunk).unwrap_or_default();
        let count = counts.get(&group).copied().unwrap_or(1);
        if count == 1 {
            rolled.push((name, chunk));
            continue;
        }
        let text = |key: &str| chunk.get(key).map(python::text).unwrap_or_default();
        let mut names: Vec<String> = name.split("_|-").map(str::to_owned).collect();
        if names.len() < 3 {
            rolled.push((name, chunk));
            continue;
        }
        names[2] = format!(
            "state_compressed_{}_{}_{}",
            text("__sls__"),
            text("__id__"),
            text("result")
        );
        names[1] = format!("{} ({count})", text("__id__"));
        let name = names.join("_|-");
        match rolled.iter_mut().find(|(n, _)| *n == name) {
            Some((_, first)) => merge(first, &chunk),
            None => rolled.push((name, chunk)),
        }
    }
    rolled
}

fn group(name: &str, chunk: &Map) -> Option<String> {
    let state = name.split("_|-").next()?;
    let mut group = state.to_owned();
    for key in ["__id__", "__sls__", "result"] {
        group.push('_');
        group.push_str(&python::text(chunk.get(key)?));
    }
    Some(group)
}

/// The lowest number, the earliest start, the sum of durations, changes by name.
fn merge(first: &mut Map, other: &Map) {
    let number = |m: &Map| m.get("__run_num__").and_then(Value::as_int).unwrap_or(0);
    let lowest = number(first).min(number(other));
    first.insert("__run_num__".into(), Value::Int(lowest));
    let sum = ((duration(first) + duration(other)) * 1000.0).round() / 1000.0;
    first.insert("duration".into(), sum.into());
    let start = |m: &Map| m.get("start_time").map(python::text).unwrap_or_default();
    let earliest = start(first).min(start(other));
    first.insert("start_time".into(), earliest.into());
    let Some(changes) = other.get("changes").filter(|c| c.is_truthy()) else {
        return;
    };
    let name = |m: &Map| m.get("name").cloned().unwrap_or_default();
    let mut all = match first.get("changes") {
        Some(own) if own.is_truthy() => match own.get("compressed changes") {
            Some(Value::Map(all)) => all.clone(),
            _ => Map::from_iter([(name(first), own.clone())]),
        },
        _ => Map::new(),
    };
    all.insert(name(other), changes.clone());
    let all = Map::from_iter([("compressed changes".into(), Value::Map(all))]);
    first.insert("changes".into(), Value::Map(all));
}
