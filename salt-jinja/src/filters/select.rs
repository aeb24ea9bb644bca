//! `map`, `select` and their like: a filter or test over every item.

use super::collection::{path_of, walk};
use super::{Filter, find};
use crate::error::{Error, ErrorKind, Result};
use crate::eval::{Args, Interp};
use crate::tests;
use crate::value::repr::str;
use crate::value::{Val, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("map", map),
    ("select", |i, v, a| chosen(i, v, a, false, true)),
    ("reject", |i, v, a| chosen(i, v, a, false, false)),
    ("selectattr", |i, v, a| chosen(i, v, a, true, true)),
    ("rejectattr", |i, v, a| chosen(i, v, a, true, false)),
];

fn map(interp: &Interp<'_>, value: Val, args: &Args) -> Result {
    let attribute = args.keywords.iter().find(|(n, _)| &**n == "attribute");
    if args.positional.is_empty()
        && let Some((_, attribute)) = attribute
    {
        let default = args.keywords.iter().find(|(n, _)| &**n == "default");
        let path = path_of(attribute)?;
        let mut out = Vec::new();
        for item in ops::items(&value)? {
            let found = walk(interp, &item, &path)?;
            out.push(match default {
                Some((_, default)) if found.is_undefined() => default.clone(),
                _ => found,
            });
        }
        return Ok(Val::generator(out));
    }
    let Some(name) = args.positional.first() else {
        return Err(Error::new(
            ErrorKind::FilterArgument,
            "map requires a filter argument",
        ));
    };
    let name = str(name)?;
    let Some(filter) = find(&name) else {
        return Err(Error::runtime(format!("No filter named '{name}'.")));
    };
    let rest = Args {
        positional: args.positional[1..].to_vec(),
        keywords: args.keywords.clone(),
    };
    let items = ops::items(&value)?;
    interp.spend(items.len())?;
    let mapped = items.into_iter().map(|item| filter(interp, item, &rest));
    Ok(Val::generator(mapped.collect::<Result<_>>()?))
}

fn chosen(
    interp: &Interp<'_>,
    value: Val,
    args: &Args,
    by_attribute: bool,
    wanted: bool,
) -> Result {
    let mut positional = args.positional.iter();
    let path = if by_attribute {
        let Some(attribute) = positional.next() else {
            return Err(Error::new(
                ErrorKind::FilterArgument,
                "Missing parameter for attribute name",
            ));
        };
        path_of(attribute)?
    } else {
        Vec::new()
    };
    let test = match positional.next() {
        Some(name) => {
            let name = str(name)?;
            let found = tests::find(&name);
            Some(found.ok_or_else(|| Error::runtime(format!("No test named '{name}'.")))?)
        }
        None => None,
    };
    let rest = Args {
        positional: positional.cloned().collect(),
        keywords: args.keywords.clone(),
    };
    // Nothing at all is nothing to choose from.
    if !value.is_undefined() && !value.truth()? {
        return Ok(Val::generator(Vec::new()));
    }
    let mut kept = Vec::new();
    let items = ops::items(&value)?;
    interp.spend(items.len())?;
    for item in items {
        let subject = walk(interp, &item, &path)?;
        let holds = match test {
            Some(test) => test(interp, &subject, &rest)?,
            None => subject.truth()?,
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(Val::generator(kept))
}
