//! Kernel modules: those in the kernel, those that could be, and those that a start loads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::env;
use super::fs::edit_lines;
use super::program::Programs;
use super::service::booted;

type Result<T> = std::result::Result<T, String>;

/// One module of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: String,
    /// How many use it.
    pub users: String,
    /// Who they are.
    pub by: Vec<String>,
}

/// The modules of the kernel.
pub fn loaded() -> Result<Vec<Loaded>> {
    let path = "/proc/modules";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (name, size, users, by) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let by = by.split(',').filter(|n| !n.is_empty() && *n != "-");
        Some(Loaded {
            by: by.map(str::to_owned).collect(),
            name,
            size,
            users,
        })
    };
    Ok(text.lines().filter_map(line).collect())
}

fn names() -> Result<BTreeSet<String>> {
    Ok(loaded()?.into_iter().map(|m| m.name).collect())
}

/// The file of modules that a start loads.
fn config() -> &'static Path {
    Path::new(if booted() {
        "/etc/modules-load.d/salt_managed.conf"
    } else {
        "/etc/modules"
    })
}

/// Names of the modules in the kernel, or of those that a start loads.
pub fn list(persistent: bool) -> Result<BTreeSet<String>> {
    if !persistent {
        return names();
    }
    let text = fs::read_to_string(config()).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|l| !l.starts_with('#'));
    Ok(lines
        .filter_map(|l| l.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

/// Names of the modules that this kernel has built in or on disk.
pub fn available() -> BTreeSet<String> {
    let dir = PathBuf::from("/lib/modules").join(env::uname().release);
    let mut found = BTreeSet::new();
    let builtin = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
    for line in builtin.lines() {
        let name = line.rsplit('/').next().unwrap_or_default();
        found.insert(name.trim_end_matches(".ko").to_owned());
    }
    let mut open = vec![dir];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                open.push(entry.path());
            } else if let Some((name, _)) = name.split_once(".ko") {
                found.insert(name.replace('-', "_"));
            }
        }
    }
    found
}

/// Loads a module, on wish at every start, too; the names of those that came.
pub fn load(
    programs: &Programs<'_>,
    module: &str,
    persist: bool,
) -> Result<std::result::Result<BTreeSet<String>, String>> {
    let before = names()?;
    let mut argv = vec!["modprobe"];
    argv.extend(module.split_whitespace());
    let said = programs.run(&argv)?;
    if !said.fine() {
        return Ok(Err(format!(
            "Error loading module {module}: {}",
            said.stderr
        )));
    }
    let mut came: BTreeSet<_> = names()?.difference(&before).cloned().collect();
    let name = module.split_whitespace().next().unwrap_or_default();
    if persist && !list(true)?.contains(name) && available().contains(name) {
        let uncomment = |line: &str| {
            let bare = line.strip_prefix('#')?.trim_matches([' ', '\t']);
            (bare == module).then(|| module.to_owned())
        };
        edit_lines(config(), uncomment, Some(module))?;
        came.insert(name.to_owned());
    }
    Ok(Ok(came))
}

/// Removes a module, on wish from every start, too; the names of those that went.
pub fn remove(
    programs: &Programs<'_>,
    module: &str,
    persist: bool,
    comment: bool,
) -> Result<std::result::Result<BTreeSet<String>, String>> {
    let before = names()?;
    let said = programs.run(&["rmmod", module])?;
    if !said.fine() {
        return Ok(Err(format!(
            "Error removing module {module}: {}",
            said.stderr
        )));
    }
    let after = names()?;
    let mut went: BTreeSet<_> = before.difference(&after).cloned().collect();
    let name = module.split_whitespace().next().unwrap_or_default();
    if persist && list(true)?.contains(name) {
        let out = |line: &str| {
            let ours = line.split_whitespace().next() == Some(name);
            ours.then(|| {
                if comment {
                    format!("#{line}")
                } else {
                    String::new()
                }
            })
        };
        edit_lines(config(), out, None)?;
        went.insert(name.to_owned());
    }
    Ok(Ok(went))
}
