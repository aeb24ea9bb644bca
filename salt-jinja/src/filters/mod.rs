//! Filters, one file a family; each exports `FILTERS`, its rows of name and code. A new filter is a row in
//! its family; a new family its file, a `mod` line and a line in [`ALL`].

mod collection;
mod convert;
mod data;
mod hash;
pub(crate) mod html;
mod jmespath;
pub(crate) mod json;
mod net;
mod python;
pub(crate) mod regex;
mod select;
mod sets;
mod shell;
pub(crate) mod text;
mod time;
mod urlize;
mod xml;
pub(crate) mod yaml;

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::eval::{Args, Interp};
use crate::value::Val;

/// A filter's code: the value in front of the bar, and the arguments.
pub(crate) type Filter = fn(&Interp<'_>, Val, &Args) -> Result;
/// A family's rows.
type Rows = &'static [(&'static str, Filter)];

const ALL: &[Rows] = &[
    collection::FILTERS,
    convert::FILTERS,
    data::FILTERS,
    hash::FILTERS,
    html::FILTERS,
    jmespath::FILTERS,
    json::FILTERS,
    net::FILTERS,
    python::FILTERS,
    regex::FILTERS,
    select::FILTERS,
    sets::FILTERS,
    shell::FILTERS,
    text::FILTERS,
    time::FILTERS,
    urlize::FILTERS,
    xml::FILTERS,
    yaml::FILTERS,
];

/// The filter of this name.
pub(crate) fn find(name: &str) -> Option<Filter> {
    static TABLE: OnceLock<HashMap<&'static str, Filter>> = OnceLock::new();
    let table = TABLE.get_or_init(|| ALL.iter().copied().flatten().copied().collect());
    table.get(name).copied()
}

/// The first undefined thing inside of a value: Salt's serialisers hand it on instead of failing.
pub(crate) fn undefined_inside(value: &Val) -> Option<Val> {
    fn collect(value: &Val, depth: usize, found: &mut Vec<String>) {
        // Who runs out here finds out at the next step.
        if depth > 64 || crate::budget::spend(1).is_err() {
            return;
        }
        match value {
            Val::Undefined(u) if !u.lenient => found.push(u.message.clone()),
            Val::List(items) => items
                .borrow()
                .iter()
                .for_each(|v| collect(v, depth + 1, found)),
            Val::Tuple(items) => items.iter().for_each(|v| collect(v, depth + 1, found)),
            Val::Dict(dict) => dict
                .borrow()
                .values()
                .for_each(|v| collect(v, depth + 1, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, 0, &mut found);
    (!found.is_empty()).then(|| Val::undefined(found.join("\n"), false))
}

/// Text of a value that must be text.
fn text_of(value: &Val, what: &str) -> Result<String> {
    match value {
        Val::Str(t) => Ok(t.text.to_string()),
        other => {
            other.strict()?;
            Err(Error::type_error(format!(
                "{what}: expected string, got '{}'",
                other.type_name()
            )))
        }
    }
}

/// `bool(x)` of an argument that may be missing.
fn flag(value: Option<Val>) -> Result<bool> {
    value.map_or(Ok(false), |v| v.truth())
}
