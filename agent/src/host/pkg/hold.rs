//! Packages held in their version: dpkg's selections.

use std::collections::BTreeMap;

use crate::host::program::Programs;

/// Each package's selection: `install`, `hold`, `deinstall`, `purge`.
pub fn selections(programs: &Programs<'_>) -> Result<BTreeMap<String, String>, String> {
    let said = programs.run(&["dpkg", "--get-selections"])?;
    let line = |line: &str| {
        let (name, selection) = line.split_once(char::is_whitespace)?;
        Some((name.to_owned(), selection.trim().to_owned()))
    };
    Ok(said.stdout.lines().filter_map(line).collect())
}

/// What became of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether it is as wanted.
    pub fine: bool,
    /// Its selection before and after, if that changed.
    pub change: Option<(String, String)>,
    /// In Salt's words.
    pub comment: String,
}

/// Holds a package, or lets it go.
pub fn hold(programs: &Programs<'_>, name: &str, hold: bool) -> Result<Held, String> {
    let now = selections(programs)?.remove(name);
    let is_held = now.as_deref() == Some("hold");
    let Some(now) = now else {
        return Ok(Held {
            comment: if hold {
                format!("Package {name} not currently held.")
            } else {
                format!("Package {name} does not have a state.")
            },
            ..Held::default()
        });
    };
    if is_held == hold {
        let not = if hold { "" } else { "not " };
        return Ok(Held {
            fine: true,
            comment: format!("Package {name} is already set {not}to be held."),
            change: None,
        });
    }
    let new = if hold { "hold" } else { "install" };
    let line = format!("{name} {new}\n");
    let said = programs.feed(&["dpkg", "--set-selections"], line.as_bytes())?;
    if !said.fine() {
        return Err(said.complaint().to_owned());
    }
    let is = if hold { "now" } else { "no longer" };
    Ok(Held {
        fine: true,
        change: Some((now, new.to_owned())),
        comment: format!("Package {name} is {is} being held."),
    })
}
