//! `x.name` and `x[key]`, each trying the other way too, as Jinja2 does.

use std::rc::Rc;

use super::Interp;
use crate::error::{ErrorKind, Result};
use crate::methods;
use crate::python::quote;
use crate::value::repr::repr;
use crate::value::{Key, Undef, Val};

/// `object.name`
pub(crate) fn attr(interp: &Interp<'_>, object: &Val, name: &str) -> Result {
    if let Val::Undefined(u) = object {
        return Err(u.error());
    }
    if let Some(found) = own_attr(interp, object, name) {
        return Ok(found);
    }
    if let Some(found) = lookup(object, &name.into())? {
        return Ok(found);
    }
    Ok(missing(interp, object, name))
}

/// `object[key]`
pub(crate) fn item(interp: &Interp<'_>, object: &Val, key: &Val) -> Result {
    if let Val::Undefined(u) = object {
        return Err(u.error());
    }
    key.strict()?;
    if let Some(found) = lookup(object, key)? {
        return Ok(found);
    }
    match key.as_str() {
        Some(name) => {
            if let Some(found) = own_attr(interp, object, name) {
                return Ok(found);
            }
            Ok(missing(interp, object, name))
        }
        None => Ok(interp.undefined(format!(
            "{} has no element {}",
            interp.described(object),
            repr(key)?
        ))),
    }
}

fn missing(interp: &Interp<'_>, object: &Val, name: &str) -> Val {
    interp.undefined(format!(
        "{} has no attribute {}",
        quote(&interp.described(object)),
        quote(name)
    ))
}

/// What Python's `getattr` would find.
fn own_attr(interp: &Interp<'_>, object: &Val, name: &str) -> Option<Val> {
    let found = match object {
        Val::Namespace(dict) => dict.borrow().get(name).cloned(),
        Val::Module(module) => module.attr(name),
        Val::Loop(state) => state.attr(interp, name),
        Val::Macro(called) => called.attr(name),
        Val::Cycler(cycler) if name == "current" => cycler.items.get(cycler.at.get()).cloned(),
        Val::Block(block) => block.attr(name),
        Val::Object(host) => host.attr(name).map(Val::from),
        _ => None,
    };
    if found.is_some() {
        return found;
    }
    if methods::has(object, name) {
        return Some(Val::Method(Rc::new((object.clone(), name.into()))));
    }
    // Python's own inside is closed to templates.
    const INSIDE: &[&str] = &[
        "__class__",
        "__init__",
        "__doc__",
        "__dict__",
        "__mro__",
        "__subclasses__",
        "__globals__",
        "__getattribute__",
        "__reduce__",
        "__module__",
        "__new__",
        "__hash__",
        "__eq__",
        "__str__",
        "__repr__",
        "__call__",
    ];
    if INSIDE.contains(&name) {
        return Some(Val::Undefined(Rc::new(Undef {
            message: format!(
                "access to attribute {} of {} object is unsafe.",
                quote(name),
                quote(&object.type_name())
            ),
            lenient: false,
            kind: ErrorKind::Security,
        })));
    }
    None
}

/// What `object[key]` finds, if anything.
fn lookup(object: &Val, key: &Val) -> Result<Option<Val>> {
    let at = |len: usize| {
        let index = key.as_index()?;
        let index = if index < 0 {
            index + len as i128
        } else {
            index
        };
        usize::try_from(index).ok().filter(|i| *i < len)
    };
    Ok(match object {
        Val::Dict(dict) => match Key::new(key.clone()) {
            Ok(key) => dict.borrow().get(&key).cloned(),
            Err(_) => None,
        },
        Val::List(list) => {
            let list = list.borrow();
            at(list.len()).map(|i| list[i].clone())
        }
        Val::Tuple(items) => at(items.len()).map(|i| items[i].clone()),
        Val::Str(text) => {
            let chars: Vec<char> = text.text.chars().collect();
            at(chars.len()).map(|i| chars[i].to_string().into())
        }
        Val::Bytes(bytes) => at(bytes.len()).map(|i| Val::Int(bytes[i].into())),
        Val::Range(start, _, step) => {
            at(object.length()?).map(|i| Val::Int(start + i as i128 * step))
        }
        Val::Object(host) => host.item(&key.to_value()?)?.map(Val::from),
        _ => None,
    })
}
