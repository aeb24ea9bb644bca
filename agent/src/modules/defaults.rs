//! `defaults`: a formula's `defaults.yaml`, and maps laid over each other.

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, merge};
use crate::fileclient::{FileClient, url};
use crate::targeting::traverse;

/// The rows of `defaults`. In a template `merge` and `update` also change the map that they are given, as
/// `render::salt` sees to.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "defaults.get",
        "key, default=''",
        get,
        "Return a value of the ``defaults.yaml`` or ``defaults.json`` of the formula that the key begins with.",
        "salt '*' defaults.get core:users:root"
    ),
    row!(
        "defaults.merge",
        "dest, src, merge_lists=False, in_place=True, convert_none=True",
        |_, args| merged(args),
        "Lay a map over another one, level by level.",
        "salt '*' defaults.merge '{a: b}' '{d: e}'"
    ),
    row!(
        "defaults.deepcopy",
        "source",
        |_, args| Ok(args.get("source").clone()),
        "Return a copy that shares nothing with its source.",
        "salt '*' defaults.deepcopy '{a: b}'"
    ),
    row!(
        "defaults.update",
        "dest, defaults, merge_lists=True, in_place=True, convert_none=True",
        |_, args| update(args),
        "Lay each value of a map over the same defaults.",
        "salt '*' defaults.update '{one: {a: 1}}' '{b: 2}'"
    ),
];

fn get(ctx: &Context, args: &Args) -> Result {
    let key = args.text("key")?;
    let (formula, path) = match key.split_once(':') {
        Some((formula, path)) => (formula, Some(path)),
        None => (key.as_str(), None),
    };
    let loaded = load(ctx, formula)?;
    Ok(match path.filter(|p| !p.is_empty()) {
        Some(path) => traverse(&loaded, path, ":")
            .unwrap_or(args.get("default"))
            .clone(),
        None => loaded,
    })
}

fn load(ctx: &Context, formula: &str) -> Result {
    let files = FileClient::new(ctx);
    for kind in ["yaml", "json"] {
        let source = url::create(&format!("{formula}/defaults.{kind}"));
        let Some(path) = files.cache_file(&source, "base", None)? else {
            continue;
        };
        let failed = |what: String| Error::execution(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
        let data = salt_yaml::load_plain(&text).map_err(|e| failed(e.to_string()))?;
        return Ok(if data.is_truthy() {
            data
        } else {
            Map::new().into()
        });
    }
    Ok(Value::Null)
}

/// A map argument; nothing at all is an empty one where `convert_none` says so.
fn map_of(args: &Args, name: &str) -> Result<Map> {
    match args.get(name) {
        Value::Map(map) => Ok(map.clone()),
        Value::Null if args.flag("convert_none") => Ok(Map::new()),
        _ => Err(Error::Arguments(
            "Cannot update using non-dict types in dictupdate.update()".into(),
        )),
    }
}

fn in_place(args: &Args, what: &str) -> Result<()> {
    if args.get("dest").is_null() && args.flag("in_place") && args.flag("convert_none") {
        return Err(Error::Arguments(format!(
            "Can't perform in-place {what} into NoneType"
        )));
    }
    Ok(())
}

fn merged(args: &Args) -> Result {
    in_place(args, "merge")?;
    let mut dest = map_of(args, "dest")?;
    merge::recurse(&mut dest, &map_of(args, "src")?, args.flag("merge_lists"));
    Ok(dest.into())
}

fn update(args: &Args) -> Result {
    in_place(args, "update")?;
    let mut nodes = map_of(args, "dest")?;
    let defaults = map_of(args, "defaults")?;
    for node in nodes.values_mut() {
        let mut full = defaults.clone();
        match &*node {
            Value::Map(own) => merge::recurse(&mut full, own, args.flag("merge_lists")),
            Value::Null if args.flag("convert_none") => {}
            _ => {
                return Err(Error::Arguments(
                    "Cannot update using non-dict types in dictupdate.update()".into(),
                ));
            }
        }
        *node = full.into();
    }
    Ok(nodes.into())
}
