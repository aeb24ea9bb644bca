//! The look at a tree: which things of the list are there. It changes nothing, and it is what proves the
//! removal afterwards.

use std::path::{Path, PathBuf};

use super::list::{Act, LIST, Lines, RECEIPT, Row, TRUST};
use crate::cli::Section;
use crate::fnmatch::fnmatch;
use crate::host::beneath::{Entry, Kind, Tree};

/// Files that are read as a whole are not longer.
const MAX_TEXT: u64 = 1 << 20;
/// More than any machine has of what the list names.
const MAX_FOUND: usize = 200_000;

/// A thing that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) section: Section,
    pub(super) path: PathBuf,
    pub(super) deed: Deed,
}

/// What is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Remove it.
    Remove,
    /// Empty it.
    Empty,
    /// Give it this content.
    Put(Vec<u8>),
}

impl Deed {
    /// The word for the receipt.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Remove => "removed",
            Self::Empty => "emptied",
            Self::Put(_) => "rewritten",
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// These sections.
    pub(super) sections: Vec<Section>,
    /// Keys of masters stay.
    pub(super) keep_trust: bool,
}

impl Wanted {
    /// The rows that count.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'static Row> {
        LIST.iter()
            .filter(|row| self.sections.contains(&row.section))
    }

    fn keeps(&self, path: &Path) -> bool {
        let kept = |list: &[&str]| list.iter().any(|kept| path == Path::new(kept));
        path == Path::new(RECEIPT) || (self.keep_trust && kept(TRUST))
    }
}

/// Everything of the list that is there, in the order of the list.
pub(super) fn scan(tree: &Tree, wanted: &Wanted) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    let live = tree.is_live();
    let name = own_name(tree);
    for row in wanted.rows() {
        for path in matches(tree, row.pattern) {
            if all.len() >= MAX_FOUND {
                return all;
            }
            let below = |found: &Found| found.deed == Deed::Remove && path.starts_with(&found.path);
            if wanted.keeps(&path) || all.iter().rev().take(4096).any(below) {
                continue;
            }
            // Directories of services that run: systemd removes them with the service.
            if live && is_of_a_service(&path) {
                continue;
            }
            let Some(entry) = tree.entry(&path) else {
                continue;
            };
            if let Some(deed) = deed(tree, row.act, &path, entry, name.as_deref()) {
                let section = row.section;
                all.push(Found {
                    section,
                    path,
                    deed,
                });
            }
        }
    }
    all
}

fn deed(tree: &Tree, act: Act, path: &Path, entry: Entry, name: Option<&str>) -> Option<Deed> {
    let file = entry.kind == Kind::File;
    let text = || {
        let bytes = tree.read(path, MAX_TEXT).ok()?;
        String::from_utf8(bytes).ok()
    };
    match act {
        // dbus may share systemd's id through a link.
        Act::Remove if path.ends_with("dbus/machine-id") => file.then_some(Deed::Remove),
        Act::Remove => Some(Deed::Remove),
        Act::Empty => (file && entry.size > 0).then_some(Deed::Empty),
        Act::Logs if !file => None,
        Act::Logs if is_rotated(path) => Some(Deed::Remove),
        Act::Logs => (entry.size > 0).then_some(Deed::Empty),
        Act::Put(content) => {
            (file && text()? != content).then(|| Deed::Put(content.as_bytes().to_vec()))
        }
        Act::Lines(lines) => {
            let old = text()?;
            let new = kept_lines(&old, lines, name);
            (file && new != old).then(|| Deed::Put(new.into_bytes()))
        }
        Act::IfOfCloudInit => {
            (file && text()?.contains("Created by cloud-init")).then_some(Deed::Remove)
        }
    }
}

fn kept_lines(text: &str, lines: Lines, name: Option<&str>) -> String {
    let goes = |line: &str| {
        let code = line.split('#').next().unwrap_or_default();
        let mut words = code.split_whitespace();
        match lines {
            Lines::Fstab => code.contains("comment=cloudconfig"),
            Lines::Hosts => {
                let Some(address) = words.next() else {
                    return false;
                };
                let own = |word: &str| {
                    name.is_some_and(|n| word == n || word.split('.').next() == Some(n))
                };
                // Debian's line for the machine's own name, and others that say it.
                address == "127.0.1.1"
                    || (address != "127.0.0.1" && address != "::1" && words.any(own))
            }
        }
    };
    text.split_inclusive('\n')
        .filter(|line| !goes(line))
        .collect()
}

/// The machine's short name, as its files say it.
fn own_name(tree: &Tree) -> Option<String> {
    let bytes = tree.read(Path::new("etc/hostname"), 256).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let name = text.trim().split('.').next()?.to_owned();
    (!name.is_empty() && name != "localhost").then_some(name)
}

fn is_rotated(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbered =
        |end: &str| end.len() <= 8 && !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit());
    let packed = [".gz", ".xz", ".bz2", ".zst", ".old"];
    let stem = name.rsplit_once(['.', '-']).map(|(_, end)| end);
    packed.iter().any(|end| name.ends_with(end)) || stem.is_some_and(numbered)
}

fn is_of_a_service(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.starts_with("tmp") || path.starts_with("var/tmp");
    temporary && (name.starts_with("systemd-private-") || name.starts_with("snap-private-"))
}

/// The paths that a pattern stands for.
pub(super) fn matches(tree: &Tree, pattern: &str) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for base in paths {
            if part == "**" {
                below(tree, &base, &mut next, 0);
            } else if crate::fnmatch::is_pattern(part) {
                let names = tree.names(&base).into_iter();
                let fitting = names.filter(|name| {
                    let name = name.to_string_lossy();
                    fnmatch(&name, part)
                });
                next.extend(fitting.map(|name| base.join(name)));
            } else {
                let path = base.join(part);
                if tree.entry(&path).is_some() {
                    next.push(path);
                }
            }
        }
        paths = next;
    }
    paths
}

/// Everything below a directory that is no directory itself.
fn below(tree: &Tree, base: &Path, into: &mut Vec<PathBuf>, depth: usize) {
    for name in tree.names(base) {
        if into.len() >= MAX_FOUND || depth > 32 {
            return;
        }
        let path = base.join(name);
        match tree.entry(&path) {
            Some(entry) if entry.kind == Kind::Dir => below(tree, &path, into, depth + 1),
            Some(_) => into.push(path),
            None => {}
        }
    }
}
