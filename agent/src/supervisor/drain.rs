//! Returns out of the spool and to their master, while it is ready.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use salt_wire::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, warn};

use super::signing::{Ladder, No, Way, complaint};
use crate::host::crash;
use crate::returns::Spool;
use crate::returns::spool::{Entry, EntryId};
use crate::session::backoff::{Backoff, random};
use crate::session::{Client, Patience, RequestError, Status};

/// Returns on their way at the same time.
const SIDE_BY_SIDE: usize = 4;

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
    /// The master has it, signed like this.
    Stored(Way),
    /// The master answered, and does not store it.
    Not(&'static str),
    /// Not now.
    Later(String),
}

/// Sends what waits for `client`'s master until the session is gone.
pub(super) async fn drain(
    client: Client,
    spool: Arc<Spool>,
    mut status: watch::Receiver<Status>,
    timing: Timing,
    mut ladder: Ladder,
) {
    let mut news = spool.subscribe();
    let mut sending: JoinSet<(EntryId, String, Sent)> = JoinSet::new();
    let mut out = Out(spool.clone(), HashSet::new());
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    let mut rest: Option<Instant> = None;
    let mut was_ready = false;
    loop {
        let ready = status.borrow_and_update().state.is_ready();
        if ready && !was_ready {
            spool.unpark(client.master());
            ladder.forget();
        }
        was_ready = ready;
        news.borrow_and_update();
        if ready && rest.is_none() {
            while sending.len() < SIDE_BY_SIDE {
                let Some(entry) = spool.next(client.master()) else {
                    break;
                };
                out.1.insert(entry.id);
                sending.spawn(send(client.clone(), entry, timing, ladder.clone()));
            }
        }
        let parked = || spool.parked_until().map(Instant::from_std);
        let pause = rest.or_else(|| parked().filter(|_| ready && sending.len() < SIDE_BY_SIDE));
        tokio::select! {
            Some(done) = sending.join_next() => {
                let Ok((id, jid, sent)) = done else { continue };
                out.1.remove(&id);
                match sent {
                    Sent::Stored(way) => {
                        crash::point(format_args!("return delivered"));
                        spool.ack(id);
                        backoff.reset();
                        debug!(jid, "Return delivered.");
                        if let Some(words) = ladder.learn(way) {
                            warn!(master = client.master(), "{words}");
                        }
                    }
                    Sent::Not(why) => {
                        let pause = spool.park(id, why).as_secs();
                        error!(jid, pause, "Return not stored, kept: {why}.");
                    }
                    Sent::Later(why) => {
                        spool.release(id);
                        warn!(jid, "Return not delivered, kept: {why}.");
                        let mut dice = random;
                        rest = Some(Instant::now() + backoff.next(&mut dice));
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
            () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => {
                rest = None;
            }
        }
    }
}

/// What is on its way: back in the spool when the session is closed under it, for the next one or another
/// master to take.
struct Out(Arc<Spool>, HashSet<EntryId>);

impl Drop for Out {
    fn drop(&mut self) {
        for id in &self.1 {
            self.0.release(*id);
        }
    }
}

async fn send(
    client: Client,
    entry: Entry,
    timing: Timing,
    ladder: Ladder,
) -> (EntryId, String, Sent) {
    let spread = timing.longest.saturating_sub(timing.shortest);
    let patience = Patience {
        timeout: (timing.shortest + spread.mul_f64(random())).max(Duration::from_secs(1)),
        tries: timing.tries.max(1),
    };
    let load = Arc::new(entry.load);
    let (mut way, mut answers) = (ladder.first(), Vec::new());
    let sent = loop {
        let no = match client.request_signed(load.clone(), patience, way).await {
            Ok(Value::Bool(false)) => No::Refused,
            // A handler that raised gives an empty text, whatever went wrong.
            Ok(Value::Str(text)) if text.is_empty() => No::Failed,
            Ok(_) => break Sent::Stored(way),
            Err(RequestError::Unreachable(why) | RequestError::Refused(why)) => {
                break Sent::Later(why);
            }
        };
        answers.push((way, no));
        match ladder.next(&answers) {
            Some(next) => way = next,
            None => break Sent::Not(complaint(&answers)),
        }
    };
    (entry.id, entry.jid, sent)
}
