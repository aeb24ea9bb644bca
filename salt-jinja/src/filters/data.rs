//! Salt's helpers for nested data.

use super::collection::dict_of;
use super::{Filter, flag, text_of};
use crate::error::{Error, ErrorKind, Result};
use crate::eval::{Args, Interp, extend};
use crate::methods;
use crate::value::repr::str;
use crate::value::{Dict, Key, Own, Val, View, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("traverse", traverse),
    ("sequence", |_, v, _| match v {
        Val::List(_) | Val::Tuple(_) | Val::Set(_) | Val::Dict(_) => Ok(v),
        other => Ok(Val::list(vec![other])),
    }),
    ("is_list", |_, v, _| {
        Ok(Val::Bool(matches!(v, Val::List(_))))
    }),
    ("is_iter", |_, v, _| {
        v.strict()?;
        Ok(Val::Bool(!matches!(v, Val::Str(_)) && v.is_iterable()))
    }),
    ("flatten", |interp, v, a| {
        let [levels, nulls] = a.bind("flatten", ["levels", "preserve_nulls"])?;
        let levels = levels.and_then(|l| l.as_index());
        let mut out = Vec::new();
        flatten(interp, &v, levels, flag(nulls)?, 0, &mut out)?;
        Ok(Val::list(out))
    }),
    ("substring_in_list", |_, v, a| {
        let [list] = a.bind("substr_in_list", ["list_to_search"])?;
        for item in ops::items(&list.unwrap_or(Val::None))? {
            if ops::contains(&item, &v)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }),
    ("exactly_one_true", |_, v, _| exactly(&v, 1)),
    ("exactly_n_true", |_, v, a| {
        let [amount] = a.bind("exactly_n", ["amount"])?;
        exactly(&v, amount.and_then(|n| n.as_index()).unwrap_or(1))
    }),
    ("to_entries", |_, v, _| {
        let pairs = match &v {
            Val::Dict(d) => d
                .borrow()
                .iter()
                .map(|(k, v)| (k.0.clone(), v.clone()))
                .collect(),
            Val::List(l) => {
                let items = l.borrow();
                let pairs = items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| (Val::from(i), v.clone()));
                pairs.collect::<Vec<_>>()
            }
            _ => {
                return Err(Error::python(
                    "SaltException",
                    "Input data must be a dict or list",
                ));
            }
        };
        let entries = pairs
            .into_iter()
            .map(|(k, v)| dict_of(vec![("key", k), ("value", v)]));
        Ok(Val::list(entries.collect()))
    }),
    ("from_entries", |_, v, _| {
        let mut out = Dict::new();
        for entry in ops::items(&v)? {
            let Val::Dict(entry) = &entry else {
                return Err(Error::type_error("an entry must be a dict"));
            };
            let entry = entry.borrow();
            let get = |name: &str| {
                let found = entry
                    .iter()
                    .find(|(k, _)| k.0.as_str().is_some_and(|k| k.eq_ignore_ascii_case(name)));
                found.map(|(_, v)| v.clone())
            };
            for name in ["key", "name"] {
                if let Some(key) = get(name)
                    && key.truth()?
                {
                    out.insert(Key::new(key)?, get("value").unwrap_or(Val::None));
                    break;
                }
            }
        }
        Ok(Val::dict(out))
    }),
    ("compare_dicts", |_, v, a| {
        let [new] = a.bind("compare_dicts", ["new"])?;
        let (Val::Dict(old), Some(Val::Dict(new))) = (&v, &new) else {
            return Err(Error::type_error("compare_dicts wants two dicts"));
        };
        let (old, new) = (old.borrow(), new.borrow());
        let mut out = Dict::new();
        let keys = new
            .keys()
            .chain(old.keys().filter(|k| !new.contains_key(*k)));
        for key in keys {
            let change = match (old.get(key), new.get(key)) {
                (None, Some(new)) => dict_of(vec![("old", "".into()), ("new", new.clone())]),
                (Some(old), None) => dict_of(vec![("new", "".into()), ("old", old.clone())]),
                (Some(a), Some(b)) if !ops::equal(a, b)? => {
                    dict_of(vec![("old", a.clone()), ("new", b.clone())])
                }
                _ => continue,
            };
            out.insert(key.clone(), change);
        }
        Ok(Val::dict(out))
    }),
    ("set_dict_key_value", |_, v, a| change(v, a, Change::Set)),
    ("update_dict_key_value", |_, v, a| {
        change(v, a, Change::Update)
    }),
    ("append_dict_key_value", |_, v, a| {
        change(v, a, Change::Append)
    }),
    ("extend_dict_key_value", |_, v, a| {
        change(v, a, Change::Extend)
    }),
    ("method_call", |interp, v, a| {
        let Some(name) = a.positional.first() else {
            return Err(Error::type_error("method_call wants a name"));
        };
        let name = str(name)?;
        let rest = Args {
            positional: a.positional[1..].to_vec(),
            keywords: a.keywords.clone(),
        };
        if methods::has(&v, &name) {
            return methods::call(interp, &v, &name, &rest);
        }
        Ok(Val::None)
    }),
    ("json_encode_list", |_, v, _| encoded(&v, 0)),
    ("json_decode_list", |_, v, _| encoded(&v, 0)),
    ("json_encode_dict", |_, v, _| encoded(&v, 0)),
    ("json_decode_dict", |_, v, _| encoded(&v, 0)),
    ("check_whitelist_blacklist", |_, v, a| {
        let [white, black] = a.bind("check_whitelist_blacklist", ["whitelist", "blacklist"])?;
        let value = str(&v)?;
        let white = patterns(white, "whitelist")?;
        let black = patterns(black, "blacklist")?;
        let hit = |list: &[String]| list.iter().any(|p| matches_expression(&value, p));
        let allowed = white.is_empty() || hit(&white);
        Ok(Val::Bool(allowed && !hit(&black)))
    }),
    ("mysql_to_dict", |_, v, a| {
        let [key] = a.bind("mysql_to_dict", ["key"])?;
        let key = key.unwrap_or(Val::None);
        let (mut out, mut headers) = (Dict::new(), Vec::<String>::new());
        for line in ops::items(&v)? {
            let line = text_of(&line, "mysql_to_dict")?;
            if line.is_empty() || line.starts_with('+') {
                continue;
            }
            let cells: Vec<String> = line.split('|').map(|c| c.trim().to_owned()).collect();
            if headers.len() <= 1 {
                headers = cells;
                continue;
            }
            let mut row = Dict::new();
            for (header, cell) in headers.iter().zip(&cells).take(headers.len() - 1).skip(1) {
                let value = super::convert::to_num(&cell.as_str().into())?;
                row.insert(Key(header.as_str().into()), value);
            }
            let Some(name) = row.get(&Key::new(key.clone())?).cloned() else {
                return Err(Error::python("KeyError", crate::value::repr::repr(&key)?));
            };
            out.insert(Key::new(name)?, Val::dict(row));
        }
        Ok(Val::dict(out))
    }),
];

/// `salt.utils.data.traverse_dict_and_list`
fn traverse(_: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [key, default, delimiter] =
        args.bind("traverse_dict_and_list", ["key", "default", "delimiter"])?;
    let default = default.unwrap_or(Val::None);
    let delimiter = delimiter.map_or_else(|| Ok(":".into()), |d| str(&d))?;
    let keys = match key.unwrap_or(Val::None) {
        Val::Str(t) => t.text.split(&*delimiter).map(Val::from).collect(),
        n @ Val::Int(_) => vec![n],
        other => ops::items(&other)?,
    };
    let mut here = value;
    for key in keys {
        here.strict()?;
        let next = match &here {
            Val::List(items) => {
                let items = items.borrow();
                let index = match &key {
                    Val::Str(t) => super::convert::parse_int(&t.text, 10),
                    other => other.as_index(),
                };
                let wanted = index.map_or_else(|| key.clone(), Val::Int);
                let inside = items.iter().find_map(|item| match item {
                    Val::Dict(d) => d.borrow().get(&Key::new(wanted.clone()).ok()?).cloned(),
                    _ => None,
                });
                inside.or_else(|| {
                    let len = items.len() as i128;
                    let at = index.map(|i| if i < 0 { i + len } else { i })?;
                    items.get(usize::try_from(at).ok()?).cloned()
                })
            }
            Val::Dict(dict) => {
                let dict = dict.borrow();
                let found = dict.get(&Key::new(key.clone())?).cloned();
                found.or_else(|| {
                    let loaded = Val::from(&salt_yaml::yamlify_arg(key.as_str()?));
                    dict.get(&Key::new(loaded).ok()?).cloned()
                })
            }
            Val::Object(host) => host.item(&key.to_value()?)?.map(Val::from),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => return Ok(default),
        }
    }
    Ok(here)
}

fn flatten(
    interp: &Interp<'_>,
    value: &Val,
    levels: Option<i128>,
    nulls: bool,
    depth: usize,
    out: &mut Vec<Val>,
) -> Result<()> {
    if depth > 100 {
        return Err(Error::python(
            "RecursionError",
            "Reference cycle detected. Check input list.",
        ));
    }
    for item in ops::items(value)? {
        interp.spend(1)?;
        let null = matches!(item, Val::None) || matches!(item.as_str(), Some("None" | "null"));
        if null && !nulls {
            continue;
        }
        let nested = !matches!(item, Val::Str(_)) && item.is_iterable();
        match levels {
            _ if !nested => out.push(item),
            None => flatten(interp, &item, None, nulls, depth + 1, out)?,
            Some(n) if n >= 1 => flatten(interp, &item, Some(n - 1), nulls, depth + 1, out)?,
            Some(_) => out.push(item),
        }
    }
    Ok(())
}

fn exactly(value: &Val, amount: i128) -> Result {
    let mut count = 0;
    for item in ops::items(value)? {
        count += i128::from(item.truth()?);
    }
    Ok(Val::Bool(count == amount))
}

#[derive(Clone, Copy)]
enum Change {
    Set,
    Update,
    Append,
    Extend,
}

/// Changes a value deep inside of a dict, making the way there.
fn change(value: Val, args: &Args, change: Change) -> Result {
    let [keys, new, delimiter, _ordered] =
        args.bind("dictupdate", ["keys", "value", "delimiter", "ordered_dict"])?;
    let keys = text_of(&keys.unwrap_or(Val::None), "dictupdate")?;
    let delimiter = delimiter.map_or_else(|| Ok(":".into()), |d| str(&d))?;
    let new = new.unwrap_or(Val::None);
    let Val::Dict(root) = &value else {
        value.strict()?;
        return Err(Error::type_error(format!(
            "'{}' object does not support item assignment",
            value.type_name()
        )));
    };
    let mut here = root.clone();
    let mut path: Vec<&str> = keys.split(&*delimiter).collect();
    let last = path.pop().unwrap_or_default();
    for key in path {
        let found = here.borrow().get(key).cloned();
        here = match found {
            Some(Val::Dict(inner)) => inner,
            _ => {
                let inner = std::rc::Rc::new(Own::new(Dict::new()));
                here.borrow_mut()
                    .insert(Key(key.into()), Val::Dict(inner.clone()));
                inner
            }
        };
    }
    let present = here
        .borrow()
        .get(last)
        .cloned()
        .filter(|v| !matches!(v, Val::None));
    let class = |v: &Val| format!("<class '{}'>", v.type_name());
    let invalid = |text: String| Error::new(ErrorKind::Salt, text);
    match change {
        Change::Set => {
            here.borrow_mut().insert(Key(last.into()), new);
        }
        Change::Update => {
            let target = present.unwrap_or_else(|| Val::dict(Dict::new()));
            let Val::Dict(inner) = &target else {
                return Err(invalid(format!(
                    "The last key contains a {}, which cannot update.",
                    class(&target)
                )));
            };
            let mut more = Dict::new();
            extend(&mut more, &new).map_err(|_| {
                invalid(format!(
                    "Cannot update {} with a {}.",
                    class(&target),
                    class(&new)
                ))
            })?;
            inner.borrow_mut().extend(more);
            here.borrow_mut().insert(Key(last.into()), target.clone());
        }
        Change::Append | Change::Extend => {
            let target = present.unwrap_or_else(|| Val::list(Vec::new()));
            let verb = if matches!(change, Change::Append) {
                "append"
            } else {
                "extend"
            };
            let Val::List(items) = &target else {
                return Err(invalid(format!(
                    "The last key contains a {}, which cannot {verb}.",
                    class(&target)
                )));
            };
            if matches!(change, Change::Append) {
                items.borrow_mut().push(new);
            } else {
                let more = ops::items(&new).map_err(|_| {
                    invalid(format!(
                        "Cannot extend {} with a {}.",
                        class(&target),
                        class(&new)
                    ))
                })?;
                items.borrow_mut().extend(more);
            }
            here.borrow_mut().insert(Key(last.into()), target.clone());
        }
    }
    Ok(value)
}

/// Text as bytes, all the way down.
fn encoded(value: &Val, depth: usize) -> Result {
    if depth > 100 {
        return Err(Error::bound("the value is nested too deeply"));
    }
    Ok(match value {
        Val::Str(t) => Val::bytes(t.text.as_bytes().to_vec()),
        Val::List(_) | Val::Tuple(_) => {
            let items = value.iterate()?;
            let items = items.iter().map(|i| encoded(i, depth + 1));
            Val::list(items.collect::<Result<_>>()?)
        }
        Val::Dict(d) => {
            let mut out = Dict::new();
            for pair in Val::View(View::Items, d.clone()).iterate()? {
                let pair = pair.iterate()?;
                let key = Key::new(encoded(&pair[0], depth + 1)?)?;
                out.insert(key, encoded(&pair[1], depth + 1)?);
            }
            Val::dict(out)
        }
        other => other.clone(),
    })
}

fn patterns(value: Option<Val>, name: &str) -> Result<Vec<String>> {
    match value {
        None | Some(Val::None) => Ok(Vec::new()),
        Some(Val::Str(t)) if t.text.is_empty() => Ok(Vec::new()),
        Some(Val::Str(t)) => Ok(vec![t.text.to_string()]),
        Some(other) if other.is_iterable() => other.iterate()?.iter().map(str).collect(),
        Some(other) => Err(Error::type_error(format!(
            "Expecting iterable {name}, but got {} ({})",
            other.type_name(),
            str(&other)?
        ))),
    }
}

/// A glob, or a regular expression for the whole text.
fn matches_expression(text: &str, expression: &str) -> bool {
    let mut glob = String::from("\\A(?s:");
    for c in expression.chars() {
        match c {
            '*' => glob.push_str(".*"),
            '?' => glob.push('.'),
            '[' | ']' => glob.push(c),
            c => glob.push_str(&fancy_regex::escape(&c.to_string())),
        }
    }
    glob.push_str(")\\z");
    let test = |pattern: &str| {
        fancy_regex::Regex::new(pattern)
            .ok()
            .and_then(|r| r.is_match(text).ok())
            .unwrap_or(false)
    };
    test(&glob) || test(&format!("\\A(?:{expression})\\z"))
}
