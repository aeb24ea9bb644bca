//! Values as Python writes them: `str()` and `repr()`, which Salt's texts and matchers are full of.

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
        Value::Str(s) => quote_text(s, out),
        Value::Bytes(b) => quote_bytes(b, out),
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

/// Python's shortest text of a float that reads back as the same float.
pub fn float(f: f64) -> String {
    if f.is_nan() {
        return "nan".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{f:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if f == 0.0 || (-4..16).contains(&exponent) {
        let plain = format!("{f}");
        if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

/// The quote that Python chooses: the double one only if that saves escaping.
fn quote_for(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

fn quote_text(s: &str, out: &mut String) {
    let quote = quote_for(s.contains('\''), s.contains('"'));
    out.push(quote);
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
}

/// Close to Python's `str.isprintable`: controls, separators but the space, and unassigned blocks' edges are not.
fn is_printable(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(u32::from(c), 0xad | 0x600..=0x605 | 0x61c | 0x70f | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xfff0..=0xfffb | 0xfffe..=0xffff | 0xe0000..))
}

fn quote_bytes(bytes: &[u8], out: &mut String) {
    let quote = quote_for(bytes.contains(&b'\''), bytes.contains(&b'"'));
    out.push('b');
    out.push(quote);
    for &b in bytes {
        match b {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => {
                out.push('\\');
                out.push(quote);
            }
            b' '..=b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(quote);
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
}
