//! What the process was given: environment variables, the search path, the machine's name.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::utsname;

/// An environment variable, if it is set and text.
pub fn var(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// All environment variables that are text, in no order.
pub fn vars() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

/// The directory that the process runs in.
pub fn cwd() -> Option<PathBuf> {
    env::current_dir().ok()
}

/// Our own program file.
pub fn own_program() -> Option<PathBuf> {
    env::current_exe().ok()
}

/// The name of the machine.
pub fn hostname() -> String {
    nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What `uname` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uname {
    /// `Linux`.
    pub sysname: String,
    /// The machine's name.
    pub nodename: String,
    /// The kernel's version number.
    pub release: String,
    /// The kernel's build.
    pub version: String,
    /// The processor's architecture.
    pub machine: String,
}

/// What `uname` says; empty where it does not answer.
pub fn uname() -> Uname {
    let text = |s: &OsStr| s.to_string_lossy().into_owned();
    utsname::uname()
        .map(|u| Uname {
            sysname: text(u.sysname()),
            nodename: text(u.nodename()),
            release: text(u.release()),
            version: text(u.version()),
            machine: text(u.machine()),
        })
        .unwrap_or_default()
}

/// Where a program is, by the search path plus the usual directories, as Salt looks for it.
pub fn which(program: &str) -> Option<PathBuf> {
    if program.is_empty() {
        return None;
    }
    if program.contains('/') {
        let path = PathBuf::from(program);
        return is_executable(&path).then_some(path);
    }
    let path = var("PATH").unwrap_or_default();
    let mut dirs: Vec<&str> = path.split(':').collect();
    for usual in [
        "/sbin",
        "/bin",
        "/usr/sbin",
        "/usr/bin",
        "/usr/local/sbin",
        "/usr/local/bin",
    ] {
        if !dirs.contains(&usual) {
            dirs.push(usual);
        }
    }
    dirs.into_iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| is_executable(path))
}

/// Whether this is a file that somebody may run and we, too.
pub fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_finds_programs_only() {
        assert!(which("sh").is_some());
        assert!(which("/bin/sh").is_some());
        assert_eq!(which("no-such-program-here"), None);
        assert_eq!(which("/etc/passwd"), None);
        assert_eq!(which(""), None);
    }
}
