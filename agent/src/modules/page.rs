//! The page `docs/functions.md`: what is native, printed from the tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::states::{self, limits};
use crate::testing::page_is;

fn page() -> String {
    let mut text = String::from(
        "# What is native\n\n\
         Printed from the code. A state or function that is not listed, and an argument in the right column, is run by a Salt\n\
         that is installed on the same machine (`agent: {compat: …}`); without one a run that needs it is refused before its\n\
         first change, by name. `pip` and `virtualenv` use the system's `python3` where no `bin_env` or `python` says another.\n\n\
         ## States\n\n| State | Arguments that are left to Salt |\n|---|---|\n",
    );
    let mut all: Vec<&str> = states::all().map(|s| s.name).collect();
    all.retain(|name| !name.contains(".mod_"));
    all.sort_unstable();
    for name in all {
        let arguments: Vec<String> = limits::of(name).iter().map(|a| format!("`{a}`")).collect();
        writeln!(text, "| `{name}` | {} |", arguments.join(", ")).unwrap();
    }
    text += "\n## Execution modules\n\n| Module | Functions |\n|---|---|\n";
    let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for function in super::all() {
        let (module, name) = function.name.split_once('.').unwrap();
        modules.entry(module).or_default().push(name);
    }
    for (module, mut names) in modules {
        names.sort_unstable();
        let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
        writeln!(text, "| `{module}` | {} |", names.join(", ")).unwrap();
    }
    text
}

#[test]
fn the_docs_list_what_is_native() {
    page_is("functions.md", &page(), "modules::page");
}
