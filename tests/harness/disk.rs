//! A small disk of a test's own, that it can fill.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A tmpfs, mounted until it is dropped.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts one of this many bytes at `path`. Without the right to do so the test prints why and stops; in CI it
    /// fails.
    pub fn mount(path: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={bytes},mode=755");
        let done = mount(
            Some("test"),
            path,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        );
        match done {
            Ok(()) => Some(Self {
                path: path.to_owned(),
            }),
            Err(error) => {
                let why = format!("no tmpfs can be mounted at {}: {error}", path.display());
                assert!(std::env::var_os("CI").is_none(), "{why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            let zeros = vec![0; size];
            loop {
                match file.write_all(&zeros) {
                    Ok(()) => {}
                    Err(e) if e.kind() == ErrorKind::StorageFull => break,
                    Err(e) => panic!("{e}"),
                }
            }
        }
    }

    /// Gives the space back.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        umount2(&self.path, MntFlags::MNT_DETACH).ok();
    }
}
