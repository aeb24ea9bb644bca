//! What the daemon does about events of the minion's own bus: `event.fire` and functions that ask for a
//! refresh reach it this way. A further event is one more arm of [`act`].

use std::sync::Arc;

use salt_wire::{Map, Value, map};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::Daemon;
use super::services::Event;
use crate::context::{Context, Error, Minion, Result, python};

/// How many events are looked at together.
const AT_ONCE: usize = 64;

/// Heeds events, one after the other, as long as there is a daemon.
pub(super) async fn heed(daemon: Arc<Daemon>, mut events: mpsc::Receiver<Event>) {
    let mut waiting = Vec::new();
    while events.recv_many(&mut waiting, AT_ONCE).await > 0 {
        // Ten refreshes that wait are one.
        waiting.dedup();
        for (tag, data) in waiting.drain(..) {
            let shared = daemon.clone();
            let name = tag.clone();
            let acted = tokio::task::spawn_blocking(move || act(&shared, &tag, &data)).await;
            match acted {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(tag = name, %error, "An event was not heeded."),
                Err(error) => warn!(tag = name, %error, "An event was not heeded."),
            }
        }
    }
}

fn act(daemon: &Daemon, tag: &str, data: &Map) -> Result<()> {
    let ctx = daemon.context();
    let is = |prefix: &str| tag.starts_with(prefix);
    if is("module_refresh") || is("grains_refresh") {
        return daemon.services.refresh_grains(&ctx);
    }
    if is("pillar_refresh") {
        return daemon.services.refresh_pillar(&ctx);
    }
    if is("manage_schedule") {
        return daemon.schedule.manage(&ctx, data).map(drop);
    }
    if is("_minion_mine") {
        return up(daemon, &ctx, data.clone());
    }
    if is("fire_master") {
        let text = |key: &str| data.get(key).map(python::text);
        let mut load = event(&ctx, &text("tag").unwrap_or_default(), Map::new());
        for key in ["data", "events", "pretag"] {
            if let Some(value) = data.get(key) {
                load.insert(key.into(), value.clone());
            }
        }
        return up(daemon, &ctx, load);
    }
    if is("_salt_error") {
        return up(daemon, &ctx, event(&ctx, tag, data.clone()));
    }
    if is("manage_beacons") || is("beacons_refresh") || is("environ_setenv") {
        return Err(Error::execution("there is nothing here that serves it"));
    }
    debug!(tag, "Nobody here waits for this event.");
    Ok(())
}

fn event(ctx: &Context, tag: &str, data: Map) -> Map {
    map! {
        "cmd" => "_minion_event", "id" => ctx.settings.id.as_str(), "tag" => tag, "data" => data,
        "pretag" => Value::Null,
    }
}

/// Sends a load to every master that is ready.
fn up(daemon: &Daemon, ctx: &Context, load: Map) -> Result<()> {
    let ready = daemon.services.ready();
    if ready.is_empty() && !ctx.settings.states.local {
        return Err(Error::execution("no master is ready"));
    }
    for master in ready {
        let sent = master.request(load.clone());
        sent.map_err(|e| Error::execution(e.to_string()))?;
    }
    Ok(())
}
