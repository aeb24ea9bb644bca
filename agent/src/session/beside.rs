//! What runs beside a session that serves: asking for keys, watching the name and the request port.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use salt_wire::channel::handshake::{Handshake, Outcome, Ticket};
use salt_wire::channel::trust::Distrust;
use salt_wire::crypto::OsRandom;
use salt_wire::error::Reason;
use salt_wire::zmtp::{Limits, Role};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::Options;
use super::backoff::random;
use super::state::Trouble;
use super::trouble::{told, trouble};
use crate::config::MasterAddress;
use crate::transport::{Dial, Link, Pool, Port, Resolve};

/// The longest a name may take to resolve.
pub(super) const LOOKUP: Duration = Duration::from_secs(20);

/// What answers `_auth` or a ping comes from somebody who is not proven: two RSA blocks and a key have room in it.
pub const MAX_ANSWER: u64 = 64 << 10;

/// What the master said to `_auth`.
pub(super) enum Answer {
    In(Box<Ticket>),
    Pending(Trouble),
    No(Trouble),
    Distrusted(Trouble, Distrust),
    Silence(Trouble),
}

/// One question: request, reply, and the next algorithm when the master does not take one.
pub(super) async fn ask_in(
    pool: Arc<Pool>,
    mut handshake: Handshake,
    patience: Duration,
    safemode: bool,
) -> (Handshake, Answer) {
    loop {
        let request = match handshake.request(&mut OsRandom) {
            Ok(request) => request,
            Err(error) => {
                let detail = told(&error);
                let reason = Reason::BadAlgorithm;
                return (handshake, Answer::No(Trouble { reason, detail }));
            }
        };
        let reply = match pool.request_within(MAX_ANSWER, &request, patience).await {
            Ok(reply) => reply,
            Err(error) => {
                let trouble = trouble(&error, Port::Request);
                // Salt's safemode waits for a master that does not answer, whatever the cause.
                let silent = safemode || trouble.reason == Reason::Timeout;
                let answer = if silent { Answer::Silence } else { Answer::No };
                return (handshake, answer(trouble));
            }
        };
        // RSA with a large key takes its time, which heartbeats do not have.
        let judged = tokio::task::spawn_blocking(move || {
            let outcome = handshake.reply(&reply, &mut OsRandom);
            (handshake, outcome)
        });
        let outcome;
        (handshake, outcome) = match judged.await {
            Ok(judged) => judged,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        match outcome {
            Outcome::Accepted(ticket) => return (handshake, Answer::In(ticket)),
            Outcome::TryAgain { why } => info!("{why}."),
            Outcome::Refused(refusal) => {
                let trouble = Trouble {
                    reason: refusal.reason,
                    detail: refusal.text,
                };
                let answer = match (trouble.reason, refusal.distrust) {
                    (Reason::Pending, _) => Answer::Pending(trouble),
                    (_, Some(distrust)) => Answer::Distrusted(trouble, distrust),
                    (_, None) => Answer::No(trouble),
                };
                return (handshake, answer);
            }
        }
    }
}

/// Asks for new keys, as often as `auth_tries` allows; never ends without a handshake to ask with.
pub(super) async fn renewal(
    pool: Arc<Pool>,
    handshake: Option<Handshake>,
    options: &Options,
) -> (Handshake, Answer) {
    let Some(mut handshake) = handshake else {
        return std::future::pending().await;
    };
    sleep(options.renew_jitter.mul_f64(random())).await;
    let mut tries = 1;
    loop {
        let answer;
        (handshake, answer) = ask_in(
            pool.clone(),
            handshake,
            options.auth_timeout,
            options.policy.safemode,
        )
        .await;
        match answer {
            Answer::Silence(_) if tries < options.policy.auth_tries => tries += 1,
            answer => return (handshake, answer),
        }
    }
}

/// Ends when the master's name stands for another machine, which also answers.
pub(super) async fn moved(
    address: &MasterAddress,
    peer: Option<IpAddr>,
    mut until: Option<Instant>,
    resolve: &dyn Resolve,
    dial: &dyn Dial,
    patience: Duration,
) -> Trouble {
    let Some(peer) = peer else {
        return std::future::pending().await;
    };
    while let Some(due) = until {
        sleep_until(due).await;
        let retry = Instant::now() + Duration::from_secs(30);
        until = Some(retry);
        // As long as the connection stands, a name server that does not is no reason to give it up.
        let Ok(Ok(answer)) = timeout(LOOKUP, resolve.resolve(&address.host)).await else {
            continue;
        };
        until = answer.valid.map(|valid| Instant::now() + valid);
        if answer.addresses.contains(&peer) {
            continue;
        }
        for new in &answer.addresses {
            let to = SocketAddr::new(*new, address.port);
            let limits = Limits::default();
            match Link::connect(dial, to, Role::Req, limits, None, patience).await {
                Ok(_) => {
                    return Trouble {
                        reason: Reason::NameMoved,
                        detail: format!("{} has moved from {peer} to {new}", address.host),
                    };
                }
                Err(error) => warn!(
                    error = told(&error),
                    "{} has moved to {new}, which does not answer: staying at {peer}.",
                    address.host
                ),
            }
        }
    }
    std::future::pending().await
}

/// Ends when the master's request port does not answer (`master_alive_interval`).
pub(super) async fn dead(pool: &Pool, interval: Duration, patience: Duration) -> Trouble {
    if interval.is_zero() {
        return std::future::pending().await;
    }
    loop {
        sleep(interval).await;
        let ping = super::clear_ping();
        if let Err(error) = pool.request_within(MAX_ANSWER, &ping, patience).await {
            return trouble(&error, Port::Request);
        }
    }
}
