//! One connection to one master: let in, listening, asking; found dead in time and built anew.
//!
//! ```text
//! connecting → authenticating → subscribing → ready ⇄ (renewing keys)
//!     ↑              ↕ pending                   ↓
//!     └───────────── lost ←──────────────────────┘   (from each state, with a reason)
//! ```
//!
//! [`state`] holds the states and the table, [`driver`](self) carries out what it wants, [`Client`] asks,
//! [`Backoff`](backoff::Backoff) spaces the tries, [`masters`] says which master is next. A new state:
//! `state.rs`, its table test, and `driver.rs`.

pub mod backoff;
mod beside;
mod client;
mod driver;
#[cfg(test)]
mod fake;
mod introduce;
pub mod masters;
mod options;
pub mod state;
#[cfg(test)]
mod tests;
mod trouble;
mod way;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use salt_wire::channel::handshake::{Terms, Ticket};
use salt_wire::channel::trust::Distrust;
use salt_wire::crypto::{Fingerprint, PublicKey};
use salt_wire::frame::Version;
use salt_wire::{Map, Value, map};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::Instrument;

pub use beside::MAX_ANSWER;
pub use client::{Client, Patience, RequestError};
use client::{Refusal, Renewal};
pub use introduce::introduce;
pub use options::Options;
pub use state::{State, Trouble};
pub use trouble::{told, trouble};
pub use way::{dial, resolver};

use crate::config::MasterAddress;
use crate::transport::{BoxFuture, Dial, Resolve};

/// A decrypted and proven publication.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    /// The session's name.
    pub master: String,
    /// Its load.
    pub load: Map,
}

/// Our key pair and what speaks for the master's key. Called from blocking threads.
pub trait Credentials: Send + Sync {
    /// What to bring to the master; read anew for each connection.
    fn terms(&self) -> Result<Terms, Trouble>;
    /// The master proved everything: its key may be stored now.
    fn remember(&self, ticket: &Ticket) -> Result<(), Trouble>;
    /// What to do about a key that is not believed.
    fn advice(&self, distrust: &Distrust) -> String;
    /// What to bring to a master that refuses this key of ours, if there is another one: in the middle of a rotation
    /// it may hold that by now.
    fn other_terms(&self, _refused: &PublicKey) -> Option<Terms> {
        None
    }
    /// The master let us in with this key after it refused another one: it is ours from now on.
    fn take_other(&self, _taken: &PublicKey) -> Result<(), Trouble> {
        Ok(())
    }
}

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Never.
    Forever,
    /// At the first loss: somebody else knows what comes next.
    UntilLost,
}

/// Where a session stands, for whoever wants to know.
#[derive(Debug, Clone)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Since when it has this name.
    pub since: SystemTime,
    /// The address in use.
    pub peer: Option<IpAddr>,
    /// The authentication version that the master speaks.
    pub version: Option<Version>,
    /// Fingerprint of its key, once it is believed.
    pub fingerprint: Option<Fingerprint>,
    /// What keeps it from being ready, or from being of use although it is.
    pub trouble: Option<Trouble>,
}

/// Everything that a session is made of.
pub struct Setup {
    /// The master.
    pub address: MasterAddress,
    /// The options.
    pub options: Options,
    /// When it ends.
    pub persistence: Persistence,
    /// Keys.
    pub credentials: Arc<dyn Credentials>,
    /// Opens connections.
    pub dial: Arc<dyn Dial>,
    /// Looks names up.
    pub resolve: Arc<dyn Resolve>,
    /// Takes publications.
    pub jobs: mpsc::Sender<Arrived>,
    /// Runs in the session's own task: a sign of life, until it is dropped.
    pub beside: BoxFuture<'static, ()>,
}

/// A running session; dropping it ends it.
pub struct Session {
    name: String,
    address: MasterAddress,
    status: watch::Receiver<Status>,
    client: Client,
    task: JoinHandle<()>,
}

impl Session {
    /// Starts a session.
    pub fn start(setup: Setup) -> Self {
        let name = setup.address.to_string();
        let (status_in, status) = watch::channel(Status {
            state: State::Connecting,
            since: SystemTime::now(),
            peer: None,
            version: None,
            fingerprint: None,
            trouble: None,
        });
        let (live_in, live) = watch::channel(None);
        let wanted = Renewal::default();
        let patience = Patience {
            timeout: setup.options.request_timeout,
            tries: setup.options.request_tries,
        };
        let refusal = Arc::new(Refusal::default());
        let client = Client::new(&name, live, wanted.clone(), refusal.clone(), patience);
        let driver = driver::Driver {
            address: setup.address.clone(),
            name: name.clone(),
            options: setup.options,
            persistence: setup.persistence,
            credentials: setup.credentials,
            dial: setup.dial,
            resolve: setup.resolve,
            jobs: setup.jobs,
            status: status_in,
            live: live_in,
            wanted,
            refusal,
            now: driver::Connected::default(),
            said: None,
        };
        let span = tracing::info_span!("session", master = %name);
        Self {
            name,
            address: setup.address,
            status,
            client,
            task: tokio::spawn(both(driver, setup.beside).instrument(span)),
        }
    }

    /// The name that its publications carry: host and port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The master.
    pub const fn address(&self) -> &MasterAddress {
        &self.address
    }

    /// Where it stands; the sender is gone when the session has ended.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Asks the master.
    pub fn client(&self) -> Client {
        self.client.clone()
    }
}

/// One task for both, so that what runs beside the driver stops when the driver blocks.
async fn both(driver: driver::Driver, beside: BoxFuture<'static, ()>) {
    tokio::select! {
        () = driver.run() => {}
        () = async { beside.await; std::future::pending().await } => {}
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The one request that needs no key: is anybody there?
pub fn clear_ping() -> Vec<u8> {
    let load = map! { "cmd" => "ping" };
    let version = u64::from(Version::V3.number());
    Value::Map(map! { "enc" => "clear", "load" => load, "version" => version }).to_msgpack()
}
