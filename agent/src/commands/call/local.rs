//! What stands in for the daemon in a single call.

use salt_wire::Map;
use tracing::warn;

use crate::compat;
use crate::context::{Context, Error, Minion, Result};
use crate::grains;
use crate::highstate::gather;
use crate::pillar::Request;

/// No daemon: facts are read anew in place, nobody hears events, nothing else is there.
pub(super) struct Alone;

/// Fills in what functions expect to find: the pillar. What is wrong with it is the functions' to tell.
pub(super) fn prepare(ctx: &Context) {
    match gather(ctx, &Request::of(ctx)) {
        Ok(pillar) => ctx.facts.set_pillar(pillar),
        Err(error) => warn!(%error, "There is no pillar."),
    }
}

/// Adds the grains of synced modules.
pub(super) fn custom_grains(ctx: &Context) {
    match compat::grains(ctx) {
        Ok(grains) => ctx.facts.set_grains(grains),
        Err(error) => warn!(%error, "Grains of synced modules are missing."),
    }
}

impl Minion for Alone {
    fn running(&self) -> Vec<Map> {
        Vec::new()
    }

    fn signal_job(&self, _: &str, _: i32) -> Option<String> {
        None
    }

    fn refresh_grains(&self, ctx: &Context) -> Result<()> {
        ctx.facts
            .set_grains(grains::load(&ctx.settings, &ctx.host, true));
        custom_grains(ctx);
        Ok(())
    }

    fn refresh_pillar(&self, ctx: &Context) -> Result<()> {
        prepare(ctx);
        Ok(())
    }

    fn fire(&self, _: &str, _: Map) {}

    fn service(&self, name: &str, _: Map) -> Result {
        Err(Error::execution(format!(
            "the agent's {name} service runs in the daemon: call the function through the master, or use `salt-agent {name}`"
        )))
    }
}
