//! Methods of Python's types, one file per type. A new method is one branch, and its name in the list
//! beside it.

mod dict;
mod list;
mod set;
mod str;

use crate::error::{Error, Result};
use crate::eval::{Args, Interp};
use crate::value::{Val, View, ops};

/// Whether a value has a method of this name.
pub(crate) fn has(value: &Val, name: &str) -> bool {
    let names: &[&str] = match value {
        Val::Str(_) => str::NAMES,
        Val::Bytes(_) => &["decode", "hex", "count", "find", "startswith", "endswith"],
        Val::List(_) => list::NAMES,
        Val::Tuple(_) | Val::Range(..) => &["count", "index"],
        Val::Dict(_) => dict::NAMES,
        Val::Set(_) => set::NAMES,
        Val::View(View::Keys | View::Items, _) => &["isdisjoint"],
        Val::Int(_) | Val::Bool(_) => &["bit_length", "conjugate"],
        Val::Float(_) => &["is_integer", "hex"],
        Val::Loop(_) => &["cycle", "changed"],
        Val::Cycler(_) => &["next", "reset"],
        _ => &[],
    };
    names.contains(&name)
}

/// Calls a method.
pub(crate) fn call(interp: &Interp<'_>, value: &Val, name: &str, args: &Args) -> Result {
    interp.spend(1)?;
    match value {
        Val::Str(text) => str::call(interp, text, name, args),
        Val::List(list) => list::call(interp, list, name, args),
        Val::Dict(dict) => dict::call(dict, name, args),
        Val::Set(set) => set::call(set, name, args),
        Val::Tuple(_) | Val::Range(..) => {
            let [wanted] = args.bind(name, ["value"])?;
            list::search(&value.iterate()?, name, &wanted.unwrap_or(Val::None), value)
        }
        Val::Bytes(bytes) => match name {
            "decode" => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(text.into()),
                Err(_) => Err(Error::python(
                    "UnicodeDecodeError",
                    "'utf-8' codec can't decode bytes",
                )),
            },
            "hex" => {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                Ok(hex.into())
            }
            _ => Err(unknown(value, name)),
        },
        Val::View(..) => {
            let [other] = args.bind(name, ["other"])?;
            let other = ops::items(&other.unwrap_or(Val::None))?;
            for item in value.iterate()? {
                for other in &other {
                    if ops::equal(&item, other)? {
                        return Ok(Val::Bool(false));
                    }
                }
            }
            Ok(Val::Bool(true))
        }
        Val::Int(_) | Val::Bool(_) => match (name, value.as_index()) {
            ("bit_length", Some(i)) => {
                Ok(Val::Int((128 - i.unsigned_abs().leading_zeros()).into()))
            }
            _ => Ok(value.clone()),
        },
        Val::Float(f) => match name {
            "is_integer" => Ok(Val::Bool(f.fract() == 0.0)),
            _ => Err(unknown(value, name)),
        },
        Val::Loop(state) if name == "cycle" => state.cycle(args),
        Val::Loop(state) => state.changed(args),
        Val::Cycler(cycler) => {
            let at = cycler.at.get();
            if name == "reset" {
                cycler.at.set(0);
                return Ok(Val::None);
            }
            cycler.at.set((at + 1) % cycler.items.len().max(1));
            Ok(cycler.items.get(at).cloned().unwrap_or(Val::None))
        }
        _ => Err(unknown(value, name)),
    }
}

fn unknown(value: &Val, name: &str) -> Box<Error> {
    Error::python(
        "AttributeError",
        format!("'{}' object has no attribute '{name}'", value.type_name()),
    )
}
