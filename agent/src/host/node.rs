//! Devices and pipes in the file system.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A device of characters.
    Character,
    /// A device of blocks.
    Block,
    /// A named pipe.
    Fifo,
}

impl Kind {
    /// By Salt's letter for it.
    pub fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "c" => Self::Character,
            "b" => Self::Block,
            "p" => Self::Fifo,
            _ => return None,
        })
    }

    /// In words, at the beginning of a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Character => "Character device",
            Self::Block => "Block device",
            Self::Fifo => "Fifo pipe",
        }
    }

    /// Whether a path is one.
    pub fn is(self, path: &Path) -> bool {
        path.metadata().is_ok_and(|meta| {
            let of = meta.file_type();
            match self {
                Self::Character => of.is_char_device(),
                Self::Block => of.is_block_device(),
                Self::Fifo => of.is_fifo(),
            }
        })
    }
}

/// Makes a node with these numbers and this mode, less the mask of new files.
pub fn make(path: &Path, kind: Kind, numbers: (u64, u64), mode: u32) -> io::Result<()> {
    let (flag, device) = match kind {
        Kind::Character => (SFlag::S_IFCHR, makedev(numbers.0, numbers.1)),
        Kind::Block => (SFlag::S_IFBLK, makedev(numbers.0, numbers.1)),
        Kind::Fifo => (SFlag::S_IFIFO, 0),
    };
    mknod(path, flag, Mode::from_bits_truncate(mode), device)?;
    Ok(())
}

/// The two numbers of a device; of anything else zero.
pub fn numbers(path: &Path) -> (u64, u64) {
    if !Kind::Character.is(path) && !Kind::Block.is(path) {
        return (0, 0);
    }
    let device = path.metadata().map_or(0, |meta| meta.rdev());
    (major(device), minor(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_made_and_devices_known() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        make(&pipe, Kind::Fifo, (0, 0), 0o600).unwrap();
        assert!(Kind::Fifo.is(&pipe) && !Kind::Character.is(&pipe));
        assert!(make(&pipe, Kind::Fifo, (0, 0), 0o600).is_err());
        assert_eq!(numbers(Path::new("/dev/null")), (1, 3));
        assert_eq!(numbers(&pipe), (0, 0));
    }
}
