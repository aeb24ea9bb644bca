//! `environ`: the environment of this job's commands.

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Result, python};

/// The rows of `environ`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "environ.get",
        "key, default=''",
        |ctx, args| Ok(match args.get("key").as_str() {
            Some(key) => ctx
                .host
                .environ
                .get(key)
                .map_or_else(|| args.get("default").clone(), Value::from),
            None => false.into(),
        }),
        "Return a variable of the environment.",
        "salt '*' environ.get foo default='bar'"
    ),
    row!(
        "environ.has_value",
        "key, value=None",
        |ctx, args| {
            let now = args
                .get("key")
                .as_str()
                .and_then(|k| ctx.host.environ.get(k));
            let wanted = args.get("value");
            Ok(now
                .is_some_and(|now| wanted.is_null() || wanted.as_str() == Some(now.as_str()))
                .into())
        },
        "Whether a variable is set, on wish to this value.",
        "salt '*' environ.has_value foo"
    ),
    row!(
        "environ.item",
        "keys, default=''",
        item,
        "Return one or more variables of the environment.",
        "salt '*' environ.item '[foo, baz]' default=None"
    ),
    row!(
        "environ.items",
        "",
        |ctx, _| {
            let all = ctx.host.environ.all().into_iter();
            Ok(Value::Map(all.map(|(k, v)| (k.into(), v.into())).collect()))
        },
        "Return the whole environment.",
        "salt '*' environ.items"
    ),
    row!(
        "environ.setenv",
        "environ, false_unsets=False, clear_all=False, update_minion=False, permanent=False",
        |ctx, args| Ok(setenv(ctx, args)),
        "Set several variables for the rest of this job.",
        "salt '*' environ.setenv '{\"foo\": \"bar\", \"baz\": \"quux\"}'"
    ),
    row!(
        "environ.setval",
        "key, val, false_unsets=False, permanent=False",
        |ctx, args| {
            let unset = args.get("false_unsets") == &Value::Bool(true);
            Ok(setval(ctx, &args.text("key")?, args.get("val"), unset))
        },
        "Set a variable for the rest of this job; ``False`` empties it, or takes it away.",
        "salt '*' environ.setval foo bar"
    ),
];

fn item(ctx: &Context, args: &Args) -> Result {
    let keys = match args.get("keys") {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Str(one) => vec![one.clone()],
        _ => Vec::new(),
    };
    let mut found = Map::new();
    for key in keys {
        let value = ctx.host.environ.get(&key);
        let value = value.map_or_else(|| args.get("default").clone(), Value::from);
        found.insert(key.into(), value);
    }
    Ok(found.into())
}

fn setval(ctx: &Context, key: &str, value: &Value, false_unsets: bool) -> Value {
    let text = match value {
        Value::Str(text) => text.as_str(),
        Value::Bool(false) if false_unsets => {
            ctx.host.environ.set(key, None);
            return Value::Null;
        }
        Value::Bool(false) => "",
        _ => return false.into(),
    };
    ctx.host.environ.set(key, Some(text));
    text.into()
}

fn setenv(ctx: &Context, args: &Args) -> Value {
    let Value::Map(wanted) = args.get("environ") else {
        return false.into();
    };
    let unset = args.get("false_unsets") == &Value::Bool(true);
    let mut set = Map::new();
    if args.get("clear_all") == &Value::Bool(true) {
        for key in ctx.host.environ.all().into_keys() {
            if !wanted.contains_key(key.as_str()) {
                let left = setval(ctx, &key, &Value::Bool(false), unset);
                set.insert(key.into(), left);
            }
        }
    }
    for (key, value) in wanted {
        if !matches!(value, Value::Str(_) | Value::Bool(false)) {
            return false.into();
        }
        let left = setval(ctx, &python::text(key), value, unset);
        set.insert(key.clone(), left);
    }
    set.into()
}
