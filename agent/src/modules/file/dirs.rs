//! Directories made, what lies in them, and the backups that Salt keeps of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use salt_wire::{Map, Value, map};

use super::paths::dirname;
use crate::config::glob::glob;
use crate::context::{Args, Context, Error, Result, python};
use crate::host::fs::rewrite;
use crate::host::perms;
use crate::modules::{Function, row};
use crate::python::normpath;

/// The rows about directories and backups.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.delete_backup",
        "path, backup_id",
        |ctx, args| backup(ctx, args, "delete"),
        "Delete a backup of a file, by its number in the list.",
        "salt '*' file.delete_backup /var/cache/salt/minion/file_backup/home/foo/bar/baz.txt 0"
    ),
    row!(
        "file.diskusage",
        "path",
        |_, args| {
            let path = PathBuf::from(args.text("path")?);
            Ok(usage(&path, &mut BTreeSet::new()).into())
        },
        "Return the bytes of a file, or of all files below a directory.",
        "salt '*' file.diskusage /path/to/check"
    ),
    row!(
        "file.list_backup",
        "path, limit=None",
        list_backups,
        "Other name of ``file.list_backups``.",
        "salt '*' file.list_backup /foo/bar/baz.txt"
    ),
    row!(
        "file.list_backups",
        "path, limit=None",
        list_backups,
        "List the backups of a file, the newest first.",
        "salt '*' file.list_backups /foo/bar/baz.txt"
    ),
    row!(
        "file.makedirs",
        "path, user=None, group=None, mode=None",
        makedirs,
        "Make the directories above a path.",
        "salt '*' file.makedirs /opt/code/"
    ),
    row!(
        "file.makedirs_perms",
        "name, user=None, group=None, mode='0755'",
        |_, args| {
            make(&args.text("name")?, args)?;
            Ok(Value::Null)
        },
        "Make a directory and those above it, with owner and mode.",
        "salt '*' file.makedirs_perms /opt/code"
    ),
    row!(
        "file.mkdir",
        "dir_path, user=None, group=None, mode=None",
        |_, args| {
            let dir = args.text("dir_path")?;
            if !perms::expand_user(&dir).is_dir() {
                make(&dir, args)?;
            }
            Ok(true.into())
        },
        "Make sure that there is a directory.",
        "salt '*' file.mkdir /opt/jetty/context"
    ),
    row!(
        "file.pardir",
        "",
        |_, _| Ok("..".into()),
        "Return the name of the directory above.",
        "salt '*' file.pardir"
    ),
    row!(
        "file.path_exists_glob",
        "path",
        |_, args| {
            let path = perms::expand_user(&args.text("path")?);
            Ok((!glob(&path.to_string_lossy()).is_empty()).into())
        },
        "Whether a glob finds something.",
        "salt '*' file.path_exists_glob /etc/pam*/pass*"
    ),
    row!(
        "file.restore_backup",
        "path, backup_id",
        |ctx, args| backup(ctx, args, "restore"),
        "Put a backup of a file in its place, by its number in the list.",
        "salt '*' file.restore_backup /foo/bar/baz.txt 0"
    ),
];

/// Makes a directory and those above it.
fn make(path: &str, args: &Args) -> Result<()> {
    let path = normpath(&perms::expand_user(path).to_string_lossy());
    let mut missing = Vec::new();
    let mut at = Some(Path::new(&path));
    while let Some(dir) = at.filter(|d| !d.as_os_str().is_empty() && !d.exists()) {
        missing.push(dir.to_path_buf());
        at = dir.parent();
    }
    let told = |dir: &Path, e: std::io::Error| Error::execution(format!("{}: {e}", dir.display()));
    let number = |key: &str, find: fn(&str) -> Option<u32>| match args.get(key) {
        Value::Int(number) => u32::try_from(*number).ok(),
        Value::Null => None,
        name => find(&python::text(name)),
    };
    let (uid, gid) = (
        number("user", perms::uid_of),
        number("group", perms::gid_of),
    );
    let mode = args.get("mode");
    let mode = mode
        .is_truthy()
        .then(|| u32::from_str_radix(python::text(mode).trim_start_matches("0o"), 8).ok())
        .flatten();
    for dir in missing.iter().rev() {
        fs::create_dir(dir).map_err(|e| told(dir, e))?;
        if uid.is_some() || gid.is_some() {
            perms::chown(dir, uid, gid, true).map_err(|e| told(dir, e))?;
        }
        if let Some(mode) = mode {
            perms::set_mode(dir, mode).map_err(|e| told(dir, e))?;
        }
    }
    Ok(())
}

fn makedirs(_: &Context, args: &Args) -> Result {
    let path = perms::expand_user(&args.text("path")?);
    let dir = normpath(dirname(&path.to_string_lossy()));
    let at = Path::new(&dir);
    if at.is_dir() {
        return Ok(format!("Directory '{dir}' already exists").into());
    }
    if at.exists() {
        return Ok(format!("The path '{dir}' already exists and is not a directory").into());
    }
    if !at.is_absolute() {
        return Err(Error::invocation(format!(
            "Recursive creation for path '{dir}' would result in an infinite loop. Please use an absolute path."
        )));
    }
    make(&dir, args)?;
    Ok(Value::Null)
}

fn usage(path: &Path, seen: &mut BTreeSet<u64>) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !meta.is_dir() {
        let meta = fs::metadata(path).unwrap_or(meta);
        return if seen.insert(meta.ino()) {
            meta.len()
        } else {
            0
        };
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|e| usage(&e.path(), seen)).sum()
}

/// The backups of a file by their times.
fn backups(ctx: &Context, path: &Path) -> BTreeMap<DateTime, PathBuf> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return BTreeMap::new();
    };
    let root = match ctx.settings.opts.get("backup_dir") {
        Some(dir) if dir.is_truthy() => PathBuf::from(python::text(dir)),
        _ => ctx.settings.cachedir.join("file_backup"),
    };
    let dir = root.join(dir.strip_prefix("/").unwrap_or(dir));
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let full = entry.file_name().to_string_lossy().into_owned();
        let Some(stamp) = full
            .strip_prefix(&*name.to_string_lossy())
            .and_then(|s| s.strip_prefix('_'))
        else {
            continue;
        };
        if let Some(time) = moment(stamp) {
            found.insert(time, entry.path());
        }
    }
    found
}

/// `Mon_Jan_02_15:04:05_123456_2026`
fn moment(stamp: &str) -> Option<DateTime> {
    let parts: Vec<_> = stamp.split('_').collect();
    let [_, month, day, time, micros, year] = parts.as_slice() else {
        return None;
    };
    let text = format!("{month} {day} {year} {time}");
    let whole = DateTime::strptime("%b %d %Y %H:%M:%S", text).ok()?;
    let nanos = micros.parse::<i32>().ok()?.checked_mul(1000)?;
    whole.with().subsec_nanosecond(nanos).build().ok()
}

fn list_backups(ctx: &Context, args: &Args) -> Result {
    let path = perms::expand_user(&args.text("path")?);
    let limit = match args.get("limit") {
        Value::Null => usize::MAX,
        limit => python::text(limit).parse().unwrap_or(usize::MAX),
    };
    let mut told = Map::new();
    let all = backups(ctx, &path).into_iter().rev().take(limit);
    for (number, (time, place)) in all.enumerate() {
        let size = fs::metadata(&place).map_or(0, |m| m.len());
        let micros = time.subsec_nanosecond() / 1000;
        let when = format!("{}.{micros:06}", time.strftime("%a %b %d %Y %H:%M:%S"));
        let one = map! {
            "Backup Time" => when, "Size" => size, "Location" => place.to_string_lossy().into_owned(),
        };
        told.insert(number.into(), one.into());
    }
    Ok(told.into())
}

fn backup(ctx: &Context, args: &Args, what: &str) -> Result {
    let path = perms::expand_user(&args.text("path")?);
    let id = python::text(args.get("backup_id"));
    let told = |result: bool, comment: String| {
        Ok(Value::Map(
            map! { "result" => result, "comment" => comment },
        ))
    };
    let Ok(number) = id.parse::<usize>() else {
        return told(false, format!("Invalid backup_id '{id}'"));
    };
    let all = backups(ctx, &path);
    let Some(place) = all.into_values().rev().nth(number) else {
        return told(
            false,
            format!("backup_id '{id}' does not exist for {}", path.display()),
        );
    };
    let (place_shown, shown) = (place.display(), path.display());
    if what == "delete" {
        return match fs::remove_file(&place) {
            Ok(()) => told(true, format!("Successfully removed {place_shown}")),
            Err(error) => told(false, format!("Unable to remove {place_shown}: {error}")),
        };
    }
    let restored = fs::read(&place).and_then(|bytes| rewrite(&path, &bytes, 0o644));
    match restored {
        Ok(()) => told(
            true,
            format!("Successfully restored {place_shown} to {shown}"),
        ),
        Err(error) => told(
            false,
            format!("Unable to restore {place_shown} to {shown}: {error}"),
        ),
    }
}
