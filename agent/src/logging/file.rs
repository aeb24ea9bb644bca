//! A log file that may be moved away under us: logrotate renames it, and the next line begins a new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// An open log file.
pub(super) struct LogFile {
    path: PathBuf,
    open: Mutex<File>,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(Self {
            path: path.to_owned(),
            open: Mutex::new(append(path)?),
        })
    }

    fn is_moved(&self, open: &File) -> bool {
        match (fs::metadata(&self.path), open.metadata()) {
            (Ok(there), Ok(ours)) => (there.dev(), there.ino()) != (ours.dev(), ours.ino()),
            _ => true,
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    // Arguments of jobs may be in it: not for everybody.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_moved(&open)
            && let Ok(new) = append(&self.path)
        {
            *open = new;
        }
        Line(open)
    }
}

/// The file for one line.
pub(super) struct Line<'a>(MutexGuard<'a, File>);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/minion");
        let file = LogFile::open(&path).unwrap();
        file.make_writer().write_all(b"one\n").unwrap();
        fs::rename(&path, path.with_extension("1")).unwrap();
        file.make_writer().write_all(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }
}
