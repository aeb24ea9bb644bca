//! A lock that several threads and processes respect, with a note of who holds it. The kernel lets go
//! of it when its holder dies, however that happens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A held lock; dropped, it is free.
pub struct Held {
    // Kept for its effect on the kernel.
    _file: Flock<File>,
}

/// Tries to take the lock `path`, leaving `note` for others. `Ok(Err(note))` is the holder's note.
pub fn try_lock(path: &Path, note: &[u8]) -> io::Result<Result<Held, Vec<u8>>> {
    if let Some(dir) = path.parent() {
        super::fs::make_dirs(dir, 0o700)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => {
            held.rewind()?;
            held.set_len(0)?;
            held.write_all(note)?;
            Ok(Ok(Held { _file: held }))
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut note = Vec::new();
            (&mut file).take(64 << 10).read_to_end(&mut note)?;
            Ok(Err(note))
        }
        Err((_, errno)) => Err(errno.into()),
    }
}

/// The note of whoever holds the lock; `None` when it is free.
pub fn holder(path: &Path) -> Option<Vec<u8>> {
    let file = OpenOptions::new().read(true).open(path).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => None,
        Err(_) => fs::read(path).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/lock");
        let held = try_lock(&path, b"first").unwrap().ok().unwrap();
        assert_eq!(try_lock(&path, b"second").unwrap().err().unwrap(), b"first");
        assert_eq!(holder(&path).unwrap(), b"first");
        drop(held);
        assert_eq!(holder(&path), None);
        assert!(try_lock(&path, b"2").unwrap().is_ok());
    }
}
