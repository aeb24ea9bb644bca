//! Returns out of the spool and to their master, while it is ready.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use salt_wire::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, error, warn};

use crate::returns::Spool;
use crate::returns::spool::{Entry, EntryId};
use crate::session::backoff::{Backoff, random};
use crate::session::{Client, Patience, RequestError, Status};

/// Returns on their way at the same time.
const SIDE_BY_SIDE: usize = 4;
/// A master that cannot store a return says so this often before it is given up.
const MOST_FAILURES: u32 = 3;

/// How returns are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// `return_retry_timer`.
    pub shortest: Duration,
    /// `return_retry_timer_max`.
    pub longest: Duration,
    /// `return_retry_tries`.
    pub tries: u32,
}

/// What came of sending one.
enum Sent {
    Stored,
    /// The master's handler failed; it says no more than that.
    Failed,
    /// Not now.
    Later(String),
}

/// Sends what waits for `client`'s master until the session is gone.
pub(super) async fn drain(
    client: Client,
    spool: Arc<Spool>,
    mut status: watch::Receiver<Status>,
    timing: Timing,
) {
    let mut news = spool.subscribe();
    let mut sending: JoinSet<(EntryId, String, Sent)> = JoinSet::new();
    let mut failures: HashMap<EntryId, u32> = HashMap::new();
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    let mut rest: Option<tokio::time::Instant> = None;
    loop {
        let ready = status.borrow_and_update().state.is_ready();
        news.borrow_and_update();
        if ready && rest.is_none() {
            while sending.len() < SIDE_BY_SIDE {
                let Some(entry) = spool.next(client.master()) else {
                    break;
                };
                sending.spawn(send(client.clone(), entry, timing));
            }
        }
        let pause = rest;
        tokio::select! {
            Some(done) = sending.join_next() => {
                let Ok((id, jid, sent)) = done else { continue };
                match sent {
                    Sent::Stored => {
                        spool.ack(id);
                        failures.remove(&id);
                        backoff.reset();
                        debug!(jid, "Return delivered.");
                    }
                    Sent::Failed => {
                        let count = failures.entry(id).or_default();
                        *count += 1;
                        if *count < MOST_FAILURES {
                            spool.release(id);
                        } else {
                            failures.remove(&id);
                            spool.ack(id);
                            error!(
                                jid,
                                "The master cannot store this return (see its log); given up. \
                                 With minion_sign_messages the master must have signing_algorithm set."
                            );
                        }
                    }
                    Sent::Later(why) => {
                        spool.release(id);
                        warn!(jid, "Return not delivered, kept: {why}.");
                        let mut dice = random;
                        rest = Some(tokio::time::Instant::now() + backoff.next(&mut dice));
                    }
                }
            }
            changed = status.changed() => {
                if changed.is_err() {
                    return;
                }
                // A new connection deserves a new try.
                rest = None;
            }
            changed = news.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep_until(pause.unwrap_or_else(tokio::time::Instant::now)), if pause.is_some() => {
                rest = None;
            }
        }
    }
}

async fn send(client: Client, entry: Entry, timing: Timing) -> (EntryId, String, Sent) {
    let spread = timing.longest.saturating_sub(timing.shortest);
    let patience = Patience {
        timeout: (timing.shortest + spread.mul_f64(random())).max(Duration::from_secs(1)),
        tries: timing.tries.max(1),
    };
    let sent = match client.request(entry.load, patience).await {
        Ok(Value::Bool(false)) => Sent::Later(
            "the master refuses it: it wants signed returns (require_minion_sign_messages), \
             or the signature does not verify"
                .to_owned(),
        ),
        // A handler that raised gives an empty text, whatever went wrong.
        Ok(Value::Str(text)) if text.is_empty() => Sent::Failed,
        Ok(_) => Sent::Stored,
        Err(RequestError::Unreachable(why) | RequestError::Refused(why)) => Sent::Later(why),
    };
    (entry.id, entry.jid, sent)
}
