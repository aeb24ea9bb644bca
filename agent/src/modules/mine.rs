//! `mine`: results kept on the master, where other minions may read them.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, Value, map};

use super::{Function, clean, config, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host;
use crate::mine::{Definition, with_acl};
use crate::targeting::Target;

/// The rows of `mine`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "mine.delete",
        "fun",
        delete,
        "Take one function's result out of the mine.",
        "salt '*' mine.delete 'network.interfaces'"
    ),
    row!(
        "mine.flush",
        "",
        flush,
        "Take all results of this minion out of the mine.",
        "salt '*' mine.flush"
    ),
    row!(
        "mine.get",
        "tgt, fun, tgt_type='glob', exclude_minion=False",
        get,
        "Return what other minions left in the mine: a map by minion, or by function and minion when several functions are asked for.",
        "salt '*' mine.get '*' network.interfaces\n    salt '*' mine.get 'os:Fedora' network.interfaces grain"
    ),
    row!(
        "mine.send",
        "name, *args, **kwargs",
        send,
        "Run one function and leave its result in the mine.\n\n``mine_function`` names the function if ``name`` is an alias; ``allow_tgt`` and ``allow_tgt_type`` say who may read it.",
        "salt '*' mine.send network.ip_addrs interface=eth0\n    salt '*' mine.send eth0_ip_addrs mine_function=network.ip_addrs interface=eth0"
    ),
    row!(
        "mine.update",
        "clear=False, mine_functions=None",
        update,
        "Run the functions of ``mine_functions`` and leave their results in the mine.",
        "salt '*' mine.update"
    ),
    row!(
        "mine.valid",
        "",
        valid,
        "Return the entries of ``mine_functions`` that can be run.",
        "salt '*' mine.valid"
    ),
];

/// `mine_functions` of the configuration and the pillar.
fn configured(ctx: &Context) -> Map {
    match config::merged(ctx, &Args::default(), "mine_functions") {
        Some(Value::Map(functions)) => functions,
        Some(Value::List(names)) => names.into_iter().map(|n| (n, Map::new().into())).collect(),
        _ => Map::new(),
    }
}

fn update(ctx: &Context, args: &Args) -> Result {
    let functions = match args.get("mine_functions") {
        Value::Map(functions) if !functions.is_empty() => functions.clone(),
        Value::List(names) if !names.is_empty() => names
            .iter()
            .map(|n| (n.clone(), Map::new().into()))
            .collect(),
        given if given.is_truthy() => return Ok(Value::Null),
        _ => configured(ctx),
    };
    if functions.is_empty() {
        return Ok(Value::Null);
    }
    let mut data = Map::new();
    for (alias, definition) in &functions {
        let definition = Definition::parse(&python::text(alias), definition);
        if let Some(result) = run(ctx, &definition) {
            data.insert(alias.clone(), result);
        }
    }
    store(ctx, data, args.flag("clear"))
}

/// Runs one function of the mine; what fails is logged and left out, so that the others get through.
fn run(ctx: &Context, definition: &Definition) -> Option<Value> {
    if !ctx.functions.has(ctx, &definition.function) {
        tracing::error!(
            fun = definition.function,
            "Function in mine_functions is not available."
        );
        return None;
    }
    match ctx.call(&definition.function, &definition.args, &definition.kwargs) {
        Ok(result) => Some(with_acl(result, &definition.acl)),
        Err(error) => {
            tracing::error!(fun = definition.function, %error, "Function for the mine failed to execute.");
            None
        }
    }
}

fn send(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let mut kwargs = clean(&args.extra);
    // Maps among the positional arguments are keywords, as in `mine_functions`.
    let mut positional = Vec::new();
    for arg in &args.rest {
        match arg {
            Value::Map(named) => kwargs.extend(named.clone()),
            other => positional.push(other.clone()),
        }
    }
    let mut definition = Definition::from_kwargs(&name, kwargs);
    definition.args = positional;
    let called = ctx.call(&definition.function, &definition.args, &definition.kwargs);
    match called {
        Ok(result) => store(ctx, map! {name => with_acl(result, &definition.acl)}, false),
        Err(error) => {
            tracing::error!(fun = definition.function, %error, "Function in mine.send failed to execute.");
            Ok(false.into())
        }
    }
}

fn get(ctx: &Context, args: &Args) -> Result {
    let (tgt, fun, kind) = (args.get("tgt"), args.get("fun"), args.text("tgt_type")?);
    let Some(master) = &ctx.master else {
        return local_get(ctx, tgt, fun, &kind);
    };
    let load = map! {
        "cmd" => "_mine_get", "id" => ctx.settings.id.as_str(), "tgt" => tgt.clone(), "fun" => fun.clone(),
        "tgt_type" => kind,
    };
    let mut answer = master.request(load).map_err(refused)?;
    if let Value::Map(map) = &mut answer
        && args.flag("exclude_minion")
    {
        map.shift_remove(ctx.settings.id.as_str());
    }
    Ok(answer)
}

fn local_get(ctx: &Context, tgt: &Value, fun: &Value, kind: &str) -> Result {
    let mut found = Map::new();
    if !Target::of(ctx).matches(kind, tgt, ":") {
        return Ok(found.into());
    }
    let (names, nested): (Vec<String>, bool) = match fun {
        Value::Str(text) => {
            let names: Vec<String> = text.split(',').map(str::to_owned).collect();
            let several = names.len() > 1;
            (names, several)
        }
        Value::List(list) => (list.iter().map(python::text).collect(), true),
        _ => return Ok(found.into()),
    };
    let cache = read_local(ctx);
    let id = Value::from(ctx.settings.id.as_str());
    for name in names {
        let Some(entry) = cache.get(name.as_str()) else {
            continue;
        };
        let data = crate::mine::without_acl(entry).clone();
        if nested {
            found.insert(name.into(), map! {id.clone() => data}.into());
        } else {
            found.insert(id.clone(), data);
        }
    }
    Ok(found.into())
}

fn delete(ctx: &Context, args: &Args) -> Result {
    let fun = args.text("fun")?;
    let Some(master) = &ctx.master else {
        let mut cache = read_local(ctx);
        cache.shift_remove(fun.as_str());
        return write_local(ctx, cache);
    };
    let load = map! {"cmd" => "_mine_delete", "id" => ctx.settings.id.as_str(), "fun" => fun};
    master.request(load).map_err(refused)?;
    Ok(true.into())
}

fn flush(ctx: &Context, _: &Args) -> Result {
    let Some(master) = &ctx.master else {
        return write_local(ctx, Map::new());
    };
    let load = map! {"cmd" => "_mine_flush", "id" => ctx.settings.id.as_str()};
    master.request(load).map_err(refused)?;
    Ok(true.into())
}

fn valid(ctx: &Context, _: &Args) -> Result {
    let functions = configured(ctx);
    if functions.is_empty() {
        return Ok(Value::Null);
    }
    let mut known = Map::new();
    for (alias, value) in functions {
        let definition = Definition::parse(&python::text(&alias), &value);
        if !ctx.functions.has(ctx, &definition.function) {
            continue;
        }
        let shown = if definition.aliased {
            let mut args = definition.args;
            args.extend(
                definition
                    .kwargs
                    .into_iter()
                    .map(|(k, v)| Value::Map(Map::from_iter([(k, v)]))),
            );
            map! {definition.function => Value::List(args)}.into()
        } else {
            definition.bare
        };
        known.insert(alias, shown);
    }
    Ok(known.into())
}

fn store(ctx: &Context, data: Map, clear: bool) -> Result {
    let Some(master) = &ctx.master else {
        let mut cache = if clear { Map::new() } else { read_local(ctx) };
        cache.extend(data);
        return write_local(ctx, cache);
    };
    let load = map! {
        "cmd" => "_mine", "data" => data, "id" => ctx.settings.id.as_str(), "clear" => clear,
    };
    master.request(load).map_err(refused)?;
    Ok(true.into())
}

fn refused(error: crate::context::MasterError) -> Error {
    Error::invocation(error.to_string())
}

/// Without a master the mine is a part of the minion's own data store.
fn data_store(ctx: &Context) -> PathBuf {
    ctx.settings.cachedir.join("datastore")
}

fn read_store(ctx: &Context) -> Map {
    match fs::read(data_store(ctx)).map(|bytes| Value::from_msgpack(&bytes)) {
        Ok(Ok(Value::Map(map))) => map,
        _ => Map::new(),
    }
}

fn read_local(ctx: &Context) -> Map {
    match read_store(ctx).shift_remove("mine_cache") {
        Some(Value::Map(map)) => map,
        _ => Map::new(),
    }
}

fn write_local(ctx: &Context, mine: Map) -> Result {
    let mut store = read_store(ctx);
    store.insert("mine_cache".into(), mine.into());
    let path = data_store(ctx);
    let written = host::fs::make_dirs(&ctx.settings.cachedir, 0o700)
        .and_then(|()| host::fs::write_atomic(&path, &Value::Map(store).to_msgpack(), 0o600));
    written.map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
    Ok(true.into())
}
