//! Devices, pipes and patches.

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;
use crate::host::node::{self, Kind};
use crate::host::perms::expand_user;
use crate::host::{patch as tool, shlex};
use crate::modules::{Function, row};
use crate::states::file as states;

/// The rows about devices, pipes and patches.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.get_devmm",
        "name",
        |_, args| {
            let (major, minor) = node::numbers(&path(args, "name")?);
            Ok(vec![Value::from(major), minor.into()].into())
        },
        "Return the two numbers of a device.",
        "salt '*' file.get_devmm /dev/chr"
    ),
    row!(
        "file.mknod",
        "name, ntype, major=0, minor=0, user=None, group=None, mode='0600'",
        |ctx, args| {
            let kind = python::text(args.get("ntype"));
            if Kind::of(&kind).is_none() {
                return Err(Error::invocation(format!(
                    "Node type unavailable: '{kind}'. Available node types are character ('c'), block ('b'), and pipe ('p')."
                )));
            }
            made(ctx, args, &kind)
        },
        "Make a device or a named pipe.",
        "salt '*' file.mknod /dev/chr c 180 31"
    ),
    row!(
        "file.mknod_blkdev",
        "name, major, minor, user=None, group=None, mode='0660'",
        |ctx, args| made(ctx, args, "b"),
        "Make a device of blocks.",
        "salt '*' file.mknod_blkdev /dev/blk 8 999"
    ),
    row!(
        "file.mknod_chrdev",
        "name, major, minor, user=None, group=None, mode='0660'",
        |ctx, args| made(ctx, args, "c"),
        "Make a device of characters.",
        "salt '*' file.mknod_chrdev /dev/chr 180 31"
    ),
    row!(
        "file.mknod_fifo",
        "name, user=None, group=None, mode='0660'",
        |ctx, args| made(ctx, args, "p"),
        "Make a named pipe.",
        "salt '*' file.mknod_fifo /dev/fifo"
    ),
    row!(
        "file.patch",
        "originalfile, patchfile, options='', dry_run=False",
        patch,
        "Apply a patch to a file or a directory; return what the program said.",
        "salt '*' file.patch /opt/file.txt /tmp/file.txt.patch"
    ),
];

fn path(args: &Args, key: &str) -> Result<PathBuf> {
    Ok(expand_user(&args.text(key)?))
}

/// Makes a node as the state of the same name does.
fn made(ctx: &Context, args: &Args, kind: &str) -> Result {
    let path = path(args, "name")?;
    let name = path.to_string_lossy().into_owned();
    let wanted = Kind::of(kind);
    let mut given: Map = args.named.clone();
    given.insert("ntype".into(), kind.into());
    given.insert("name".into(), name.as_str().into());
    let exists = path.exists();
    let known = exists && wanted.is_some_and(|w| w.is(&path));
    let done = if exists && !known {
        None
    } else {
        Some(states::call(ctx, "file.mknod", given, false)?)
    };
    let changes = done.filter(|_| !exists).map(|d| d.changes);
    let comment = if exists {
        format!("File {name} exists and cannot be overwritten")
    } else {
        String::new()
    };
    Ok(map! {
        "name" => name, "changes" => changes.unwrap_or_default(), "comment" => comment,
        "result" => !exists,
    }
    .into())
}

fn patch(ctx: &Context, args: &Args) -> Result {
    if which("patch").is_none() {
        return Err(Error::execution(
            "patch executable not found. Is the distribution's patch package installed?",
        ));
    }
    let options = match args.get("options") {
        Value::List(list) => list.iter().map(python::text).collect(),
        other => shlex::split(&python::text(other)).map_err(Error::execution)?,
    };
    let (original, file) = (args.text("originalfile")?, args.text("patchfile")?);
    let words = tool::words(
        Path::new(&original),
        Path::new(&file),
        &options,
        args.flag("dry_run"),
    );
    ctx.cmd("cmd.run_all", words, Map::new())
}
