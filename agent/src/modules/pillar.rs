//! `pillar`: what the master tells this minion alone.
//!
//! As of 3008 a job sees values masked; templates and other functions see them as they are. The argument
//! `unmask` decides otherwise, `pillar_mask_output: False` does for the functions that fetch a fresh pillar.

use std::sync::Arc;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, merge, python};
use crate::fnmatch::fnmatch;
use crate::targeting::traverse_map;

const FRESH: &str =
    "*args, pillar=None, pillar_enc=None, pillarenv=None, saltenv=None, unmask=None";
const GET: &str = "key, default='<NOT_SET>', merge=False, merge_nested_lists=None, delimiter=':', pillarenv=None, saltenv=None, unmask=None";

/// The rows of `pillar`.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "pillar.data",
        signature: FRESH,
        doc: "Other name of ``pillar.items``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pillar.data\n",
        run: items,
    },
    row!(
        "pillar.ext",
        "external, pillar=None, unmask=None",
        ext,
        "Fetch a fresh pillar with one external pillar on top.",
        "salt '*' pillar.ext '{libvirt: _}'"
    ),
    Function {
        name: "pillar.fetch",
        signature: GET,
        doc: "Other name of ``pillar.get``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pillar.fetch pkg:apache\n",
        run: get,
    },
    row!(
        "pillar.file_exists",
        "path, saltenv=None",
        file_exists,
        "Whether a file is there below the local ``pillar_roots``.",
        "salt '*' pillar.file_exists foo/bar.sls"
    ),
    row!(
        "pillar.filter_by",
        "lookup_dict, pillar, merge=None, default='default', base=None",
        filter_by,
        "Choose an entry of a map by a value of the pillar.",
        "salt '*' pillar.filter_by '{web: Serve it up, db: I query, default: x_x}' role"
    ),
    Function {
        name: "pillar.get",
        signature: GET,
        doc: "Return one value of the pillar in memory; ``:`` leads into maps. ``default`` is what there is without it, with ``merge=True`` both are merged.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pillar.get pkg:apache\n    salt '*' pillar.get abc::def|ghi delimiter='|'\n",
        run: get,
    },
    row!(
        "pillar.item",
        "*args, default=None, delimiter=None, pillarenv=None, saltenv=None, unmask=None",
        item,
        "Return several values of the pillar in memory, by their keys.",
        "salt '*' pillar.item foo\n    salt '*' pillar.item foo:bar baz"
    ),
    Function {
        name: "pillar.items",
        signature: FRESH,
        doc: "Fetch a fresh pillar and return it; with arguments as ``pillar.item``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pillar.items\n",
        run: items,
    },
    row!(
        "pillar.keys",
        "key, delimiter=':', unmask=None",
        keys,
        "Return the keys of a map in the pillar.",
        "salt '*' pillar.keys web:sites"
    ),
    Function {
        name: "pillar.ls",
        signature: FRESH,
        doc: "Return the top keys of a fresh pillar.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pillar.ls\n",
        run: ls,
    },
    Function {
        name: "pillar.obfuscate",
        signature: FRESH,
        doc: "Return a fresh pillar with types in the place of values.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pillar.obfuscate\n",
        run: obfuscate,
    },
    row!(
        "pillar.raw",
        "key=None, unmask=None",
        raw,
        "Return the pillar in memory as it is, or what is under one key.",
        "salt '*' pillar.raw\n    salt '*' pillar.raw key='roles'"
    ),
];

/// What stands for a masked value.
const MASK: &str = "**********";

/// Replaces every value that says something; empty ones and `None` stay.
pub(crate) fn mask(value: &Value) -> Value {
    match value {
        Value::Map(map) => map
            .iter()
            .map(|(k, v)| (k.clone(), mask(v)))
            .collect::<Map>()
            .into(),
        Value::List(list) => Value::List(list.iter().map(mask).collect()),
        scalar if scalar.is_truthy() => MASK.into(),
        empty => empty.clone(),
    }
}

/// `unmask`: what the caller said, else masked for a job itself and plain for everything inside of one.
fn shown(ctx: &Context, args: &Args, fresh: bool, value: Value) -> Value {
    let plain = match args.get("unmask") {
        Value::Null => !args.direct || fresh && !mask_option(ctx),
        unmask => unmask.is_truthy(),
    };
    if plain { value } else { mask(&value) }
}

fn mask_option(ctx: &Context) -> bool {
    let option = ctx.settings.opts.get("pillar_mask_output");
    option.is_none_or(Value::is_truthy)
}

/// A fresh pillar, with what the arguments say about it.
fn fresh(ctx: &Context, args: &Args) -> Result<Map> {
    let opts = &ctx.settings.opts;
    let option = |name: &str| opts.get(name).cloned().unwrap_or_default();
    let pillarenv = match args.get("pillarenv") {
        Value::Null if option("pillarenv_from_saltenv").is_truthy() => match args.get("saltenv") {
            Value::Null => option("saltenv"),
            saltenv => saltenv.clone(),
        },
        Value::Null => option("pillarenv"),
        pillarenv => pillarenv.clone(),
    };
    let overrides = match args.get("pillar") {
        Value::Map(overrides) => overrides.clone(),
        _ => Map::new(),
    };
    fetch(ctx, pillarenv, overrides, args.get("external"))
}

fn fetch(ctx: &Context, pillarenv: Value, overrides: Map, ext: &Value) -> Result<Map> {
    let Some(master) = &ctx.master else {
        let mut pillar = ctx.facts.pillar().as_ref().clone();
        merge::recurse(&mut pillar, &overrides, false);
        return Ok(pillar);
    };
    let mut load = salt_wire::map! {
        "cmd" => "_pillar",
        "id" => ctx.settings.id.as_str(),
        "grains" => ctx.facts.grains().as_ref().clone(),
        "saltenv" => ctx.settings.opts.get("saltenv").cloned().unwrap_or_default(),
        "pillarenv" => pillarenv,
        "pillar_override" => overrides,
        "extra_minion_data" => Map::new(),
        "ver" => "2",
    };
    if !ext.is_null() {
        load.insert("ext".into(), ext.clone());
    }
    master
        .pillar(load)
        .map_err(|e| Error::invocation(e.to_string()))
}

/// The pillar that `get` and `item` look into: a fresh one if an environment is named.
fn looked_at(ctx: &Context, args: &Args) -> Result<Arc<Map>> {
    let named = ["saltenv", "pillarenv"]
        .iter()
        .any(|e| !args.get(e).is_null());
    Ok(if named {
        Arc::new(fresh(ctx, args)?)
    } else {
        ctx.facts.pillar()
    })
}

fn items(ctx: &Context, args: &Args) -> Result {
    if !args.rest.is_empty() {
        return item(ctx, args);
    }
    let pillar = fresh(ctx, args)?;
    Ok(shown(ctx, args, true, pillar.into()))
}

fn ext(ctx: &Context, args: &Args) -> Result {
    let pillar = fresh(ctx, args)?;
    Ok(shown(ctx, args, false, pillar.into()))
}

fn ls(ctx: &Context, args: &Args) -> Result {
    let all = items(ctx, args)?;
    let keys = all.as_map().into_iter().flat_map(Map::keys).cloned();
    Ok(Value::List(keys.collect()))
}

fn obfuscate(ctx: &Context, args: &Args) -> Result {
    fn types(value: &Value) -> Value {
        match value {
            Value::Map(map) => map
                .iter()
                .map(|(k, v)| (k.clone(), types(v)))
                .collect::<Map>()
                .into(),
            Value::List(list) => Value::List(list.iter().map(types).collect()),
            scalar => format!("<{}>", crate::context::signature::kind(scalar)).into(),
        }
    }
    Ok(types(&items(ctx, args)?))
}

fn missing(key: &str) -> Error {
    Error::key(format!("Pillar key not found: {key}"))
}

fn get(ctx: &Context, args: &Args) -> Result {
    let key = args.text("key")?;
    let delimiter = args.text("delimiter")?;
    let pillar = looked_at(ctx, args)?;
    let found = traverse_map(&pillar, &key, &delimiter);
    let opts = &ctx.settings.opts;
    let option = |name: &str| opts.get(name).is_some_and(Value::is_truthy);
    let default = match args.get("default") {
        Value::Str(unset) if unset == "<NOT_SET>" => {
            if found.is_none() && option("pillar_raise_on_missing") {
                return Err(missing(&key));
            }
            "".into()
        }
        default => default.clone(),
    };
    let value = match (args.flag("merge"), default, found) {
        (true, Value::Map(mut below), Some(Value::Map(above))) => {
            let lists = match args.get("merge_nested_lists") {
                Value::Null => option("pillar_merge_lists"),
                lists => lists.is_truthy(),
            };
            merge::recurse(&mut below, above, lists);
            Value::Map(below)
        }
        (true, Value::List(mut list), Some(Value::List(more))) => {
            for item in more {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
            Value::List(list)
        }
        (_, _, Some(found)) => found.clone(),
        (_, default, None) => default,
    };
    Ok(shown(ctx, args, false, value))
}

fn item(ctx: &Context, args: &Args) -> Result {
    let pillar = looked_at(ctx, args)?;
    let delimiter = args.opt_text("delimiter")?.unwrap_or_else(|| ":".into());
    let default = match args.get("default") {
        Value::Null => "".into(),
        default => default.clone(),
    };
    let found: Map = args
        .rest
        .iter()
        .map(|key| {
            let value = traverse_map(&pillar, &python::text(key), &delimiter);
            (key.clone(), value.unwrap_or(&default).clone())
        })
        .collect();
    Ok(shown(ctx, args, false, found.into()))
}

fn raw(ctx: &Context, args: &Args) -> Result {
    let pillar = ctx.facts.pillar();
    let value = if args.flag("key") {
        let found = pillar.get(args.get("key")).cloned();
        found.unwrap_or_else(|| Map::new().into())
    } else {
        pillar.as_ref().clone().into()
    };
    let unmask = args.get("unmask");
    Ok(if unmask.is_null() || unmask.is_truthy() {
        value
    } else {
        mask(&value)
    })
}

fn keys(ctx: &Context, args: &Args) -> Result {
    let key = args.text("key")?;
    let pillar = ctx.facts.pillar();
    match traverse_map(&pillar, &key, &args.text("delimiter")?) {
        None => Err(missing(&key)),
        Some(Value::Map(map)) => Ok(Value::List(map.keys().cloned().collect())),
        Some(_) => Err(Error::Exception {
            kind: "ValueError",
            message: format!("Pillar value in key {key} is not a dict"),
        }),
    }
}

fn file_exists(ctx: &Context, args: &Args) -> Result {
    let roots = ctx
        .settings
        .opts
        .get("pillar_roots")
        .and_then(Value::as_map);
    let Some(roots) = roots.filter(|r| !r.is_empty()) else {
        return Err(Error::execution(
            "No pillar_roots found. Are you running this on the master?",
        ));
    };
    let path = args.text("path")?;
    let env = args.opt_text("saltenv")?;
    let found = roots
        .iter()
        .filter(|(name, _)| env.is_none() || name.as_str() == env.as_deref())
        .filter_map(|(_, dirs)| dirs.as_list())
        .flatten()
        .filter_map(Value::as_str)
        .any(|dir| std::path::Path::new(dir).join(&path).is_file());
    Ok(found.into())
}

/// What Salt calls a `SaltException`.
fn unfit(message: &str) -> Error {
    Error::Exception {
        kind: "salt.exceptions.SaltException",
        message: message.into(),
    }
}

fn filter_by(ctx: &Context, args: &Args) -> Result {
    choose(&ctx.facts.pillar(), &args.text("pillar")?, args)
}

/// Chooses an entry of `lookup_dict` by the value at `path`; also the work of `grains.filter_by`.
pub(super) fn choose(facts: &Map, path: &str, args: &Args) -> Result {
    let Value::Map(table) = args.get("lookup_dict") else {
        let kind = crate::context::signature::kind(args.get("lookup_dict"));
        return Err(Error::Exception {
            kind: "AttributeError",
            message: format!("'{kind}' object has no attribute 'get'"),
        });
    };
    let entry = |wanted: &Value| -> Option<Value> {
        let wanted = python::text(wanted);
        table
            .iter()
            .find(|(key, _)| fnmatch(&wanted, &python::text(key)))
            .map(|(_, value)| value.clone())
    };
    let chosen = match traverse_map(facts, path, ":") {
        Some(Value::List(several)) => several.iter().find_map(entry),
        Some(one) => entry(one),
        None => None,
    };
    let mut result = chosen
        .or_else(|| table.get(args.get("default")).cloned())
        .unwrap_or_default();
    if args.flag("base")
        && let Some(base) = table.get(args.get("base"))
    {
        result = match (base, &result) {
            (base, Value::Null) => base.clone(),
            (Value::Map(base), Value::Map(over)) => {
                let mut base = base.clone();
                merge::recurse(&mut base, over, false);
                base.into()
            }
            (Value::Map(_), _) => {
                return Err(unfit(
                    "filter_by default and look-up values must both be dictionaries.",
                ));
            }
            _ => result,
        };
    }
    match (args.get("merge"), &mut result) {
        (nothing, _) if !nothing.is_truthy() => {}
        (Value::Map(over), Value::Map(result)) => merge::recurse(result, over, false),
        (Value::Map(over), Value::Null) => result = over.clone().into(),
        (Value::Map(_), _) => {
            return Err(Error::Arguments(
                "Cannot update using non-dict types in dictupdate.update()".into(),
            ));
        }
        _ => {
            return Err(unfit("filter_by merge argument must be a dictionary."));
        }
    }
    Ok(result)
}
