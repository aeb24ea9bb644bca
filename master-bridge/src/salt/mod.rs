//! A Salt master, as the commands see it: behind the trait [`Master`].
//!
//! `local.rs` is the master on this host (root key, clear requests, event bus), `api/` one behind a salt-api; `way.rs`
//! is the choice between them. `bus.rs` (frames of the event bus), `wait.rs` (who is waited
//! for, and how long) and `config.rs` hold no sockets and are tested by themselves.

mod answer;
pub mod api;
pub mod autosign;
pub mod bus;
pub mod config;
pub mod job;
pub mod keyfile;
pub mod keys;
pub mod local;
mod request;
pub mod target;
pub mod wait;
mod way;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use salt_wire::crypto::{Fingerprint, HashType, PublicKey};
use salt_wire::{Map, Value};

use crate::error::Result;
pub use autosign::Autosign;
pub use bus::Event;
pub use config::MasterConfig;
pub use local::Local;
pub use target::Target;
pub use way::Way;

/// A future of a trait that must work behind `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// What one can ask of a master. Every call has a deadline of its own.
pub trait Master {
    /// What to call it in messages.
    fn name(&self) -> String;

    /// Calls a wheel function with positional arguments and gives its return value.
    fn wheel<'a>(&'a mut self, fun: &'a str, args: Vec<Value>) -> Pending<'a, Value>;

    /// Publishes a job. The event bus is attached before, so no return can be missed.
    fn publish<'a>(&'a mut self, job: &'a Job) -> Pending<'a, Published>;

    /// Calls a runner with keyword arguments and waits for its return value. Some masters say nothing at
    /// all about a runner that does not exist: the deadline is the only sign.
    fn runner<'a>(&'a mut self, fun: &'a str, kwargs: Map, within: Duration) -> Pending<'a, Value>;

    /// Puts a minion's public key among the accepted ones, if it can be before the minion comes.
    fn install_key<'a>(&'a mut self, key: &'a keys::Key) -> Pending<'a, ()>;

    /// The next event of the bus, or `None` after this long. Attaches the bus if need be.
    fn event(&mut self, within: Duration) -> Pending<'_, Option<Event>>;

    /// How long minions may take to answer, and to say that they still work: the master's own settings if they are known.
    fn patience(&self) -> (Duration, Duration);

    /// Where it looks for enrolment tokens, if its files are ours to write.
    fn autosign(&self) -> Result<Autosign>;

    /// How minions find it and know it.
    fn reach(&mut self) -> Pending<'_, Reach>;
}

/// How minions find a master and know it.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The key that it shows them.
    pub key: PublicKey,
    /// The address that it listens on; one of this host if it listens on all.
    pub address: String,
    /// Its request port.
    pub ret_port: u16,
    /// Its publish port.
    pub publish_port: u16,
}

impl Reach {
    /// The fingerprint that minions pin.
    pub fn finger(&self) -> Fingerprint {
        self.key.fingerprint(HashType::Sha256)
    }
}

/// A job to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Who.
    pub target: Target,
    /// What.
    pub fun: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map,
}

impl Job {
    /// A job without arguments for exactly these minions.
    pub fn for_ids<S: AsRef<str>>(ids: &[S], fun: &str) -> Self {
        Self {
            target: Target::list(ids),
            fun: fun.to_owned(),
            args: Vec::new(),
            kwargs: Map::new(),
        }
    }

    /// The arguments as they travel: keyword arguments are a last, marked map.
    pub fn wire_args(&self) -> Value {
        let mut args = self.args.clone();
        if !self.kwargs.is_empty() {
            let mut kwargs = salt_wire::map! {"__kwarg__" => true};
            kwargs.extend(self.kwargs.clone());
            args.push(kwargs.into());
        }
        Value::List(args)
    }
}

/// A published job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub jid: String,
    /// Who is expected to answer.
    pub minions: Vec<String>,
    /// Who was named and has no accepted key.
    pub missing: Vec<String>,
}
