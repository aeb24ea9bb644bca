//! The task that lives a session: it carries out what [`step`] wants, and serves while ready.

mod keys;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use salt_wire::Value;
use salt_wire::channel::handshake::{Handshake, Ticket};
use salt_wire::channel::publish::{Publications, Received, key_may_be_old};
use salt_wire::error::Reason;
use salt_wire::frame::{MAX_PUBLICATION, MAX_REPLY};
use salt_wire::zmtp::{Heartbeat, Limits, Role};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error, info, warn};

use keys::begin;

use super::backoff::random;
use super::beside::{LOOKUP, dead, moved, renewal};
use super::client::{Live, Refusal, Renewal};
use super::state::{Effect, Event, Pause, State, Trouble, step};
use super::trouble::{told, trouble};
use super::{Arrived, Credentials, Options, Persistence, Status};
use crate::config::MasterAddress;
use crate::transport::{Dial, Link, Pool, Port, Resolve};

/// Publications kept while keys are renewed: libzmq's own high-water mark.
const MOST_HELD: usize = 1000;
/// And their bytes.
const MOST_HELD_BYTES: usize = 64 << 20;
/// When new keys did not help, nobody asks for newer ones before this: noise must not become a storm.
const RENEWAL_REST: Duration = Duration::from_secs(10);
/// A publication that cannot be handed on within this time is dropped.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);
/// The least time between two looks at a master that is another one than it was.
const OTHER_MASTER: Duration = Duration::from_secs(10);
/// How often idle request connections are looked through.
const SWEEP: Duration = Duration::from_secs(10);

pub(super) struct Driver {
    pub(super) address: MasterAddress,
    pub(super) name: String,
    pub(super) options: Options,
    pub(super) persistence: Persistence,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) resolve: Arc<dyn Resolve>,
    pub(super) jobs: mpsc::Sender<Arrived>,
    pub(super) status: watch::Sender<Status>,
    pub(super) live: watch::Sender<Option<Live>>,
    pub(super) wanted: Renewal,
    pub(super) refusal: Arc<Refusal>,
    pub(super) now: Connected,
    /// The trouble that was logged last: the same one at each try would fill the log of a machine whose master
    /// is away for days.
    pub(super) said: Option<Reason>,
}

/// What is there while connected.
#[derive(Default)]
pub(super) struct Connected {
    peer: Option<IpAddr>,
    /// When the answer to the name's lookup ends.
    name_until: Option<Instant>,
    pool: Option<Arc<Pool>>,
    handshake: Option<Handshake>,
    ticket: Option<Ticket>,
    publications: Option<Publications>,
    link: Option<Link>,
    held: VecDeque<Vec<Vec<u8>>>,
    held_bytes: usize,
    /// Since when it is ready; the last renewal that changed nothing.
    ready_since: Option<Instant>,
    vain_renewal: Option<Instant>,
    generation: u64,
    dns_failures: u32,
}

impl Driver {
    /// Lives until it is dropped, or with [`Persistence::UntilLost`] until the master is lost.
    pub(super) async fn run(mut self) {
        let (mut state, mut effects) = (State::Connecting, vec![Effect::Connect]);
        loop {
            let event = self.perform(&state, effects).await;
            let Some((next, wanted)) = step(&state, event.clone(), &self.options.policy) else {
                debug!(
                    state = state.name(),
                    ?event,
                    "Nothing to do about this event."
                );
                effects = Vec::new();
                if !state.is_ready() {
                    // Cannot happen by the table; a pause keeps it from becoming a busy loop if it does.
                    effects = vec![Effect::Wait(Pause::Reconnect)];
                }
                continue;
            };
            self.entered(&state, &next);
            let over = matches!(next, State::Lost(_)) && self.persistence == Persistence::UntilLost;
            (state, effects) = (next, wanted);
            if over {
                self.close();
                return;
            }
        }
    }

    fn entered(&mut self, before: &State, state: &State) {
        if let State::Ready { .. } = state
            && !before.is_ready()
        {
            self.now.ready_since = Some(Instant::now());
        }
        let detail = match state {
            State::Lost(trouble) => Some(trouble.clone()),
            State::Pending(_) => self.status.borrow().trouble.clone(),
            _ => None,
        };
        if before.name() != state.name() {
            match (state, &detail) {
                (State::Lost(trouble), _) if trouble.reason == Reason::NameMoved => {
                    info!(reason = %trouble.reason, "{}", trouble.detail);
                }
                (State::Lost(trouble), _) if self.said == Some(trouble.reason) => {
                    debug!(reason = %trouble.reason, was = before.name(), "{}", trouble.detail);
                }
                (State::Lost(trouble), _) => {
                    warn!(reason = %trouble.reason, was = before.name(), "{}", trouble.detail);
                }
                (State::Pending(_), Some(trouble)) => {
                    warn!(reason = %trouble.reason, "{}", trouble.detail);
                }
                _ => debug!(state = state.name(), "Session moved on."),
            }
        }
        match state {
            State::Ready { .. } => self.said = None,
            State::Lost(trouble) => self.said = Some(trouble.reason),
            _ => {}
        }
        let peer = self.now.peer;
        let refusal = self.refusal.clone();
        self.status.send_modify(|status| {
            if status.state.name() != state.name() {
                status.since = std::time::SystemTime::now();
            }
            status.state = state.clone();
            status.peer = peer;
            if state.is_ready() {
                if !before.is_ready() {
                    status.trouble = refusal.trouble();
                }
            } else if detail.is_some() {
                status.trouble = detail;
            }
        });
    }

    /// Carries effects out; the event that comes of them, or of serving when none does.
    async fn perform(&mut self, state: &State, effects: Vec<Effect>) -> Event {
        let mut renew = false;
        for effect in effects {
            match effect {
                Effect::Close => self.close(),
                Effect::Wait(pause) => {
                    sleep(self.pause(pause)).await;
                    return Event::Woke;
                }
                Effect::Connect => return self.connect().await,
                Effect::Authenticate => return self.authenticate().await,
                Effect::Subscribe => return self.subscribe().await,
                Effect::Renew => renew = true,
            }
        }
        debug_assert!(state.is_ready(), "only a ready session serves");
        self.serve(renew).await
    }

    fn close(&mut self) {
        if self
            .now
            .ready_since
            .is_some_and(|since| since.elapsed() > self.options.reconnect.longest())
        {
            self.options.reconnect.reset();
            self.options.refused.reset();
        }
        self.live.send_replace(None);
        self.now = Connected {
            generation: self.now.generation,
            dns_failures: self.now.dns_failures,
            ..Connected::default()
        };
    }

    fn pause(&mut self, pause: Pause) -> Duration {
        let mut dice = random;
        match pause {
            Pause::None => Duration::ZERO,
            Pause::Acceptance(wait) => wait.mul_f64(0.9 + 0.2 * random()),
            Pause::Reconnect => self.options.reconnect.next(&mut dice),
            Pause::Refused => self.options.refused.next(&mut dice),
            Pause::OtherMaster => self.options.refused.next(&mut dice).max(OTHER_MASTER),
            Pause::Dns => self.options.dns.next(&mut dice),
        }
    }

    async fn connect(&mut self) -> Event {
        let looked_up = timeout(LOOKUP, self.resolve.resolve(&self.address.host)).await;
        let answer = match looked_up {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return self.no_address(trouble(&error, Port::Request)),
            Err(_) => {
                let detail = format!("{} was not resolved in time", self.address.host);
                return self.no_address(Trouble {
                    reason: Reason::Dns,
                    detail,
                });
            }
        };
        self.now.dns_failures = 0;
        self.options.dns.reset();
        let mut last = None;
        for address in &answer.addresses {
            let peer = SocketAddr::new(*address, self.address.port);
            let pool = self.pool(peer);
            match pool.open().await {
                Ok(()) => {
                    self.now.peer = Some(*address);
                    self.now.name_until = answer.valid.map(|valid| Instant::now() + valid);
                    self.now.pool = Some(Arc::new(pool));
                    return Event::Reached;
                }
                Err(error) => last = Some(trouble(&error, Port::Request)),
            }
        }
        Event::Failed(last.unwrap_or_else(|| Trouble {
            reason: Reason::Dns,
            detail: format!("{} has no address", self.address.host),
        }))
    }

    fn no_address(&mut self, mut trouble: Trouble) -> Event {
        self.now.dns_failures = self.now.dns_failures.saturating_add(1);
        if let Some(most) = self
            .options
            .dns_tries
            .filter(|most| self.now.dns_failures >= *most)
        {
            // Salt gives up here. We do not, but say that the operator's patience is over.
            trouble.detail += &format!(" (retry_dns_count {most} is used up; still trying)");
            if self.now.dns_failures == most.max(1) {
                // Only the first trouble of a kind is logged by itself.
                self.said = None;
            }
        }
        Event::Failed(trouble)
    }

    fn pool(&self, peer: SocketAddr) -> Pool {
        let limits = Limits {
            message: MAX_REPLY as u64,
            ..Limits::default()
        };
        let options = &self.options;
        Pool::new(
            self.dial.clone(),
            peer,
            limits,
            options.pool,
            options.connect_timeout,
        )
    }

    async fn subscribe(&mut self) -> Event {
        let connected = self.now.peer.zip(self.now.ticket.as_ref());
        let Some(((peer, ticket), publications)) = connected.zip(self.now.publications.as_ref())
        else {
            return no_connection();
        };
        let port = self.options.publish_port.unwrap_or(ticket.publish_port);
        let role = Role::Sub {
            prefixes: publications.subscriptions(self.options.zmq_filtering),
        };
        let limits = Limits {
            message: MAX_PUBLICATION as u64,
            ..Limits::default()
        };
        let heartbeat = Heartbeat {
            dead_after: self.options.dead_after,
        };
        let peer = SocketAddr::new(peer, port);
        let patience = self.options.connect_timeout;
        match Link::connect(&*self.dial, peer, role, limits, Some(heartbeat), patience).await {
            Ok(link) => {
                if !link.has_heartbeat() {
                    info!(
                        "The master's ZeroMQ answers no PING: a lost connection is found by TCP alone."
                    );
                }
                self.now.link = Some(link);
                Event::Subscribed
            }
            Err(error) => Event::Failed(trouble(&error, Port::Publish)),
        }
    }

    /// Takes publications until something happens that changes the state.
    async fn serve(&mut self, renew: bool) -> Event {
        let (Some(mut link), Some(pool)) = (self.now.link.take(), self.now.pool.clone()) else {
            return no_connection();
        };
        if !renew && let Some(event) = self.held().await {
            self.now.link = Some(link);
            return event;
        }
        let handshake = match renew {
            true if self.wanted.anew.swap(false, Ordering::AcqRel) => match self.terms().await {
                Ok(terms) => Some(begin(terms)),
                Err(trouble) => return Event::Failed(trouble),
            },
            true => self.now.handshake.take(),
            false => None,
        };
        let options = self.options.clone();
        let renewal = renewal(pool.clone(), handshake, &options);
        let (resolve, dial) = (self.resolve.clone(), self.dial.clone());
        let address = self.address.clone();
        let moved = moved(
            &address,
            self.now.peer,
            self.now.name_until,
            &*resolve,
            &*dial,
            options.connect_timeout,
        );
        let (stale, refusal) = (self.wanted.stale.clone(), self.refusal.clone());
        let dead = dead(
            &pool,
            self.options.alive_interval,
            self.options.auth_timeout,
        );
        tokio::pin!(renewal, moved, dead);
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            let full = self.now.held.len() >= MOST_HELD || self.now.held_bytes >= MOST_HELD_BYTES;
            let event = tokio::select! {
                message = link.message(), if !full => match message {
                    Ok(frames) if renew => {
                        self.hold(frames);
                        continue;
                    }
                    Ok(frames) => match self.publication(frames).await {
                        Some(event) => event,
                        None => continue,
                    },
                    Err(error) => Event::Failed(trouble(&error, Port::Publish)),
                },
                (handshake, answer) = &mut renewal => {
                    self.now.handshake = Some(handshake);
                    self.judge(answer).await
                }
                trouble = &mut moved => Event::Failed(trouble),
                trouble = &mut dead => Event::Failed(trouble),
                () = stale.notified(), if !renew => {
                    if !self.may_renew() && !self.wanted.anew.load(Ordering::Acquire) {
                        continue;
                    }
                    Event::KeysStale
                }
                trouble = refusal.changed() => {
                    // Publications still come, and an operator who mends the clock needs them.
                    match &trouble {
                        Some(trouble) => warn!(reason = %trouble.reason, "{}", trouble.detail),
                        None => info!("The master takes our requests again."),
                    }
                    self.status.send_modify(|status| status.trouble = trouble);
                    continue;
                }
                _ = sweep.tick() => {
                    pool.sweep();
                    continue;
                }
            };
            self.now.link = Some(link);
            return event;
        }
    }

    fn hold(&mut self, frames: Vec<Vec<u8>>) {
        self.now.held_bytes += frames.iter().map(Vec::len).sum::<usize>();
        self.now.held.push_back(frames);
    }

    /// Publications that waited for keys.
    async fn held(&mut self) -> Option<Event> {
        while let Some(frames) = self.now.held.pop_front() {
            self.now.held_bytes -= frames.iter().map(Vec::len).sum::<usize>();
            if let Some(event) = self.publication(frames).await {
                return Some(event);
            }
        }
        None
    }

    /// One message of the publisher; an event if keys are needed for it.
    async fn publication(&mut self, frames: Vec<Vec<u8>>) -> Option<Event> {
        let publications = self.now.publications.as_mut()?;
        let parts: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        match publications.receive(&parts) {
            Ok(Received::Job(publication)) => {
                debug!(jid = %publication.jid, fun = publication.fun(), "Publication received.");
                let arrived = Arrived {
                    master: self.name.clone(),
                    load: publication.load,
                };
                // A burst waits here for its turn; but nobody who is stuck may keep us from answering PINGs.
                match self.jobs.send_timeout(arrived, TAKEN_WITHIN).await {
                    Ok(()) => {}
                    Err(SendTimeoutError::Closed(_)) => {
                        debug!("Nobody takes publications any more.");
                    }
                    Err(SendTimeoutError::Timeout(dropped)) => {
                        let jid = dropped.load.get("jid").and_then(Value::as_str);
                        error!(
                            jid,
                            "Too many publications wait already; this one is dropped."
                        );
                    }
                }
                None
            }
            Ok(Received::Ignored(why)) => {
                debug!(?why, "Publication ignored.");
                None
            }
            Err(error) if key_may_be_old(&error) && self.may_renew() => {
                self.now.held_bytes += frames.iter().map(Vec::len).sum::<usize>();
                self.now.held.push_front(frames);
                Some(Event::KeysStale)
            }
            Err(error) => {
                warn!(error = told(&error), "Publication refused.");
                None
            }
        }
    }

    fn may_renew(&self) -> bool {
        self.now
            .vain_renewal
            .is_none_or(|at| at.elapsed() > RENEWAL_REST)
    }
}

fn no_connection() -> Event {
    Event::Failed(Trouble {
        reason: Reason::ConnectionClosed,
        detail: "the connection was closed".to_owned(),
    })
}
