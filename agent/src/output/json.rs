//! `json`, as Python's encoder writes it.

use salt_wire::{Map, Value};

use super::{Indent, Options};
use crate::context::python;

pub(super) fn output(data: &Value, options: &Options) -> String {
    let (indent, sort) = match options.indent {
        Indent::Default => (Some(4), false),
        Indent::Pretty => (Some(4), true),
        Indent::Width(width) => (usize::try_from(width).ok(), false),
    };
    dumps(data, indent, sort)
}

/// `json.dumps` as Salt calls it: text beyond ASCII as it is.
pub fn dumps(data: &Value, indent: Option<usize>, sort: bool) -> String {
    let mut writer = Writer {
        indent,
        sort,
        out: String::new(),
    };
    writer.value(data, 0);
    writer.out
}

struct Writer {
    indent: Option<usize>,
    sort: bool,
    out: String,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Int(_) => self.out.push_str(&python::repr(value)),
            Value::Float(f) => self.out.push_str(&float(*f)),
            Value::Str(text) => self.text(text),
            Value::Bytes(_) => self.text(&python::repr(value)),
            Value::List(items) if items.is_empty() => self.out.push_str("[]"),
            Value::Map(map) if map.is_empty() => self.out.push_str("{}"),
            Value::List(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.separate(at, depth + 1);
                    self.value(item, depth + 1);
                }
                self.close(']', depth);
            }
            Value::Map(map) => self.map(map, depth),
        }
    }

    fn map(&mut self, map: &Map, depth: usize) {
        let mut entries: Vec<(&Value, &Value)> = map.iter().collect();
        if self.sort {
            entries.sort_by_key(|(k, _)| python::text(k));
        }
        self.out.push('{');
        for (at, (key, value)) in entries.into_iter().enumerate() {
            self.separate(at, depth + 1);
            match key {
                Value::Str(text) => self.text(text),
                Value::Null => self.text("null"),
                Value::Bool(b) => self.text(if *b { "true" } else { "false" }),
                Value::Float(f) => self.text(&float(*f)),
                other => self.text(&python::repr(other)),
            }
            self.out.push_str(": ");
            self.value(value, depth + 1);
        }
        self.close('}', depth);
    }

    fn separate(&mut self, at: usize, depth: usize) {
        match self.indent {
            Some(width) => {
                self.out.push_str(if at > 0 { ",\n" } else { "\n" });
                self.out.push_str(&" ".repeat(width * depth));
            }
            None if at > 0 => self.out.push_str(", "),
            None => {}
        }
    }

    fn close(&mut self, bracket: char, depth: usize) {
        if let Some(width) = self.indent {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(width * depth));
        }
        self.out.push(bracket);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

fn float(f: f64) -> String {
    if f.is_nan() {
        "NaN".to_owned()
    } else if f.is_infinite() {
        if f > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        python::float(f)
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn indents_and_one_line() {
        let data =
            Value::Map(map! {"b" => vec![Value::from(1.0), "é\"\u{1}".into()], "a" => map! {}});
        let with = |indent| {
            let options = Options {
                indent,
                ..Options::default()
            };
            output(&data, &options)
        };
        assert_eq!(
            with(Indent::Width(-1)),
            r#"{"b": [1.0, "é\"\u0001"], "a": {}}"#
        );
        assert_eq!(
            with(Indent::Width(0)),
            "{\n\"b\": [\n1.0,\n\"é\\\"\\u0001\"\n],\n\"a\": {}\n}"
        );
        assert!(with(Indent::Pretty).starts_with("{\n    \"a\": {},\n    \"b\": ["));
    }
}
