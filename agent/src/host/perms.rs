//! Owners and modes of files, by name or number, with and without following a link.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::Mode;
use nix::unistd::{FchownatFlags, Gid, Group, Uid, User, fchownat};

/// Who owns a file, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name; its number when it has none.
    pub user: String,
    /// Group's name; its number when it has none.
    pub group: String,
    /// The twelve bits.
    pub mode: u32,
    /// Whether it is a link itself.
    pub is_link: bool,
}

impl Stats {
    /// The mode as Salt writes it: `0644`.
    pub fn mode_text(&self) -> String {
        mode_text(self.mode)
    }
}

/// A mode as Salt writes it.
pub fn mode_text(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Owner and mode of a file, or of a link itself.
pub fn stats(path: &Path, follow: bool) -> io::Result<Stats> {
    let meta = if follow {
        fs::metadata(path)?
    } else {
        fs::symlink_metadata(path)?
    };
    Ok(Stats {
        uid: meta.uid(),
        gid: meta.gid(),
        user: user_name(meta.uid()),
        group: group_name(meta.gid()),
        mode: meta.mode() & 0o7777,
        is_link: meta.file_type().is_symlink(),
    })
}

/// An account's name; its number when it has none.
pub fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// A group's name; its number when it has none.
pub fn group_name(gid: u32) -> String {
    match Group::from_gid(Gid::from_raw(gid)) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    }
}

/// An account's number.
pub fn uid_of(name: &str) -> Option<u32> {
    User::from_name(name).ok()?.map(|u| u.uid.as_raw())
}

/// A group's number.
pub fn gid_of(name: &str) -> Option<u32> {
    Group::from_name(name).ok()?.map(|g| g.gid.as_raw())
}

/// The number of an account's own group.
pub fn primary_gid(name: &str) -> Option<u32> {
    User::from_name(name).ok()?.map(|u| u.gid.as_raw())
}

/// Changes the owner; what is `None` stays.
pub fn chown(path: &Path, uid: Option<u32>, gid: Option<u32>, follow: bool) -> io::Result<()> {
    let flag = if follow {
        FchownatFlags::empty()
    } else {
        FchownatFlags::AT_SYMLINK_NOFOLLOW
    };
    fchownat(
        AT_FDCWD,
        path,
        uid.map(Uid::from_raw),
        gid.map(Gid::from_raw),
        flag,
    )?;
    Ok(())
}

/// Changes the mode.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The mask of new files of this process. Asked of the kernel's report, since asking by setting would
/// change it for every thread.
pub fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix("Umask:"))
        .and_then(|m| u32::from_str_radix(m.trim(), 8).ok())
        .unwrap_or(Mode::from_bits_truncate(0o022).bits())
}

/// `~` and `~name` at the beginning become home directories.
pub fn expand_user(path: &str) -> PathBuf {
    let Some(rest) = path.strip_prefix('~') else {
        return PathBuf::from(path);
    };
    let (name, tail) = rest.split_once('/').unwrap_or((rest, ""));
    let user = if name.is_empty() {
        User::from_uid(nix::unistd::geteuid())
    } else {
        User::from_name(name)
    };
    match user {
        Ok(Some(user)) if tail.is_empty() => user.dir,
        Ok(Some(user)) => user.dir.join(tail),
        _ => PathBuf::from(path),
    }
}
