//! `data`: a small store of values in the minion's cache, as Salt keeps it.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::fs::write_atomic;

/// The rows of `data`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "data.cas",
        "key, value, old_value",
        cas,
        "Set a value if the old one is as expected.",
        "salt '*' data.cas <key> <value> <old_value>"
    ),
    row!(
        "data.clear",
        "",
        |ctx, _| {
            // One that is not there is as good as cleared.
            drop(fs::remove_file(path(ctx)));
            Ok(true.into())
        },
        "Clear the store.",
        "salt '*' data.clear"
    ),
    row!(
        "data.dump",
        "new_data",
        dump,
        "Replace the whole store.",
        "salt '*' data.dump '{\"eggs\": \"spam\"}'"
    ),
    row!(
        "data.get",
        "key, default=None",
        get,
        "Return one or several values.",
        "salt '*' data.get <key>"
    ),
    row!(
        "data.has_key",
        "key",
        |ctx, args| Ok(load(ctx).contains_key(args.get("key")).into()),
        "Whether a key is in the store.",
        "salt '*' data.has_key <key>"
    ),
    row!(
        "data.items",
        "",
        |ctx, _| Ok(load(ctx).into()),
        "Return the whole store.",
        "salt '*' data.items"
    ),
    row!(
        "data.keys",
        "",
        |ctx, _| Ok(Value::List(load(ctx).keys().cloned().collect())),
        "Return the keys.",
        "salt '*' data.keys"
    ),
    row!(
        "data.load",
        "",
        |ctx, _| Ok(load(ctx).into()),
        "Return the whole store.",
        "salt '*' data.load"
    ),
    row!(
        "data.pop",
        "key, default=None",
        |ctx, args| {
            let mut all = load(ctx);
            let value = all.shift_remove(args.get("key"));
            store(ctx, &all)?;
            Ok(value.unwrap_or_else(|| args.get("default").clone()))
        },
        "Return a value and remove it.",
        "salt '*' data.pop <key>"
    ),
    row!(
        "data.update",
        "key, value",
        |ctx, args| {
            let mut all = load(ctx);
            all.insert(args.get("key").clone(), args.get("value").clone());
            store(ctx, &all)?;
            Ok(true.into())
        },
        "Set a value.",
        "salt '*' data.update <key> <value>"
    ),
    row!(
        "data.values",
        "",
        |ctx, _| Ok(Value::List(load(ctx).values().cloned().collect())),
        "Return the values.",
        "salt '*' data.values"
    ),
];

fn path(ctx: &Context) -> PathBuf {
    ctx.settings.cachedir.join("datastore")
}

fn load(ctx: &Context) -> Map {
    let bytes = fs::read(path(ctx)).unwrap_or_default();
    match Value::from_msgpack(&bytes) {
        Ok(Value::Map(map)) => map,
        _ => Map::new(),
    }
}

fn store(ctx: &Context, all: &Map) -> Result<()> {
    let path = path(ctx);
    let bytes = Value::Map(all.clone()).to_msgpack();
    write_atomic(&path, &bytes, 0o600)
        .map_err(|e| Error::execution(format!("{}: {e}", path.display())))
}

fn cas(ctx: &Context, args: &Args) -> Result {
    let mut all = load(ctx);
    if all.get(args.get("key")) != Some(args.get("old_value")) {
        return Ok(false.into());
    }
    all.insert(args.get("key").clone(), args.get("value").clone());
    store(ctx, &all)?;
    Ok(true.into())
}

fn dump(ctx: &Context, args: &Args) -> Result {
    let new = match args.get("new_data") {
        Value::Map(map) => map.clone(),
        other => match salt_yaml::load_plain(&python::text(other)) {
            Ok(Value::Map(map)) => map,
            _ => return Ok(false.into()),
        },
    };
    Ok(store(ctx, &new).is_ok().into())
}

fn get(ctx: &Context, args: &Args) -> Result {
    let (all, default) = (load(ctx), args.get("default"));
    let Value::List(keys) = args.get("key") else {
        let value = all.get(args.get("key")).unwrap_or(default);
        return Ok(value.clone());
    };
    let found = keys.iter().filter_map(|key| match all.get(key) {
        None if default.is_null() => None,
        value => Some(value.unwrap_or(default).clone()),
    });
    Ok(Value::List(found.collect()))
}
