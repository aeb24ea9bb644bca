//! Everything that is printed: data on standard output, talk on standard error. No other file prints.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use salt_wire::{Map, Value};
use serde_json::json;

use crate::cli::{Format, Global};
use crate::error::{Error, Kind, Result};

/// Whether this program has printed its document: standard output takes one.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// How and how much to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    quiet: bool,
    yes: bool,
}

impl Output {
    /// As the command line has it.
    pub fn new(global: &Global) -> Self {
        Self {
            format: global.output,
            quiet: global.quiet,
            yes: global.yes,
        }
    }

    /// Whether standard output is to be one JSON document.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether progress can be shown live: somebody looks at standard error.
    pub fn is_live(&self) -> bool {
        !self.quiet
            && io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// The JSON document of a command that prints JSON; nothing otherwise.
    pub fn document(&self, document: &serde_json::Value) {
        if self.is_json() {
            PRINTED.store(true, Ordering::Relaxed);
            let text = serde_json::to_string_pretty(document).unwrap_or_default();
            put(&mut io::stdout().lock(), &text);
        }
    }

    /// A table with a heading; nothing with JSON.
    pub fn table(&self, heading: &[&str], rows: &[Vec<String>]) {
        if !self.is_json() {
            put(&mut io::stdout().lock(), &table(heading, rows));
        }
    }

    /// The same; for people, these words instead when there is nothing to show.
    pub fn list(&self, none: &str, heading: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            self.say(none);
        } else {
            self.table(heading, rows);
        }
    }

    /// A line of data, such as a minion's return; nothing with JSON.
    pub fn data(&self, text: &str) {
        if !self.is_json() {
            put(&mut io::stdout().lock(), text);
        }
    }

    /// Raw text that is the whole purpose of a command: completions, a man page.
    pub fn raw(&self, bytes: &[u8]) {
        // A closed pipe is the reader's wish.
        drop(io::stdout().lock().write_all(bytes));
    }

    /// A line of progress.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            put(&mut io::stderr().lock(), text);
        }
    }

    /// Something unexpected that did not stop us.
    pub fn warn(&self, text: &str) {
        put(&mut io::stderr().lock(), &format!("warning: {text}"));
    }

    /// A failure: on standard error always, and as the document with JSON, unless a report of it is out already.
    pub fn error(&self, error: &Error) {
        let mut text = format!("error: {}", error.message);
        for cause in &error.causes {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        if let Some(hint) = &error.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        put(&mut io::stderr().lock(), &text);
        if !PRINTED.load(Ordering::Relaxed) {
            self.document(&json!({
                "error": error.message,
                "causes": error.causes,
                "hint": error.hint,
                "exit": error.kind.exit_code(),
            }));
        }
    }

    /// Asks before something that cannot be taken back; `--yes` answers for the operator. Whether somebody was asked,
    /// and may have taken his time.
    pub fn consent(&self, question: &str) -> Result<bool> {
        if self.yes {
            return Ok(false);
        }
        let refused = |message: &str| {
            Error::new(Kind::Refused, message).hint("add --yes to do it without being asked")
        };
        if !io::stdin().is_terminal() {
            return Err(refused(&format!("{question}: nobody is there to be asked")));
        }
        let mut out = io::stderr().lock();
        drop(write!(out, "{question}? [y/N] ").and_then(|()| out.flush()));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(true)
        } else {
            Err(refused(&format!("{question}: not agreed to")))
        }
    }
}

fn put(stream: &mut dyn Write, text: &str) {
    // A closed pipe (`| head`) is the reader's wish and no failure of ours.
    drop(writeln!(stream, "{text}"));
}

/// Columns as wide as their widest cell; the last one ragged.
fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|h| h.to_uppercase()).collect();
    let mut widths = vec![0; heading.len()];
    for row in std::iter::once(&heading).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = Vec::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (at, (width, cell)) in widths.iter().zip(row).enumerate() {
            if at > 0 {
                line.push_str("  ");
            }
            let pad = width.saturating_sub(cell.chars().count());
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', pad));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// A Salt value as JSON: bytes as text with replacement characters, odd keys as text.
pub fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => match (i64::try_from(*i), u64::try_from(*i)) {
            (Ok(i), _) => i.into(),
            (_, Ok(u)) => u.into(),
            _ => i.to_string().into(),
        },
        Value::Float(f) => serde_json::Number::from_f64(*f)
            .map_or_else(|| f.to_string().into(), serde_json::Value::Number),
        Value::Str(s) => s.as_str().into(),
        Value::Bytes(b) => String::from_utf8_lossy(b).into(),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(map) => json_of_map(map),
    }
}

fn json_of_map(map: &Map) -> serde_json::Value {
    let entries = map.iter().map(|(key, value)| {
        let key = match key {
            Value::Str(text) => text.clone(),
            other => json_of(other).to_string(),
        };
        (key, json_of(value))
    });
    serde_json::Value::Object(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_last_is_ragged() {
        let rows = vec![
            vec!["a".into(), "accepted".into()],
            vec!["longer".into(), "é".into()],
        ];
        assert_eq!(
            table(&["id", "state"], &rows),
            "ID      STATE\na       accepted\nlonger  é"
        );
    }

    #[test]
    fn odd_values_become_json() {
        let map = salt_wire::map! {1 => f64::NAN, "b" => Value::Bytes(vec![255])};
        assert_eq!(
            json_of(&map.into()).to_string(),
            "{\"1\":\"NaN\",\"b\":\"\u{fffd}\"}"
        );
    }
}
