//! Packages held in their version: dpkg's selections.

use std::collections::BTreeMap;

use crate::host::program::Programs;

/// Each package's selection: `install`, `hold`, `deinstall`, `purge`.
pub fn selections(programs: &Programs<'_>) -> Result<BTreeMap<String, String>, String> {
    Ok(matching(programs, "*")?.into_iter().collect())
}

/// The packages that fit a pattern as dpkg understands it, each with its selection, in dpkg's order.
pub fn matching(programs: &Programs<'_>, pattern: &str) -> Result<Vec<(String, String)>, String> {
    if pattern.starts_with('-') {
        return Err(format!("'{pattern}' is no package name"));
    }
    let said = programs.run(&["dpkg", "--get-selections", pattern])?;
    Ok(parse(&said.stdout))
}

/// Packages and selections, as dpkg writes and reads them.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, selection) = line.trim().split_once(char::is_whitespace)?;
        Some((name.to_owned(), selection.trim().to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Sets a package's selection.
pub fn select(programs: &Programs<'_>, name: &str, selection: &str) -> Result<(), String> {
    let line = format!("{name} {selection}\n");
    let said = programs.feed(&["dpkg", "--set-selections"], line.as_bytes())?;
    if said.fine() {
        Ok(())
    } else {
        Err(said.complaint().to_owned())
    }
}

/// What became of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether it is as wanted; `None` when it would be, in test mode.
    pub fine: Option<bool>,
    /// Its selection before, if it had one, and after, if that changed.
    pub change: Option<(Option<String>, String)>,
    /// In Salt's words.
    pub comment: String,
}

/// Holds a package, or lets it go; in test mode only says so.
pub fn hold(programs: &Programs<'_>, name: &str, hold: bool, test: bool) -> Result<Held, String> {
    let now = matching(programs, name)?;
    if now.is_empty() && !hold {
        return Ok(Held {
            fine: Some(false),
            change: None,
            comment: format!("Package {name} does not have a state."),
        });
    }
    let is_held = now.iter().any(|(_, s)| s == "hold");
    let not = if hold { "" } else { "not " };
    if is_held == hold || test {
        let (fine, word) = if is_held == hold {
            (Some(true), "already set")
        } else {
            (None, "set")
        };
        return Ok(Held {
            fine,
            change: None,
            comment: format!("Package {name} is {word} {not}to be held."),
        });
    }
    let new = if hold { "hold" } else { "install" };
    select(programs, name, new)?;
    // Of a package of another architecture Salt shows nothing before: dpkg knows it under a longer name.
    let old = now.into_iter().find(|(n, _)| n == name).map(|(_, s)| s);
    let is = if hold { "now" } else { "no longer" };
    Ok(Held {
        fine: Some(true),
        change: Some((old, new.to_owned())),
        comment: format!("Package {name} is {is} being held."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_as_dpkg_writes_them() {
        let text = "adduser\t\t\t\t\tinstall\nlibc6:amd64\t\t\thold\n\n";
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            parse(text),
            [pair("adduser", "install"), pair("libc6:amd64", "hold")]
        );
    }
}
