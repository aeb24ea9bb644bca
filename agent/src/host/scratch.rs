//! Names of their own for files and directories that are needed for a moment.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const LETTERS: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789_";

/// How often another name is tried.
const TRIES: usize = 100;

/// Makes something under a name that nobody has.
pub fn unique(
    parent: &Path,
    prefix: &str,
    suffix: &str,
    make: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let mut last = ErrorKind::AlreadyExists.into();
    for _ in 0..TRIES {
        let mut bytes = [0u8; 8];
        getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
        let letter = |b: &u8| char::from(LETTERS[usize::from(*b) % LETTERS.len()]);
        let middle: String = bytes.iter().map(letter).collect();
        let path = parent.join(format!("{prefix}{middle}{suffix}"));
        match make(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// A directory that only this account can look into, gone when it is dropped.
pub struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// A new one among the system's temporary files.
    pub fn new() -> io::Result<Self> {
        let make = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
        let dir = unique(&std::env::temp_dir(), "__salt.", "", make)?;
        Ok(Self { dir })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_needed_for_a_moment_is_gone() {
        let scratch = Scratch::new().unwrap();
        let file = scratch.file("x");
        fs::write(&file, "x").unwrap();
        drop(scratch);
        assert!(!file.parent().unwrap().exists());
    }
}
