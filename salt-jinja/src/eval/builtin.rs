//! Functions that every template has: Jinja2's globals and Salt's.

use std::cell::Cell;
use std::rc::Rc;

use indexmap::IndexMap;

use super::{Args, Frame, Interp};
use crate::error::{Error, ErrorKind, Result};
use crate::value::repr::str;
use crate::value::{Cycler, Dict, Joiner, Key, Own, Text, Val, ops};

const NAMES: &[&str] = &[
    "range",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "namespace",
    "raise",
    "ifelse",
    "odict",
    "show_full_context",
];

/// Longest range that the sandbox allows.
const MAX_RANGE: usize = 100_000;

pub(crate) fn find(name: &str) -> Option<Val> {
    NAMES.iter().find(|n| **n == name).map(|n| Val::Function(n))
}

pub(crate) fn call(interp: &Interp<'_>, name: &str, args: &Args) -> Result {
    match name {
        "range" => range(args),
        "dict" | "odict" => Ok(Val::dict(dict(args)?)),
        "namespace" => Ok(Val::Namespace(Rc::new(Own::new(dict(args)?)))),
        "cycler" => {
            if args.positional.is_empty() {
                return Err(Error::runtime("at least one item has to be provided"));
            }
            Ok(Val::Cycler(Rc::new(Cycler {
                items: args.positional.clone().into(),
                at: Cell::new(0),
            })))
        }
        "joiner" => {
            let [separator] = args.bind("joiner", ["sep"])?;
            let separator = match separator {
                Some(Val::Str(text)) => text,
                Some(other) => Text {
                    text: str(&other)?.as_str().into(),
                    markup: false,
                },
                None => Text {
                    text: ", ".into(),
                    markup: false,
                },
            };
            Ok(Val::Joiner(Rc::new(Joiner {
                separator,
                used: Cell::new(false),
            })))
        }
        "raise" => {
            let [message] = args.bind("jinja_raise", ["msg"])?;
            let message = message.map_or_else(|| Ok(String::new()), |m| str(&m))?;
            Err(Error::new(ErrorKind::Raised, message))
        }
        "ifelse" => ifelse(interp, args),
        "lipsum" => super::lorem::lipsum(args),
        "show_full_context" => Ok(Val::dict(Dict::new())),
        other => Err(Error::type_error(format!("'{other}' is not callable"))),
    }
}

fn range(args: &Args) -> Result {
    let mut numbers = Vec::new();
    for value in &args.positional {
        value.strict()?;
        numbers.push(value.as_index().ok_or_else(|| {
            Error::type_error(format!(
                "'{}' object cannot be interpreted as an integer",
                value.type_name()
            ))
        })?);
    }
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] => (*start, *stop, *step),
        [] => {
            return Err(Error::type_error(
                "range expected at least 1 argument, got 0",
            ));
        }
        more => {
            return Err(Error::type_error(format!(
                "range expected at most 3 arguments, got {}",
                more.len()
            )));
        }
    };
    if step == 0 {
        return Err(Error::value_error("range() arg 3 must not be zero"));
    }
    if ops::range_len(start, stop, step) > MAX_RANGE {
        return Err(Error::python(
            "OverflowError",
            format!(
                "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MAX_RANGE})."
            ),
        ));
    }
    Ok(Val::Range(start, stop, step))
}

/// `dict(…)`: a mapping or pairs, then keywords.
pub(crate) fn dict(args: &Args) -> Result<Dict> {
    let mut dict: Dict = IndexMap::new();
    if let Some(first) = args.positional.first() {
        extend(&mut dict, first)?;
    }
    for (name, value) in &args.keywords {
        dict.insert(Key(name.clone().into()), value.clone());
    }
    Ok(dict)
}

/// `dict.update(other)`
pub(crate) fn extend(dict: &mut Dict, other: &Val) -> Result<()> {
    match other {
        Val::Dict(more) | Val::Namespace(more) => {
            for (key, value) in more.borrow().iter() {
                dict.insert(key.clone(), value.clone());
            }
        }
        _ => {
            for (at, pair) in ops::items(other)?.iter().enumerate() {
                if !pair.is_iterable() {
                    return Err(Error::type_error(format!(
                        "cannot convert dictionary update sequence element #{at} to a sequence"
                    )));
                }
                let pair = pair.iterate()?;
                let [key, value] = pair.as_slice() else {
                    return Err(Error::value_error(format!(
                        "dictionary update sequence element #{at} has length {}; 2 is required",
                        pair.len()
                    )));
                };
                dict.insert(Key::new(key.clone())?, value.clone());
            }
        }
    }
    Ok(())
}

/// `ifelse(key, value, …, default)`: looked up by the host's `match.ifelse`, which is not ours to know.
fn ifelse(interp: &Interp<'_>, args: &Args) -> Result {
    let salt = interp.context(&"salt".into());
    match salt {
        Some(salt) => {
            let function = super::item(interp, &salt, &"match.ifelse".into())?;
            interp.call(&function, args)
        }
        None => Err(Error::undefined("'salt' is undefined")),
    }
}

/// `show_full_context()`: everything visible that is plain data.
pub(crate) fn full_context(interp: &Interp<'_>, frame: &Frame) -> Val {
    let mut dict = Dict::new();
    for name in interp.env.variables() {
        if let Some(value) = interp.context(&name.into()) {
            dict.insert(Key(name.into()), value);
        }
    }
    for (name, value) in frame.root.scope.all() {
        dict.insert(Key(name.into()), value);
    }
    dict.retain(|_, value| {
        matches!(
            value,
            Val::None
                | Val::Bool(_)
                | Val::Int(_)
                | Val::Float(_)
                | Val::Str(_)
                | Val::List(_)
                | Val::Tuple(_)
                | Val::Dict(_)
        )
    });
    Val::dict(dict)
}
