//! Changing what is installed: apt-get, and what became of it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, map};

use super::{Known, Packages, apt_get, candidates, compare, fulfils, hold, list, query};
use crate::host::program::Programs;
use crate::host::{Cancel, Host};
use crate::python;

/// What went wrong, in apt's or dpkg's words; with what changed before it did.
#[derive(Debug, Clone, Default, thiserror::Error)]
#[error("{}", .errors.join("\n"))]
pub struct Error {
    /// Each trouble.
    pub errors: Vec<String>,
    /// What changed all the same; none when nothing was tried.
    pub changes: Option<Changes>,
}

impl Error {
    fn early(text: impl Into<String>) -> Self {
        Self {
            errors: vec![text.into()],
            changes: None,
        }
    }
}

impl Error {
    /// As Salt words it; `doing` is `installing`, `removing` or `upgrading`.
    pub fn text(self, doing: &str) -> String {
        let changes = self.changes.as_ref().map(report);
        self.worded(doing, changes)
    }

    /// [`Error::text`] for a state, which shows the changes elsewhere.
    pub fn without_changes(self, doing: &str) -> String {
        self.worded(doing, None)
    }

    fn worded(self, doing: &str, changes: Option<Map>) -> String {
        if self.changes.is_none() {
            return self.errors.join("\n");
        }
        let mut info = map! { "errors" => self.errors };
        if let Some(changes) = changes {
            info.insert("changes".into(), changes.into());
        }
        let what = if doing == "upgrading" {
            "packages"
        } else {
            "package(s)"
        };
        format!(
            "Problem encountered {doing} {what}. Additional info follows:\n\n{}",
            python::nested(&info.into())
        )
    }
}

/// What changed, as Salt reports it.
pub fn report(changes: &Changes) -> Map {
    changes
        .iter()
        .map(|(name, change)| {
            let one = map! { "old" => change.old.as_str(), "new" => change.new.as_str() };
            (name.as_str().into(), one.into())
        })
        .collect()
}

type Result<T> = std::result::Result<T, Error>;

/// A package's versions before and after; empty where it was or is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub old: String,
    /// After.
    pub new: String,
}

/// What differs between two lists of packages.
pub type Changes = BTreeMap<String, Change>;

/// What differs between two lists of packages.
pub fn changes(old: &Packages, new: &Packages) -> Changes {
    let of = |list: &Packages, name: &str| list.get(name).map(|v| v.join(",")).unwrap_or_default();
    old.keys()
        .chain(new.keys())
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let change = Change {
                old: of(old, name),
                new: of(new, name),
            };
            (name.clone(), change)
        })
        .collect()
}

/// What an update of the lists said of each: updated, failed, or (`None`) as it was.
pub type Lists = Vec<(String, Option<bool>)>;

/// How packages are installed.
#[derive(Debug, Clone, Default)]
pub struct Install {
    /// Packages with the version or the conditions asked for, if any; paths of package files, too.
    pub targets: Vec<(String, Option<String>)>,
    /// Update the lists first.
    pub refresh: bool,
    /// Take the package's configuration files over changed ones.
    pub force_conf_new: bool,
    /// With or without what packages recommend; none: as apt is set.
    pub recommends: Option<bool>,
    /// Only what is installed already.
    pub only_upgrade: bool,
    /// Unsigned packages, too.
    pub skip_verify: bool,
    /// The release to take them from.
    pub fromrepo: Option<String>,
    /// Do not install.
    pub download_only: bool,
    /// Again, if they are installed already.
    pub reinstall: bool,
}

impl Install {
    /// Of everything: the arguments of an upgrade that are set.
    pub fn upgrade(asked: impl Fn(&str) -> bool) -> Self {
        Self {
            force_conf_new: asked("force_conf_new"),
            skip_verify: asked("skip_verify"),
            download_only: asked("download_only") || asked("downloadonly"),
            ..Self::default()
        }
    }
}

/// How packages are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Their configuration stays.
    Remove,
    /// Nothing stays.
    Purge,
}

/// The package manager of this machine.
pub struct Apt<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Ends it.
    pub cancel: &'a Cancel,
    /// The mark of a state run that the lists are to be updated once.
    pub mark: PathBuf,
}

impl Apt<'_> {
    /// What dpkg has.
    pub fn known(&self) -> Result<Known> {
        list(self.host, self.cancel).map_err(|e| {
            Error::early(format!(
                "dpkg-query: {e}: this agent manages packages with apt and dpkg only"
            ))
        })
    }

    /// The version that an upgrade would bring of each; blank when there is none newer, unless `show_installed`.
    pub fn latest(
        &self,
        names: &[String],
        show_installed: bool,
    ) -> Result<BTreeMap<String, String>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let installed = self.known()?.installed;
        let offered = candidates(self.host, names, self.cancel)
            .map_err(|e| Error::early(format!("apt-cache: {e}")))?;
        Ok(names
            .iter()
            .map(|name| {
                let candidate = offered.get(name).cloned().unwrap_or_default();
                let newest = installed.get(name).is_none_or(|have| {
                    !have
                        .iter()
                        .any(|v| compare(v, &candidate) != Ordering::Less)
                });
                let shown = newest || show_installed;
                (name.clone(), if shown { candidate } else { String::new() })
            })
            .collect())
    }

    /// Updates the lists.
    pub fn update(&self) -> Result<Lists> {
        drop(fs::remove_file(&self.mark));
        let out = apt_get(self.host, &["update".to_owned()], self.cancel)
            .map_err(|e| Error::early(format!("apt-get: {e}")))?;
        if out.retcode != 0 {
            let said = String::from_utf8_lossy(&out.stderr);
            return Err(Error::early(said.trim_end()));
        }
        Ok(String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(repository)
            .collect())
    }

    /// Installs, and tells what changed.
    pub fn install(&self, install: &Install) -> Result<Changes> {
        if let Some((bad, _)) = install.targets.iter().find(|(n, _)| n.starts_with('-')) {
            return Err(Error::early(format!("'{bad}' is no package name")));
        }
        if install.targets.is_empty() {
            return Ok(Changes::new());
        }
        if install.refresh {
            self.update()?;
        }
        let before = self.known()?.installed;
        let mut words = options(install);
        let mut errors = Vec::new();
        let mut names = Vec::new();
        for (name, version) in &install.targets {
            match version {
                None => names.push(name.clone()),
                Some(version) if version.starts_with(['<', '>']) => {
                    // Only what apt would choose is considered; an older one has to be named exactly.
                    let offered = self.latest(std::slice::from_ref(name), true)?;
                    let candidate = offered.get(name).cloned().unwrap_or_default();
                    if !candidate.is_empty() && fulfils(&candidate, version) {
                        names.push(format!("{name}={candidate}"));
                    } else {
                        errors.push(format!(
                            "No version matching '{name}{version}' could be found (available: {candidate})"
                        ));
                    }
                }
                Some(version) => {
                    let version = version.trim_start_matches('=');
                    let older = before.get(name).is_some_and(|have| {
                        have.iter().any(|v| compare(version, v) == Ordering::Less)
                    });
                    if older && !words.iter().any(|w| w == "--allow-downgrades") {
                        words.push("--allow-downgrades".into());
                    }
                    names.push(format!("{name}={version}"));
                }
            }
        }
        if !names.is_empty() {
            let held = self.release(&names)?;
            words.push("install".into());
            words.extend(names);
            let told = self.run(&words);
            // Held again before anything is said, also by a job that was told to end: nothing may leave them loose.
            if let Err(error) = self.select(&held, "hold", &Cancel::default()) {
                errors.extend(error.errors);
            }
            errors.extend(told?);
        }
        self.finish(&before, errors)
    }

    /// Lets those of the packages go that are held, and names them: who asks for a package by name means it, held
    /// or not.
    fn release(&self, names: &[String]) -> Result<Vec<String>> {
        let programs = Programs::new(self.host, self.cancel);
        let all = hold::selections(&programs).map_err(Error::early)?;
        let plain = names.iter().filter_map(|n| n.split('=').next());
        let held: Vec<String> = plain
            .filter(|n| all.get(*n).is_some_and(|s| s == "hold"))
            .map(str::to_owned)
            .collect();
        self.select(&held, "install", self.cancel)?;
        Ok(held)
    }

    fn select(&self, names: &[String], selection: &str, cancel: &Cancel) -> Result<()> {
        let programs = Programs::new(self.host, cancel);
        names
            .iter()
            .try_for_each(|name| hold::select(&programs, name, selection))
            .map_err(Error::early)
    }

    /// What an upgrade would install, by name; `dist`: also what has to come or go for it.
    pub fn upgrades(&self, dist: bool, fromrepo: Option<&str>) -> Result<BTreeMap<String, String>> {
        let mut words = vec!["--just-print".to_owned(), upgrade_word(dist).to_owned()];
        if let Some(repo) = fromrepo {
            words.extend(["-o".to_owned(), format!("APT::Default-Release={repo}")]);
        }
        let out = apt_get(self.host, &words, self.cancel)
            .map_err(|e| Error::early(format!("apt-get: {e}")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
        if out.retcode == 0 {
            return Ok(query::planned(&stdout));
        }
        let said = [stderr, stdout].into_iter().find(|t| !t.is_empty());
        Err(Error::early(match said {
            Some(said) => format!("Failed to get upgrades: {said}"),
            None => "Failed to get upgrades".to_owned(),
        }))
    }

    /// Upgrades everything, and tells what changed.
    pub fn upgrade(&self, dist: bool, how: &Install) -> Result<Changes> {
        let before = self.known()?.installed;
        let mut words = options(how);
        words.push(upgrade_word(dist).into());
        let errors = self.run(&words)?.into_iter().collect();
        self.finish(&before, errors)
    }

    /// The packages that were only needed by others that are gone.
    pub fn unneeded(&self, purge: bool) -> Result<Vec<String>> {
        let out = apt_get(self.host, &autoremove("--assume-no", purge), self.cancel)
            .map_err(|e| Error::early(format!("apt-get: {e}")))?;
        Ok(query::listed_for_removal(&String::from_utf8_lossy(
            &out.stdout,
        )))
    }

    /// Takes those away, and tells what changed.
    pub fn autoremove(&self, purge: bool) -> Result<Changes> {
        let before = self.known()?.installed;
        // Salt does not ask whether it went well, but what is gone.
        self.run(&autoremove("--assume-yes", purge))?;
        self.finish(&before, Vec::new())
    }

    /// Takes packages away that are there; what changed, of the installed and of those of which only the
    /// configuration was left.
    pub fn uninstall(&self, names: &[String], mode: Mode) -> Result<(Changes, Changes)> {
        let before = self.known()?;
        if let Some(bad) = names.iter().find(|n| n.starts_with('-')) {
            return Err(Error::early(format!("'{bad}' is no package name")));
        }
        let there = |n: &&String| {
            before.installed.contains_key(*n)
                || mode == Mode::Purge && before.removed.contains_key(*n)
        };
        let names: Vec<String> = names.iter().filter(there).cloned().collect();
        if names.is_empty() {
            return Ok((Changes::new(), Changes::new()));
        }
        let action = if mode == Mode::Purge {
            "purge"
        } else {
            "remove"
        };
        let mut words: Vec<String> = vec!["-y".into(), action.into()];
        words.extend(names);
        let errors: Vec<String> = self.run(&words)?.into_iter().collect();
        let installed = self.finish(&before.installed, errors)?;
        let removed = changes(&before.removed, &self.known()?.removed);
        Ok((installed, removed))
    }

    /// Runs apt-get; its words of failure.
    fn run(&self, words: &[String]) -> Result<Option<String>> {
        let out = apt_get(self.host, words, self.cancel)
            .map_err(|e| Error::early(format!("apt-get: {e}")))?;
        let text = String::from_utf8_lossy(&out.stderr).trim_end().to_owned();
        Ok((out.retcode != 0 && !text.is_empty()).then_some(text))
    }

    fn finish(&self, before: &Packages, errors: Vec<String>) -> Result<Changes> {
        let changed = changes(before, &self.known()?.installed);
        if errors.is_empty() {
            return Ok(changed);
        }
        Err(Error {
            errors,
            changes: Some(changed),
        })
    }
}

fn upgrade_word(dist: bool) -> &'static str {
    if dist { "dist-upgrade" } else { "upgrade" }
}

fn autoremove(answer: &str, purge: bool) -> Vec<String> {
    let purge = purge.then_some("--purge");
    let words = [Some(answer), purge, Some("autoremove")];
    words.into_iter().flatten().map(str::to_owned).collect()
}

/// One line of `apt-get update`.
fn repository(line: &str) -> Option<(String, Option<bool>)> {
    let (first, rest) = line.split_once(char::is_whitespace)?;
    let ident = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    if first.contains("Get") {
        // Without its size.
        let ident = match ident.rfind(" [") {
            Some(at) if ident.ends_with("B]") => ident[..at].to_owned(),
            _ => ident,
        };
        Some((ident, Some(true)))
    } else if first.contains("Ign") || first.contains("Err") {
        Some((ident, Some(false)))
    } else {
        first.contains("Hit").then_some((ident, None))
    }
}

fn options(install: &Install) -> Vec<String> {
    let mut words = vec!["-y"];
    if install.force_conf_new {
        words.extend(["-o", "DPkg::Options::=--force-confnew"]);
    } else {
        words.extend([
            "-o",
            "DPkg::Options::=--force-confold",
            "-o",
            "DPkg::Options::=--force-confdef",
        ]);
    }
    match install.recommends {
        None => {}
        Some(true) => words.push("--install-recommends"),
        Some(false) => words.push("--no-install-recommends"),
    }
    let flags = [
        (install.only_upgrade, "--only-upgrade"),
        (install.skip_verify, "--allow-unauthenticated"),
        (install.download_only, "--download-only"),
        (install.reinstall, "--reinstall"),
    ];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| *word));
    if let Some(repo) = &install.fromrepo {
        words.extend(["-t", repo]);
    }
    words.into_iter().map(str::to_owned).collect()
}
