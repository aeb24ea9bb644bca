//! The sessions that the daemon has now, and how it comes to other ones: at SIGHUP, and in a remaster,
//! where those that stay must not be interrupted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Daemon;
use super::sessions::{Parts, Sessions};
use super::welcome;
use crate::config::MasterType;
use crate::notify::Pulses;
use crate::session::Arrived;

/// Whoever holds the sessions.
pub(super) struct Crew {
    daemon: Arc<Daemon>,
    jobs: mpsc::Sender<Arrived>,
    pulses: Arc<Pulses>,
    now: Mutex<Option<Now>>,
}

struct Now {
    sessions: Arc<Sessions>,
    living: JoinHandle<()>,
}

impl Drop for Now {
    fn drop(&mut self) {
        self.living.abort();
    }
}

impl Crew {
    /// No sessions yet.
    pub(super) fn new(
        daemon: Arc<Daemon>,
        jobs: mpsc::Sender<Arrived>,
        pulses: Arc<Pulses>,
    ) -> Self {
        Self {
            daemon,
            jobs,
            pulses,
            now: Mutex::new(None),
        }
    }

    /// The sessions as they are now.
    pub(super) fn sessions(&self) -> Option<Arc<Sessions>> {
        self.now().as_ref().map(|now| now.sessions.clone())
    }

    /// Lives the present settings, with new sessions only.
    pub(super) fn start(&self) {
        let mut now = self.now();
        self.daemon.links.set_active(self.names());
        if let Some(old) = now.take() {
            old.living.abort();
            old.sessions.close_all();
        }
        *now = Some(self.living(self.open()));
    }

    /// Lives the present settings; all sessions that are open stay, those that the settings name as theirs.
    pub(super) fn take_over(&self) {
        let mut now = self.now();
        self.daemon.links.set_active(self.names());
        let sessions = self.open();
        if let Some(old) = now.take() {
            old.living.abort();
            sessions.take_over(&old.sessions);
        }
        *now = Some(self.living(sessions));
    }

    /// Stops opening sessions; those that are open live on.
    pub(super) fn rest(&self) {
        if let Some(now) = &*self.now() {
            now.living.abort();
        }
    }

    /// Closes everything.
    pub(super) fn close(&self) {
        if let Some(now) = self.now().take() {
            now.sessions.close_all();
        }
    }

    /// The names of the masters in the settings.
    pub(super) fn configured(&self) -> BTreeSet<String> {
        self.names().into_iter().collect()
    }

    /// Those that should have a session: all of them, or with failover the one that is lived with.
    pub(super) fn wanted(&self) -> BTreeSet<String> {
        let kind = self.daemon.settings().master.kind;
        let mut names = self.names();
        if kind == MasterType::Failover || kind == MasterType::Distributed {
            let open = |name: &String| self.daemon.links.get(name).is_some();
            names = names.into_iter().filter(open).take(1).collect();
        }
        names.into_iter().collect()
    }

    /// Closes one session.
    pub(super) fn dismiss(&self, name: &str) {
        if let Some(now) = &*self.now() {
            now.sessions.close_named(name);
        }
    }

    fn names(&self) -> Vec<String> {
        let settings = self.daemon.settings();
        let addresses = settings.master.addresses.iter();
        addresses.map(ToString::to_string).collect()
    }

    fn open(&self) -> Arc<Sessions> {
        let shared = self.daemon.clone();
        Arc::new(Sessions::new(Parts {
            settings: self.daemon.settings(),
            pair: self.daemon.pair.clone(),
            links: self.daemon.links.clone(),
            facts: self.daemon.facts.clone(),
            jobs: self.jobs.clone(),
            attend: Arc::new(move |session| welcome::attend(&shared, session)),
            pulses: self.pulses.clone(),
            started: self.daemon.started,
        }))
    }

    fn living(&self, sessions: Arc<Sessions>) -> Now {
        let living = tokio::spawn(sessions.clone().run());
        Now { sessions, living }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Option<Now>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
