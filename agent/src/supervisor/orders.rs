//! Orders that no master has to carry: looked for once at each boot, and while no master is there for longer
//! than `agent: {orphaned_after: 5m}`; and those that a job or the command line hands over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use salt_wire::order::Order;
use salt_wire::{Map, map};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::Daemon;
use super::remaster::{now, tell};
use crate::host::crash;
use crate::orders::{Found, Ledger, Verdict, gather, judge};
use crate::remaster::{Cause, Request, control};
use crate::session::backoff::random;

/// How often it is looked whether a master is there.
const TICK: Duration = Duration::from_secs(1);
/// The longest pause between two looks at the sources.
const PAUSE: Duration = Duration::from_mins(1);
/// The machine answers at the latest after its slowest effect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks for orders until it is dropped.
pub(super) async fn look(daemon: Arc<Daemon>, machine: mpsc::Sender<Request>) {
    // Targets may be grains.
    daemon.grains_there().await;
    let mut said = BTreeSet::new();
    // Without keys for orders as well: a master's own word for another one needs none.
    once(&daemon, &machine, &mut said).await;
    let mut orphaned: Option<Instant> = None;
    let mut next = Instant::now();
    loop {
        sleep(TICK).await;
        let patience = daemon.settings().agent.orphaned_after;
        if daemon.links.first_ready().is_some() || patience.is_zero() {
            orphaned = None;
            continue;
        }
        let since = *orphaned.get_or_insert_with(Instant::now);
        if since.elapsed() < patience || Instant::now() < next {
            continue;
        }
        once(&daemon, &machine, &mut said).await;
        // A thousand orphans do not ask in the same second.
        next = Instant::now() + PAUSE.min(patience).mul_f64(0.5 + random());
    }
}

async fn once(
    daemon: &Arc<Daemon>,
    machine: &mpsc::Sender<Request>,
    said: &mut BTreeSet<(String, String)>,
) {
    let settings = daemon.settings();
    let Ok(found) = tokio::task::spawn_blocking(move || gather(&settings)).await else {
        return;
    };
    for Found { source, text } in found {
        if let Err(cause) = take(daemon, machine, &text, &source).await {
            // The same order lies there at each boot and each look.
            if cause.code != "order-replayed" && said.insert((source.clone(), cause.code.clone())) {
                warn!(
                    source,
                    reason = cause.code,
                    "Order refused: {}",
                    cause.detail
                );
                daemon.add_warning(format!("order from {source} refused: {cause}"));
                let data = map! {
                    "source" => source.as_str(),
                    "reason" => cause.code.as_str(),
                    "detail" => cause.detail.as_str(),
                };
                tell(daemon, "order_refused", data).await;
            } else {
                debug!(source, %cause, "Order refused.");
            }
        }
    }
}

/// Takes a text: begins the move, or permits the key. Nothing is changed by one that is refused.
pub(super) async fn take(
    daemon: &Arc<Daemon>,
    machine: &mpsc::Sender<Request>,
    text: &str,
    source: &str,
) -> Result<Map, Cause> {
    let settings = daemon.settings();
    let ledger = Ledger::of(&settings.pki_dir);
    let judged = judge(
        text,
        &settings,
        &daemon.facts.grains(),
        &ledger,
        now() / 1000,
    );
    let verdict = judged.map_err(|e| Cause::new(e.code(), e.to_string()))?;
    let order = match verdict {
        Verdict::Order(order, sequence) => {
            // First of all: whatever ends us now, it is not taken as new again.
            ledger.take(&order, sequence).map_err(|e| {
                Cause::new(
                    "disk",
                    format!("the order cannot be recorded, so it is not begun: {e}"),
                )
            })?;
            crash::point(format_args!("order recorded"));
            order
        }
        Verdict::Handover(order) => order,
    };
    info!(
        order = order.id,
        source,
        to = order.master,
        rekey = order.rekey,
        "Signed order taken."
    );
    let rekey = order.rekey;
    let answer = begin(machine, order).await?;
    if rekey && let Err(error) = ledger.done() {
        warn!(%error, "The order's end was not recorded.");
    }
    Ok(answer)
}

async fn begin(machine: &mpsc::Sender<Request>, order: Order) -> Result<Map, Cause> {
    let refused = |words: String| Cause::new("order-refused", words);
    let gone = || refused("the agent is shutting down".into());
    if order.rekey {
        let (answer, wait) = oneshot::channel();
        let sent = machine.send(Request::Permit(order, answer)).await;
        sent.map_err(|_| gone())?;
        let permitted = timeout(PATIENCE, wait).await.map_err(|_| gone())?;
        return permitted.map_err(|_| gone())?.map_err(refused);
    }
    let (answer, wait) = oneshot::channel();
    let sent = machine.send(Request::To(order, answer)).await;
    sent.map_err(|_| gone())?;
    let state = timeout(PATIENCE, wait).await.map_err(|_| gone())?;
    let state = state.map_err(|_| gone())?.map_err(refused)?;
    Ok(control::describe(&state, now()))
}
