//! Values as Python writes them: `str()` and `repr()`, which Salt's texts and matchers are full of.

use salt_jinja::python::{bytes, quote};
use std::io;
use std::path::Path;

pub use salt_jinja::python::{float, normpath};
use salt_wire::Value;

/// What Python's `str()` makes of a value.
pub fn text(value: &Value) -> String {
    match value {
        Value::Str(s) => s.clone(),
        other => repr(other),
    }
}

/// What Python's `repr()` makes of a value.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, false, &mut out);
    out
}

/// `str()` of data that Salt read from an SLS, whose maps are `OrderedDict`s.
pub fn sls_text(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Str(s) => out.clone_from(s),
        other => write_repr(other, true, &mut out),
    }
    out
}

fn write_repr(value: &Value, ordered: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(i) => out.push_str(&i.to_string()),
        Value::Float(f) => out.push_str(&float(*f)),
        Value::Str(s) => out.push_str(&quote(s)),
        Value::Bytes(b) => out.push_str(&bytes(b)),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_repr(item, ordered, out);
            }
            out.push(']');
        }
        Value::Map(map) if ordered && map.is_empty() => out.push_str("OrderedDict()"),
        Value::Map(map) if ordered => {
            out.push_str("OrderedDict([");
            for (at, (key, item)) in map.iter().enumerate() {
                out.push_str(if at > 0 { ", (" } else { "(" });
                write_repr(key, ordered, out);
                out.push_str(", ");
                write_repr(item, ordered, out);
                out.push(')');
            }
            out.push_str("])");
        }
        Value::Map(map) => {
            out.push('{');
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_repr(key, ordered, out);
                out.push_str(": ");
                write_repr(item, ordered, out);
            }
            out.push('}');
        }
    }
}

/// What a failed call is called, as `os.strerror` says it.
pub fn strerror(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next();
    words.unwrap_or_default().to_owned()
}

/// A failed call on a path, as Python prints it.
pub fn os_error(path: &Path, error: &io::Error) -> String {
    let code = error.raw_os_error().unwrap_or_default();
    format!("[Errno {code}] {}: '{}'", strerror(error), path.display())
}

/// A value as the tree that Salt's exceptions show of what they know besides.
pub fn nested(value: &Value) -> String {
    let mut lines = Vec::new();
    branch(value, 0, "", &mut lines);
    lines.join("\n")
}

fn branch(value: &Value, indent: usize, prefix: &str, lines: &mut Vec<String>) {
    let room = " ".repeat(indent);
    match value {
        Value::Map(map) => {
            if indent > 0 {
                lines.push(format!("{room}----------"));
            }
            let mut pairs: Vec<_> = map.iter().map(|(k, v)| (text(k), v)).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, value) in pairs {
                lines.push(format!("{room}{prefix}{key}:"));
                branch(value, indent + 4, "", lines);
            }
        }
        Value::List(items) => {
            for item in items {
                if matches!(item, Value::Map(_) | Value::List(_)) {
                    lines.push(format!("{room}|_"));
                    branch(item, indent + 2, "", lines);
                } else {
                    branch(item, indent, "- ", lines);
                }
            }
        }
        other => {
            let rest = " ".repeat(prefix.len());
            for (at, line) in text(other).lines().enumerate() {
                let prefix = if at == 0 { prefix } else { &rest };
                lines.push(format!("{room}{prefix}{line}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn reads_as_python_writes() {
        let cases: Vec<(Value, &str)> = vec![
            (Value::Null, "None"),
            (true.into(), "True"),
            (1.0.into(), "1.0"),
            (1e16.into(), "1e+16"),
            (123456789012345680.0.into(), "1.2345678901234568e+17"),
            (0.0001.into(), "0.0001"),
            (0.00001.into(), "1e-05"),
            ((-0.0).into(), "-0.0"),
            ("it's".into(), "\"it's\""),
            ("it's \"it\"".into(), "'it\\'s \"it\"'"),
            ("a\nb\u{7f}é\u{a0}".into(), "'a\\nb\\x7fé\\xa0'"),
            (Value::Bytes(vec![0xff, b'a']), "b'\\xffa'"),
            (
                Value::Map(map! {"a" => vec![Value::from(1), Value::Null]}),
                "{'a': [1, None]}",
            ),
        ];
        for (value, want) in cases {
            assert_eq!(repr(&value), want);
        }
        assert_eq!(text(&"x".into()), "x");
    }

    #[test]
    fn what_an_exception_knows_besides_is_a_tree() {
        let change = map! { "old" => "", "new" => "2.0" };
        let errors = vec![Value::from("E: a\nE: b"), "x".into()];
        let info = map! { "errors" => errors, "changes" => map! { "figlet" => change } };
        // As CommandExecutionError of 3008.3 shows the same.
        assert_eq!(
            nested(&info.into()),
            "changes:\n    ----------\n    figlet:\n        ----------\n        new:\n            2.0\n        old:\nerrors:\n    - E: a\n      E: b\n    - x"
        );
    }
}
