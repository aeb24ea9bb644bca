//! JMESPath's functions.

use super::eval::search;
use super::{Node, list};
use crate::error::{Error, Result};
use crate::filters::json::{Style, dumps, loads};
use crate::value::{Dict, Val, ops};

/// The value of an argument; a reference has none of its own.
fn value_of(name: &str, arg: &Node, current: &Val) -> Result {
    match arg {
        Node::Reference(_) => Err(wrong(name, &Val::None, "a value")),
        node => search(node, current),
    }
}

fn kind(value: &Val) -> &'static str {
    match value {
        Val::None => "null",
        Val::Bool(_) => "boolean",
        Val::Int(_) | Val::Float(_) => "number",
        Val::Str(_) => "string",
        Val::List(_) => "array",
        Val::Dict(_) => "object",
        _ => "unknown",
    }
}

fn wrong(name: &str, got: &Val, expected: &str) -> Box<Error> {
    Error::python(
        "JMESPathTypeError",
        format!(
            "In function {name}(), invalid type for value, expected {expected}, received: {}",
            kind(got)
        ),
    )
}

fn arity(name: &str, expected: usize, got: usize) -> Box<Error> {
    Error::python(
        "ArityError",
        format!("Expected {expected} arguments for function {name}(), received {got}"),
    )
}

fn number(name: &str, value: &Val) -> Result<f64> {
    match value {
        Val::Int(_) | Val::Float(_) => value
            .as_float()
            .ok_or_else(|| wrong(name, value, "['number']")),
        other => Err(wrong(name, other, "['number']")),
    }
}

fn items(name: &str, value: &Val) -> Result<Vec<Val>> {
    match value {
        Val::List(items) => Ok(items.borrow().clone()),
        other => Err(wrong(name, other, "['array']")),
    }
}

fn dict(name: &str, value: &Val) -> Result<Dict> {
    match value {
        Val::Dict(dict) => Ok(dict.borrow().clone()),
        other => Err(wrong(name, other, "['object']")),
    }
}

fn text<'v>(name: &str, value: &'v Val) -> Result<&'v str> {
    value
        .as_str()
        .ok_or_else(|| wrong(name, value, "['string']"))
}

/// A float without a fraction as the integer that Python's `floor` gives.
fn whole(number: f64) -> Val {
    Val::Int(number as i128)
}

/// Items with what the referenced expression finds in each.
fn keyed(name: &str, items: Vec<Val>, by: &Node) -> Result<Vec<(Val, Val)>> {
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        let key = search(by, &item)?;
        if !matches!(key, Val::Int(_) | Val::Float(_) | Val::Str(_)) {
            return Err(wrong(name, &key, "['number', 'string']"));
        }
        found.push((key, item));
    }
    Ok(found)
}

fn best(pairs: Vec<(Val, Val)>, greatest: bool) -> Result {
    let mut found: Option<(Val, Val)> = None;
    for (key, item) in pairs {
        let better = match &found {
            None => true,
            Some((so_far, _)) => {
                let order = ops::compare(&key, so_far, "<")?;
                let wanted = if greatest {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Less
                };
                order == Some(wanted)
            }
        };
        if better {
            found = Some((key, item));
        }
    }
    Ok(found.map_or(Val::None, |(_, item)| item))
}

pub(super) fn call(name: &str, args: &[Node], current: &Val) -> Result {
    let expected = match name {
        "abs" | "avg" | "ceil" | "floor" | "keys" | "length" | "max" | "min" | "reverse"
        | "sort" | "sum" | "to_array" | "to_number" | "to_string" | "type" | "values" => 1,
        "contains" | "ends_with" | "starts_with" | "join" | "map" | "max_by" | "min_by"
        | "sort_by" => 2,
        "merge" => args.len(),
        "not_null" => args.len().max(1),
        _ => {
            return Err(Error::python(
                "UnknownFunctionError",
                format!("Unknown function: {name}()"),
            ));
        }
    };
    if args.len() != expected {
        return Err(arity(name, expected, args.len()));
    }
    if let ("map", [Node::Reference(each), over]) = (name, args) {
        let over = items(name, &search(over, current)?)?;
        let found = over.iter().map(|item| search(each, item));
        return Ok(list(found.collect::<Result<_>>()?));
    }
    if let ("max_by" | "min_by" | "sort_by", [over, Node::Reference(by)]) = (name, args) {
        let pairs = keyed(name, items(name, &search(over, current)?)?, by)?;
        if name != "sort_by" {
            return best(pairs, name == "max_by");
        }
        let pairs = pairs.into_iter().map(|(k, v)| Val::tuple(vec![k, v]));
        let sorted = ops::sort_by_key(pairs.collect(), false, |pair| match pair {
            Val::Tuple(t) => Ok(t[0].clone()),
            other => Ok(other.clone()),
        })?;
        let values = sorted.into_iter().filter_map(|pair| match pair {
            Val::Tuple(t) => t.get(1).cloned(),
            _ => None,
        });
        return Ok(list(values.collect()));
    }
    let values = args
        .iter()
        .map(|arg| value_of(name, arg, current))
        .collect::<Result<Vec<_>>>()?;
    plain(name, &values)
}

/// A function whose arguments are all values.
fn plain(name: &str, values: &[Val]) -> Result {
    Ok(match (name, values) {
        ("not_null", values) => {
            let first = values.iter().find(|v| !matches!(v, Val::None));
            first.cloned().unwrap_or(Val::None)
        }
        ("merge", maps) => {
            let mut merged = Dict::new();
            for map in maps {
                merged.extend(dict(name, map)?);
            }
            Val::dict(merged)
        }
        ("abs", [v]) => match v {
            Val::Int(i) => Val::Int(i.saturating_abs()),
            other => Val::Float(number(name, other)?.abs()),
        },
        ("ceil", [v]) => whole(number(name, v)?.ceil()),
        ("floor", [v]) => whole(number(name, v)?.floor()),
        ("avg", [v]) => {
            let all = items(name, v)?;
            if all.is_empty() {
                return Ok(Val::None);
            }
            let mut sum = 0.0;
            for item in &all {
                sum += number(name, item)?;
            }
            Val::Float(sum / all.len() as f64)
        }
        ("sum", [v]) => {
            let mut sum = Val::Int(0);
            for item in items(name, v)? {
                number(name, &item)?;
                sum = ops::binary(crate::ast::Op::Add, &sum, &item)?;
            }
            sum
        }
        ("max" | "min", [v]) => {
            let all = items(name, v)?;
            best(keyed(name, all, &Node::Current)?, name == "max")?
        }
        ("sort", [v]) => {
            let all = items(name, v)?;
            list(ops::sort_by_key(all, false, |v| Ok(v.clone()))?)
        }
        ("reverse", [Val::Str(t)]) => t.text.chars().rev().collect::<String>().into(),
        ("reverse", [v]) => list(items(name, v)?.into_iter().rev().collect()),
        ("keys", [v]) => list(dict(name, v)?.into_keys().map(|k| k.0).collect()),
        ("values", [v]) => list(dict(name, v)?.into_values().collect()),
        ("length", [v]) => match v {
            Val::Str(_) | Val::List(_) | Val::Dict(_) => v.length()?.into(),
            other => return Err(wrong(name, other, "['string', 'array', 'object']")),
        },
        ("type", [v]) => kind(v).into(),
        ("to_array", [v @ Val::List(_)]) => v.clone(),
        ("to_array", [v]) => list(vec![v.clone()]),
        ("to_string", [v @ Val::Str(_)]) => v.clone(),
        ("to_string", [v]) => {
            let style = Style {
                separators: Some((",".into(), ":".into())),
                ..Style::default()
            };
            dumps(v, &style)?.into()
        }
        ("to_number", [v]) => match v {
            Val::Int(_) | Val::Float(_) => v.clone(),
            Val::Str(t) => match loads(&t.text) {
                Some(n @ (Val::Int(_) | Val::Float(_))) => n,
                _ => Val::None,
            },
            _ => Val::None,
        },
        ("contains", [subject, wanted]) => match (subject, wanted) {
            (Val::Str(_), Val::Str(_)) | (Val::List(_), _) => {
                Val::Bool(ops::contains(subject, wanted)?)
            }
            (Val::Str(_), _) => Val::Bool(false),
            (other, _) => return Err(wrong(name, other, "['array', 'string']")),
        },
        ("starts_with", [a, b]) => Val::Bool(text(name, a)?.starts_with(text(name, b)?)),
        ("ends_with", [a, b]) => Val::Bool(text(name, a)?.ends_with(text(name, b)?)),
        ("join", [separator, parts]) => {
            let parts = items(name, parts)?;
            let parts = parts
                .iter()
                .map(|p| Ok(text(name, p)?.to_owned()))
                .collect::<Result<Vec<_>>>()?;
            parts.join(text(name, separator)?).into()
        }
        (_, values) => {
            let first = values.first().unwrap_or(&Val::None);
            return Err(wrong(name, first, "another kind of argument"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::eval::truth;
    use super::*;
    use crate::value::Key;
    use crate::value::repr::repr;

    #[test]
    fn zero_is_true_and_keys_keep_their_order() {
        assert!(truth(&Val::Int(0)));
        let mut map = Dict::new();
        for name in ["z", "a"] {
            map.insert(Key(name.into()), Val::Int(1));
        }
        let keys = plain("keys", &[Val::dict(map)]).map(|v| repr(&v).unwrap());
        assert_eq!(keys.unwrap(), "['z', 'a']");
    }
}
