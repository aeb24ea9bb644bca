//! `a:b:pattern` over nested maps and lists, as Salt looks for grains and pillar.

use std::borrow::Cow;

use salt_wire::{Map, Value};

use super::{DELIMITER, pcre};
use crate::context::python;
use crate::fnmatch::fnmatch;

/// How the last part is compared. Case never counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// As a shell pattern.
    Glob,
    /// As Python's `re.match`.
    Pcre,
    /// As it is.
    Exact,
}

impl Match {
    fn fits(self, target: &Value, pattern: &str) -> bool {
        let target = python::text(target).to_lowercase();
        let pattern = pattern.to_lowercase();
        match self {
            Self::Glob => fnmatch(&target, &pattern),
            Self::Pcre => pcre::matches(&pattern, &target),
            Self::Exact => target == pattern,
        }
    }
}

/// Whether `expr` matches in `data`: the longest path of keys is tried first, since the delimiter may also
/// be part of a value.
pub fn subdict_match(data: &Map, expr: &str, delimiter: &str, how: Match) -> bool {
    let data = Value::Map(data.clone());
    path_match(&data, expr, delimiter, how)
}

fn path_match(data: &Value, expr: &str, delimiter: &str, how: Match) -> bool {
    let parts: Vec<&str> = expr.split(delimiter).collect();
    (1..parts.len()).rev().any(|at| {
        let key = parts[..at].join(delimiter);
        if key == "*" {
            // Everything below the top: the whole expression against the whole data.
            return found_match(data, expr, how);
        }
        let pattern = parts[at..].join(delimiter);
        traverse(data, &key, delimiter).is_some_and(|found| found_match(found, &pattern, how))
    })
}

fn found_match(found: &Value, pattern: &str, how: Match) -> bool {
    match found {
        Value::Map(map) if map.is_empty() => false,
        Value::Map(map) => map_match(map, found, pattern, how),
        Value::List(list) => list.iter().any(|member| {
            let inside = match member {
                Value::Map(map) => map_match(map, member, pattern, how),
                _ => false,
            };
            inside || how.fits(member, pattern)
        }),
        scalar => how.fits(scalar, pattern),
    }
}

fn map_match(map: &Map, whole: &Value, pattern: &str, how: Match) -> bool {
    let (pattern, wildcard) = match pattern.strip_prefix("*:") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    if pattern == "*"
        || map.contains_key(pattern)
        || map.keys().any(|key| how.fits(key, pattern))
        || path_match(whole, pattern, DELIMITER, how)
    {
        return true;
    }
    wildcard
        && map.values().any(|value| match value {
            Value::Map(inner) => map_match(inner, value, pattern, how),
            Value::List(list) => list.iter().any(|item| how.fits(item, pattern)),
            scalar => how.fits(scalar, pattern),
        })
}

/// Follows a path of keys through maps and lists: `a:b:0`. A list is entered by index or through the first
/// map in it that has the key; a key that YAML reads as something else (a number) is tried as that, too.
pub fn traverse<'a>(data: &'a Value, path: &str, delimiter: &str) -> Option<&'a Value> {
    path.split(delimiter).try_fold(data, step)
}

/// The same from a map on, which need not be copied into a value.
pub fn traverse_map<'a>(data: &'a Map, path: &str, delimiter: &str) -> Option<&'a Value> {
    let mut keys = path.split(delimiter);
    let first = entry(data, keys.next()?)?;
    keys.try_fold(first, step)
}

fn entry<'a>(map: &'a Map, key: &str) -> Option<&'a Value> {
    map.get(key).or_else(|| {
        let loaded = salt_yaml::yamlify_arg(key);
        if loaded.as_str() == Some(key) {
            return None;
        }
        lookup(map, &loaded)
    })
}

fn step<'a>(data: &'a Value, key: &str) -> Option<&'a Value> {
    match data {
        Value::List(list) => {
            let index = python_int(key);
            let wanted: Cow<'_, Value> = match index {
                Some(index) => Cow::Owned(Value::Int(index)),
                None => Cow::Owned(key.into()),
            };
            list.iter()
                .filter_map(Value::as_map)
                .find_map(|map| lookup(map, &wanted))
                .or_else(|| {
                    let index = index?;
                    let len = i128::try_from(list.len()).ok()?;
                    let index = if index < 0 { index + len } else { index };
                    list.get(usize::try_from(index).ok()?)
                })
        }
        Value::Map(map) => entry(map, key),
        _ => None,
    }
}

/// A key as Python compares them: `1`, `1.0` and `True` are the same one.
fn lookup<'a>(map: &'a Map, key: &Value) -> Option<&'a Value> {
    let number = |v: &Value| match v {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        other => other.as_float(),
    };
    map.get(key).or_else(|| {
        let wanted = number(key)?;
        map.iter()
            .find(|(k, _)| number(k) == Some(wanted))
            .map(|(_, v)| v)
    })
}

/// What Python's `int()` takes: white space around, a sign, single underscores between digits.
fn python_int(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let fine = digits
        .split('_')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !fine {
        return None;
    }
    let value: i128 = digits.replace('_', "").parse().ok()?;
    Some(if negative { -value } else { value })
}
