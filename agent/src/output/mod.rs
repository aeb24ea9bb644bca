//! Outputters: a return as text, byte for byte as Salt prints it. One file per outputter, each with a function
//! that takes the data and [`Options`]; a new one is a new file and a line in [`render`].
//!
//! `tests/oracle` holds every one of them against Salt's own on the same data.

pub mod color;
mod highstate;
pub mod json;
mod key;
mod nested;
mod no_return;
mod pprint;
mod table;
mod txt;
mod yaml;

use salt_wire::{Map, Value};

use crate::context::python;
use color::Colors;

/// How to print; what Salt's outputters read from the options.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The colours; none for a pipe or `--no-color`.
    pub colors: Colors,
    /// `--out-indent` or `output_indent`.
    pub indent: Indent,
    /// The job's return code: a failure is printed in red.
    pub retcode: i64,
    /// All options, for those that single outputters know.
    pub opts: Map,
}

/// Indentation of outputters that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Indent {
    /// The outputter's own.
    #[default]
    Default,
    /// Four blanks, keys sorted.
    Pretty,
    /// That many blanks; a negative number means none and, where possible, one line.
    Width(i64),
}

impl Indent {
    /// What `output_indent` says.
    pub fn from_option(value: Option<&Value>) -> Self {
        match value {
            None => Self::Default,
            Some(Value::Int(width)) => Self::Width(i64::try_from(*width).unwrap_or(-1)),
            Some(Value::Str(text)) if text == "pretty" => Self::Pretty,
            Some(_) => Self::Width(-1),
        }
    }
}

impl Options {
    fn flag(&self, option: &str, default: bool) -> bool {
        self.opts.get(option).map_or(default, Value::is_truthy)
    }

    /// Text that cannot move the cursor or paint: escapes become question marks unless `strip_colors` is off.
    fn harmless(&self, text: &str) -> String {
        if self.flag("strip_colors", true) {
            text.replace('\u{1b}', "?")
        } else {
            text.to_owned()
        }
    }
}

/// The text of a return by the outputter of this name; `None` where there is nothing to print. A name that
/// nobody knows means `nested`, as in Salt.
pub fn render(out: &str, data: &Value, options: &Options) -> Option<String> {
    let text = match out {
        "highstate" => highstate::output(data, options)
            // What is no state return at all is printed as what it is.
            .unwrap_or_else(|| nested::output(data, options, 0)),
        "json" => json::output(data, options),
        "key" => key::output(data, options).unwrap_or_else(|| nested::output(data, options, 0)),
        "newline_values_only" => values_only(data),
        "no_return" => no_return::output(data, options),
        "pprint" => pprint::output(data, options),
        "quiet" => return None,
        "raw" => python::text(data),
        "table" => table::output(data, options),
        "text" | "txt" => txt::output(data),
        "yaml" => yaml::output(data, options),
        _ => nested::output(data, options, 0),
    };
    let text = text.trim_end_matches(is_python_space);
    Some(text.to_owned())
}

/// One line for each value of the first level.
fn values_only(data: &Value) -> String {
    let mut lines = Vec::new();
    for value in data.as_map().into_iter().flat_map(Map::values) {
        match value {
            Value::List(items) => lines.extend(items.iter().map(python::text)),
            other => lines.push(python::text(other)),
        }
    }
    lines.join("\n")
}

/// What Python's `rstrip` takes away.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Lines as Python's `splitlines` sees them: by more characters than the line feed.
fn lines(text: &str) -> Vec<&str> {
    lines_with_ends(text)
        .into_iter()
        .map(|line| {
            line.strip_suffix("\r\n")
                .or_else(|| line.strip_suffix(is_line_end))
                .unwrap_or(line)
        })
        .collect()
}

/// The same with their ends.
fn lines_with_ends(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if !is_line_end(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        if c == '\r' && rest.peek().is_some_and(|(_, next)| *next == '\n') {
            rest.next();
            end += 1;
        }
        found.push(&text[start..end]);
        start = end;
    }
    if start < text.len() {
        found.push(&text[start..]);
    }
    found
}

fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The keys of a map in Python's order, or as text in that order where they cannot be compared.
fn sorted(map: &Map) -> Vec<(String, &Value)> {
    let mut entries: Vec<(&Value, &Value)> = map.iter().collect();
    let texts = entries.iter().all(|(k, _)| matches!(k, Value::Str(_)));
    let numbers = entries
        .iter()
        .all(|(k, _)| matches!(k, Value::Int(_) | Value::Float(_) | Value::Bool(_)));
    let number = |v: &Value| match v {
        Value::Bool(b) => f64::from(u8::from(*b)),
        other => other.as_float().unwrap_or(0.0),
    };
    if numbers && !texts {
        entries.sort_by(|a, b| number(a.0).total_cmp(&number(b.0)));
        return entries
            .into_iter()
            .map(|(k, v)| (python::text(k), v))
            .collect();
    }
    let mut named: Vec<(String, &Value)> = entries
        .into_iter()
        .map(|(k, v)| (python::text(k), v))
        .collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn unknown_names_mean_nested() {
        let data = Value::Map(map! {"local" => true});
        let options = Options::default();
        assert_eq!(
            render("bogus", &data, &options).as_deref(),
            Some("local:\n    True")
        );
        assert_eq!(render("quiet", &data, &options), None);
        assert_eq!(
            render("newline_values_only", &data, &options).as_deref(),
            Some("True")
        );
    }

    #[test]
    fn lines_end_where_pythons_do() {
        assert_eq!(lines("a\r\nb\u{2028}c\n"), ["a", "b", "c"]);
        assert_eq!(lines_with_ends("a\n\nb"), ["a\n", "\n", "b"]);
        assert!(lines("").is_empty());
    }
}
