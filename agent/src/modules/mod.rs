//! Execution modules, one file per Salt module. Each exports `FUNCTIONS`, a constant slice of rows;
//! [`all`] lists the slices. A new function touches its own file; a new module, its file and two lines here.
//! Lookup, `sys.doc`, `sys.argspec` and the reference pages all read that one list.

pub mod cp;
pub mod remaster;
pub mod test;

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
const ALL: &[&[Function]] = &[cp::FUNCTIONS, remaster::FUNCTIONS, test::FUNCTIONS];

/// All functions, module by module.
pub fn all() -> impl Iterator<Item = &'static Function> {
    ALL.iter().copied().flatten()
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|f| f.name == name)
}
