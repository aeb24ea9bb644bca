//! `event`: events for the master's bus and for the minion's own.

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Result};
use crate::host::env;

/// The rows of `event`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "event.fire",
        "data, tag",
        fire,
        "Fire an event on the minion's own bus.",
        "salt '*' event.fire '{\"data\":\"my event data\"}' 'tag'"
    ),
    row!(
        "event.fire_master",
        "data, tag, preload=None",
        fire_master,
        "Fire an event on the master's bus.",
        "salt '*' event.fire_master '{\"data\":\"my event data\"}' 'tag'"
    ),
    row!(
        "event.send",
        "tag, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, with_env_opts=False, **kwargs",
        send,
        "Send an event to the master. Keyword arguments become its data; grains, pillar and environment are added when asked for.",
        "salt-call event.send myco/mytag foo=Foo bar=Bar\n    salt-call event.send 'myco/mytag' '{foo: Foo, bar: Bar}'"
    ),
];

fn fire(ctx: &Context, args: &Args) -> Result {
    let data = match args.get("data") {
        Value::Map(data) => data.clone(),
        _ => return Ok(false.into()),
    };
    let tag = args.text("tag")?;
    if tag.is_empty() {
        return Ok(false.into());
    }
    ctx.minion.fire(&tag, data);
    Ok(true.into())
}

fn fire_master(ctx: &Context, args: &Args) -> Result {
    to_master(
        ctx,
        args.get("data").clone(),
        &args.text("tag")?,
        args.get("preload"),
    )
}

/// Sends one event up; `false` where there is no master to take it.
fn to_master(ctx: &Context, data: Value, tag: &str, preload: &Value) -> Result {
    let Some(master) = &ctx.master else {
        tracing::warn!(tag, "Local mode detected. Event will NOT be sent.");
        return Ok(false.into());
    };
    let mut load = map! {
        "cmd" => "_minion_event", "id" => ctx.settings.id.as_str(), "tag" => tag, "data" => data,
        "pretag" => Value::Null,
    };
    if let Value::Map(preload) = preload {
        load.extend(preload.clone());
    }
    match master.request(load) {
        Ok(_) => Ok(true.into()),
        Err(error) => {
            tracing::warn!(tag, %error, "The event did not reach the master.");
            Ok(false.into())
        }
    }
}

fn send(ctx: &Context, args: &Args) -> Result {
    let mut data = Map::new();
    let part = |wanted: &Value, all: &Map| -> Option<Map> {
        match wanted {
            Value::List(keys) => Some(
                all.iter()
                    .filter(|(k, _)| keys.contains(k))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
            ),
            wanted => wanted.is_truthy().then(|| all.clone()),
        }
    };
    let environment: Map = env::vars().map(|(k, v)| (k.into(), v.into())).collect();
    for (argument, name, all) in [
        ("with_env", "environ", &environment),
        ("with_grains", "grains", ctx.facts.grains().as_ref()),
        ("with_pillar", "pillar", ctx.facts.pillar().as_ref()),
    ] {
        if let Some(part) = part(args.get(argument), all) {
            data.insert(name.into(), part.into());
        }
    }
    if args.flag("with_env_opts") {
        let option = |name: &str| ctx.settings.opts.get(name).cloned();
        data.insert(
            "saltenv".into(),
            option("saltenv").unwrap_or_else(|| "base".into()),
        );
        data.insert("pillarenv".into(), option("pillarenv").unwrap_or_default());
    }
    data.extend(args.extra.clone());
    if let Value::Map(own) = args.get("data") {
        data.extend(own.clone());
    }
    let tag = args.text("tag")?;
    if ctx.master.is_none() {
        ctx.minion.fire(&tag, data);
        return Ok(true.into());
    }
    to_master(ctx, data.into(), &tag, args.get("preload"))
}
