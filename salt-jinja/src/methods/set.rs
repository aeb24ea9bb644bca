//! `set`

use std::rc::Rc;

use indexmap::IndexSet;

use crate::error::{Error, Result};
use crate::eval::Args;
use crate::value::repr::repr;
use crate::value::{Key, Own, Val, ops};

pub(super) const NAMES: &[&str] = &[
    "add",
    "remove",
    "discard",
    "pop",
    "clear",
    "copy",
    "union",
    "intersection",
    "difference",
    "symmetric_difference",
    "update",
    "issubset",
    "issuperset",
    "isdisjoint",
];

type Set = IndexSet<Key>;

/// A set of anything iterable.
pub(crate) fn collect(value: &Val) -> Result<Set> {
    ops::items(value)?.into_iter().map(Key::new).collect()
}

pub(super) fn call(set: &Rc<Own<Set>>, name: &str, args: &Args) -> Result {
    let first = || args.positional.first().cloned().unwrap_or(Val::None);
    let others = || {
        args.positional
            .iter()
            .map(collect)
            .collect::<Result<Vec<Set>>>()
    };
    match name {
        "add" => {
            let key = Key::new(first())?;
            set.borrow_mut().insert(key);
            Ok(Val::None)
        }
        "remove" | "discard" => {
            let key = Key::new(first())?;
            let found = set.borrow_mut().shift_remove(&key);
            if !found && name == "remove" {
                return Err(Error::python("KeyError", repr(&key.0)?));
            }
            Ok(Val::None)
        }
        "pop" => match set.borrow_mut().shift_remove_index(0) {
            Some(key) => Ok(key.0),
            None => Err(Error::python("KeyError", "'pop from an empty set'")),
        },
        "clear" => {
            set.borrow_mut().clear();
            Ok(Val::None)
        }
        "copy" => Ok(Val::set(set.borrow().clone())),
        "update" => {
            for other in others()? {
                set.borrow_mut().extend(other);
            }
            Ok(Val::None)
        }
        "issubset" => Ok(Val::Bool(set.borrow().is_subset(&collect(&first())?))),
        "issuperset" => Ok(Val::Bool(set.borrow().is_superset(&collect(&first())?))),
        "isdisjoint" => Ok(Val::Bool(set.borrow().is_disjoint(&collect(&first())?))),
        _ => {
            let mut result = set.borrow().clone();
            for other in others()? {
                match name {
                    "union" => result.extend(other),
                    "intersection" => result.retain(|k| other.contains(k)),
                    "difference" => result.retain(|k| !other.contains(k)),
                    _ => {
                        let added: Vec<_> = other.difference(&result).cloned().collect();
                        result.retain(|k| !other.contains(k));
                        result.extend(added);
                    }
                }
            }
            Ok(Val::set(result))
        }
    }
}
