//! `dict`

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::eval::{Args, extend};
use crate::value::repr::repr;
use crate::value::{Dict, Key, Own, Val, View, ops};

pub(super) const NAMES: &[&str] = &[
    "get",
    "keys",
    "values",
    "items",
    "update",
    "pop",
    "popitem",
    "setdefault",
    "copy",
    "clear",
    "fromkeys",
    "move_to_end",
];

pub(super) fn call(dict: &Rc<Own<Dict>>, name: &str, args: &Args) -> Result {
    let view = |view| Ok(Val::View(view, dict.clone()));
    match name {
        "keys" => view(View::Keys),
        "values" => view(View::Values),
        "items" => view(View::Items),
        "get" => {
            let [key, default] = args.bind("get", ["key", "default"])?;
            let key = key_of(key, "get")?;
            let found = dict.borrow().get(&key).cloned();
            Ok(found.or(default).unwrap_or(Val::None))
        }
        "update" => {
            if let Some(first) = args.positional.first() {
                first.strict()?;
                // The other one may be this very dict.
                let mut more = Dict::new();
                extend(&mut more, first)?;
                dict.borrow_mut().extend(more);
            }
            for (name, value) in &args.keywords {
                dict.borrow_mut()
                    .insert(Key(name.clone().into()), value.clone());
            }
            Ok(Val::None)
        }
        "pop" => {
            let [key, default] = args.bind("pop", ["key", "default"])?;
            let key = key_of(key, "pop")?;
            let found = dict.borrow_mut().shift_remove(&key);
            match found.or(default) {
                Some(value) => Ok(value),
                None => Err(Error::python("KeyError", repr(&key.0)?)),
            }
        }
        "popitem" => match dict.borrow_mut().pop() {
            Some((key, value)) => Ok(Val::tuple(vec![key.0, value])),
            None => Err(Error::python(
                "KeyError",
                "'popitem(): dictionary is empty'",
            )),
        },
        "setdefault" => {
            let [key, default] = args.bind("setdefault", ["key", "default"])?;
            let key = key_of(key, "setdefault")?;
            let mut dict = dict.borrow_mut();
            let value = dict.entry(key).or_insert(default.unwrap_or(Val::None));
            Ok(value.clone())
        }
        "copy" => Ok(Val::dict(dict.borrow().clone())),
        "clear" => {
            let old = dict.take();
            drop(old);
            Ok(Val::None)
        }
        "fromkeys" => {
            let [keys, value] = args.bind("fromkeys", ["iterable", "value"])?;
            let value = value.unwrap_or(Val::None);
            let mut new = Dict::new();
            for key in ops::items(&keys.unwrap_or(Val::None))? {
                new.insert(Key::new(key)?, value.clone());
            }
            Ok(Val::dict(new))
        }
        "move_to_end" => {
            let [key, last] = args.bind("move_to_end", ["key", "last"])?;
            let key = key_of(key, "move_to_end")?;
            let mut dict = dict.borrow_mut();
            let Some(value) = dict.shift_remove(&key) else {
                return Err(Error::python("KeyError", repr(&key.0)?));
            };
            if last.is_none_or(|l| l.truth().unwrap_or(true)) {
                dict.insert(key, value);
            } else {
                dict.shift_insert(0, key, value);
            }
            Ok(Val::None)
        }
        other => Err(Error::undefined(format!(
            "'dict object' has no attribute '{other}'"
        ))),
    }
}

fn key_of(key: Option<Val>, name: &str) -> Result<Key> {
    match key {
        Some(key) => Key::new(key),
        None => Err(Error::type_error(format!(
            "{name} expected at least 1 argument, got 0"
        ))),
    }
}
