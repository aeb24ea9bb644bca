//! A directory tree that nobody gets out of: every path is resolved inside of it, as `chroot` would, also
//! through symbolic links and `..`, and what is removed or written is never a link's target.
//!
//! For work on a mounted image, whose links point to where its files will be and not to where they are now.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, ftruncate, unlinkat};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;
/// Deeper than any tree that is not made to hurt.
const MAX_DEPTH: usize = 128;

/// The tree.
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

/// What a name stands for, a link for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A socket, a pipe, a device.
    Other,
}

/// A name's inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub size: u64,
    /// The device it is on.
    pub device: u64,
}

impl Entry {
    fn of(stat: &FileStat) -> Self {
        let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => Kind::Dir,
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFLNK => Kind::Link,
            _ => Kind::Other,
        };
        Self {
            kind,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            device: stat.st_dev,
        }
    }
}

impl Tree {
    /// The tree below a directory that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(path, flags, Mode::empty())?;
        Ok(Self {
            root,
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the running system's own.
    pub fn is_live(&self) -> bool {
        let own = fstat(self.root.as_fd());
        let real = nix::sys::stat::stat("/");
        matches!((own, real), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }

    /// What a path is; nothing when it is not there.
    pub fn entry(&self, path: &Path) -> Option<Entry> {
        let (dir, name) = self.parent(path).ok()?;
        let stat = fstatat(&dir, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        Some(Entry::of(&stat))
    }

    /// The names in a directory, sorted; none where there is no such directory.
    pub fn names(&self, path: &Path) -> Vec<OsString> {
        let listed = self.walk(path).and_then(|dir| list(&dir));
        listed.unwrap_or_default()
    }

    /// The first `limit` bytes of a regular file.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.file(path, OFlag::O_RDONLY)?;
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Empties a regular file; owner and mode stay.
    pub fn truncate(&self, path: &Path) -> io::Result<()> {
        Ok(ftruncate(self.file(path, OFlag::O_WRONLY)?, 0)?)
    }

    /// Puts other bytes into a regular file that is there, all at once; owner and mode stay.
    pub fn rewrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let old = fstat(&self.file(path, OFlag::O_RDONLY)?)?;
        let mut temporary = OsString::from(".");
        temporary.push(&name);
        temporary.push(format!(".{}.tmp", std::process::id()));
        unlinkat(&dir, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir).ok();
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let flags = flags | OFlag::O_CLOEXEC;
        let made = openat(
            &dir,
            temporary.as_os_str(),
            flags,
            Mode::from_bits_truncate(0o600),
        )?;
        let mut file = File::from(made);
        let written = (|| -> io::Result<()> {
            let owner = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
            if nix::unistd::geteuid().is_root() {
                fchown(&file, Some(owner.0), Some(owner.1))?;
            }
            fchmod(&file, Mode::from_bits_truncate(old.st_mode & 0o7777))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            renameat(&dir, temporary.as_os_str(), &dir, name.as_os_str())?;
            Ok(())
        })();
        if written.is_err() {
            unlinkat(&dir, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir).ok();
        }
        written
    }

    /// Makes or replaces a file in a directory that is made when it is missing.
    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        if self.entry(path).is_none_or(|e| e.kind != Kind::File) {
            let parent = path.parent().unwrap_or(Path::new(""));
            self.make_dirs(parent)?;
            let (dir, name) = self.parent(path)?;
            // A link with this name goes; its target is not ours.
            unlinkat(&dir, name.as_os_str(), UnlinkatFlags::NoRemoveDir).ok();
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            drop(openat(
                &dir,
                name.as_os_str(),
                flags,
                Mode::from_bits_truncate(mode),
            )?);
        }
        self.rewrite(path, bytes)
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        let mut done = PathBuf::new();
        for part in path.components() {
            done.push(part);
            if self.walk(&done).is_err() {
                let (dir, name) = self.parent(&done)?;
                nix::sys::stat::mkdirat(&dir, name.as_os_str(), Mode::from_bits_truncate(0o755))?;
            }
        }
        Ok(())
    }

    /// Removes a name with all that is below it, on its own device. Gives the files and the bytes that went.
    pub fn remove(&self, path: &Path) -> io::Result<(u64, u64)> {
        let (dir, name) = self.parent(path)?;
        let entry = Entry::of(&fstatat(
            &dir,
            name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?);
        let device = fstat(&dir)?.st_dev;
        remove(&dir, &name, entry, device, 0)
    }

    /// The directory that holds a path's last name, and that name.
    fn parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let name = path.file_name().ok_or(Errno::EINVAL)?.to_owned();
        Ok((self.walk(path.parent().unwrap_or(Path::new("")))?, name))
    }

    fn file(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let (dir, name) = self.parent(path)?;
        // A pipe must not hold us; a link is not followed.
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = openat(&dir, name.as_os_str(), flags, Mode::empty())?;
        if Entry::of(&fstat(&file)?).kind != Kind::File {
            return Err(Errno::EINVAL.into());
        }
        Ok(file.into())
    }

    /// Opens a directory, through links as long as they stay inside: an absolute one begins at our root.
    fn walk(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut way = vec![self.root.try_clone()?];
        let mut rest: VecDeque<OsString> = parts(path).collect();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let here = way.last().ok_or(Errno::ENOENT)?;
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            match openat(here, part.as_os_str(), flags, Mode::empty()) {
                Ok(next) => way.push(next),
                Err(error @ (Errno::ENOTDIR | Errno::ELOOP)) => {
                    let target = readlinkat(here, part.as_os_str()).map_err(|_| error)?;
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::ELOOP.into());
                    }
                    let target = PathBuf::from(target);
                    if target.is_absolute() {
                        way.truncate(1);
                    }
                    for part in parts(&target).rev() {
                        rest.push_front(part);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        way.pop().ok_or_else(|| Errno::ENOENT.into())
    }
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn list(dir: &impl AsFd) -> io::Result<Vec<OsString>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut dir = Dir::from_fd(openat(dir, ".", flags, Mode::empty())?)?;
    let mut names: Vec<OsString> = dir
        .iter()
        .filter_map(|entry| Some(OsStr::from_bytes(entry.ok()?.file_name().to_bytes()).to_owned()))
        .filter(|name| name != "." && name != "..")
        .collect();
    names.sort();
    Ok(names)
}

fn remove(
    dir: &OwnedFd,
    name: &OsStr,
    entry: Entry,
    device: u64,
    depth: usize,
) -> io::Result<(u64, u64)> {
    if entry.kind != Kind::Dir {
        unlinkat(dir, name, UnlinkatFlags::NoRemoveDir)?;
        let bytes = if entry.kind == Kind::File {
            entry.size
        } else {
            0
        };
        return Ok((1, bytes));
    }
    if entry.device != device {
        return Err(io::Error::other("another file system is mounted there"));
    }
    if depth > MAX_DEPTH {
        return Err(io::Error::other("the tree is too deep"));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let inner = openat(dir, name, flags, Mode::empty())?;
    let (mut files, mut bytes) = (0, 0);
    for name in list(&inner)? {
        let stat = fstatat(&inner, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let gone = remove(&inner, &name, Entry::of(&stat), device, depth + 1)?;
        files += gone.0;
        bytes += gone.1;
    }
    unlinkat(dir, name, UnlinkatFlags::RemoveDir)?;
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A tree with links that lead out of it, and what must not be touched out there.
    fn trap() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir_all(out.join("deep")).unwrap();
        fs::write(out.join("file"), "theirs").unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("data/log")).unwrap();
        fs::write(root.join("data/log/x"), "ours").unwrap();
        symlink(&out, root.join("absolute")).unwrap();
        symlink("../../out", root.join("etc/relative")).unwrap();
        symlink("../out/file", root.join("file")).unwrap();
        symlink("/data/log", root.join("log")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        (dir, Tree::open(&root).unwrap())
    }

    #[test]
    fn links_stay_inside() {
        let (dir, tree) = trap();
        let names = |path: &str| tree.names(Path::new(path));
        assert_eq!(names("log"), ["x"], "an absolute link is the tree's own");
        for path in ["absolute", "etc/relative", "../out", "loop", "none"] {
            assert!(names(path).is_empty(), "{path}");
        }
        assert!(tree.read(Path::new("file"), 9).is_err());
        assert!(tree.truncate(Path::new("file")).is_err());
        assert!(tree.rewrite(Path::new("file"), b"").is_err());
        for path in [
            "absolute/file",
            "etc/relative/file",
            "../out/file",
            "log/../../../out/file",
        ] {
            assert!(tree.remove(Path::new(path)).is_err(), "{path}");
        }
        assert_eq!(fs::read(dir.path().join("out/file")).unwrap(), b"theirs");
    }

    #[test]
    fn a_removed_tree_takes_its_links_and_not_their_targets() {
        let (dir, tree) = trap();
        assert_eq!(tree.remove(Path::new("etc")).unwrap(), (1, 0));
        assert_eq!(tree.remove(Path::new("absolute")).unwrap(), (1, 0));
        assert_eq!(tree.remove(Path::new("log/x")).unwrap(), (1, 4));
        assert!(dir.path().join("out/deep").is_dir());
        assert!(tree.entry(Path::new("etc")).is_none());
        assert_eq!(tree.entry(Path::new("log")).unwrap().kind, Kind::Link);
    }

    #[test]
    fn files_are_written_as_they_were() {
        let (dir, tree) = trap();
        let file = dir.path().join("root/data/log/x");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        tree.rewrite(Path::new("log/x"), b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o640
        );
        tree.truncate(Path::new("log/x")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"");
        tree.write(Path::new("var/lib/new"), b"1", 0o600).unwrap();
        tree.write(Path::new("file"), b"2", 0o600).unwrap();
        assert_eq!(fs::read(dir.path().join("root/var/lib/new")).unwrap(), b"1");
        assert_eq!(fs::read(dir.path().join("root/file")).unwrap(), b"2");
        assert_eq!(fs::read(dir.path().join("out/file")).unwrap(), b"theirs");
        assert!(!tree.is_live());
        assert!(Tree::open(Path::new("/")).unwrap().is_live());
    }
}
