//! From a publication to its return: does it target this minion, was it here already, may it run, and
//! then its function on a thread of its own, its outcome in the spool.
//!
//! `crate::targeting` decides whether a job is ours, `guard.rs` whether it is allowed, `table.rs` keeps account
//! of what runs and waits, `functions.rs` finds and calls the function, `run.rs` carries one job through,
//! `scheduled.rs` one of the schedule.
//! One more rule about what may run goes to `guard.rs`.

pub mod functions;
pub mod guard;
#[cfg(test)]
mod oracle_tests;
mod run;
mod scheduled;
pub mod table;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use salt_wire::Value;
use tokio::sync::watch;
use tracing::{debug, info, warn};

pub use functions::Registry;
pub use table::{Jobs, Publication};

use crate::config::Settings;
use crate::context::{Context, Master};
use crate::highstate::last::LastHighstate;
use crate::returns::Spool;
use crate::targeting::Target;
use table::{Admission, jid};

/// Gives the connection to a master by the name that a [`Publication`] has.
pub trait Masters: Send + Sync {
    /// The connection, if there is one at the moment.
    fn link(&self, master: &str) -> Option<Arc<dyn Master>>;

    /// Why this master must not change states at the moment: another one is the active one.
    fn bystander(&self, master: &str) -> Option<String> {
        let _ = master;
        None
    }
}

/// Functions that are answered at once, whatever runs or waits: the master asks them to see whether a job
/// lives, and an operator to end one. They never block.
const AT_ONCE: &[&str] = &[
    "saltutil.find_job",
    "saltutil.running",
    "saltutil.is_running",
    "saltutil.kill_job",
    "saltutil.term_job",
    "saltutil.signal_job",
    "saltutil.kill_all_jobs",
    "saltutil.term_all_jobs",
];

/// Takes publications and sees them through. Clones are the same dispatcher.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    base: RwLock<Context>,
    masters: Arc<dyn Masters>,
    jobs: Arc<Jobs>,
    spool: Arc<Spool>,
    startup: watch::Sender<Option<LastHighstate>>,
}

impl Dispatcher {
    /// How the startup states ended, once they have.
    pub fn startup_states(&self) -> watch::Receiver<Option<LastHighstate>> {
        self.inner.startup.subscribe()
    }

    /// A dispatcher whose jobs see `base` (with their own job and master put in). Jobs that an earlier run
    /// left in the queue start with [`Dispatcher::resume`].
    pub fn new(
        base: Context,
        masters: Arc<dyn Masters>,
        jobs: Arc<Jobs>,
        spool: Arc<Spool>,
    ) -> Self {
        // Before anybody can send what an earlier run left: what had ended is not interrupted.
        jobs.forget_interrupted(|job| spool.holds(&job.master, jid(&job.load)));
        let inner = Arc::new(Inner {
            base: RwLock::new(base),
            masters,
            jobs,
            spool,
            startup: watch::Sender::new(None),
        });
        let watcher = inner.clone();
        let watch = move || {
            while let Some(overdue) = watcher.jobs.overdue() {
                watcher.end(overdue);
            }
        };
        if let Err(error) = thread::Builder::new()
            .name("overdue".into())
            .stack_size(256 << 10)
            .spawn(watch)
        {
            warn!(%error, "No thread for time limits and kills: jobs end by themselves only.");
        }
        Self { inner }
    }

    /// New settings (and with them everything else of the base) for the jobs to come.
    pub fn set_base(&self, base: Context) {
        *self
            .inner
            .base
            .write()
            .unwrap_or_else(PoisonError::into_inner) = base;
    }

    /// Takes one publication; true when it is for this minion and new. Returns as soon as its thread runs.
    pub fn submit(&self, mut publication: Publication) -> bool {
        let load = &publication.load;
        if ["tgt", "jid", "fun", "arg"]
            .iter()
            .any(|key| !load.contains_key(*key))
        {
            debug!(
                jid = jid(load),
                "A publication without tgt, jid, fun or arg is no job."
            );
            return false;
        }
        let base = self.inner.base();
        if !Target::of(&base).matches_load(load) {
            return false;
        }
        // What a minion of 3008 notes about resources that it manages for others; we manage none.
        let load = &mut publication.load;
        load.insert("resource_targets".into(), Value::List(Vec::new()));
        load.insert("pure_resource_target".into(), false.into());
        load.insert("minion_is_target".into(), true.into());
        let load = &publication.load;
        if jid(load) != "req" && self.inner.jobs.seen(jid(load)) {
            debug!(jid = jid(load), "This job came already.");
            return false;
        }
        let user = load.get("user").and_then(Value::as_str).unwrap_or("");
        info!(
            jid = jid(load),
            fun = ?load["fun"],
            user,
            master = publication.master,
            "Job accepted."
        );
        if load["fun"].as_str().is_some_and(|f| AT_ONCE.contains(&f)) {
            self.inner.answer(&publication);
            return true;
        }
        match self
            .inner
            .jobs
            .admit(publication.clone(), base.settings.agent.job_timeout)
        {
            Admission::Run(running) => {
                self.inner.clone().spawn(running);
            }
            Admission::Queued => {}
            Admission::Refused => self.inner.refuse(&publication),
        }
        true
    }

    /// Answers for the jobs that ended with an earlier run, and starts what that left in the queue, as far as there
    /// is room.
    pub fn resume(&self) {
        for interrupted in self.inner.jobs.take_interrupted() {
            self.inner.answer_interrupted(interrupted);
        }
        let limit = self.inner.base().settings.agent.job_timeout;
        while let Some(running) = self.inner.jobs.next(limit) {
            if !self.inner.clone().spawn(running) {
                return;
            }
        }
    }

    /// The job table.
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.inner.jobs
    }

    /// The spool.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.inner.spool
    }
}

impl Inner {
    fn base(&self) -> Context {
        self.base
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How many jobs the settings allow at once: Salt's limit, if it is the lower one.
pub fn most_jobs(settings: &Settings) -> usize {
    let own = settings.agent.max_jobs;
    settings
        .jobs
        .process_count_max
        .map_or(own, |max| max.min(own))
}
