//! Packages of Debian and its kin: what dpkg knows and apt offers; `apt.rs` changes it, `version.rs` compares
//! versions.

pub mod hold;
pub mod query;

mod apt;
mod version;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::exec::{Command, Output};
use super::{Cancel, Host};

pub use apt::{Apt, Change, Changes, Error, Install, Lists, Mode, changes, report};
pub use version::{compare, fulfils};

/// Longest that a package operation may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// Installed or remembered packages with their versions.
pub type Packages = BTreeMap<String, Vec<String>>;

/// What dpkg has: installed packages, and removed ones whose configuration is left.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Installed.
    pub installed: Packages,
    /// Removed, not purged.
    pub removed: Packages,
}

/// Asks dpkg for all packages.
pub fn list(host: &Host, cancel: &Cancel) -> io::Result<Known> {
    let format = "${Status} ${Package} ${Version} ${Architecture}\n";
    let out = run(host, &["dpkg-query", "--showformat", format, "-W"], cancel)?;
    let native = native_arch();
    let mut known = Known::default();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [wish, _, status, name, version, arch] = words.as_slice() else {
            continue;
        };
        let name = if *arch != "all" && *arch != native && native == "amd64" {
            format!("{name}:{arch}")
        } else {
            (*name).to_owned()
        };
        let list = if (wish.contains("install") || wish.contains("hold"))
            && !wish.contains("deinstall")
            && status.contains("installed")
        {
            &mut known.installed
        } else if wish.contains("deinstall") {
            if status.contains("not-installed") {
                continue;
            }
            &mut known.removed
        } else {
            continue;
        };
        list.entry(name).or_default().push((*version).to_owned());
    }
    Ok(known)
}

fn native_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        other => other,
    }
}

/// The version that apt would install of each; empty for one that it does not know.
pub fn candidates(
    host: &Host,
    names: &[String],
    cancel: &Cancel,
) -> io::Result<BTreeMap<String, String>> {
    let mut argv = vec!["apt-cache", "-q", "policy"];
    argv.extend(names.iter().map(String::as_str));
    let out = run(host, &argv, cancel)?;
    let mut found = BTreeMap::new();
    let mut current = String::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        if let Some(name) = line.strip_suffix(':').filter(|l| !l.starts_with(' ')) {
            current = name.to_owned();
        } else if let Some(version) = line.trim().strip_prefix("Candidate:") {
            let version = version.trim();
            let version = if version == "(none)" { "" } else { version };
            found.insert(current.clone(), version.to_owned());
        }
    }
    Ok(found)
}

/// Runs `apt-get -q` with these words, without questions.
pub fn apt_get(host: &Host, words: &[String], cancel: &Cancel) -> io::Result<Output> {
    let mut argv = vec!["apt-get", "-q"];
    argv.extend(words.iter().map(String::as_str));
    run(host, &argv, cancel)
}

fn run(host: &Host, argv: &[&str], cancel: &Cancel) -> io::Result<Output> {
    let mut command = Command::new(argv.iter().copied());
    command.timeout = Some(LIMIT);
    for (key, value) in [
        ("APT_LISTBUGS_FRONTEND", "none"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("UCF_FORCE_CONFFOLD", "1"),
        ("LC_ALL", "C.UTF-8"),
        ("LANGUAGE", "C.UTF-8"),
    ] {
        command.env.insert(key.into(), Some(value.into()));
    }
    host.exec.run(&command, cancel)
}
