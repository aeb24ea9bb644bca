//! Packages of Debian and its kin: what dpkg knows, what apt offers, and versions as dpkg compares them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::exec::{Command, Output};
use super::{Cancel, Host};

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

/// Compares two versions as dpkg does: epoch, upstream version, revision.
pub fn compare(a: &str, b: &str) -> Ordering {
    let split = |v: &str| {
        let (epoch, rest) = v.split_once(':').unwrap_or(("0", v));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (
            epoch.parse::<u64>().unwrap_or(0),
            upstream.to_owned(),
            revision.to_owned(),
        )
    };
    let ((ea, ua, ra), (eb, ub, rb)) = (split(a), split(b));
    ea.cmp(&eb)
        .then_with(|| parts(&ua, &ub))
        .then_with(|| parts(&ra, &rb))
}

/// Letters before other signs, and a tilde before everything, the end included.
fn weight(c: Option<u8>) -> i32 {
    match c {
        None => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(c),
        Some(c) => i32::from(c) + 256,
    }
}

fn parts(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let text = |s: &[u8], at: usize| s.get(at).is_some_and(|c| !c.is_ascii_digit());
        while text(a, i) || text(b, j) {
            let order = weight(a.get(i).copied()).cmp(&weight(b.get(j).copied()));
            if order != Ordering::Equal {
                return order;
            }
            i += 1;
            j += 1;
        }
        let (x, after_x) = digits(a, i);
        let (y, after_y) = digits(b, j);
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
        if order != Ordering::Equal {
            return order;
        }
        (i, j) = (after_x, after_y);
    }
    Ordering::Equal
}

/// The number at a place without its leading zeros, and where it ends.
fn digits(s: &[u8], start: usize) -> (&[u8], usize) {
    let start = start.min(s.len());
    let length = s[start..].iter().take_while(|c| c.is_ascii_digit()).count();
    let end = start + length;
    let zeros = s[start..end].iter().take_while(|c| **c == b'0').count();
    (&s[start + zeros..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_dpkgs() {
        for (a, b, order) in [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0-1", "1.0-2", Ordering::Less),
            ("1:1.0", "2.0", Ordering::Greater),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~~", "1.0~", Ordering::Less),
            ("1.10", "1.9", Ordering::Greater),
            ("1.0a", "1.0+b", Ordering::Less),
            ("1.0", "1.0-0", Ordering::Equal),
            ("1.002", "1.2", Ordering::Equal),
            ("2.36-9+deb12u10", "2.36-9+deb12u9", Ordering::Greater),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
        }
    }
}
