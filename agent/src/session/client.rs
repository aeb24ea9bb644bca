//! Requests over a session: encoded with its keys, repeated after a timeout, and once more after keys were
//! renewed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use salt_wire::channel::request::{Expected, Requests, needs_authentication};
use salt_wire::crypto::{OsRandom, SigAlgo};
use salt_wire::error::{Error, Reason};
use salt_wire::{Map, Value};
use tokio::sync::{Notify, watch};

use super::state::Trouble;
use super::trouble::told;
use crate::transport::Pool;

/// What a session that is let in asks with.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) pool: Arc<Pool>,
    pub(super) keys: Requests,
    /// Counts the keys: a request whose keys are too old waits for a higher one.
    pub(super) generation: u64,
}

/// Whether the master refuses what is made with the very keys that it gave a moment ago.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    stands: AtomicBool,
    changed: Notify,
}

impl Refusal {
    fn set(&self, stands: bool) {
        if self.stands.swap(stands, Ordering::AcqRel) != stands {
            self.changed.notify_one();
        }
    }

    /// After each change, what [`Self::trouble`] says; cancel-safe.
    pub(super) async fn changed(&self) -> Option<Trouble> {
        self.changed.notified().await;
        self.trouble()
    }

    /// The trouble that it is. A new connection alone does not end it: only a request that is taken does.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let detail = "the master lets us in, and refuses requests made with the keys that it has just given: compare \
                      `date -u` here and there (request_server_ttl bounds the difference)";
        self.stands.load(Ordering::Acquire).then(|| Trouble {
            reason: Reason::ClockSkew,
            detail: detail.to_owned(),
        })
    }
}

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one reply, as long as nothing moves.
    pub timeout: Duration,
    /// Tries.
    pub tries: u32,
}

/// Why a request has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// No connection, or no answer.
    #[error("{0}")]
    Unreachable(String),
    /// The master answered, and it is a no, or not to be believed.
    #[error("{0}")]
    Refused(String),
}

/// How a session is told to ask for new keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Renewal {
    /// The master does not take what the present ones make.
    pub(super) stale: Arc<Notify>,
    /// Our own key is another one.
    pub(super) anew: Arc<AtomicBool>,
}

/// Asks one master. Cheap to clone; outlives reconnects of its session.
#[derive(Clone)]
pub struct Client {
    master: Arc<str>,
    live: watch::Receiver<Option<Live>>,
    renewal: Renewal,
    refusal: Arc<Refusal>,
    patience: Patience,
    noted: Arc<Mutex<Option<(u64, bool)>>>,
}

/// A renewal of keys that takes longer than this has failed; so has a reconnect for who waits with a request.
const RECOVERY: Duration = Duration::from_secs(30);

impl Client {
    pub(super) fn new(
        master: &str,
        live: watch::Receiver<Option<Live>>,
        renewal: Renewal,
        refusal: Arc<Refusal>,
        patience: Patience,
    ) -> Self {
        Self {
            master: master.into(),
            live,
            renewal,
            refusal,
            patience,
            noted: Arc::default(),
        }
    }

    /// The master's name.
    pub fn master(&self) -> &str {
        &self.master
    }

    /// The usual patience (`request_channel_timeout`, `request_channel_tries`).
    pub const fn patience(&self) -> Patience {
        self.patience
    }

    /// Why the master takes no request of ours although it has let us in.
    pub fn trouble(&self) -> Option<Trouble> {
        self.refusal.trouble()
    }

    /// What was noted of the master as long as we have the keys that we have: whoever installs another release of it
    /// restarts it, which gives us others.
    pub fn noted(&self) -> Option<bool> {
        let noted = *self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted
            .filter(|(keys, _)| Some(*keys) == self.keys())
            .map(|(_, what)| what)
    }

    /// Notes it.
    pub fn note(&self, what: bool) {
        let keys = self.keys();
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = keys.map(|keys| (keys, what));
    }

    fn keys(&self) -> Option<u64> {
        self.live.borrow().as_ref().map(|live| live.generation)
    }

    /// Our own key is another one: the session asks for keys with it, and goes on.
    pub fn renew(&self) {
        self.renewal.anew.store(true, Ordering::Release);
        self.renewal.stale.notify_one();
    }

    /// Sends a load and gives the decrypted reply.
    pub async fn request(&self, load: Map, patience: Patience) -> Result<Value, RequestError> {
        self.ask(Arc::new(load), patience, None, |expected, bytes| {
            expected.reply(bytes)
        })
        .await
    }

    /// The same, signed with this algorithm or not at all, whatever `minion_sign_messages` says.
    pub async fn request_signed(
        &self,
        load: Arc<Map>,
        patience: Patience,
        sign: Option<SigAlgo>,
    ) -> Result<Value, RequestError> {
        self.ask(load, patience, Some(sign), |expected, bytes| {
            expected.reply(bytes)
        })
        .await
    }

    /// Sends a `_pillar` load and gives the proven pillar.
    pub async fn pillar(&self, load: Map, patience: Patience) -> Result<Map, RequestError> {
        self.ask(Arc::new(load), patience, None, |expected, bytes| {
            expected.pillar(bytes, &mut OsRandom)
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        load: Arc<Map>,
        patience: Patience,
        sign: Option<Option<SigAlgo>>,
        open: fn(&Expected, &[u8]) -> Result<T, Error>,
    ) -> Result<T, RequestError> {
        let mut renewed = false;
        let mut tries = 0;
        let mut above = 0;
        loop {
            let live = self.live(above).await?;
            let keys = match sign {
                Some(sign) => live.keys.signing(sign),
                None => live.keys.clone(),
            };
            let (bytes, expected) = encode(keys, load.clone()).await?;
            tries += 1;
            let reply = match live.pool.request(&bytes, patience.timeout).await {
                Ok(reply) => reply,
                Err(_) if tries < patience.tries => continue,
                Err(error) => return Err(RequestError::Unreachable(told(&error))),
            };
            let opened = tokio::task::spawn_blocking(move || open(&expected, &reply))
                .await
                .map_err(|e| RequestError::Unreachable(e.to_string()))?;
            match opened {
                Ok(value) => {
                    self.refusal.set(false);
                    return Ok(value);
                }
                Err(error) if needs_authentication(&error) && !renewed && self.is_renewed() => {
                    renewed = true;
                    above = live.generation;
                    // The session asks for new keys, unless it has done so since.
                    if self
                        .live
                        .borrow()
                        .as_ref()
                        .is_some_and(|l| l.generation == above)
                    {
                        self.renewal.stale.notify_one();
                    }
                }
                Err(error) => {
                    if matches!(&error, Error::Refused { answer, .. } if answer == BAD_LOAD) {
                        self.refusal.set(true);
                    }
                    return Err(RequestError::Refused(told(&error)));
                }
            }
        }
    }

    /// Whether somebody asks for new keys when these are old: nobody does for a mere look at a master.
    fn is_renewed(&self) -> bool {
        self.live.has_changed().is_ok()
    }

    /// The keys, newer than `above`.
    async fn live(&self, above: u64) -> Result<Live, RequestError> {
        let newer = |live: &Option<Live>| live.as_ref().is_some_and(|l| l.generation > above);
        let mut live = self.live.clone();
        let closed =
            || RequestError::Unreachable(format!("no session with master {}", self.master));
        match tokio::time::timeout(RECOVERY, live.wait_for(newer)).await {
            Ok(Ok(live)) => live.clone().ok_or_else(closed),
            _ => Err(closed()),
        }
    }
}

/// A master's words for a request that it does not take.
const BAD_LOAD: &str = "bad load";

async fn encode(keys: Requests, load: Arc<Map>) -> Result<(Vec<u8>, Expected), RequestError> {
    let work = move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        keys.encode(&load, now.map_or(0, |d| d.as_secs()), &mut OsRandom)
    };
    let encoded = tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| RequestError::Unreachable(e.to_string()))?;
    encoded.map_err(|e| RequestError::Refused(told(&e)))
}
