//! `list`, and what tuples share with it.

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::eval::{Args, Interp};
use crate::value::{Own, Val, ops};

pub(super) const NAMES: &[&str] = &[
    "append", "extend", "insert", "pop", "remove", "index", "count", "sort", "reverse", "copy",
    "clear",
];

pub(super) fn call(
    interp: &Interp<'_>,
    list: &Rc<Own<Vec<Val>>>,
    name: &str,
    args: &Args,
) -> Result {
    let first = || {
        args.positional.first().cloned().ok_or_else(|| {
            Error::type_error(format!(
                "list.{name}() takes exactly one argument (0 given)"
            ))
        })
    };
    match name {
        "append" => {
            let item = first()?;
            list.borrow_mut().push(item);
            Ok(Val::None)
        }
        "extend" => {
            let more = ops::items(&first()?)?;
            interp.spend(more.len())?;
            list.borrow_mut().extend(more);
            Ok(Val::None)
        }
        "insert" => {
            let [at, item] = args.bind("insert", ["index", "object"])?;
            let at = index(&at.unwrap_or(Val::None))?;
            let mut list = list.borrow_mut();
            let len = list.len() as i128;
            let at = if at < 0 {
                (at + len).max(0)
            } else {
                at.min(len)
            };
            list.insert(at as usize, item.unwrap_or(Val::None));
            Ok(Val::None)
        }
        "pop" => {
            let [at] = args.bind("pop", ["index"])?;
            let mut list = list.borrow_mut();
            if list.is_empty() {
                return Err(Error::python("IndexError", "pop from empty list"));
            }
            let len = list.len() as i128;
            let at = at.map_or(Ok(-1), |at| index(&at))?;
            let at = if at < 0 { at + len } else { at };
            if !(0..len).contains(&at) {
                return Err(Error::python("IndexError", "pop index out of range"));
            }
            Ok(list.remove(at as usize))
        }
        "remove" => {
            let wanted = first()?;
            let items = list.borrow().clone();
            for (at, item) in items.iter().enumerate() {
                if ops::equal(item, &wanted)? {
                    list.borrow_mut().remove(at);
                    return Ok(Val::None);
                }
            }
            Err(Error::value_error("list.remove(x): x not in list"))
        }
        "index" | "count" => {
            let items = list.borrow().clone();
            search(&items, name, &first()?, &Val::List(list.clone()))
        }
        "sort" => {
            let [key, reverse] = args.bind("sort", ["key", "reverse"])?;
            let reverse = reverse.is_some_and(|r| r.truth().unwrap_or(false));
            let items = list.borrow().clone();
            let sorted = ops::sort_by_key(items, reverse, |item| match &key {
                Some(key) if !matches!(key, Val::None) => {
                    interp.call(key, &Args::of(vec![item.clone()]))
                }
                _ => Ok(item.clone()),
            })?;
            *list.borrow_mut() = sorted;
            Ok(Val::None)
        }
        "reverse" => {
            list.borrow_mut().reverse();
            Ok(Val::None)
        }
        "copy" => Ok(Val::list(list.borrow().clone())),
        _ => {
            let old = list.take();
            drop(old);
            Ok(Val::None)
        }
    }
}

fn index(value: &Val) -> Result<i128> {
    value.as_index().ok_or_else(|| {
        Error::type_error(format!(
            "'{}' object cannot be interpreted as an integer",
            value.type_name()
        ))
    })
}

/// `index` and `count`
pub(super) fn search(items: &[Val], name: &str, wanted: &Val, whole: &Val) -> Result {
    let mut count = 0usize;
    for (at, item) in items.iter().enumerate() {
        if ops::equal(item, wanted)? {
            if name == "index" {
                return Ok(Val::from(at));
            }
            count += 1;
        }
    }
    if name == "index" {
        return Err(Error::value_error(match whole {
            Val::Tuple(_) => "tuple.index(x): x not in tuple".into(),
            _ => format!("{} is not in list", crate::value::repr::repr(wanted)?),
        }));
    }
    Ok(Val::from(count))
}
