//! `file.mknod`: devices and named pipes.

use std::io::ErrorKind;
use std::path::Path;

use salt_wire::{Value, map};

use super::perms::{self, Wanted};
use super::{Done, failed, mode_bits, normal_mode, os_error, path_of};
use crate::context::{Context, Error, python};
use crate::host::node::{self, Kind};
use crate::states::{Outcome, Run};

pub(super) fn mknod(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.mknod");
    }
    let letter = python::text(args.get("ntype"));
    let Some(kind) = Kind::of(&letter) else {
        return failed(format!(
            "Node type unavailable: '{letter}'. Available node types are character ('c'), block ('b'), and pipe ('p')"
        ));
    };
    let (path, title) = (Path::new(&name), kind.title());
    if path.is_file() {
        return failed(format!(
            "File {name} exists and is not a {}. Refusing to continue",
            title.to_lowercase()
        ));
    }
    let wanted = number(args.get("major"))?.zip(number(args.get("minor"))?);
    let wanted = wanted.unwrap_or_default();
    let mode = normal_mode(args.get("mode"));
    let perms = Wanted {
        user: args.get("user"),
        group: args.get("group"),
        mode: mode.as_deref(),
        follow: false,
    };
    if !kind.is(path) {
        if run.test {
            return Ok(Outcome::would(
                salt_wire::Map::new(),
                format!("{title} {name} is set to be created"),
            ));
        }
        return made(path, kind, wanted, &perms);
    }
    let now = node::numbers(path);
    if kind != Kind::Fifo && now != wanted {
        return failed(format!(
            "{title} {name} exists and has a different major/minor {}/{}. Refusing to continue",
            now.0, now.1
        ));
    }
    let mut out = Outcome::unchanged("");
    perms::check(path, &perms, run.test, &mut out)?;
    if out.changes.is_empty() {
        out.comment = format!("{title} {name} is in the correct state");
    }
    Ok(out)
}

fn number(value: &Value) -> Result<Option<u64>, Error> {
    match value {
        Value::Int(number) => Ok(u64::try_from(*number).ok()),
        Value::Null => Ok(Some(0)),
        other => python::text(other)
            .parse()
            .map(Some)
            .map_err(|_| Error::Arguments("an integer is required".to_owned())),
    }
}

fn made(path: &Path, kind: Kind, numbers: (u64, u64), wanted: &Wanted<'_>) -> Done {
    if let Some(dir) = path.parent().filter(|d| !d.is_dir()) {
        let above = Wanted {
            mode: None,
            ..*wanted
        };
        perms::make_dirs(dir, &above)?;
    }
    let mode = wanted.mode.and_then(mode_bits).unwrap_or(0o600);
    let name = path.display();
    let mut out = match node::make(path, kind, numbers, mode) {
        Ok(()) => {
            let text = format!("{} {name} created.", kind.title());
            Outcome::changed(map! { "new" => text }, "")
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return failed(format!("File {name} exists and cannot be overwritten"));
        }
        Err(error) => {
            return Err(Error::Exception {
                kind: "OSError",
                message: os_error(path, &error),
            });
        }
    };
    // Owner and mode belong to the making: they are no change of their own.
    let mut ignored = Outcome::default();
    perms::check(path, wanted, false, &mut ignored)?;
    out.result = Some(true);
    Ok(out)
}
