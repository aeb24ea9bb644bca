//! Key files that others could have planted, or could change, are refused: whoever owns the key is us.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{Uid, geteuid};

use super::KeyError;
use crate::host::account;

/// Others may write.
const WRITABLE: u32 = 0o022;
/// `/tmp` and its like: others may add, and not replace.
const STICKY: u32 = 0o1000;

/// Checks a directory of keys and the directories above it.
pub(super) fn directory(
    dir: &Path,
    group_may_write: bool,
    user: Option<Uid>,
) -> Result<(), KeyError> {
    let whole = fs::canonicalize(dir).map_err(|cause| read_error(dir, cause))?;
    let writable = if group_may_write { 0o002 } else { WRITABLE };
    let meta = metadata(&whole)?;
    owned(&whole, &meta, user)?;
    if meta.mode() & writable != 0 {
        return Err(open_to_others(&whole, &meta, "go-w"));
    }
    for above in whole.ancestors().skip(1) {
        let meta = metadata(above)?;
        // Who may rename a directory above may put another one in its place.
        if meta.mode() & 0o002 != 0 && meta.mode() & STICKY == 0 {
            return Err(open_to_others(above, &meta, "o-w"));
        }
    }
    Ok(())
}

/// Checks a key file that must be ours.
pub(super) fn file(path: &Path, group_may_write: bool, user: Option<Uid>) -> Result<(), KeyError> {
    let writable = if group_may_write { 0o002 } else { WRITABLE };
    let meta = metadata(path)?;
    owned(path, &meta, user)?;
    if !meta.is_file() {
        return Err(KeyError::Unsafe {
            path: path.to_owned(),
            cause: "it is not a file".to_owned(),
        });
    }
    if meta.mode() & writable != 0 {
        return Err(open_to_others(path, &meta, "go-w"));
    }
    Ok(())
}

/// A private key that others may read is closed to them, and that is said.
pub(super) fn close(path: &Path, group_may_read: bool) -> Result<(), KeyError> {
    let open = if group_may_read { 0o007 } else { 0o077 };
    let meta = metadata(path)?;
    if meta.mode() & open == 0 {
        return Ok(());
    }
    tracing::warn!(file = %path.display(), mode = format!("{:04o}", meta.mode() & 0o7777), "The private key was readable by others; its mode is now 0400. If others have an account here, make a new key.");
    fs::set_permissions(path, Permissions::from_mode(0o400)).map_err(|cause| KeyError::Write {
        path: path.to_owned(),
        cause,
    })
}

/// Ours are root's, our own account's, and those of the account that `user` names.
fn owned(path: &Path, meta: &Metadata, user: Option<Uid>) -> Result<(), KeyError> {
    let owner = Uid::from_raw(meta.uid());
    if owner.is_root() || owner == geteuid() || Some(owner) == user {
        return Ok(());
    }
    let (owner, us) = (account::name_of(owner), account::current_name());
    Err(KeyError::Unsafe {
        path: path.to_owned(),
        cause: format!(
            "it belongs to {owner}, we are {us}: chown {us} {}",
            path.display()
        ),
    })
}

fn open_to_others(path: &Path, meta: &Metadata, change: &str) -> KeyError {
    KeyError::Unsafe {
        path: path.to_owned(),
        cause: format!(
            "others may write to it (mode {:04o}): chmod {change} {}",
            meta.mode() & 0o7777,
            path.display()
        ),
    }
}

fn metadata(path: &Path) -> Result<Metadata, KeyError> {
    fs::metadata(path).map_err(|cause| read_error(path, cause))
}

fn read_error(path: &Path, cause: io::Error) -> KeyError {
    KeyError::Read {
        path: path.to_owned(),
        cause,
    }
}
