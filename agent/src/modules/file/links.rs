//! Links, and what is renamed, copied or removed.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink as link_to};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use salt_wire::{Value, map};

use crate::context::{Args, Context, Error, Result, python};
use crate::host::perms::expand_user;
use crate::modules::{Function, row};
use crate::python::normpath;

/// The rows about links, and about what is moved or removed.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.copy",
        "src, dst, recurse=False, remove_existing=False",
        copy,
        "Copy a file, with ``recurse`` a directory and all below it.",
        "salt '*' file.copy /path/to/src /path/to/dst"
    ),
    row!(
        "file.is_hardlink",
        "path",
        |_, args| {
            let meta = fs::symlink_metadata(path(args, "path")?);
            Ok(meta.is_ok_and(|m| m.nlink() > 1).into())
        },
        "Whether a file has more names than one.",
        "salt '*' file.is_hardlink /path/to/link"
    ),
    row!(
        "file.link",
        "src, path",
        link,
        "Give a file a further name.",
        "salt '*' file.link /path/to/file /path/to/link"
    ),
    row!(
        "file.move",
        "src, dst, disallow_copy_and_unlink=False",
        move_to,
        "Move a file or directory, across file systems, too.",
        "salt '*' file.move /path/to/src /path/to/dst"
    ),
    row!(
        "file.readlink",
        "path, canonicalize=False",
        readlink,
        "Return where a link leads.",
        "salt '*' file.readlink /path/to/link"
    ),
    row!(
        "file.remove",
        "path, **kwargs",
        remove,
        "Remove a file, or a directory and all below it.",
        "salt '*' file.remove /tmp/foo"
    ),
    row!(
        "file.rename",
        "src, dst",
        rename,
        "Rename a file or directory.",
        "salt '*' file.rename /path/to/src /path/to/dst"
    ),
    row!(
        "file.rmdir",
        "path, recurse=False, verbose=False, older_than=None",
        rmdir,
        "Remove an empty directory, with ``recurse`` the empty ones below it first.",
        "salt '*' file.rmdir /tmp/foo/"
    ),
    row!(
        "file.symlink",
        "src, path, force=False, atomic=False, follow_symlinks=True",
        symlink,
        "Make a symbolic link at ``path`` that leads to ``src``.",
        "salt '*' file.symlink /path/to/file /path/to/link"
    ),
];

fn path(args: &Args, key: &str) -> Result<PathBuf> {
    Ok(expand_user(&args.text(key)?))
}

fn absolute(path: &Path, text: &str) -> Result<()> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Error::invocation(text.to_owned()))
}

fn symlink(_: &Context, args: &Args) -> Result {
    let (src, path) = (args.text("src")?, path(args, "path")?);
    let (force, atomic) = (args.flag("force"), args.flag("atomic"));
    let shown = path.display();
    absolute(&path, &format!("Link path must be absolute: {shown}"))?;
    if let Ok(now) = fs::read_link(&path) {
        if normpath(&now.to_string_lossy()) == normpath(&src) {
            return Ok(true.into());
        }
        if !force && !atomic {
            return Err(Error::execution(format!("Found existing symlink: {shown}")));
        }
    }
    let exists = if args.flag("follow_symlinks") {
        path.exists()
    } else {
        fs::symlink_metadata(&path).is_ok()
    };
    if exists && !force && !atomic {
        return Err(Error::execution(format!(
            "Existing path is not a symlink: {shown}"
        )));
    }
    let failed = |_| Error::execution(format!("Could not create '{shown}'"));
    if atomic {
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        drop(fs::remove_file(&temporary));
        link_to(&src, &temporary).map_err(failed)?;
        if let Err(error) = fs::rename(&temporary, &path) {
            drop(fs::remove_file(&temporary));
            return Err(failed(error));
        }
        return Ok(true.into());
    }
    if force && fs::symlink_metadata(&path).is_ok() {
        fs::remove_file(&path).map_err(|e| Error::execution(python::os_error(&path, &e)))?;
    }
    link_to(&src, &path).map_err(failed)?;
    Ok(true.into())
}

fn readlink(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    let shown = path.display();
    absolute(&path, &format!("Path to link must be absolute: {shown}"))?;
    let target = fs::read_link(&path)
        .map_err(|_| Error::invocation(format!("A valid link was not specified: {shown}")))?;
    let target = if args.flag("canonicalize") {
        fs::canonicalize(&path).unwrap_or(target)
    } else {
        target
    };
    Ok(target.to_string_lossy().into_owned().into())
}

fn link(_: &Context, args: &Args) -> Result {
    let (src, path) = (path(args, "src")?, path(args, "path")?);
    absolute(
        &src,
        &format!("Link path must be absolute: {}", src.display()),
    )?;
    match fs::hard_link(&src, &path) {
        Ok(()) => Ok(true.into()),
        Err(error) => Err(Error::execution(format!(
            "Could not create '{}': {}",
            path.display(),
            python::strerror(&error)
        ))),
    }
}

fn rename(_: &Context, args: &Args) -> Result {
    let (src, dst) = (path(args, "src")?, path(args, "dst")?);
    absolute(&src, "File path must be absolute.")?;
    match fs::rename(&src, &dst) {
        Ok(()) => Ok(true.into()),
        Err(_) => Err(Error::execution(format!(
            "Could not rename '{}' to '{}'",
            src.display(),
            dst.display()
        ))),
    }
}

/// A directory and all below it, with modes and links.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            link_to(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

fn copy(_: &Context, args: &Args) -> Result {
    let (src, dst) = (path(args, "src")?, path(args, "dst")?);
    absolute(&src, "File path must be absolute.")?;
    if !src.exists() {
        return Err(Error::execution(format!(
            "No such file or directory '{}'",
            src.display()
        )));
    }
    let failed = |_| {
        Error::execution(format!(
            "Could not copy '{}' to '{}'",
            src.display(),
            dst.display()
        ))
    };
    if args.flag("remove_existing") && dst.is_dir() && src.is_dir() {
        fs::remove_dir_all(&dst).map_err(failed)?;
    }
    if src.is_dir() {
        if !args.flag("recurse") {
            return Err(Error::invocation(
                "Cannot copy overwriting a directory without recurse flag set to true!",
            ));
        }
        copy_tree(&src, &dst).map_err(failed)?;
    } else {
        let target = match src.file_name() {
            Some(name) if dst.is_dir() => dst.join(name),
            _ => dst.clone(),
        };
        fs::copy(&src, target).map_err(failed)?;
    }
    Ok(true.into())
}

fn move_to(_: &Context, args: &Args) -> Result {
    let (src, dst) = (path(args, "src")?, path(args, "dst")?);
    absolute(&src, "Source path must be absolute.")?;
    absolute(&dst, "Destination path must be absolute.")?;
    let target = match src.file_name() {
        Some(name) if dst.is_dir() => dst.join(name),
        _ => dst.clone(),
    };
    let moved = fs::rename(&src, &target).or_else(|error| {
        if error.kind() != io::ErrorKind::CrossesDevices || args.flag("disallow_copy_and_unlink") {
            return Err(error);
        }
        if src.is_dir() {
            copy_tree(&src, &target)?;
            fs::remove_dir_all(&src)
        } else {
            fs::copy(&src, &target)?;
            fs::remove_file(&src)
        }
    });
    moved.map_err(|e| {
        Error::execution(format!(
            "Unable to move '{}' to '{}': {}",
            src.display(),
            dst.display(),
            python::os_error(&src, &e)
        ))
    })?;
    let comment = format!("'{}' moved to '{}'", src.display(), dst.display());
    Ok(Value::Map(map! { "result" => true, "comment" => comment }))
}

fn remove(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    absolute(
        &path,
        &format!("File path must be absolute: {}", path.display()),
    )?;
    let Ok(meta) = fs::symlink_metadata(&path) else {
        return Ok(false.into());
    };
    let removed = if meta.is_dir() {
        fs::remove_dir_all(&path)
    } else {
        fs::remove_file(&path)
    };
    match removed {
        Ok(()) => Ok(true.into()),
        Err(error) => Err(Error::execution(format!(
            "Could not remove '{}': {}",
            path.display(),
            python::os_error(&path, &error)
        ))),
    }
}

/// The directories below one, the deepest first.
fn below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            below(&entry.path(), found);
            found.push(entry.path());
        }
    }
}

fn rmdir(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    absolute(&path, "File path must be absolute.")?;
    if !path.is_dir() {
        return Err(Error::invocation(format!(
            "A valid directory was not specified: {}",
            path.display()
        )));
    }
    let days = args.get("older_than");
    let days: Option<u64> = days
        .is_truthy()
        .then(|| python::text(days).parse().unwrap_or(u64::MAX));
    let before = days.map(|days| {
        SystemTime::now()
            .checked_sub(Duration::from_secs(days.saturating_mul(86_400)))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    });
    let is_old = |dir: &Path| {
        before.is_none_or(|before| {
            fs::metadata(dir)
                .and_then(|m| m.modified())
                .is_ok_and(|t| t < before)
        })
    };
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    let mut gone = |dir: &Path| match fs::remove_dir(dir) {
        Ok(()) => {
            deleted.push(dir.display().to_string());
            true
        }
        Err(error) => {
            let text = python::os_error(dir, &error);
            errors.push(Value::from(vec![dir.display().to_string(), text]));
            false
        }
    };
    let recurse = args.flag("recurse");
    let mut fine = recurse;
    if recurse {
        let mut dirs = Vec::new();
        below(&path, &mut dirs);
        for dir in dirs.iter().filter(|d| is_old(d)) {
            fine &= gone(dir);
        }
    }
    if is_old(&path) {
        fine = gone(&path) && (fine || !recurse);
    }
    if args.flag("verbose") {
        return Ok(Value::Map(map! {
            "deleted" => deleted, "errors" => Value::List(errors), "result" => fine,
        }));
    }
    Ok(fine.into())
}
