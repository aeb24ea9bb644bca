//! `pprint`: Python's pretty printer, 80 columns wide.

use salt_wire::{Map, Value};

use super::{Indent, Options, lines_with_ends};
use crate::context::python;

const WIDTH: usize = 80;

pub(super) fn output(data: &Value, options: &Options) -> String {
    let indent = match options.indent {
        Indent::Width(width) => usize::try_from(width).unwrap_or(1),
        _ => 1,
    };
    format(data, indent)
}

/// `pprint.pformat` with this indent per level.
pub(super) fn format(data: &Value, per_level: usize) -> String {
    let mut printer = Printer {
        per_level,
        out: String::new(),
    };
    printer.format(data, 0, 0, 0);
    printer.out
}

struct Printer {
    per_level: usize,
    out: String,
}

impl Printer {
    fn format(&mut self, data: &Value, indent: usize, allowance: usize, level: usize) {
        let flat = repr(data);
        let fits = width(&flat) + indent + allowance <= WIDTH;
        match data {
            _ if fits => self.out.push_str(&flat),
            Value::Map(map) => self.map(map, indent, allowance + 1, level + 1),
            Value::List(items) => self.list(items, indent, allowance + 1, level + 1),
            Value::Str(text) => self.text(text, indent, allowance, level + 1),
            Value::Bytes(bytes) => self.bytes(bytes, indent, allowance, level + 1),
            _ => self.out.push_str(&flat),
        }
    }

    /// The blanks behind an opening bracket when levels are indented by more than one.
    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.out
            .push_str(&" ".repeat(self.per_level.saturating_sub(1)));
    }

    fn map(&mut self, map: &Map, indent: usize, allowance: usize, level: usize) {
        self.open('{');
        let indent = indent + self.per_level;
        let entries = by_key(map);
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 {
                self.out.push_str(",\n");
                self.out.push_str(&" ".repeat(indent));
            }
            let key = repr(key);
            self.out.push_str(&key);
            self.out.push_str(": ");
            let last = at + 1 == entries.len();
            let allowance = if last { allowance } else { 1 };
            self.format(value, indent + width(&key) + 2, allowance, level);
        }
        self.out.push('}');
    }

    fn list(&mut self, items: &[Value], indent: usize, allowance: usize, level: usize) {
        self.open('[');
        let indent = indent + self.per_level;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push_str(",\n");
                self.out.push_str(&" ".repeat(indent));
            }
            let last = at + 1 == items.len();
            self.format(item, indent, if last { allowance } else { 1 }, level);
        }
        self.out.push(']');
    }

    /// A long text is broken after line ends, then after blanks.
    fn text(&mut self, text: &str, indent: usize, allowance: usize, level: usize) {
        let top = usize::from(level == 1);
        let (indent, allowance) = (indent + top, allowance + top);
        let room = WIDTH.saturating_sub(indent);
        let lines = lines_with_ends(text);
        let mut chunks = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let last = at + 1 == lines.len();
            let flat = quoted(line);
            let allowed = room.saturating_sub(if last { allowance } else { 0 });
            if width(&flat) <= allowed {
                chunks.push(flat);
                continue;
            }
            let parts = words(line);
            let mut current = String::new();
            for (number, part) in parts.iter().enumerate() {
                let end = last && number + 1 == parts.len();
                let allowed = room.saturating_sub(if end { allowance } else { 0 });
                let candidate = format!("{current}{part}");
                if width(&quoted(&candidate)) > allowed {
                    if !current.is_empty() {
                        chunks.push(quoted(&current));
                    }
                    current = (*part).to_owned();
                } else {
                    current = candidate;
                }
            }
            if !current.is_empty() {
                chunks.push(quoted(&current));
            }
        }
        let single = chunks.len() == 1;
        if top == 1 && !single {
            self.out.push('(');
        }
        self.out
            .push_str(&chunks.join(&format!("\n{}", " ".repeat(indent))));
        if top == 1 && !single {
            self.out.push(')');
        }
    }

    /// Long bytes are broken after groups of four.
    fn bytes(&mut self, bytes: &[u8], indent: usize, allowance: usize, level: usize) {
        if bytes.len() <= 4 {
            self.out.push_str(&repr(&Value::Bytes(bytes.to_vec())));
            return;
        }
        let top = usize::from(level == 1);
        let (indent, allowance) = (indent + top, allowance + top);
        let room = WIDTH.saturating_sub(indent);
        let last = bytes.len() / 4 * 4;
        let mut chunks = Vec::new();
        let mut current = Vec::new();
        for (at, group) in bytes.chunks(4).enumerate() {
            let room = room.saturating_sub(if at * 4 == last { allowance } else { 0 });
            let candidate = [&current[..], group].concat();
            if width(&repr(&Value::Bytes(candidate.clone()))) > room {
                if !current.is_empty() {
                    chunks.push(repr(&Value::Bytes(current)));
                }
                current = group.to_vec();
            } else {
                current = candidate;
            }
        }
        chunks.push(repr(&Value::Bytes(current)));
        let (open, close) = if top == 1 { ("(", ")") } else { ("", "") };
        let joined = chunks.join(&format!("\n{}", " ".repeat(indent)));
        self.out.push_str(&format!("{open}{joined}{close}"));
    }
}

/// `repr` with the keys of maps sorted, as the pretty printer has it.
fn repr(data: &Value) -> String {
    match data {
        Value::Map(map) => {
            let entries: Vec<String> = by_key(map)
                .into_iter()
                .map(|(k, v)| format!("{}: {}", repr(k), repr(v)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        other => python::repr(other),
    }
}

/// Entries by key: numbers by value, texts by letters, mixed kinds by the names of their kinds.
fn by_key(map: &Map) -> Vec<(&Value, &Value)> {
    fn class(key: &Value) -> String {
        let name = match key {
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Bytes(_) => "bytes",
            _ => "str",
        };
        format!("<class '{name}'>")
    }
    fn number(key: &Value) -> Option<f64> {
        match key {
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            other => other.as_float(),
        }
    }
    let mut entries: Vec<(&Value, &Value)> = map.iter().collect();
    entries.sort_by(|(a, _), (b, _)| match (a, b) {
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => class(a).cmp(&class(b)),
        },
    });
    entries
}

fn quoted(text: &str) -> String {
    python::repr(&Value::from(text))
}

/// Words with the blanks that follow them.
fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut blank = false;
    for (at, c) in line.char_indices() {
        if blank && !c.is_whitespace() {
            found.push(&line[start..at]);
            start = at;
        }
        blank = c.is_whitespace();
    }
    if start < line.len() {
        found.push(&line[start..]);
    }
    found
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn what_fits_stays_on_a_line() {
        let data = Value::Map(map! {"b" => 1, "a" => vec!["x"]});
        assert_eq!(format(&data, 1), "{'a': ['x'], 'b': 1}");
    }

    #[test]
    fn what_does_not_fit_is_broken_up() {
        let data = Value::Map(map! {"local" => vec!["x".repeat(50), "y".repeat(50)]});
        let expected = format!(
            "{{'local': ['{}',\n           '{}']}}",
            "x".repeat(50),
            "y".repeat(50)
        );
        assert_eq!(format(&data, 1), expected);
    }
}
