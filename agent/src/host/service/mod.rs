//! Services under systemd (`systemd.rs`), and under init scripts where systemd does not run (`scripts.rs`), as Salt
//! chooses between its modules of that name.

mod manage;
mod scripts;
mod systemd;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::exec::{Command, Exec, Output};
use super::{Cancel, env};

pub use manage::{Order, is_systemd};

/// A service manager that did not do as it was told, in its words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

type Result<T> = std::result::Result<T, Error>;

/// Names of services.
pub type Names = BTreeSet<String>;

/// The unit types that Salt counts as services.
const TYPES: [&str; 9] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
];

/// Where units are.
const UNIT_DIRS: [&str; 3] = [
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/etc/systemd/system",
];

/// Whether systemd runs as process 1.
pub fn booted() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// A unit's full name: a bare name is a service.
pub fn canonical(name: &str) -> String {
    if TYPES.iter().any(|t| name.ends_with(&format!(".{t}"))) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// The name as Salt lists it: services without their type; `None` for what is no service.
pub fn listed(unit: &str) -> Option<&str> {
    let (name, kind) = unit.rsplit_once('.')?;
    if kind == "service" {
        Some(name)
    } else {
        TYPES.contains(&kind).then_some(unit)
    }
}

/// Runs the programs that manage services.
pub struct Services<'a> {
    /// Runs them.
    pub exec: &'a dyn Exec,
    /// Ends them.
    pub cancel: &'a Cancel,
    /// Manage the system below this directory instead of the running one.
    pub root: Option<PathBuf>,
    /// The exit code of the last action, which Salt makes the job's.
    pub code: Cell<Option<i64>>,
}

impl<'a> Services<'a> {
    /// The services of the running system.
    pub fn new(exec: &'a dyn Exec, cancel: &'a Cancel) -> Self {
        Self {
            exec,
            cancel,
            root: None,
            code: Cell::new(None),
        }
    }

    /// `systemctl` with these words.
    pub fn systemctl<S: AsRef<str>>(&self, words: &[S]) -> io::Result<Output> {
        self.run(&self.words(words)?)
    }

    /// The same in a scope of its own: what it starts or ends then outlives us.
    pub fn scoped<S: AsRef<str>>(&self, words: &[S]) -> io::Result<Output> {
        let mut argv = Vec::new();
        if booted()
            && let Some(run) = env::which("systemd-run")
        {
            argv.push(run.to_string_lossy().into_owned());
            argv.push("--scope".to_owned());
        }
        argv.extend(self.words(words)?);
        self.run(&argv)
    }

    /// Any program, in plain English.
    pub fn run<S: AsRef<str>>(&self, argv: &[S]) -> io::Result<Output> {
        let mut command = Command::new(argv.iter().map(|w| w.as_ref().to_owned()));
        command.env.insert("LC_ALL".into(), Some("C".into()));
        command.env.insert("NOTIFY_SOCKET".into(), None);
        self.exec.run(&command, self.cancel)
    }

    fn words<S: AsRef<str>>(&self, words: &[S]) -> io::Result<Vec<String>> {
        let program = env::which("systemctl")
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "systemctl is not installed"))?;
        let mut argv = vec![program.to_string_lossy().into_owned()];
        if let Some(root) = &self.root {
            argv.push("--root".to_owned());
            argv.push(root.display().to_string());
        }
        argv.extend(words.iter().map(|w| w.as_ref().to_owned()));
        Ok(argv)
    }

    /// A path below the root.
    pub fn path(&self, path: &str) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => PathBuf::from(path),
        }
    }

    /// Every unit that has a file.
    pub fn units(&self) -> Names {
        UNIT_DIRS
            .iter()
            .map(|dir| self.path(dir))
            .filter(|dir| !dir.is_symlink())
            .flat_map(|dir| names(&dir))
            .filter_map(|name| listed(&name).map(str::to_owned))
            .collect()
    }

    /// Init scripts that no unit replaces.
    pub fn scripts(&self) -> Vec<String> {
        let dir = self.path("/etc/init.d");
        let units = self.units();
        names(&dir)
            .into_iter()
            .filter(|name| !units.contains(name) && is_executable(&dir.join(name)))
            .collect()
    }

    /// Whether an init script starts at this runlevel.
    pub fn script_enabled(&self, name: &str, runlevel: &str) -> bool {
        names(&self.path(&format!("/etc/rc{runlevel}.d")))
            .iter()
            .any(|link| started(link) == Some(name))
    }

    /// The runlevel that `runlevel` tells, else 2.
    pub fn runlevel(&self) -> String {
        let told = self.run(&["runlevel"]).ok().map(|o| o.stdout);
        let told = told.map(|o| String::from_utf8_lossy(&o).into_owned());
        told.filter(|t| !t.contains("unknown"))
            .and_then(|t| t.split_whitespace().nth(1).map(str::to_owned))
            .unwrap_or_else(|| "2".to_owned())
    }
}

/// The script that a start link names: `S01ssh`.
pub fn started(link: &str) -> Option<&str> {
    let rest = link.strip_prefix('S')?;
    Some(rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The names in a directory; none if it cannot be read.
pub fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|m| m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units() {
        assert_eq!(canonical("ssh"), "ssh.service");
        assert_eq!(canonical("ssh.socket"), "ssh.socket");
        assert_eq!(canonical("a.b"), "a.b.service");
        assert_eq!(listed("ssh.service"), Some("ssh"));
        assert_eq!(listed("ssh.socket"), Some("ssh.socket"));
        assert_eq!(listed("x.slice"), None);
    }

    #[test]
    fn start_links_name_scripts() {
        assert_eq!(started("S01x11-common"), Some("x11-common"));
        assert_eq!(started("K01ssh"), None);
    }
}
