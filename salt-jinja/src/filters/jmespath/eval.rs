//! A tree over a value.

use super::{Comparison, Literal, Node, functions, list};
use crate::budget;
use crate::error::Result;
use crate::value::{Dict, Key, Val, ops};

/// What the expression finds in a value.
pub(super) fn search(node: &Node, value: &Val) -> Result {
    budget::spend(1)?;
    Ok(match node {
        Node::Current => value.clone(),
        Node::Field(name) => match value {
            Val::Dict(dict) => dict
                .borrow()
                .get(name.as_str())
                .cloned()
                .unwrap_or(Val::None),
            _ => Val::None,
        },
        Node::Literal(Literal::Text(text)) => text.as_str().into(),
        Node::Literal(Literal::Json(json)) => {
            // Text without quotes is read as text.
            super::super::json::loads(json).unwrap_or_else(|| json.trim_end().into())
        }
        Node::Index(index) => match value {
            Val::List(items) => {
                let items = items.borrow();
                let at = if *index < 0 {
                    index + items.len() as i128
                } else {
                    *index
                };
                let found = usize::try_from(at).ok().and_then(|at| items.get(at));
                found.cloned().unwrap_or(Val::None)
            }
            _ => Val::None,
        },
        Node::Slice(parts) => match value {
            Val::List(_) => ops::slice(value, parts)?,
            _ => Val::None,
        },
        Node::Then(first, then) => search(then, &search(first, value)?)?,
        Node::Project(base, each) => match search(base, value)? {
            Val::List(items) => {
                let items = items.borrow().clone();
                projected(&items, each)?
            }
            _ => Val::None,
        },
        Node::ProjectValues(base, each) => match search(base, value)? {
            Val::Dict(dict) => {
                let items: Vec<Val> = dict.borrow().values().cloned().collect();
                projected(&items, each)?
            }
            _ => Val::None,
        },
        Node::Filter(base, condition, each) => match search(base, value)? {
            Val::List(items) => {
                let items = items.borrow().clone();
                let mut kept = Vec::new();
                for item in items {
                    if truth(&search(condition, &item)?) {
                        kept.push(item);
                    }
                }
                projected(&kept, each)?
            }
            _ => Val::None,
        },
        Node::Flatten(base) => match search(base, value)? {
            Val::List(items) => {
                let mut flat = Vec::new();
                for item in items.borrow().iter() {
                    match item {
                        Val::List(inner) => flat.extend(inner.borrow().iter().cloned()),
                        other => flat.push(other.clone()),
                    }
                }
                list(flat)
            }
            _ => Val::None,
        },
        Node::Or(a, b) => {
            let a = search(a, value)?;
            if truth(&a) { a } else { search(b, value)? }
        }
        Node::And(a, b) => {
            let a = search(a, value)?;
            if truth(&a) { search(b, value)? } else { a }
        }
        Node::Not(inner) => Val::Bool(!truth(&search(inner, value)?)),
        Node::Compare(comparison, a, b) => {
            compare(*comparison, &search(a, value)?, &search(b, value)?)?
        }
        Node::List(nodes) => match value {
            Val::None => Val::None,
            _ => {
                let found = nodes.iter().map(|n| search(n, value));
                list(found.collect::<Result<_>>()?)
            }
        },
        Node::Dict(entries) => match value {
            Val::None => Val::None,
            _ => {
                let mut dict = Dict::new();
                for (key, node) in entries {
                    dict.insert(Key(key.as_str().into()), search(node, value)?);
                }
                Val::dict(dict)
            }
        },
        Node::Call(name, args) => functions::call(name, args, value)?,
        Node::Reference(_) => Val::None,
    })
}

fn projected(items: &[Val], each: &Node) -> Result {
    let mut found = Vec::new();
    for item in items {
        match search(each, item)? {
            Val::None => {}
            some => found.push(some),
        }
    }
    Ok(list(found))
}

/// JMESPath's truth: a zero is true.
pub(super) fn truth(value: &Val) -> bool {
    match value {
        Val::None | Val::Bool(false) => false,
        Val::Str(t) => !t.text.is_empty(),
        Val::List(items) => !items.borrow().is_empty(),
        Val::Dict(dict) => !dict.borrow().is_empty(),
        _ => true,
    }
}

fn compare(comparison: Comparison, a: &Val, b: &Val) -> Result {
    // Python's `1 == True` does not hold here.
    let same = matches!(a, Val::Bool(_)) == matches!(b, Val::Bool(_)) && ops::equal(a, b)?;
    match comparison {
        Comparison::Eq => return Ok(Val::Bool(same)),
        Comparison::Ne => return Ok(Val::Bool(!same)),
        _ => {}
    }
    let ordered = |v: &Val| matches!(v, Val::Int(_) | Val::Float(_) | Val::Str(_));
    if !ordered(a) || !ordered(b) {
        return Ok(Val::None);
    }
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (symbol, fits): (_, &[_]) = match comparison {
        Comparison::Lt => ("<", &[Less]),
        Comparison::Le => ("<=", &[Less, Equal]),
        Comparison::Gt => (">", &[Greater]),
        _ => (">=", &[Greater, Equal]),
    };
    let order = ops::compare(a, b, symbol)?;
    Ok(Val::Bool(order.is_some_and(|o| fits.contains(&o))))
}
