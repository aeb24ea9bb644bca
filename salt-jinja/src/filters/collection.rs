//! Lists and dicts: taking apart, ordering, adding up.

use super::{Filter, flag};
use crate::error::{Error, Result};
use crate::eval::{Args, Interp, attr, item};
use crate::value::repr::str;
use crate::value::{Dict, Key, Val, View, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("default", default),
    ("d", default),
    ("first", |interp, v, _| {
        match ops::items(&v)?.into_iter().next() {
            Some(first) => Ok(first),
            None => Ok(interp.undefined("No first item, sequence was empty.")),
        }
    }),
    ("last", |interp, v, _| match ops::items(&v)?.pop() {
        Some(last) => Ok(last),
        None => Ok(interp.undefined("No last item, sequence was empty.")),
    }),
    ("random", |interp, v, _| {
        let items = ops::items(&v)?;
        if items.is_empty() {
            return Ok(interp.undefined("No random item, sequence was empty."));
        }
        let at = super::hash::random_below(items.len() as u64)? as usize;
        Ok(items[at].clone())
    }),
    ("length", |_, v, _| v.length().map(Val::from)),
    ("count", |_, v, _| v.length().map(Val::from)),
    ("list", |_, v, _| Ok(Val::list(ops::items(&v)?))),
    ("items", |_, v, _| match &v {
        Val::Undefined(_) => Ok(Val::list(Vec::new())),
        Val::Dict(d) => Ok(Val::generator(Val::View(View::Items, d.clone()).iterate()?)),
        _ => Err(Error::type_error("Can only get item pairs from a mapping.")),
    }),
    ("reverse", |_, v, _| match &v {
        Val::Str(t) => Ok(t.text.chars().rev().collect::<String>().into()),
        other => {
            let mut items = ops::items(other)?;
            items.reverse();
            Ok(Val::named_iter("list_reverseiterator", items))
        }
    }),
    ("join", join),
    ("sort", |interp, v, a| {
        let [reverse, case, attribute] =
            a.bind("do_sort", ["reverse", "case_sensitive", "attribute"])?;
        let (reverse, case) = (flag(reverse)?, flag(case)?);
        let paths = many_paths(attribute)?;
        let sorted = ops::sort_by_key(ops::items(&v)?, reverse, |item| {
            let mut keys = Vec::new();
            for path in &paths {
                let value = walk(interp, item, path)?;
                keys.push(if case { value } else { folded(value) });
            }
            match keys.len() {
                0 if case => Ok(item.clone()),
                0 => Ok(folded(item.clone())),
                _ => Ok(Val::list(keys)),
            }
        })?;
        Ok(Val::list(sorted))
    }),
    ("dictsort", |_, v, a| {
        let [case, by, reverse] = a.bind("do_dictsort", ["case_sensitive", "by", "reverse"])?;
        let case = flag(case)?;
        let position = match by.as_ref().and_then(Val::as_str) {
            None | Some("key") => 0,
            Some("value") => 1,
            Some(_) => {
                return Err(Error::new(
                    crate::error::ErrorKind::FilterArgument,
                    "You can only sort by either \"key\" or \"value\"",
                ));
            }
        };
        let Val::Dict(dict) = &v else {
            v.strict()?;
            return Err(Error::python(
                "AttributeError",
                format!("'{}' object has no attribute 'items'", v.type_name()),
            ));
        };
        let pairs = Val::View(View::Items, dict.clone()).iterate()?;
        let sorted = ops::sort_by_key(pairs, flag(reverse)?, |pair| {
            let key = pair.iterate()?[position].clone();
            Ok(if case { key } else { folded(key) })
        })?;
        Ok(Val::list(sorted))
    }),
    ("sum", |interp, v, a| {
        let [attribute, start] = a.bind("do_sum", ["attribute", "start"])?;
        let path = attribute.map(|a| path_of(&a)).transpose()?;
        let mut total = start.unwrap_or(Val::Int(0));
        for item in ops::items(&v)? {
            let item = match &path {
                Some(path) => walk(interp, &item, path)?,
                None => item,
            };
            total = ops::binary(crate::ast::Op::Add, &total, &item)?;
        }
        Ok(total)
    }),
    ("min", |_, v, _| extreme(&v, "min")),
    ("max", |_, v, _| extreme(&v, "max")),
    ("batch", |_, v, a| {
        let [count, fill] = a.bind("do_batch", ["linecount", "fill_with"])?;
        let count = positive(count)?;
        let mut batches = Vec::new();
        for chunk in ops::items(&v)?.chunks(count) {
            let mut chunk = chunk.to_vec();
            if let Some(fill) = fill.as_ref().filter(|f| !matches!(f, Val::None)) {
                while chunk.len() < count.min(1 << 16) {
                    chunk.push(fill.clone());
                }
            }
            batches.push(Val::list(chunk));
        }
        Ok(Val::generator(batches))
    }),
    ("slice", |_, v, a| {
        let [count, fill] = a.bind("do_slice", ["slices", "fill_with"])?;
        let count = positive(count)?.min(1 << 16);
        let items = ops::items(&v)?;
        let (each, more) = (items.len() / count, items.len() % count);
        let (mut slices, mut at) = (Vec::new(), 0);
        for n in 0..count {
            let len = each + usize::from(n < more);
            let mut slice = items[at..at + len].to_vec();
            at += len;
            if let Some(fill) = fill.as_ref().filter(|f| !matches!(f, Val::None))
                && n >= more
            {
                slice.push(fill.clone());
            }
            slices.push(Val::list(slice));
        }
        Ok(Val::generator(slices))
    }),
    ("groupby", group_by),
    ("attr", |interp, v, a| {
        let [name] = a.bind("do_attr", ["name"])?;
        let name = name.map_or_else(|| Ok(String::new()), |n| str(&n))?;
        // Attributes only: a key of a dict is none.
        if let Val::Dict(_) = &v
            && !crate::methods::has(&v, &name)
        {
            return Ok(interp.undefined(format!("'dict object' has no attribute '{name}'")));
        }
        attr(interp, &v, &name)
    }),
    ("sorted_ignorecase", |_, v, _| {
        let sorted = ops::sort_by_key(ops::items(&v)?, false, |i| match i {
            Val::Str(_) => Ok(folded(i.clone())),
            other => Err(Error::python(
                "AttributeError",
                format!("'{}' object has no attribute 'lower'", other.type_name()),
            )),
        })?;
        Ok(Val::list(sorted))
    }),
];

fn default(_: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [default, boolean] = args.bind("do_default", ["default_value", "boolean"])?;
    let replace = value.is_undefined() || (flag(boolean)? && !value.truth()?);
    if replace {
        return Ok(default.unwrap_or_else(|| "".into()));
    }
    Ok(value)
}

fn positive(count: Option<Val>) -> Result<usize> {
    match count.and_then(|c| c.as_index()) {
        Some(n) if n > 0 => Ok(usize::try_from(n).unwrap_or(usize::MAX)),
        _ => Err(Error::python("ZeroDivisionError", "integer modulo by zero")),
    }
}

fn join(interp: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [separator, attribute] = args.bind("sync_do_join", ["d", "attribute"])?;
    let separator = separator.map_or_else(|| Ok(String::new()), |s| str(&s))?;
    let path = match attribute {
        Some(Val::None) | None => None,
        Some(attribute) => Some(path_of(&attribute)?),
    };
    let mut out = String::new();
    for (at, item) in ops::items(&value)?.iter().enumerate() {
        if at > 0 {
            interp.write(&mut out, &separator)?;
        }
        let shown = match &path {
            Some(path) => str(&walk(interp, item, path)?)?,
            None => str(item)?,
        };
        interp.write(&mut out, &shown)?;
    }
    Ok(out.into())
}

fn extreme(value: &Val, name: &str) -> Result {
    let mut best: Option<Val> = None;
    for item in ops::items(value)? {
        let better = match &best {
            None => true,
            Some(best) if name == "min" => {
                ops::compare(&item, best, "<")? == Some(std::cmp::Ordering::Less)
            }
            Some(best) => ops::compare(&item, best, ">")? == Some(std::cmp::Ordering::Greater),
        };
        if better {
            best = Some(item);
        }
    }
    best.ok_or_else(|| Error::value_error(format!("{name}() arg is an empty sequence")))
}

/// Text without its case: what sorting and grouping compare unless told otherwise.
pub(super) fn folded(value: Val) -> Val {
    match &value {
        Val::Str(t) => t.text.to_lowercase().into(),
        _ => value,
    }
}

/// `a.0.b` as keys.
pub(super) fn path_of(attribute: &Val) -> Result<Vec<Val>> {
    match attribute {
        Val::Str(t) => Ok(t
            .text
            .split('.')
            .map(|part| match part.parse::<i128>() {
                Ok(n) if part.bytes().all(|b| b.is_ascii_digit()) => Val::Int(n),
                _ => part.into(),
            })
            .collect()),
        other => Ok(vec![other.clone()]),
    }
}

fn many_paths(attribute: Option<Val>) -> Result<Vec<Vec<Val>>> {
    match attribute {
        None | Some(Val::None) => Ok(Vec::new()),
        Some(Val::Str(t)) => t
            .text
            .split(',')
            .map(|part| path_of(&part.into()))
            .collect(),
        Some(other) => Ok(vec![path_of(&other)?]),
    }
}

/// Follows keys into a value.
pub(super) fn walk(interp: &Interp<'_>, value: &Val, path: &[Val]) -> Result {
    let mut value = value.clone();
    for key in path {
        value = item(interp, &value, key)?;
    }
    Ok(value)
}

fn group_by(interp: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [attribute, default, case] = args.bind(
        "sync_do_groupby",
        ["attribute", "default", "case_sensitive"],
    )?;
    let case = flag(case)?;
    let path = path_of(&attribute.unwrap_or(Val::None))?;
    let key_of = |item: &Val| -> Result {
        let key = walk(interp, item, &path)?;
        let key = match &default {
            Some(default) if key.is_undefined() => default.clone(),
            _ => key,
        };
        Ok(if case { key } else { folded(key) })
    };
    let sorted = ops::sort_by_key(ops::items(&value)?, false, key_of)?;
    let mut groups: Vec<(Val, Vec<Val>)> = Vec::new();
    for item in sorted {
        let key = key_of(&item)?;
        match groups.last_mut() {
            Some((last, items)) if ops::equal(last, &key)? => items.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let mut out = Vec::new();
    for (key, items) in groups {
        // The key as the first of the group writes it.
        let key = if case {
            key
        } else {
            walk(interp, &items[0], &path)?
        };
        let key = match &default {
            Some(default) if key.is_undefined() => default.clone(),
            _ => key,
        };
        out.push(Val::tuple(vec![key, Val::list(items)]));
    }
    Ok(Val::list(out))
}

/// A dict from text keys.
pub(super) fn dict_of(entries: Vec<(&str, Val)>) -> Val {
    let entries = entries.into_iter().map(|(k, v)| (Key(k.into()), v));
    Val::dict(entries.collect::<Dict>())
}
