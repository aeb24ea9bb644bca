//! What one running function may see and touch: the machine, the settings, grains and pillar, its job,
//! its master, and the daemon's own services. Functions are synchronous; each runs on a thread of its own.

pub mod arguments;
pub mod error;
pub mod job;
pub mod merge;
pub mod ran;
pub mod signature;
pub mod worker;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use salt_wire::{Map, Value};

pub use error::Error;
pub use job::Job;
pub use ran::Ran;
pub use signature::{Args, Signature};
pub use worker::Worker;

pub use crate::python;

use crate::config::Settings;
use crate::host::Host;
use crate::host::program::Programs;

/// Result of an execution function.
pub type Result<T = Value> = std::result::Result<T, Error>;

/// Everything that a function gets. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The machine.
    pub host: Host,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Grains and pillar as they are now.
    pub facts: Arc<Facts>,
    /// The job that this call belongs to.
    pub job: Arc<Job>,
    /// The master that asked; `None` with `--local` or `file_client: local`.
    pub master: Option<Arc<dyn Master>>,
    /// Other functions, by name: for Jinja's `salt`, `module.run`, `onlyif` and the like.
    pub functions: Arc<dyn Functions>,
    /// The daemon around us; in `salt-agent call` a stand-in that serves what a single call can.
    pub minion: Arc<dyn Minion>,
    /// Salt's own functions, for what is not native.
    pub worker: Arc<dyn Worker>,
}

impl Context {
    /// Calls another function by its name.
    pub fn call(&self, function: &str, args: &[Value], kwargs: &Map) -> Result {
        self.functions.call(self, function, args, kwargs)
    }

    /// Programs of the system, ended with this job.
    pub fn programs(&self) -> Programs<'_> {
        Programs::new(&self.host, &self.job.cancel)
    }

    /// The options as functions return them: with grains and pillar, as a running minion's have.
    pub fn opts(&self) -> Map {
        let mut opts = self.settings.opts.clone();
        opts.insert("grains".into(), self.facts.grains().as_ref().clone().into());
        opts.insert("pillar".into(), self.facts.pillar().as_ref().clone().into());
        let file = opts.get("conf_file").and_then(Value::as_str);
        if let Some(dir) = file.and_then(|f| Path::new(f).parent()) {
            opts.insert("config_dir".into(), dir.display().to_string().into());
        }
        opts
    }
}

/// Requests to the master that the job came from, sent and answered in the caller's thread.
pub trait Master: Send + Sync {
    /// Sends one load (`cmd` and its fields; the channel adds nonce, id, ts, tok) and waits for the answer.
    fn request(&self, load: Map) -> std::result::Result<Value, MasterError>;
    /// Asks for the pillar, proven and decrypted.
    fn pillar(&self, load: Map) -> std::result::Result<Map, MasterError>;
    /// Whether it registers resources, as masters do from 3008 on: nothing else that they say tells their release.
    fn registers_resources(&self) -> std::result::Result<bool, MasterError>;
}

/// Why the master gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MasterError {
    /// It did not answer in time or the connection is down.
    #[error("master {master} did not answer: {detail}")]
    Unreachable {
        /// Its address.
        master: String,
        /// What was tried.
        detail: String,
    },
    /// It answered, and refused.
    #[error("master {master} refused the request: {detail}")]
    Refused {
        /// Its address.
        master: String,
        /// Its words.
        detail: String,
    },
}

/// Calls execution functions by name.
pub trait Functions: Send + Sync {
    /// Calls `fun`; keyword arguments apart from positional ones.
    fn call(&self, ctx: &Context, fun: &str, args: &[Value], kwargs: &Map) -> Result;
    /// Whether `fun` can be called here.
    fn has(&self, ctx: &Context, fun: &str) -> bool;
    /// Whether there are functions of this module.
    fn has_module(&self, ctx: &Context, module: &str) -> bool;
}

/// Services of the running daemon.
pub trait Minion: Send + Sync {
    /// The loads of running and queued jobs, each with `pid`.
    fn running(&self) -> Vec<Map>;
    /// Sends a signal to a job: Salt's answer text, `None` for an unknown jid.
    fn signal_job(&self, jid: &str, signal: i32) -> Option<String>;
    /// Reads grains anew (and the pillar, which depends on them).
    fn refresh_grains(&self, ctx: &Context) -> Result<()>;
    /// Fetches the pillar anew.
    fn refresh_pillar(&self, ctx: &Context) -> Result<()>;
    /// Fires an event on the minion's own bus and, if it is one that concerns the daemon, acts on it.
    fn fire(&self, tag: &str, data: Map);
    /// The schedule, changed in place by `schedule.*`; persisted by the daemon.
    fn service(&self, name: &str, request: Map) -> Result;
}

#[derive(Default)]
struct Grains {
    now: Arc<Map>,
    /// Whether all of them are there, however few: a daemon collects them beside its first connections.
    are_collected: bool,
}

/// Grains and pillar, replaced as a whole when they are refreshed.
#[derive(Default)]
pub struct Facts {
    grains: Mutex<Grains>,
    grains_there: Condvar,
    pillar: RwLock<Arc<Map>>,
}

impl Facts {
    /// Facts that are whole.
    pub fn new(grains: Map, pillar: Map) -> Self {
        let grains = Grains {
            now: Arc::new(grains),
            are_collected: true,
        };
        Self {
            grains: Mutex::new(grains),
            grains_there: Condvar::new(),
            pillar: RwLock::new(Arc::new(pillar)),
        }
    }

    /// The grains as they are now.
    pub fn grains(&self) -> Arc<Map> {
        self.lock().now.clone()
    }

    /// The grains, once all are there; blocks while they are collected, for so long.
    pub fn collected(&self, patience: Duration) -> Arc<Map> {
        let waited = self
            .grains_there
            .wait_timeout_while(self.lock(), patience, |grains| !grains.are_collected);
        waited.unwrap_or_else(PoisonError::into_inner).0.now.clone()
    }

    /// All grains are there.
    pub fn are_collected(&self) {
        self.lock().are_collected = true;
        self.grains_there.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Grains> {
        self.grains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pillar as it is now.
    pub fn pillar(&self) -> Arc<Map> {
        self.pillar
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts new grains in place.
    pub fn set_grains(&self, grains: Map) {
        self.lock().now = Arc::new(grains);
    }

    /// Puts a new pillar in place.
    pub fn set_pillar(&self, pillar: Map) {
        *self.pillar.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pillar);
    }
}
