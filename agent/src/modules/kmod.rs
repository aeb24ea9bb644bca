//! `kmod`: kernel modules.

use std::collections::BTreeSet;

use salt_wire::{Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::kmod;

/// The rows of `kmod`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "kmod.available",
        "",
        |_, _| Ok(list(kmod::available())),
        "List the modules that this kernel has built in or on disk.",
        "salt '*' kmod.available"
    ),
    row!(
        "kmod.check_available",
        "mod",
        |_, args| Ok(kmod::available().contains(&args.text("mod")?).into()),
        "Whether this kernel has a module.",
        "salt '*' kmod.check_available kvm"
    ),
    row!(
        "kmod.is_loaded",
        "mod",
        |_, args| {
            let there = kmod::list(false).map_err(Error::Execution)?;
            Ok(there.contains(&args.text("mod")?).into())
        },
        "Whether a module is loaded.",
        "salt '*' kmod.is_loaded kvm"
    ),
    row!(
        "kmod.load",
        "mod, persist=False",
        load,
        "Load a module; return the names of those that came.",
        "salt '*' kmod.load kvm"
    ),
    row!(
        "kmod.lsmod",
        "",
        lsmod,
        "List the loaded modules and who uses them.",
        "salt '*' kmod.lsmod"
    ),
    row!(
        "kmod.mod_list",
        "only_persist=False",
        |_, args| {
            let there = kmod::list(args.flag("only_persist"));
            Ok(list(there.map_err(Error::Execution)?))
        },
        "List the names of the loaded modules, or of those that a start loads.",
        "salt '*' kmod.mod_list"
    ),
    row!(
        "kmod.remove",
        "mod, persist=False, comment=True",
        remove,
        "Remove a module; return the names of those that went.",
        "salt '*' kmod.remove kvm"
    ),
];

fn list(names: BTreeSet<String>) -> Value {
    names.into_iter().collect::<Vec<_>>().into()
}

fn told(
    done: std::result::Result<std::result::Result<BTreeSet<String>, String>, String>,
) -> Result {
    Ok(match done.map_err(Error::Execution)? {
        Ok(moved) => list(moved),
        Err(words) => words.into(),
    })
}

fn load(ctx: &Context, args: &Args) -> Result {
    let persist = args.flag("persist");
    told(kmod::load(&ctx.programs(), &args.text("mod")?, persist))
}

fn remove(ctx: &Context, args: &Args) -> Result {
    let (persist, comment) = (args.flag("persist"), args.flag("comment"));
    told(kmod::remove(
        &ctx.programs(),
        &args.text("mod")?,
        persist,
        comment,
    ))
}

fn lsmod(_: &Context, _: &Args) -> Result {
    let all = kmod::loaded().map_err(Error::Execution)?;
    let one = |m: kmod::Loaded| {
        Value::Map(map! {
            "size" => m.size, "module" => m.name, "depcount" => m.users, "deps" => m.by,
        })
    };
    Ok(Value::List(all.into_iter().map(one).collect()))
}
