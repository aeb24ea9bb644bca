//! `pkg`: packages held in their version, and dpkg's other selections.

use std::collections::BTreeMap;
use std::fs;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::host::pkg::hold::{self, hold};
use crate::states::pkg_holds;

/// The rows of `pkg` about selections.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "pkg.get_selections",
        "pattern=None, state=None",
        get_selections,
        "Return dpkg's selections: the packages of each, or of one.",
        "salt '*' pkg.get_selections 'python-*' state=hold"
    ),
    row!(
        "pkg.hold",
        "name=None, pkgs=None, sources=None, **kwargs",
        |ctx, args| holds(ctx, args, true),
        "Hold packages in their version.",
        "salt '*' pkg.hold <package name>"
    ),
    row!(
        "pkg.set_selections",
        "path=None, selection=None, clear=False, saltenv='base'",
        set_selections,
        "Change dpkg's selections, as a dictionary or a file says; returns what changed.",
        "salt '*' pkg.set_selections selection='{\"install\": [\"netcat\"]}'"
    ),
    row!(
        "pkg.unhold",
        "name=None, pkgs=None, sources=None, **kwargs",
        |ctx, args| holds(ctx, args, false),
        "Let packages go that are held in their version.",
        "salt '*' pkg.unhold <package name>"
    ),
];

/// The package that an item of `pkgs` or `sources` names.
fn package(item: &Value) -> Option<String> {
    match item {
        Value::Map(map) => map.keys().next().map(python::text),
        other => Some(python::text(other)),
    }
}

fn holds(ctx: &Context, args: &Args, on: bool) -> Result {
    let (pkgs, sources) = (args.get("pkgs"), args.get("sources"));
    if pkgs.is_truthy() && sources.is_truthy() {
        return Err(Error::invocation(
            "Only one of pkgs or sources can be specified.",
        ));
    }
    let names: Vec<String> = match (pkgs, sources, args.get("name")) {
        (Value::List(list), ..) | (_, Value::List(list), _) => {
            list.iter().filter_map(package).collect()
        }
        (Value::Map(map), ..) => map.keys().map(python::text).collect(),
        (.., name) if name.is_truthy() => vec![python::text(name)],
        _ => {
            return Err(Error::invocation(
                "One of name, pkgs, or sources must be specified.",
            ));
        }
    };
    let mut told = Map::new();
    for name in names {
        let done = hold(&ctx.programs(), &name, on, false).map_err(Error::Execution)?;
        let one = pkg_holds::shown(&name, &done);
        told.insert(name.into(), one.into());
    }
    Ok(told.into())
}

/// Packages by their selection.
type Selections = BTreeMap<String, Vec<String>>;

fn by_selection(pairs: Vec<(String, String)>) -> Selections {
    let mut all = Selections::new();
    for (name, selection) in pairs {
        all.entry(selection).or_default().push(name);
    }
    all
}

fn get_selections(ctx: &Context, args: &Args) -> Result {
    let pattern = args.opt_text("pattern")?.filter(|p| !p.is_empty());
    let pattern = pattern.as_deref().unwrap_or("*");
    let found = hold::matching(&ctx.programs(), pattern).map_err(Error::Execution)?;
    let mut all = by_selection(found);
    if let Some(state) = args.opt_text("state")?.filter(|s| !s.is_empty()) {
        let own = all.remove(&state).unwrap_or_default();
        all = Selections::from([(state, own)]);
    }
    let all = all.into_iter().map(|(k, v)| (k.into(), v.into()));
    Ok(Value::Map(all.collect()))
}

/// What `set_selections` shall set.
fn wanted(ctx: &Context, args: &Args) -> Result<Selections> {
    if let Some(path) = args.opt_text("path")?.filter(|p| !p.is_empty()) {
        let cached = FileClient::new(ctx).cache_file(&path, &args.text("saltenv")?, None)?;
        let cached = cached.ok_or_else(|| Error::execution(format!("Unable to cache {path}")))?;
        let text = fs::read_to_string(&cached)
            .map_err(|e| Error::execution(format!("{}: {e}", cached.display())))?;
        return Ok(by_selection(hold::parse(&text)));
    }
    let given = match args.get("selection") {
        Value::Str(text) => salt_yaml::load(text)
            .map_err(|e| Error::invocation(format!("Improperly-formatted selection: {e}")))?,
        other => other.clone(),
    };
    let mut all = Selections::new();
    for (state, names) in given.as_map().into_iter().flatten() {
        let names = names.as_list().unwrap_or_default();
        all.insert(
            python::text(state),
            names.iter().map(python::text).collect(),
        );
    }
    Ok(all)
}

fn set_selections(ctx: &Context, args: &Args) -> Result {
    if args.flag("path") && args.flag("selection") {
        return Err(Error::invocation(
            "The 'selection' and 'path' arguments to pkg.set_selections are mutually exclusive, and cannot be specified together",
        ));
    }
    let wanted = wanted(ctx, args)?;
    let known = ["install", "hold", "deinstall", "purge"];
    let bad: Vec<&str> = wanted
        .keys()
        .map(String::as_str)
        .filter(|s| !known.contains(s))
        .collect();
    if !bad.is_empty() {
        return Err(Error::invocation(format!(
            "Invalid state(s): {}",
            bad.join(", ")
        )));
    }
    if wanted.is_empty() {
        return Ok(Map::new().into());
    }
    let programs = ctx.programs();
    if args.flag("clear") {
        let said = programs.run(&["dpkg", "--clear-selections"]);
        let said = said.map_err(Error::Execution)?;
        if !said.fine() {
            return Err(Error::execution(format!(
                "Running dpkg --clear-selections failed: {}",
                said.stderr
            )));
        }
    }
    let now = hold::selections(&programs).map_err(Error::Execution)?;
    let mut changed = Map::new();
    for (selection, names) in wanted {
        for name in names {
            let old = now.get(&name);
            if old != Some(&selection) && hold::select(&programs, &name, &selection).is_ok() {
                let change = pkg_holds::change(&(old.cloned(), selection.clone()));
                changed.insert(name.into(), change.into());
            }
        }
    }
    Ok(changed.into())
}
