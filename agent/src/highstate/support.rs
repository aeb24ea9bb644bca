//! What this agent cannot run is refused before the first change, by name: never a silent skip, and
//! never half a run.

use indexmap::IndexMap;

use super::compile::Compiled;
use super::low::{field, function};
use crate::context::Context;
use crate::context::worker::Kind;
use crate::states;

/// The texts of a refusal: each function with the SLS and IDs that ask for it.
///
/// Where this machine's own Salt runs what is not native, a function that Salt does not know either fails by itself, as
/// it does with Salt.
pub(crate) fn check(ctx: &Context, compiled: &Compiled) -> Result<(), Vec<String>> {
    let Err(why) = ctx.worker.ready(ctx) else {
        return Ok(());
    };
    let mut missing: IndexMap<String, Vec<String>> = IndexMap::new();
    for chunk in &compiled.graph.chunks {
        let full = function(chunk);
        let replaced = ctx
            .worker
            .replaces(ctx, Kind::States, field(chunk, "state"));
        if replaced || states::find(&full).is_none() {
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
    let mut texts = vec![format!(
        "This agent has no native form of some state functions of this run, and {why}. Nothing was changed."
    )];
    for (full, places) in missing {
        texts.push(format!(
            "State '{full}' is not available, needed by {}",
            places.join(", ")
        ));
    }
    Err(texts)
}
