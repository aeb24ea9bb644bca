//! `blockdev`: block devices, their options and file systems.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::arguments::clean;
use crate::context::{Context, Error, python};
use crate::host::env::which;

/// The rows of `blockdev`.
pub const STATES: &[State] = &[
    State {
        name: "blockdev.formatted",
        signature: "name, fs_type='ext4', force=False, **kwargs",
        doc: "Ensure that a device has a file system of a type. What it had is lost.",
        run: formatted,
    },
    State {
        name: "blockdev.tuned",
        signature: "name, **kwargs",
        doc: "Ensure that a device has options: read-ahead, filesystem-read-ahead, read-only, read-write.",
        run: tuned,
    },
];

type Done = Result<Outcome, Error>;

/// How long a file system that was made may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

fn formatted(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, kind) = (run.args.text("name")?, run.args.text("fs_type")?);
    if !Path::new(&name).exists() {
        return Ok(Outcome::failed(format!("{name} does not exist")));
    }
    if file_system(ctx, &name)? == kind {
        return Ok(Outcome::unchanged(format!(
            "{name} already formatted with {kind}"
        )));
    }
    if which(&format!("mkfs.{kind}")).is_none() {
        return Ok(Outcome::failed(format!("Invalid fs_type: {kind}")));
    }
    if run.test {
        let comment = format!("Changes to {name} will be applied ");
        return Ok(Outcome::would(Map::new(), comment));
    }
    let mut kwargs = clean(&run.args.extra);
    kwargs.insert("force".into(), run.args.get("force").clone());
    let words = [name.as_str().into(), kind.as_str().into()];
    ctx.call("disk.format", &words, &kwargs)?;
    let end = Instant::now() + PATIENCE;
    loop {
        let now = file_system(ctx, &name)?;
        if now == kind {
            // Salt shows what it is now as what it was.
            let changes = map! { "new" => kind.as_str(), "old" => now };
            let comment = format!("{name} has been formatted with {kind}");
            return Ok(Outcome::changed(changes, comment));
        }
        if !now.is_empty() || Instant::now() > end {
            return Ok(Outcome::failed(format!("Failed to format {name}")));
        }
        sleep(Duration::from_millis(200));
    }
}

/// What `blkid` finds on a device.
fn file_system(ctx: &Context, name: &str) -> Result<String, Error> {
    let said = ctx
        .programs()
        .run(&["blkid", "-o", "value", "-s", "TYPE", name])
        .map_err(Error::Execution)?;
    Ok(said.complaint().to_owned())
}

/// What `blockdev` calls an option.
fn switch(option: &str) -> Option<&'static str> {
    Some(match option {
        "read-ahead" => "getra",
        "filesystem-read-ahead" => "getfra",
        "read-only" | "read-write" => "getro",
        _ => return None,
    })
}

fn tuned(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    let own = [Value::from(name.as_str())];
    let ask = |function: &str, kwargs: &Map| ctx.call(function, &own, kwargs);
    if !ask("file.is_blkdev", &Map::new())?.is_truthy() {
        return Ok(Outcome::failed(format!(
            "Changes to {name} cannot be applied. Not a block device."
        )));
    }
    if run.test {
        let comment = format!("Changes to {name} will be applied ");
        return Ok(Outcome::would(Map::new(), comment));
    }
    let kwargs = clean(&run.args.extra);
    let before = ask("disk.dump", &Map::new())?;
    let after = ask("disk.tune", &kwargs)?;
    let mut changes = Map::new();
    for (key, wanted) in &kwargs {
        let Some(switch) = key.as_str().and_then(switch) else {
            continue;
        };
        let of = |all: &Value| all.get(switch).map(python::text).unwrap_or_default();
        let (old, new) = (of(&before), of(&after));
        if old == new {
            continue;
        }
        let shown = |value: String| {
            let on = value == "1";
            let value = match wanted {
                Value::Bool(_) => Value::Bool(on),
                _ => value.into(),
            };
            match key.as_str() {
                Some("read-write") => Value::Bool(!value.is_truthy()),
                _ => value,
            }
        };
        let (old, new) = (python::text(&shown(old)), python::text(&shown(new)));
        changes.insert(key.clone(), format!("Changed from {old} to {new}").into());
    }
    Ok(if !after.is_truthy() {
        Outcome::failed(format!("Failed to modify block device {name}"))
    } else if changes.is_empty() {
        Outcome::unchanged(format!("Block device {name} already in correct state"))
    } else {
        Outcome::changed(
            changes,
            format!("Block device {name} successfully modified "),
        )
    })
}
