//! Who owns a file, what is allowed, and what else the system knows of it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;
use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Error, Result, python};
use crate::host::{digest, perms};
use crate::modules::{Function, row};
use crate::python::normpath;

/// The rows about owners, modes and kinds of files.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.access",
        "path, mode",
        access,
        "Whether the agent may do this with a file: ``f`` is there, ``r`` read, ``w`` write, ``x`` run.",
        "salt '*' file.access /path/to/file f"
    ),
    row!(
        "file.chgrp",
        "path, group",
        |_, args| {
            let Some(gid) = gid(args.get("group")) else {
                return Ok("Group does not exist".into());
            };
            chown(args, None, Some(gid), true)
        },
        "Give a file to a group.",
        "salt '*' file.chgrp /etc/passwd root"
    ),
    row!(
        "file.chown",
        "path, user, group",
        |_, args| owner(args, true),
        "Give a file to an account and a group.",
        "salt '*' file.chown /etc/passwd root root"
    ),
    row!(
        "file.get_gid",
        "path, follow_symlinks=True",
        |_, args| Ok(u64::from(stats(args)?.gid).into()),
        "Return the number of the group that a file belongs to.",
        "salt '*' file.get_gid /etc/passwd"
    ),
    row!(
        "file.get_group",
        "path, follow_symlinks=True",
        |_, args| Ok(stats(args)?.group.into()),
        "Return the group that a file belongs to.",
        "salt '*' file.get_group /etc/passwd"
    ),
    row!(
        "file.get_mode",
        "path, follow_symlinks=True",
        |_, args| Ok(stats(args)?.mode_text().into()),
        "Return the mode of a file.",
        "salt '*' file.get_mode /etc/passwd"
    ),
    row!(
        "file.get_uid",
        "path, follow_symlinks=True",
        |_, args| Ok(u64::from(stats(args)?.uid).into()),
        "Return the number of the account that a file belongs to.",
        "salt '*' file.get_uid /etc/passwd"
    ),
    row!(
        "file.get_user",
        "path, follow_symlinks=True",
        |_, args| Ok(stats(args)?.user.into()),
        "Return the account that a file belongs to.",
        "salt '*' file.get_user /etc/passwd"
    ),
    row!(
        "file.gid_to_group",
        "gid",
        |_, args| Ok(
            match args.get("gid").as_int().and_then(|g| u32::try_from(g).ok()) {
                Some(gid) => perms::group_name(gid).into(),
                None => args.get("gid").clone(),
            }
        ),
        "Return the name of a group's number.",
        "salt '*' file.gid_to_group 0"
    ),
    row!(
        "file.group_to_gid",
        "group",
        |_, args| Ok(number(args.get("group"), gid)),
        "Return the number of a group's name; blank when there is none.",
        "salt '*' file.group_to_gid root"
    ),
    row!(
        "file.is_blkdev",
        "name",
        |_, args| kind(args, |t| t.is_block_device()),
        "Whether a path is a block device.",
        "salt '*' file.is_blkdev /blk"
    ),
    row!(
        "file.is_chrdev",
        "name",
        |_, args| kind(args, |t| t.is_char_device()),
        "Whether a path is a character device.",
        "salt '*' file.is_chrdev /chr"
    ),
    row!(
        "file.is_fifo",
        "name",
        |_, args| kind(args, |t| t.is_fifo()),
        "Whether a path is a pipe.",
        "salt '*' file.is_fifo /fifo"
    ),
    row!(
        "file.lchown",
        "path, user, group",
        |_, args| owner(args, false),
        "Give a link itself to an account and a group.",
        "salt '*' file.lchown /etc/passwd root root"
    ),
    row!(
        "file.lstat",
        "path",
        lstat,
        "Return what the system knows of a path, of a link itself.",
        "salt '*' file.lstat /path/to/file"
    ),
    row!(
        "file.set_mode",
        "path, mode",
        set_mode,
        "Set the mode of a file.",
        "salt '*' file.set_mode /etc/passwd 0644"
    ),
    row!(
        "file.stats",
        "path, hash_type=None, follow_symlinks=True",
        all,
        "Return what the system knows of a path.",
        "salt '*' file.stats /etc/passwd"
    ),
    row!(
        "file.statvfs",
        "path",
        statvfs,
        "Return what the system knows of the file system of a path.",
        "salt '*' file.statvfs /path/to/file"
    ),
    row!(
        "file.uid_to_user",
        "uid",
        |_, args| Ok(
            match args.get("uid").as_int().and_then(|u| u32::try_from(u).ok()) {
                Some(uid) => perms::user_name(uid).into(),
                None => args.get("uid").clone(),
            }
        ),
        "Return the name of an account's number.",
        "salt '*' file.uid_to_user 0"
    ),
    row!(
        "file.user_to_uid",
        "user",
        |_, args| Ok(number(args.get("user"), uid)),
        "Return the number of an account's name; blank when there is none.",
        "salt '*' file.user_to_uid root"
    ),
];

fn path(args: &Args, key: &str) -> Result<PathBuf> {
    Ok(perms::expand_user(&args.text(key)?))
}

fn uid(value: &Value) -> Option<u32> {
    match value {
        Value::Int(number) => u32::try_from(*number).ok(),
        name => perms::uid_of(&python::text(name)),
    }
}

fn gid(value: &Value) -> Option<u32> {
    match value {
        Value::Int(number) => u32::try_from(*number).ok(),
        name => perms::gid_of(&python::text(name)),
    }
}

/// The number of a name; what is no name is its own answer.
fn number(value: &Value, find: fn(&Value) -> Option<u32>) -> Value {
    match value {
        Value::Int(_) => value.clone(),
        Value::Null => "".into(),
        name => find(name).map_or_else(|| "".into(), |n| u64::from(n).into()),
    }
}

fn stats(args: &Args) -> Result<perms::Stats> {
    let path = path(args, "path")?;
    let follow = args.flag("follow_symlinks");
    perms::stats(&path, follow)
        .or_else(|_| perms::stats(&path, false))
        .map_err(|_| Error::execution(format!("Path not found: {}", path.display())))
}

fn owner(args: &Args, follow: bool) -> Result {
    let (mut errors, user, group) = (Vec::new(), args.get("user"), args.get("group"));
    let uid = match user {
        user if !user.is_truthy() && user != &Value::Int(0) => None,
        user => uid(user).or_else(|| {
            errors.push("User does not exist");
            None
        }),
    };
    let gid = match group {
        group if !group.is_truthy() && group != &Value::Int(0) => None,
        group => gid(group).or_else(|| {
            errors.push("Group does not exist");
            None
        }),
    };
    if fs::symlink_metadata(path(args, "path")?).is_err() {
        errors.push("File not found");
    }
    if !errors.is_empty() {
        return Ok((errors.join("\n") + "\n").into());
    }
    chown(args, uid, gid, follow)
}

fn chown(args: &Args, uid: Option<u32>, gid: Option<u32>, follow: bool) -> Result {
    let path = path(args, "path")?;
    perms::chown(&path, uid, gid, follow)
        .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
    Ok(Value::Null)
}

fn set_mode(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    let text = python::text(args.get("mode")).replace("0o", "0");
    let bits = u32::from_str_radix(text.trim_matches(['"', '\'']), 8).ok();
    if !path.exists() {
        return Err(Error::execution(format!(
            "{}: File not found",
            path.display()
        )));
    }
    match bits.map(|bits| perms::set_mode(&path, bits)) {
        Some(Ok(())) => {
            let now = perms::stats(&path, true)
                .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
            Ok(now.mode_text().into())
        }
        _ => Ok(format!("Invalid Mode {text}").into()),
    }
}

fn kind(args: &Args, is: fn(&fs::FileType) -> bool) -> Result {
    let path = path(args, "name")?;
    Ok(fs::metadata(path).is_ok_and(|m| is(&m.file_type())).into())
}

fn seconds(whole: i64, nanos: i64) -> Value {
    (whole as f64 + nanos as f64 / 1e9).into()
}

fn lstat(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    if !path.is_absolute() {
        return Err(Error::invocation("Path to file must be absolute."));
    }
    let Ok(m) = fs::symlink_metadata(&path) else {
        return Ok(Value::Map(Map::new()));
    };
    Ok(Value::Map(map! {
        "st_atime" => seconds(m.atime(), m.atime_nsec()), "st_ctime" => seconds(m.ctime(), m.ctime_nsec()),
        "st_gid" => u64::from(m.gid()), "st_mode" => u64::from(m.mode()),
        "st_mtime" => seconds(m.mtime(), m.mtime_nsec()), "st_nlink" => m.nlink(), "st_size" => m.size(),
        "st_uid" => u64::from(m.uid()),
    }))
}

fn all(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    let follow = args.flag("follow_symlinks");
    let found = if follow {
        fs::metadata(&path).or_else(|_| fs::symlink_metadata(&path))
    } else {
        fs::symlink_metadata(&path)
    };
    let m = found.map_err(|_| Error::execution(format!("Path not found: {}", path.display())))?;
    let mut told = map! {
        "inode" => m.ino(), "uid" => u64::from(m.uid()), "gid" => u64::from(m.gid()),
        "group" => perms::group_name(m.gid()), "user" => perms::user_name(m.uid()),
        "atime" => seconds(m.atime(), m.atime_nsec()), "mtime" => seconds(m.mtime(), m.mtime_nsec()),
        "ctime" => seconds(m.ctime(), m.ctime_nsec()), "size" => m.size(),
        "mode" => perms::mode_text(m.mode() & 0o7777),
    };
    let form = args.get("hash_type");
    if form.is_truthy() {
        let sum = digest::file(&path, &python::text(form))
            .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
        told.insert("sum".into(), sum.into());
    }
    let t = m.file_type();
    let kind = match () {
        () if t.is_dir() => "dir",
        () if t.is_char_device() => "char",
        () if t.is_block_device() => "block",
        () if t.is_symlink() => "link",
        () if t.is_fifo() => "pipe",
        () if t.is_socket() => "socket",
        () => "file",
    };
    told.insert("type".into(), kind.into());
    let target = if follow {
        fs::canonicalize(&path).unwrap_or(path)
    } else {
        PathBuf::from(normpath(&path.to_string_lossy()))
    };
    told.insert(
        "target".into(),
        target.to_string_lossy().into_owned().into(),
    );
    Ok(told.into())
}

fn access(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    if !path.is_absolute() {
        return Err(Error::invocation("Path to link must be absolute."));
    }
    let flag = match args.get("mode") {
        Value::Str(mode) => match mode.as_str() {
            "f" => AccessFlags::F_OK,
            "r" => AccessFlags::R_OK,
            "w" => AccessFlags::W_OK,
            "x" => AccessFlags::X_OK,
            _ => return Err(Error::invocation("Invalid mode specified.")),
        },
        Value::Int(mode) => match mode {
            0 => AccessFlags::F_OK,
            4 => AccessFlags::R_OK,
            2 => AccessFlags::W_OK,
            1 => AccessFlags::X_OK,
            _ => return Err(Error::invocation("Invalid mode specified.")),
        },
        _ => return Err(Error::invocation("Invalid mode specified.")),
    };
    Ok(nix::unistd::access(&path, flag).is_ok().into())
}

fn statvfs(_: &Context, args: &Args) -> Result {
    let path = path(args, "path")?;
    if !path.is_absolute() {
        return Err(Error::invocation("File path must be absolute."));
    }
    let told = nix::sys::statvfs::statvfs(Path::new(&path))
        .map_err(|_| Error::execution(format!("Could not statvfs '{}'", path.display())))?;
    Ok(Value::Map(map! {
        "f_bavail" => told.blocks_available(), "f_bfree" => told.blocks_free(),
        "f_blocks" => told.blocks(), "f_bsize" => told.block_size(),
        "f_favail" => told.files_available(), "f_ffree" => told.files_free(),
        "f_files" => told.files(), "f_flag" => told.flags().bits(),
        "f_frsize" => told.fragment_size(), "f_namemax" => told.name_max(),
    }))
}
