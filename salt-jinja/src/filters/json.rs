//! JSON, as Python's `json` writes and reads it.

use super::{Filter, flag, undefined_inside};
use crate::budget;
use crate::error::{Error, Result};
use crate::python::float;
use crate::value::repr::str;
use crate::value::{Dict, Key, Val, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("json", |_, v, a| {
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        let [sort, indent] = a.bind("format_json", ["sort_keys", "indent"])?;
        let style = Style {
            sort: sort.is_none_or(|s| s.truth().unwrap_or(true)),
            indent: indent_of(indent),
            ..Style::default()
        };
        Ok(Val::markup(dumps(&v, &style)?.trim()))
    }),
    ("tojson", |_, v, a| {
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        let [indent, ascii, sort, separators] = a.bind(
            "tojson",
            ["indent", "ensure_ascii", "sort_keys", "separators"],
        )?;
        let style = Style {
            sort: flag(sort)?,
            ascii: ascii.is_none_or(|s| s.truth().unwrap_or(true)),
            indent: indent_of(indent),
            separators: match separators {
                Some(pair @ (Val::List(_) | Val::Tuple(_))) => {
                    let pair = pair.iterate()?;
                    match pair.as_slice() {
                        [a, b] => Some((str(a)?, str(b)?)),
                        _ => None,
                    }
                }
                _ => None,
            },
        };
        let text = dumps(&v, &style)?;
        Ok(text
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\'', "\\u0027")
            .into())
    }),
    ("load_json", |_, v, _| {
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        let text = match &v {
            Val::Module(m) => m.text().to_owned(),
            other => str(other)?,
        };
        loads(&text).ok_or_else(|| Error::runtime(format!("Unable to load json from {text}")))
    }),
];

/// How to write.
#[derive(Debug, Default)]
pub(crate) struct Style {
    pub(crate) sort: bool,
    pub(crate) ascii: bool,
    pub(crate) indent: Option<String>,
    pub(crate) separators: Option<(String, String)>,
}

fn indent_of(value: Option<Val>) -> Option<String> {
    match value {
        None | Some(Val::None) => None,
        Some(Val::Str(t)) => Some(t.text.to_string()),
        Some(other) => Some(" ".repeat(other.as_index().unwrap_or(0).clamp(0, 64) as usize)),
    }
}

/// `json.dumps`
pub(crate) fn dumps(value: &Val, style: &Style) -> Result<String> {
    let mut out = String::new();
    write(value, style, 0, &mut out)?;
    Ok(out)
}

fn write(value: &Val, style: &Style, depth: usize, out: &mut String) -> Result<()> {
    budget::spend(1)?;
    if depth > 100 {
        return Err(Error::value_error("Circular reference detected"));
    }
    if out.len() > 64 << 20 {
        return Err(Error::bound("the text is too long"));
    }
    match value {
        Val::Undefined(u) => return Err(u.error()),
        Val::None => out.push_str("null"),
        Val::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Val::Int(i) => out.push_str(&i.to_string()),
        Val::Float(f) => out.push_str(&json_float(*f)),
        Val::Str(t) => quote(&t.text, style.ascii, out),
        Val::List(_) | Val::Tuple(_) => {
            let items = value.iterate()?;
            list(items.len(), ('[', ']'), style, depth, out, |at, out| {
                write(&items[at], style, depth + 1, out)
            })?;
        }
        Val::Dict(dict) => {
            let mut entries: Vec<(Val, Val)> = dict
                .borrow()
                .iter()
                .map(|(k, v)| (k.0.clone(), v.clone()))
                .collect();
            if style.sort {
                let pairs = entries.into_iter().map(|(k, v)| Val::tuple(vec![k, v]));
                let sorted = ops::sort_by_key(pairs.collect(), false, |pair| match pair {
                    Val::Tuple(t) => Ok(t[0].clone()),
                    other => Ok(other.clone()),
                })?;
                entries = sorted
                    .into_iter()
                    .filter_map(|pair| match pair {
                        Val::Tuple(t) => Some((t[0].clone(), t[1].clone())),
                        _ => None,
                    })
                    .collect();
            }
            let colon = style.separators.as_ref().map_or(": ", |(_, c)| c.as_str());
            list(entries.len(), ('{', '}'), style, depth, out, |at, out| {
                let (key, value) = &entries[at];
                let key = match key {
                    Val::Str(t) => t.text.to_string(),
                    Val::None => "null".into(),
                    Val::Bool(b) => b.to_string(),
                    Val::Int(i) => i.to_string(),
                    Val::Float(f) => json_float(*f),
                    other => {
                        return Err(Error::type_error(format!(
                            "keys must be str, int, float, bool or None, not {}",
                            other.type_name()
                        )));
                    }
                };
                quote(&key, style.ascii, out);
                out.push_str(colon);
                write(value, style, depth + 1, out)
            })?;
        }
        other => {
            return Err(Error::type_error(format!(
                "Object of type {} is not JSON serializable",
                other.type_name()
            )));
        }
    }
    Ok(())
}

fn list(
    len: usize,
    (open, close): (char, char),
    style: &Style,
    depth: usize,
    out: &mut String,
    mut each: impl FnMut(usize, &mut String) -> Result<()>,
) -> Result<()> {
    out.push(open);
    let newline = |depth: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    for at in 0..len {
        if at > 0 {
            out.push_str(match (&style.separators, &style.indent) {
                (Some((comma, _)), _) => comma,
                (None, Some(_)) => ",",
                (None, None) => ", ",
            });
        }
        newline(depth + 1, out);
        each(at, out)?;
    }
    if len > 0 {
        newline(depth, out);
    }
    out.push(close);
    Ok(())
}

fn json_float(f: f64) -> String {
    if f.is_nan() {
        "NaN".into()
    } else if f.is_infinite() {
        if f > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        float(f)
    }
}

fn quote(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && !c.is_ascii()) => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `json.loads`
pub(crate) fn loads(text: &str) -> Option<Val> {
    let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(from_json(&parsed))
}

fn from_json(value: &serde_json::Value) -> Val {
    use serde_json::Value as J;
    match value {
        J::Null => Val::None,
        J::Bool(b) => Val::Bool(*b),
        J::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Val::Int(i.into()),
            (_, Some(u)) => Val::Int(u.into()),
            _ => Val::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        J::String(s) => s.as_str().into(),
        J::Array(items) => Val::list(items.iter().map(from_json).collect()),
        J::Object(map) => {
            let entries = map
                .iter()
                .map(|(k, v)| (Key(k.as_str().into()), from_json(v)));
            Val::dict(entries.collect::<Dict>())
        }
    }
}
