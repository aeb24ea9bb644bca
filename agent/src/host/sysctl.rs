//! Kernel parameters: as they are, and as a file sets them at boot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::fs::rewrite;
use super::program::Programs;
use super::service::booted;

type Result<T> = std::result::Result<T, String>;

/// The file that Salt keeps its parameters in.
pub fn default_config() -> &'static str {
    if booted() {
        "/etc/sysctl.d/99-salt.conf"
    } else {
        "/etc/sysctl.conf"
    }
}

/// The parameters that a file sets, in its order; `None` when it cannot be read, empty when it is not there.
pub fn configured(file: &Path) -> Option<Vec<(String, String)>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(_) => return None,
    };
    let pairs = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once('='));
    Some(
        pairs
            .map(|(k, v)| (k.trim_end().to_owned(), v.trim_start().to_owned()))
            .collect(),
    )
}

/// All parameters as they are now.
pub fn all(programs: &Programs<'_>) -> Result<Vec<(String, String)>> {
    let said = programs.run(&["sysctl", "-a"])?;
    let pairs = said.stdout.lines().filter_map(|l| l.split_once(" = "));
    Ok(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

/// One parameter as it is now; what `sysctl` says instead when there is none of that name.
pub fn get(programs: &Programs<'_>, name: &str) -> Result<String> {
    let said = programs.run(&["sysctl", "-n", name])?;
    Ok(said.complaint().to_owned())
}

/// Sets a parameter now.
pub fn assign(programs: &Programs<'_>, name: &str, value: &str) -> Result<(String, String)> {
    let swapped = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let file: String = name.chars().map(swapped).collect();
    if !PathBuf::from(format!("/proc/sys/{file}")).exists() {
        return Err(format!("sysctl {name} does not exist"));
    }
    let said = programs.run(&["sysctl", "-w", &format!("{name}={value}")])?;
    let (key, now) = said.stdout.split_once(" = ").unwrap_or_default();
    if key.trim() != name || now.trim_start() != value || said.stderr.contains("Invalid argument") {
        let failed = !said.fine() && !said.stderr.is_empty();
        let text = if failed { &said.stderr } else { &said.stdout };
        return Err(format!("sysctl -w failed: {text}"));
    }
    Ok((key.to_owned(), now.to_owned()))
}

/// A value with each run of white space as one blank.
fn plain(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sets a parameter now and in a file; true when something changed.
pub fn persist(programs: &Programs<'_>, name: &str, value: &str, config: &Path) -> Result<bool> {
    let unwritten = |_| format!("Could not write to file: {}", config.display());
    if !config.is_file() {
        if let Some(dir) = config.parent() {
            fs::create_dir_all(dir).map_err(unwritten)?;
        }
        rewrite(config, b"#\n# Kernel sysctl configuration\n#\n", 0o644).map_err(unwritten)?;
    }
    let old = fs::read_to_string(config)
        .map_err(|_| format!("Could not read from file: {}", config.display()))?;
    let mut new = String::new();
    let mut edited = false;
    for line in old.split_inclusive('\n') {
        let ours = line
            .split_once('=')
            .map(|(k, v)| (k.trim(), v.trim()))
            .filter(|(k, _)| *k == name);
        match ours {
            None => new += line,
            Some((_, set)) if plain(set) == plain(value) => {
                if plain(&get(programs, name)?) == plain(value) {
                    return Ok(false);
                }
                assign(programs, name, value)?;
                return Ok(true);
            }
            Some(_) => {
                new += &format!("{name} = {value}\n");
                edited = true;
            }
        }
    }
    if !edited {
        new += &format!("{name} = {value}\n");
    }
    rewrite(config, new.as_bytes(), 0o644).map_err(unwritten)?;
    assign(programs, name, value)?;
    Ok(true)
}
