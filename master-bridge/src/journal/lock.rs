//! Who works on an operation at this moment: a file lock, which a killed process cannot leave behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, Kind, Result};

/// The hold on an operation, until it is dropped.
pub struct Held {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // While it is still locked: nobody can mistake a later file of this name for ours.
        drop(fs::remove_file(&self.path));
    }
}

pub(super) fn hold(journal: &Path, op: &str) -> Result<Held> {
    let path = path(journal, op);
    let failed = |e: io::Error| {
        Error::new(Kind::Local, format!("cannot make {}", path.display())).because(&e)
    };
    let busy = || {
        Error::new(
            Kind::Refused,
            format!("another master-bridge works on {op}"),
        )
        .hint("`master-bridge ops show` tells how far it is")
    };
    for _ in 0..10 {
        let file = private_file(&path).map_err(failed)?;
        let ours = file.metadata().map_err(failed)?.ino();
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| busy())?;
        // The one before us may have removed it between our two calls.
        if fs::metadata(&path).is_ok_and(|now| now.ino() == ours) {
            return Ok(Held { path, _lock: lock });
        }
    }
    Err(busy())
}

pub(super) fn is_held(journal: &Path, op: &str) -> bool {
    let Ok(file) = File::open(path(journal, op)) else {
        return false;
    };
    Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
}

fn path(journal: &Path, op: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(format!(".{op}.lock"));
    name.into()
}

/// A file that its owner alone may read; made if it is not there.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)
}
