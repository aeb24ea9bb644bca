//! What was called here is told to the master, as salt-call does.

use salt_wire::{Map, map};
use tracing::warn;

use crate::context::Context;

/// Sends the return of a call; the job id `req` has the master choose one. A call that was made stays made: what is
/// wrong here is only told.
pub(super) fn send(context: &Context, whole: &Map) {
    let Some(master) = &context.master else {
        return;
    };
    let mut load = map! {"cmd" => "_return"};
    load.extend(whole.clone());
    load.insert("jid".into(), "req".into());
    if let Err(error) = master.request(load) {
        warn!(%error, "The master does not know of this call.");
    }
}
