//! The alternatives system: which program a common name leads to.

use std::fs;
use std::path::Path;

use super::env;
use super::program::Programs;

type Result<T> = std::result::Result<T, String>;

fn program() -> &'static str {
    if env::which("update-alternatives").is_some() {
        "update-alternatives"
    } else {
        "alternatives"
    }
}

/// What it says of a name; its complaint when there is none of that name.
pub fn display(programs: &Programs<'_>, name: &str) -> Result<String> {
    let said = programs.run(&[program(), "--display", name])?;
    Ok(if !said.fine() && !said.stderr.is_empty() {
        said.stderr
    } else {
        said.stdout
    })
}

/// Where a name leads now.
pub fn current(name: &str) -> Option<String> {
    let link = Path::new("/etc/alternatives").join(name);
    fs::read_link(link)
        .ok()
        .map(|to| to.to_string_lossy().into_owned())
}

/// The common link of a name.
pub fn link(programs: &Programs<'_>, name: &str) -> Result<Option<String>> {
    let said = programs.run(&[program(), "--query", name])?;
    let block = said.stdout.split("\n\n").next().unwrap_or_default();
    let link = block.lines().find_map(|l| l.strip_prefix("Link:"));
    Ok(link
        .filter(|_| said.fine() || said.stderr.is_empty())
        .map(|l| l.trim().to_owned()))
}

/// Whether a path is registered for a name.
pub fn exists(programs: &Programs<'_>, name: &str, path: &str) -> Result<bool> {
    let said = programs.run(&[program(), "--display", name])?;
    Ok((said.fine() || said.stderr.is_empty()) && said.stdout.lines().any(|l| l.starts_with(path)))
}

/// Runs one of its orders; gives what it says.
pub fn order(programs: &Programs<'_>, words: &[&str]) -> Result<String> {
    let mut argv = vec![program()];
    argv.extend(words);
    let said = programs.run(&argv)?;
    Ok(if !said.fine() && !said.stderr.is_empty() {
        said.stderr
    } else {
        said.stdout
    })
}
