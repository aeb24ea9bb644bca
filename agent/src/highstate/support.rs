//! What this agent cannot run is refused before the first change, by name: never a silent skip, and
//! never half a run.

use indexmap::IndexMap;

use super::compile::Compiled;
use super::low::{field, function};
use crate::states;

/// The texts of a refusal: each function with the SLS and IDs that ask for it.
pub(crate) fn check(compiled: &Compiled) -> Result<(), Vec<String>> {
    let mut missing: IndexMap<String, Vec<String>> = IndexMap::new();
    for chunk in &compiled.graph.chunks {
        let full = function(chunk);
        if states::find(&full).is_none() {
            let sls = match field(chunk, "__sls__") {
                "" => String::new(),
                sls => format!(" in SLS '{sls}'"),
            };
            let place = format!("ID '{}'{sls}", field(chunk, "__id__"));
            missing.entry(full).or_default().push(place);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut texts = vec![
        "This agent has no native form of some state functions of this run. Nothing was changed."
            .to_owned(),
    ];
    for (full, places) in missing {
        texts.push(format!(
            "State '{full}' is not available, needed by {}",
            places.join(", ")
        ));
    }
    Err(texts)
}
