//! What this agent cannot run is refused before the first change, by name: never a silent skip, and
//! never half a run.

use indexmap::IndexMap;

use super::compile::Compiled;
use super::low::{field, function};
use crate::context::Context;
use crate::context::worker::Kind;
use crate::states::{self, limits};

/// The texts of a refusal: each function, or argument of one, with the SLS and IDs that ask for it.
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
        let place = || {
            let sls = match field(chunk, "__sls__") {
                "" => String::new(),
                sls => format!(" in SLS '{sls}'"),
            };
            format!("ID '{}'{sls}", field(chunk, "__id__"))
        };
        let replaced = ctx
            .worker
            .replaces(ctx, Kind::States, field(chunk, "state"));
        let need = if replaced || states::find(&full).is_none() {
            format!("State '{full}' is not available")
        } else {
            match limits::asked(&full, chunk).as_slice() {
                [] => continue,
                asked => limits::refusal(&full, asked),
            }
        };
        missing.entry(need).or_default().push(place());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut texts = vec![format!(
        "This agent has no native form of some state functions of this run, and {why}. Nothing was changed."
    )];
    for (need, places) in missing {
        texts.push(format!("{need}, needed by {}", places.join(", ")));
    }
    Err(texts)
}

#[cfg(test)]
mod tests {
    use salt_wire::{Map, Value, map};

    use crate::testing;

    #[test]
    fn an_argument_that_is_not_supported_stops_the_run_before_its_first_change() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), Map::new());
        let file = dir.path().join("first").display().to_string();
        let one = |name: &str, more: Map| {
            let mut parts = vec![Value::from("managed"), map! { "name" => name }.into()];
            parts.extend(
                more.into_iter()
                    .map(|(k, v)| Map::from_iter([(k, v)]).into()),
            );
            let state = map! { "file" => parts, "__sls__" => "s", "__env__" => "base" };
            Value::from(state)
        };
        let high = map! {
            "a" => one(&file, map! { "contents" => "x" }),
            "b" => one("/none/b", map! { "attrs" => "i" }),
        };
        let told = ctx.call("state.high", &[high.into()], &Map::new()).unwrap();
        let told = crate::python::text(&told);
        assert!(
            told.contains("The argument 'attrs' of file.managed is not supported by this agent, needed by ID 'b' in SLS 's'"),
            "{told}"
        );
        assert!(!std::path::Path::new(&file).exists());
    }
}
