//! The sessions of a configuration: all masters at once, or one at a time with the next when it is lost.
//! And one more beside them whenever somebody opens it: a candidate of a remaster.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use salt_wire::zmtp::Limits;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};
use tracing::{Instrument, info, warn};

use super::console;
use super::credentials::{Credentials, Pair};
use super::links::Links;
use crate::config::{MasterAddress, MasterType, Settings};
use crate::context::Facts;
use crate::keys;
use crate::notify::{Pulse, Pulses};
use crate::session::backoff::{Backoff, random};
use crate::session::masters::Failover;
use crate::session::{self, Arrived, Options, Persistence, Session, Setup, Status};
use crate::transport::{Dial, Pool, Resolve};

/// What attends a session from the day it is opened: sends returns, greets the master when it is ready.
pub(super) type Attend = Arc<dyn Fn(&Session) -> JoinHandle<()> + Send + Sync>;

/// Opens and closes sessions.
pub struct Sessions {
    pub(super) settings: Arc<Settings>,
    pub(super) pair: Arc<Pair>,
    pub(super) links: Arc<Links>,
    pub(super) facts: Arc<Facts>,
    pub(super) jobs: mpsc::Sender<Arrived>,
    pub(super) attend: Attend,
    pub(super) pulses: Arc<Pulses>,
    pub(super) started: Instant,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) resolve: Arc<dyn Resolve>,
    open: Mutex<BTreeMap<String, Held>>,
}

struct Held {
    session: Session,
    credentials: Arc<Credentials>,
    attendant: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.attendant.abort();
    }
}

/// What [`Sessions`] is made of.
pub(super) struct Parts {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Our key pair.
    pub pair: Arc<Pair>,
    /// Where sessions are made known.
    pub links: Arc<Links>,
    /// Grains, for masters that accept by them.
    pub facts: Arc<Facts>,
    /// Takes publications.
    pub jobs: mpsc::Sender<Arrived>,
    /// Attends each session.
    pub attend: Attend,
    /// Signs of life.
    pub pulses: Arc<Pulses>,
    /// When the daemon started.
    pub started: Instant,
}

impl Sessions {
    /// Sessions over TCP and the system's resolvers.
    pub(super) fn new(parts: Parts) -> Self {
        let settings = parts.settings;
        Self {
            dial: Arc::new(session::dial(&settings)),
            resolve: Arc::new(session::resolver(&settings)),
            settings,
            pair: parts.pair,
            links: parts.links,
            facts: parts.facts,
            jobs: parts.jobs,
            attend: parts.attend,
            pulses: parts.pulses,
            started: parts.started,
            open: Mutex::default(),
        }
    }

    /// Opens a session; one to the same master that is open already is closed. `masters` says what speaks
    /// for the master's key.
    pub fn open(
        &self,
        address: &MasterAddress,
        rank: usize,
        persistence: Persistence,
        masters: keys::Masters,
    ) -> watch::Receiver<Status> {
        let options = Options::of(&self.settings);
        self.open_with(address, rank, persistence, masters, options)
    }

    /// Opens the candidate of a remaster beside the others. It comes after all of them until it is promoted.
    pub fn open_candidate(
        &self,
        address: &MasterAddress,
        publish_port: u16,
        masters: keys::Masters,
    ) {
        // The order's port and no other: what is proven in the trial is what the configuration will say.
        let options = self.options(publish_port);
        self.open_with(address, usize::MAX, Persistence::Forever, masters, options);
    }

    /// A session to a master that was left, for what it is still owed: nobody else knows of it, and what it publishes
    /// is not heard.
    pub(super) fn part(
        &self,
        address: &MasterAddress,
        publish_port: u16,
        masters: keys::Masters,
    ) -> Session {
        let credentials = Arc::new(self.credentials(address, masters));
        let (jobs, _) = mpsc::channel(1);
        let options = self.options(publish_port);
        self.session(credentials, Persistence::Forever, options, jobs)
    }

    fn options(&self, publish_port: u16) -> Options {
        Options {
            publish_port: Some(publish_port),
            ..Options::of(&self.settings)
        }
    }

    fn session(
        &self,
        credentials: Arc<Credentials>,
        persistence: Persistence,
        options: Options,
        jobs: mpsc::Sender<Arrived>,
    ) -> Session {
        let address = credentials.address.clone();
        let pulse = self.pulses.add(&format!("session {address}"), self.started);
        Session::start(Setup {
            address,
            options,
            persistence,
            credentials,
            dial: self.dial.clone(),
            resolve: self.resolve.clone(),
            jobs,
            beside: Box::pin(beside(pulse)),
        })
    }

    fn open_with(
        &self,
        address: &MasterAddress,
        rank: usize,
        persistence: Persistence,
        masters: keys::Masters,
        options: Options,
    ) -> watch::Receiver<Status> {
        let credentials = Arc::new(self.credentials(address, masters));
        let name = address.to_string();
        let session = self.session(credentials.clone(), persistence, options, self.jobs.clone());
        let status = session.status();
        self.links.add(&session, rank);
        let attendant = (self.attend)(&session);
        // It ends with the session, whose last state it has told by then.
        tokio::spawn(console::tell(
            self.settings.clone(),
            self.pair.clone(),
            name.clone(),
            status.clone(),
        ));
        let held = Held {
            session,
            credentials,
            attendant,
        };
        self.held().insert(name, held);
        status
    }

    /// What a session would bring to this master.
    pub(super) fn credentials(
        &self,
        address: &MasterAddress,
        masters: keys::Masters,
    ) -> Credentials {
        Credentials {
            settings: self.settings.clone(),
            pair: self.pair.clone(),
            masters: RwLock::new(masters),
            address: address.clone(),
            facts: self.facts.clone(),
        }
    }

    /// The status of a session that is open.
    pub(super) fn status_of(&self, name: &str) -> Option<watch::Receiver<Status>> {
        self.held().get(name).map(|held| held.session.status())
    }

    /// Closes a session.
    pub fn close(&self, address: &MasterAddress) {
        self.close_named(&address.to_string());
    }

    /// Closes a session by its name.
    pub(super) fn close_named(&self, name: &str) {
        self.links.remove(name);
        if let Some(held) = self.held().remove(name) {
            info!(master = held.session.name(), "Session closed.");
        }
    }

    /// Takes the sessions of another configuration over as they are.
    pub(super) fn take_over(&self, other: &Self) {
        let theirs = std::mem::take(&mut *other.held());
        // After all that are configured; those that are get their rank when they are lived.
        for name in theirs.keys() {
            self.links.set_rank(name, usize::MAX);
        }
        let mut held = self.held();
        held.extend(theirs);
        for (rank, address) in self.settings.master.addresses.iter().enumerate() {
            let name = address.to_string();
            self.links.set_rank(&name, rank);
            // A candidate believed its order; our master's key is the stored one.
            if let Some(held) = held.get(&name) {
                held.credentials.set_masters(self.masters());
            }
        }
    }

    /// The addresses of a name, or why there are none.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        match self.resolve.resolve(host).await {
            Ok(answer) => Ok(answer.addresses),
            Err(error) => Err(session::told(&error)),
        }
    }

    /// Closes all of them.
    pub fn close_all(&self) {
        for (name, _) in std::mem::take(&mut *self.held()) {
            self.links.remove(&name);
        }
    }

    /// Lives the configuration's masters for as long as it is polled.
    pub async fn run(self: Arc<Self>) {
        let options = &self.settings.master;
        sleep(self.settings.auth.random_startup_delay.mul_f64(random())).await;
        match options.kind {
            MasterType::Disable => {}
            MasterType::Hot => {
                let mut addresses = options.addresses.clone();
                if options.random {
                    session::masters::shuffle(&mut addresses, &mut random);
                }
                for (rank, address) in addresses.iter().enumerate() {
                    // Taken over from the configuration before.
                    if self.held().contains_key(&address.to_string()) {
                        continue;
                    }
                    self.open(address, rank, Persistence::Forever, self.masters());
                }
            }
            MasterType::Failover | MasterType::Distributed => {
                let failover = Failover::new(options, &self.settings.id, &mut random);
                self.one_at_a_time(failover).await;
            }
        }
        std::future::pending().await
    }

    /// What speaks for masters' keys in this configuration.
    pub fn masters(&self) -> keys::Masters {
        keys::Masters::of(&self.settings)
    }

    async fn one_at_a_time(&self, mut list: Failover) {
        let net = &self.settings.net;
        let mut backoff = Backoff::new(net.recon_default, net.recon_default + net.recon_max);
        let mut passes = 0;
        while let Some(address) = list.current().cloned() {
            // Taken over from the configuration before: it need not be interrupted.
            let ready = |status: &watch::Receiver<Status>| status.borrow().state.is_ready();
            let status = match self.status_of(&address.to_string()).filter(ready) {
                Some(status) => status,
                None => self.open(&address, 0, Persistence::UntilLost, self.masters()),
            };
            let span = tracing::info_span!("failover", master = %address);
            let home = self.live(&mut list, status).instrument(span).await;
            self.close(&address);
            if let Some(home) = home {
                info!(from = %address, to = %home, "The first master lives again: going back to it.");
                list.go_home();
                continue;
            }
            let pass_over = list.failed();
            if let Some(next) = list.current() {
                info!(from = %address, to = %next, "On to the next master.");
            }
            if pass_over {
                passes += 1;
                if self
                    .settings
                    .master
                    .tries
                    .is_some_and(|most| passes == most)
                {
                    warn!(
                        passes,
                        "No master of the list can be used (master_tries); still trying."
                    );
                }
                sleep(backoff.next(&mut random)).await;
            }
        }
    }

    /// Until the session is lost; the first master's address when it is time to go back to it.
    async fn live(
        &self,
        list: &mut Failover,
        mut status: watch::Receiver<Status>,
    ) -> Option<MasterAddress> {
        let interval_wanted = self.settings.master.failback_interval;
        let pause = if interval_wanted.is_zero() {
            FAILBACK_PAUSE
        } else {
            interval_wanted
        };
        let mut look = interval(pause);
        look.reset();
        loop {
            tokio::select! {
                changed = status.changed() => {
                    // The sender goes when the session ends.
                    if changed.is_err() || matches!(status.borrow().state, session::State::Lost(_)) {
                        return None;
                    }
                    if status.borrow().state.is_ready() {
                        list.worked();
                    }
                }
                _ = look.tick(), if self.settings.master.failback => {
                    let Some(home) = list.home().cloned() else { continue };
                    if self.answers(&home).await {
                        return Some(home);
                    }
                }
            }
        }
    }

    /// Whether a master's request port answers a ping.
    async fn answers(&self, address: &MasterAddress) -> bool {
        let Ok(answer) = self.resolve.resolve(&address.host).await else {
            return false;
        };
        for ip in answer.addresses {
            let peer = std::net::SocketAddr::new(ip, address.port);
            let pool = Pool::new(self.dial.clone(), peer, Limits::default(), 1, PROBE);
            if pool.request(&session::clear_ping(), PROBE).await.is_ok() {
                return true;
            }
        }
        false
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Held>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives in a session's own task.
async fn beside(pulse: Pulse) {
    #[cfg(debug_assertions)]
    tokio::join!(pulse.run(), super::fault::hang_when_asked());
    #[cfg(not(debug_assertions))]
    pulse.run().await;
}

/// Between looks at the first master, when neither interval is set.
const FAILBACK_PAUSE: Duration = Duration::from_secs(30);
/// For one look.
const PROBE: Duration = Duration::from_secs(5);
