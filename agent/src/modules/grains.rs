//! `grains`: what the minion knows of its machine, and what an operator added to it.
//!
//! Added grains live in the static file beside the configuration. Salt's functions change the grains in memory
//! at once and have the rest read anew; so do these.

use std::io;

use salt_wire::{Map, Value, map};
use salt_yaml::DumpOptions;

use super::{Function, pillar, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::grains::statics;
use crate::host::fs::write_atomic;
use crate::targeting::traverse_map;

/// The rows of `grains`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "grains.append",
        "key, val, convert=False, delimiter=':'",
        append,
        "Add a value, or all values of a list, to a list in the grains file.",
        "salt '*' grains.append key val"
    ),
    row!(
        "grains.delkey",
        "key, force=False",
        delkey,
        "Remove a grain from the grains file, key and value.",
        "salt '*' grains.delkey key"
    ),
    row!(
        "grains.delval",
        "key, destructive=False, force=False",
        delval,
        "Set a grain to None; with ``destructive`` remove its key as well.",
        "salt '*' grains.delval key"
    ),
    row!(
        "grains.equals",
        "key, value",
        equals,
        "Whether a grain has this value.",
        "salt '*' grains.equals fqdn web01.example.com"
    ),
    row!(
        "grains.fetch",
        "key, default='', delimiter=':', ordered=True",
        get,
        "Other name of ``grains.get``.",
        "salt '*' grains.fetch pkg:apache"
    ),
    row!(
        "grains.filter_by",
        "lookup_dict, grain='os_family', merge=None, default='default', base=None",
        filter_by,
        "Choose an entry of a map by the value of a grain.",
        "salt '*' grains.filter_by '{Debian: Debheads rule, RedHat: I love my hat}'"
    ),
    row!(
        "grains.get",
        "key, default='', delimiter=':', ordered=True",
        get,
        "Return one grain, or a value inside of one by a path of keys.",
        "salt '*' grains.get pkg:apache"
    ),
    row!(
        "grains.has_value",
        "key",
        has_value,
        "Whether a grain is there.",
        "salt '*' grains.has_value pkg:apache"
    ),
    row!(
        "grains.item",
        "*args, **kwargs",
        item,
        "Return one or more grains.",
        "salt '*' grains.item os osrelease oscodename"
    ),
    row!(
        "grains.items",
        "sanitize=False",
        items,
        "Return all of the grains.",
        "salt '*' grains.items"
    ),
    row!(
        "grains.ls",
        "",
        ls,
        "Return the names of all grains.",
        "salt '*' grains.ls"
    ),
    row!(
        "grains.remove",
        "key, val, delimiter=':'",
        remove,
        "Remove a value from a list in the grains file.",
        "salt '*' grains.remove key val"
    ),
    row!(
        "grains.set",
        "key, val='', force=False, destructive=False, delimiter=':'",
        set,
        "Set a value by its path in the grains file; lists and maps only with ``force``.",
        "salt '*' grains.set 'apps:myApp:port' 2209"
    ),
    row!(
        "grains.setval",
        "key, val, destructive=False, refresh_pillar=True",
        setval,
        "Set a grain in the grains file.",
        "salt '*' grains.setval key \"{'sub-key': 'val', 'sub-key2': 'val2'}\""
    ),
    row!(
        "grains.setvals",
        "grains, destructive=False, refresh_pillar=True",
        setvals,
        "Set several grains in the grains file.",
        "salt '*' grains.setvals \"{'key1': 'val1', 'key2': 'val2'}\""
    ),
];

fn delimiter(args: &Args) -> Result<String> {
    match args.get("delimiter") {
        Value::Null => Ok(":".to_owned()),
        _ => args.text("delimiter"),
    }
}

fn get(ctx: &Context, args: &Args) -> Result {
    let found = look(ctx, &args.text("key")?, &delimiter(args)?);
    Ok(found.unwrap_or_else(|| args.get("default").clone()))
}

fn look(ctx: &Context, key: &str, delimiter: &str) -> Option<Value> {
    traverse_map(&ctx.facts.grains(), key, delimiter).cloned()
}

fn has_value(ctx: &Context, args: &Args) -> Result {
    Ok(look(ctx, &args.text("key")?, ":").is_some().into())
}

fn equals(ctx: &Context, args: &Args) -> Result {
    let own = look(ctx, &args.text("key")?, ":").unwrap_or_else(|| "".into());
    Ok((python::text(args.get("value")) == python::text(&own)).into())
}

fn ls(ctx: &Context, _: &Args) -> Result {
    let grains = ctx.facts.grains();
    let mut names: Vec<String> = grains.keys().map(python::text).collect();
    names.sort();
    Ok(names.into())
}

fn items(ctx: &Context, args: &Args) -> Result {
    let mut grains = (*ctx.facts.grains()).clone();
    if is_true(args.get("sanitize")) {
        sanitize(&mut grains);
    }
    Ok(grains.into())
}

fn item(ctx: &Context, args: &Args) -> Result {
    let default = args
        .extra
        .get("default")
        .cloned()
        .unwrap_or_else(|| "".into());
    let delimiter = delimiter(args)?;
    let grains = ctx.facts.grains();
    let mut found = Map::new();
    for name in &args.rest {
        let value = traverse_map(&grains, &python::text(name), &delimiter);
        found.insert(
            name.clone(),
            value.cloned().unwrap_or_else(|| default.clone()),
        );
    }
    if is_true(args.get("sanitize")) {
        sanitize(&mut found);
    }
    Ok(found.into())
}

/// Salt's idea of a true option: also the words.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Int(n) => *n > 0,
        Value::Float(n) => *n > 0.0,
        Value::Str(text) => text.eq_ignore_ascii_case("true"),
        other => other.is_truthy(),
    }
}

/// Hides what tells one machine from another.
fn sanitize(grains: &mut Map) {
    for (key, hidden) in [
        ("domain", "DOMAINNAME"),
        ("fqdn", "MINION.DOMAINNAME"),
        ("id", "MINION.DOMAINNAME"),
        ("host", "MINION"),
        ("localhost", "MINION"),
        ("nodename", "MINION"),
    ] {
        if let Some(value) = grains.get_mut(key) {
            *value = hidden.into();
        }
    }
    if let Some(Value::Str(serial)) = grains.get_mut("serialnumber") {
        let length = serial.chars().count();
        let shown = length * 3 / 4;
        let head: String = serial.chars().take(shown).collect();
        *serial = head + &"X".repeat(length - shown);
    }
}

fn setval(ctx: &Context, args: &Args) -> Result {
    let new = Map::from_iter([(args.get("key").clone(), args.get("val").clone())]);
    store(ctx, new, args.flag("destructive"))
}

fn setvals(ctx: &Context, args: &Args) -> Result {
    let Value::Map(new) = args.get("grains") else {
        return Err(Error::Exception {
            kind: "salt.exceptions.SaltException",
            message: "setvals grains must be a dictionary.".to_owned(),
        });
    };
    store(ctx, new.clone(), args.flag("destructive"))
}

/// Writes grains into the static file and into memory, and has everything that depends on them read anew.
fn store(ctx: &Context, new: Map, destructive: bool) -> Result {
    let path = statics::path(&ctx.settings);
    let mut file = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(e) => return Ok(format!("Unable to read existing grains file: {e}").into()),
        Ok(text) => match salt_yaml::load_plain(&text) {
            Ok(Value::Map(file)) => file,
            Ok(_) => Map::new(),
            Err(e) => return Ok(format!("Unable to read existing grains file: {e}").into()),
        },
    };
    let mut memory = (*ctx.facts.grains()).clone();
    for (key, value) in &new {
        for place in [&mut file, &mut memory] {
            if value.is_null() && destructive {
                place.shift_remove(key);
            } else {
                place.insert(key.clone(), value.clone());
            }
        }
    }
    let options = DumpOptions {
        sort: true,
        ..DumpOptions::default()
    };
    let text = salt_yaml::dump(&Value::Map(file), &options)
        .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
    let mode = std::fs::metadata(&path).map_or(0o644, |m| {
        std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 0o7777
    });
    if let Err(error) = write_atomic(&path, text.as_bytes(), mode) {
        tracing::error!(path = %path.display(), %error, "Unable to write to the grains file.");
    }
    ctx.facts.set_grains(memory);
    ctx.minion.refresh_grains(ctx)?;
    Ok(new.into())
}

/// The value to be stored under the first key of a path, with `value` put in at its end.
fn rooted(ctx: &Context, path: &str, delimiter: &str, value: Value) -> (String, Value) {
    let (mut key, mut value) = (path, value);
    while let Some((parent, rest)) = key.rsplit_once(delimiter) {
        let mut around = look(ctx, parent, delimiter).unwrap_or_else(|| Value::Map(Map::new()));
        if let Value::Map(map) = &mut around {
            map.insert(rest.into(), value);
        }
        (key, value) = (parent, around);
    }
    (key.to_owned(), value)
}

fn append(ctx: &Context, args: &Args) -> Result {
    let (key, delimiter) = (args.text("key")?, delimiter(args)?);
    let val = args.get("val");
    let found = look(ctx, &key, &delimiter).unwrap_or_else(|| Value::List(Vec::new()));
    let mut list = match found {
        Value::List(list) => list,
        Value::Null if args.flag("convert") => Vec::new(),
        other if args.flag("convert") => vec![other],
        _ => return Ok(format!("The key {key} is not a valid list").into()),
    };
    if list.contains(val) {
        let val = python::text(val);
        return Ok(format!("The val {val} was already in the list {key}").into());
    }
    match val {
        Value::List(more) => list.extend(more.iter().cloned()),
        one => list.push(one.clone()),
    }
    let (key, value) = rooted(ctx, &key, &delimiter, Value::List(list));
    store(ctx, Map::from_iter([(key.into(), value)]), false)
}

fn remove(ctx: &Context, args: &Args) -> Result {
    let (key, delimiter) = (args.text("key")?, delimiter(args)?);
    let val = args.get("val");
    let found = look(ctx, &key, &delimiter).unwrap_or_else(|| Value::List(Vec::new()));
    let Value::List(mut list) = found else {
        return Ok(format!("The key {key} is not a valid list").into());
    };
    let Some(at) = list.iter().position(|i| i == val) else {
        let val = python::text(val);
        return Ok(format!("The val {val} was not in the list {key}").into());
    };
    list.remove(at);
    let (key, value) = rooted(ctx, &key, &delimiter, Value::List(list));
    store(ctx, Map::from_iter([(key.into(), value)]), false)
}

fn delkey(ctx: &Context, args: &Args) -> Result {
    let force = args.flag("force");
    put(ctx, &args.text("key")?, &Value::Null, force, true, ":")
}

fn delval(ctx: &Context, args: &Args) -> Result {
    let (force, destructive) = (args.flag("force"), args.flag("destructive"));
    put(
        ctx,
        &args.text("key")?,
        &Value::Null,
        force,
        destructive,
        ":",
    )
}

fn set(ctx: &Context, args: &Args) -> Result {
    let (force, destructive) = (args.flag("force"), args.flag("destructive"));
    let key = args.text("key")?;
    put(
        ctx,
        &key,
        args.get("val"),
        force,
        destructive,
        &delimiter(args)?,
    )
}

fn put(
    ctx: &Context,
    path: &str,
    val: &Value,
    force: bool,
    destructive: bool,
    delimiter: &str,
) -> Result {
    let refused = |comment: String| {
        Ok(Value::Map(
            map! {"comment" => comment, "changes" => Map::new(), "result" => false},
        ))
    };
    let is_complex = |v: &Value| matches!(v, Value::Map(_) | Value::List(_));
    let existing = look(ctx, path, delimiter);
    if existing.as_ref() == Some(val) && !(val.is_null() && destructive) {
        return Ok(Value::Map(
            map! {"comment" => "Grain is already set", "changes" => Map::new(), "result" => true},
        ));
    }
    if !force && let Some(existing) = existing.filter(|e| !e.is_null()) {
        if is_complex(&existing) {
            return refused(format!(
                "The key '{path}' exists but is a dict or a list. Use 'force=True' to overwrite."
            ));
        }
        if is_complex(val) {
            return refused(format!(
                "The key '{path}' exists and the given value is a dict or a list. Use 'force=True' to overwrite."
            ));
        }
    }
    let (mut key, mut value) = (path, val.clone());
    while let Some((parent, rest)) = key.rsplit_once(delimiter) {
        let around = look(ctx, parent, delimiter).unwrap_or_else(|| Value::Map(Map::new()));
        value = match around {
            Value::Map(mut map) => {
                if value.is_null() && destructive {
                    map.shift_remove(rest);
                } else {
                    map.insert(rest.into(), value);
                }
                Value::Map(map)
            }
            Value::List(list) => Value::List(into_list(list, rest, &value)),
            other if force || other.as_str() == Some(rest) => {
                Value::Map(Map::from_iter([(rest.into(), value)]))
            }
            other => {
                return refused(format!(
                    "The key '{parent}' value is '{}', which is different from the provided key '{rest}'. Use 'force=True' to overwrite.",
                    python::text(&other)
                ));
            }
        };
        key = parent;
    }
    let changes = store(ctx, Map::from_iter([(key.into(), value)]), destructive)?;
    match changes {
        Value::Map(changes) => Ok(Value::Map(
            map! {"comment" => "", "changes" => changes, "result" => true},
        )),
        text => refused(python::text(&text)),
    }
}

/// Puts `{key: value}` in the place of the item `key`, into the maps that have it, else behind all.
fn into_list(mut list: Vec<Value>, key: &str, value: &Value) -> Vec<Value> {
    let entry = || Value::Map(Map::from_iter([(key.into(), value.clone())]));
    let mut updated = false;
    for item in &mut list {
        if item.as_str() == Some(key) {
            *item = entry();
            updated = true;
        } else if let Value::Map(map) = item
            && let Some(old) = map.get_mut(key)
        {
            *old = value.clone();
            updated = true;
        }
    }
    if !updated {
        list.push(entry());
    }
    list
}

fn filter_by(ctx: &Context, args: &Args) -> Result {
    pillar::choose(&ctx.facts.grains(), &args.text("grain")?, args)
}
