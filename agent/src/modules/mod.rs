//! Execution modules, one file per Salt module. Each exports `FUNCTIONS`, a constant slice of rows;
//! [`all`] lists the slices. A new function touches its own file; a new module, its file and two lines here.
//! Lookup, `sys.doc`, `sys.argspec` and the reference pages all read that one list.

pub mod cp;
pub mod remaster;
pub mod state;
pub mod test;

use crate::config::Settings;
use crate::context::{Args, Context, Result};

/// One execution function.
pub struct Function {
    /// `module.function`.
    pub name: &'static str,
    /// Its parameters, as Python writes them; see [`crate::context::Signature`].
    pub signature: &'static str,
    /// What `sys.doc` prints.
    pub doc: &'static str,
    /// The code.
    pub run: fn(&Context, &Args) -> Result,
}

/// Every module's rows.
const ALL: &[&[Function]] = &[
    cp::FUNCTIONS,
    remaster::FUNCTIONS,
    state::FUNCTIONS,
    test::FUNCTIONS,
];

/// All functions, module by module.
pub fn all() -> impl Iterator<Item = &'static Function> {
    ALL.iter().copied().flatten()
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|f| f.name == name)
}

/// Modules whose file in Salt has another name; its options may use either.
const FILES: &[(&str, &str)] = &[
    ("cmd", "cmdmod"),
    ("group", "groupadd"),
    ("pkg", "aptpkg"),
    ("service", "systemd_service"),
    ("sys", "sysmod"),
    ("user", "useradd"),
];

/// Whether Salt's own options (`disable_modules`, `whitelist_modules`) leave a function's module loaded.
pub fn is_enabled(settings: &Settings, name: &str) -> bool {
    let module = name.split('.').next().unwrap_or(name);
    let file = FILES.iter().find(|(m, _)| *m == module).map(|(_, f)| *f);
    let named = |list: &[String]| list.iter().any(|m| m == module || Some(m.as_str()) == file);
    let jobs = &settings.jobs;
    (jobs.whitelist_modules.is_empty() || named(&jobs.whitelist_modules))
        && !named(&jobs.disable_modules)
}
