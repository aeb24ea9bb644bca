//! `python` and `pprint`: Python's `pprint.pformat`.

use super::{Filter, undefined_inside};
use crate::error::Result;
use crate::value::repr::repr;
use crate::value::{Val, View, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("python", |_, v, _| {
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        Ok(Val::markup(format(&v)?.trim()))
    }),
    ("pprint", |_, v, _| Ok(format(&v)?.into())),
];

const WIDTH: usize = 80;

fn format(value: &Val) -> Result<String> {
    let mut out = String::new();
    write(value, 0, 0, 0, &mut out)?;
    Ok(out)
}

/// One line if it fits; keys of dicts are sorted.
fn one_line(value: &Val, depth: usize) -> Result<String> {
    if depth > 100 {
        return repr(value);
    }
    let join = |items: Vec<Val>| -> Result<String> {
        let items: Vec<_> = items
            .iter()
            .map(|i| one_line(i, depth + 1))
            .collect::<Result<_>>()?;
        Ok(items.join(", "))
    };
    Ok(match value {
        Val::Dict(_) => {
            let mut parts = Vec::new();
            for (key, value) in entries(value)? {
                parts.push(format!(
                    "{}: {}",
                    one_line(&key, depth + 1)?,
                    one_line(&value, depth + 1)?
                ));
            }
            format!("{{{}}}", parts.join(", "))
        }
        Val::List(_) => format!("[{}]", join(value.iterate()?)?),
        Val::Tuple(t) if t.len() == 1 => format!("({},)", one_line(&t[0], depth + 1)?),
        Val::Tuple(_) => format!("({})", join(value.iterate()?)?),
        other => repr(other)?,
    })
}

fn entries(value: &Val) -> Result<Vec<(Val, Val)>> {
    let Val::Dict(dict) = value else {
        return Ok(Vec::new());
    };
    let pairs = Val::View(View::Items, dict.clone()).iterate()?;
    let key = |pair: &Val| match pair {
        Val::Tuple(t) => Ok(t[0].clone()),
        other => Ok(other.clone()),
    };
    let sorted = match ops::sort_by_key(pairs.clone(), false, key) {
        Ok(sorted) => sorted,
        // Keys that cannot be compared are ordered by kind, then by themselves.
        Err(_) => ops::sort_by_key(pairs, false, |pair| match pair {
            Val::Tuple(t) => Ok(Val::tuple(vec![
                t[0].type_name().into(),
                repr(&t[0])?.into(),
            ])),
            other => Ok(other.clone()),
        })?,
    };
    Ok(sorted
        .into_iter()
        .filter_map(|pair| match pair {
            Val::Tuple(t) => Some((t[0].clone(), t[1].clone())),
            _ => None,
        })
        .collect())
}

/// Writes at this indentation, leaving room for what closes behind it.
fn write(value: &Val, indent: usize, room: usize, depth: usize, out: &mut String) -> Result<()> {
    let line = one_line(value, depth)?;
    let max = WIDTH.saturating_sub(indent + room);
    if line.chars().count() <= max || depth > 50 {
        out.push_str(&line);
        return Ok(());
    }
    match value {
        Val::Dict(_) => {
            out.push('{');
            let entries = entries(value)?;
            let last = entries.len();
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push_str(",\n");
                    out.push_str(&" ".repeat(indent + 1));
                }
                let key = one_line(key, depth + 1)?;
                out.push_str(&key);
                out.push_str(": ");
                let room = if at + 1 == last { room + 1 } else { 1 };
                let inner = indent + 1 + key.chars().count() + 2;
                write(value, inner, room, depth + 1, out)?;
            }
            out.push('}');
        }
        Val::List(_) | Val::Tuple(_) | Val::Set(_) => {
            let items = value.iterate()?;
            let (open, close) = match value {
                Val::List(_) => ("[", "]"),
                Val::Set(_) => ("{", "}"),
                _ if items.len() == 1 => ("(", ",)"),
                _ => ("(", ")"),
            };
            out.push_str(open);
            let last = items.len();
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(",\n");
                    out.push_str(&" ".repeat(indent + 1));
                }
                let room = if at + 1 == last {
                    room + close.len()
                } else {
                    1
                };
                write(item, indent + 1, room, depth + 1, out)?;
            }
            out.push_str(close);
        }
        Val::Str(t) => text(&t.text, indent, depth, max, out),
        _ => out.push_str(&line),
    }
    Ok(())
}

/// Long text, broken at blanks into several literals.
fn text(text: &str, indent: usize, depth: usize, max: usize, out: &mut String) {
    use crate::python::quote;
    let (mut indent, mut max) = (indent, max);
    if depth == 0 {
        indent += 1;
        max = max.saturating_sub(2).max(1);
    }
    let mut chunks: Vec<String> = Vec::new();
    let lines = super::text::split_lines(text, true);
    for line in &lines {
        if quote(line).chars().count() <= max {
            chunks.push(quote(line));
            continue;
        }
        let mut current = String::new();
        for part in words(line) {
            let candidate = format!("{current}{part}");
            if quote(&candidate).chars().count() > max && !current.is_empty() {
                chunks.push(quote(&current));
                current = part;
            } else {
                current = candidate;
            }
        }
        if !current.is_empty() {
            chunks.push(quote(&current));
        }
    }
    if chunks.len() == 1 {
        out.push_str(&chunks[0]);
        return;
    }
    if depth == 0 {
        out.push('(');
    }
    for (at, chunk) in chunks.iter().enumerate() {
        if at > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(chunk);
    }
    if depth == 0 {
        out.push(')');
    }
}

/// `\S*\s*`
fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut blank = false;
    for c in line.chars() {
        if blank && !c.is_whitespace() {
            out.push(std::mem::take(&mut word));
        }
        blank = c.is_whitespace();
        word.push(c);
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}
