//! Files: atomic writes with their mode set before anybody can see them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, even after a power cut.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write(path, bytes, mode, true)
}

/// As [`write_atomic`], but only a killed process is survived, not a power cut: for what is short-lived.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write(path, bytes, mode, false)
}

fn write(path: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let dir = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"))?;
    let mut temporary = dir.to_path_buf();
    // Two threads may write the same file at once.
    temporary.push(format!(
        ".{}.{}.{}.tmp",
        name.to_string_lossy(),
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    ));
    let written =
        write_new(&temporary, bytes, mode, sync).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written?;
    if sync {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<()> {
    drop(fs::remove_file(path));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // The mask may have taken bits away.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    Ok(())
}

/// A file that appears under its name only when it is complete. Dropped before that, it leaves nothing.
pub struct Pending {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Pending {
    /// Begins the file `path`, with this mode from its first byte on.
    pub fn create(path: &Path, mode: u32) -> io::Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name")
        })?;
        let mut temporary = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_path_buf();
        // Long names leave no room for the decoration.
        let short: String = name.to_string_lossy().chars().take(32).collect();
        temporary.push(format!(
            ".{short}.{}.{}.tmp",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        ));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        Ok(Self {
            file,
            temporary,
            path: path.to_path_buf(),
            kept: false,
        })
    }

    /// Where the bytes are until then.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Puts the complete file in place. An old file is there or the new one, even after a power cut; where there was
    /// none, nothing waits for the disk: a state run of hundreds of new files would do little else.
    pub fn commit(mut self) -> io::Result<()> {
        if fs::symlink_metadata(&self.path).is_ok() {
            self.file.sync_all()?;
        }
        fs::rename(&self.temporary, &self.path)?;
        self.kept = true;
        Ok(())
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.kept {
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// Removes a file; that it is not there is no error.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether a directory is there and has something in it.
pub fn has_entries(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Writes a configuration file anew: its owner and mode stay, a new one gets `mode`. A file that is a mount of its
/// own, as in a container, cannot be replaced and is written in its place.
pub fn rewrite(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let old = fs::metadata(path).ok();
    let mut file = Pending::create(path, mode_of(path, mode))?;
    file.write_all(bytes)?;
    if let Some(old) = old {
        std::os::unix::fs::chown(file.temporary(), Some(old.uid()), Some(old.gid()))?;
    }
    match file.commit() {
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => fs::write(path, bytes),
        done => done,
    }
}

/// The mode of a file that is there, else this one: for a file that is written anew in its place.
pub fn mode_of(path: &Path, new: u32) -> u32 {
    fs::metadata(path).map_or(new, |m| m.permissions().mode() & 0o7777)
}

/// Rewrites a text file line by line, each as `change` gives it; a line to `add` goes behind all when none changed.
/// A file that is not there is an empty one.
pub fn edit_lines(
    path: &Path,
    change: impl Fn(&str) -> Option<String>,
    add: Option<&str>,
) -> Result<(), String> {
    let told = |e: io::Error| format!("{}: {e}", path.display());
    let old = match fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(told)?,
    };
    let mut new = String::new();
    let mut done = false;
    for line in old.lines() {
        let changed = change(line);
        done |= changed.is_some();
        new += changed.as_deref().unwrap_or(line);
        new.push('\n');
    }
    if let Some(line) = add.filter(|_| !done) {
        new += line;
        new.push('\n');
    }
    rewrite(path, new.as_bytes(), 0o644).map_err(told)
}

/// Makes a directory and all that is missing above it, each with `mode`.
pub fn make_dirs(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Begins a file, or adds to one, whose pieces come in jobs of their own: there is no last one to put all in place.
pub fn put_piece(path: &Path, bytes: &[u8], more: bool) -> io::Result<()> {
    let open = || {
        if more {
            OpenOptions::new().create(true).append(true).open(path)
        } else {
            File::create(path)
        }
    };
    let mut file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_dirs(path.parent().unwrap_or(path), 0o755)?;
            open()?
        }
        other => other?,
    };
    file.write_all(bytes)
}
