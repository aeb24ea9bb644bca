//! The compat worker: one child process of this machine's own Salt, for functions, states and renderers that are
//! not native, and for synced modules (`_modules`, `_states`, `_grains`, `_renderers`, `_utils`).
//!
//! `find.rs` which Python has Salt, `frame.rs` what travels on the pipe, `child.rs` one process with its bounds of
//! time and memory, `run.rs` the worker of one run, `pool.rs` the process that waits for the next run, `answer.rs`
//! Salt's exceptions as ours, and `worker.py` the other end: it is part of this program and goes to Python through
//! the pipe, so it lies in no place that anybody could write to. One more question to Salt is a method in
//! `worker.py`, one in `run.rs` and one of the trait in `context/worker.rs`.
//!
//! What a run carries: options, grains and pillar as they are at each call, and one `__context__` for all calls
//! of the run. Native functions do not see that `__context__`, and a Python function that calls another through
//! `__salt__` calls Python's own, never a native one. A state finds `__low__` and `__env__`, but no `__running__` and
//! no `__lowstate__`. Requests to the master go through the agent's own session: the worker has no key.

mod answer;
mod child;
mod find;
mod frame;
mod pool;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use salt_wire::Map;

use crate::context::worker::Worker;
use crate::context::{Context, Result};
use pool::Pool;
use run::Run;

pub use find::{Place, find};

/// The grains with those of synced grain modules.
pub fn grains(ctx: &Context) -> Result<Map> {
    let known = ctx.facts.grains();
    let custom = ctx.worker.grains(ctx)?;
    Ok(if custom.is_empty() {
        known.as_ref().clone()
    } else {
        crate::grains::with_custom(&ctx.settings, &known, custom)
    })
}

/// What all runs of this program share. Clones are the same.
#[derive(Clone, Default)]
pub struct Compat {
    pool: Arc<Pool>,
}

impl Compat {
    /// Nothing is started yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The worker of one run.
    pub fn worker(&self) -> Arc<dyn Worker> {
        Arc::new(Run::new(self.pool.clone()))
    }
}
