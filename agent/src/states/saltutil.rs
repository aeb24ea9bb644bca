//! `saltutil`: extension modules of the file server, here before the states behind need them.

use salt_wire::{Map, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error};

/// A row: kind by kind the same.
macro_rules! sync {
    ($kind:literal) => {
        State {
            name: concat!("saltutil.sync_", $kind),
            signature: "name, **kwargs",
            doc: concat!("Ensure that the file server's own ", $kind, " are here."),
            run: |ctx, run| sync(ctx, run, $kind),
        }
    };
}

/// The rows of `saltutil`.
pub const STATES: &[State] = &[
    State {
        name: "saltutil.sync_all",
        signature: "name, **kwargs",
        doc: "Ensure that the file server's extension modules of every kind are here.",
        run: sync_all,
    },
    sync!("beacons"),
    sync!("clouds"),
    sync!("engines"),
    sync!("executors"),
    sync!("grains"),
    sync!("log_handlers"),
    sync!("matchers"),
    sync!("modules"),
    sync!("output"),
    sync!("outputters"),
    sync!("pillar"),
    sync!("proxymodules"),
    sync!("renderers"),
    sync!("returners"),
    sync!("sdb"),
    sync!("serializers"),
    sync!("states"),
    sync!("thorium"),
    sync!("tops"),
    sync!("utils"),
];

const NOTHING: &str = "No updates to sync";

fn would(kind: &str) -> Outcome {
    Outcome::would(
        Map::new(),
        format!("saltutil.sync_{kind} would have been run"),
    )
}

fn sync(ctx: &Context, run: &Run<'_>, kind: &str) -> Result<Outcome, Error> {
    if run.test {
        return Ok(would(kind));
    }
    let function = format!("saltutil.sync_{kind}");
    Ok(match ctx.call(&function, &[], &run.args.extra) {
        Ok(synced) if synced.is_truthy() => {
            Outcome::changed(map! { kind => synced }, format!("Updated {kind}."))
        }
        Ok(_) => Outcome::unchanged(NOTHING),
        Err(error) => Outcome::failed(format!("Failed to run sync_{kind}: {error}")),
    })
}

fn sync_all(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    if run.test {
        return Ok(would("all"));
    }
    Ok(match ctx.call("saltutil.sync_all", &[], &run.args.extra) {
        Ok(synced) => {
            let mut changes = synced.as_map().cloned().unwrap_or_default();
            changes.retain(|_, names| names.is_truthy());
            if changes.is_empty() {
                Outcome::unchanged(NOTHING)
            } else {
                Outcome::changed(changes, "Sync performed")
            }
        }
        Err(error) => Outcome::failed(format!("Failed to run sync_all: {error}")),
    })
}
