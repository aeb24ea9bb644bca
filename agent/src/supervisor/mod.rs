//! Where everything meets: configuration, keys, sessions, jobs, returns.
//!
//! ```text
//! sessions ──publications──▶ dispatcher ──returns──▶ spool ──drain──▶ sessions
//!    │  └─ attend: welcome (pillar, events, startup states), drain
//!    └─ links: masters by name, for functions that ask
//! ```
//!
//! One file per concern: `sessions` opens and closes them, `welcome` greets a master, `drain` delivers returns,
//! `report` tells those outside how the first join went, `services` is the daemon as functions see it, `control` as the socket sees it. A service that functions or
//! the socket may ask for by name is registered with [`services::Services::serve`]; a further session (a
//! candidate of a remaster) is opened with [`sessions::Sessions::open`].

mod anew;
mod console;
mod control;
mod credentials;
mod crew;
mod drain;
mod events;
#[cfg(debug_assertions)]
mod fault;
mod links;
mod mismatch;
mod orders;
mod remaster;
mod report;
mod rotation;
mod services;
mod sessions;
mod signing;
mod visit;
mod welcome;

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

pub(crate) use anew::SERVICE as RESTART;
pub use credentials::Pair;
pub use links::{Link, Links};
pub use services::{Handler, Services};
pub use sessions::Sessions;
pub use visit::{Unasked, Visit, visit};

use crate::compat;
use crate::config::{self, Loaded, Settings};
use crate::context::{Context, Error, Facts, Job, Minion};
use crate::dispatch::{self, Dispatcher, Jobs, Publication, Registry};
use crate::host::Host;
use crate::notify::{self, Notify, Pulses};
use crate::returns::Spool;
use crate::schedule::{self, Schedule};
use crate::session::{Arrived, State};
use crate::{control as socket, grains};
use crew::Crew;
use remaster::Expected;

/// Publications that wait for the dispatcher; libzmq keeps as many.
const WAITING: usize = 1000;
/// A job that ends within this time after SIGTERM ends by itself.
const GRACE: Duration = Duration::from_millis(120);
/// And this long to write its return after it was told to end.
const LAST_WORDS: Duration = Duration::from_millis(60);

/// What all parts of the daemon share.
pub struct Daemon {
    settings: RwLock<Arc<Settings>>,
    warnings: Mutex<Vec<String>>,
    host: Host,
    facts: Arc<Facts>,
    links: Arc<Links>,
    pair: Arc<Pair>,
    services: Arc<Services>,
    dispatcher: Dispatcher,
    notify: Notify,
    started: Instant,
    grains_ready: watch::Sender<bool>,
    facts_ready: watch::Sender<bool>,
    once: welcome::Once,
    schedule: Arc<Schedule>,
    /// The name of the remaster machine's state.
    remaster: Mutex<String>,
    /// Whose agent this is while a move is under way.
    expected: Mutex<Option<Expected>>,
}

impl Daemon {
    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The name of the remaster machine's state.
    fn remaster(&self) -> String {
        self.remaster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// These masters count, whatever the configuration says meanwhile.
    fn expect(&self, expected: Option<Expected>) {
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = expected;
    }

    fn expected(&self) -> Option<Expected> {
        self.expected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn add_warning(&self, text: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // The same thing is said once.
        warnings.retain(|w| *w != text);
        warnings.push(text);
    }

    /// A context for what no job asks for.
    fn context(&self) -> Context {
        context(&self.settings(), &self.host, &self.facts, &self.services)
    }

    async fn grains_there(&self) {
        // The sender lives as long as we do.
        drop(self.grains_ready.subscribe().wait_for(|there| *there).await);
    }

    /// Waits for grains and the first pillar, which comes a moment after the session that is ready.
    async fn facts_there(&self) {
        drop(self.facts_ready.subscribe().wait_for(|there| *there).await);
    }

    /// One line for `systemctl status`.
    fn status_line(&self) -> String {
        let all = self.links.all();
        if all.is_empty() {
            return "no master".to_owned();
        }
        let of = |(name, link): &(String, Link)| {
            let status = link.status.borrow();
            match (&status.state, &status.trouble) {
                (State::Ready { .. }, _) => format!("{name} ready"),
                (state, Some(trouble)) => format!("{name} {} ({})", state.name(), trouble.reason),
                (state, None) => format!("{name} {}", state.name()),
            }
        };
        let mut line = all.iter().map(of).collect::<Vec<_>>().join(", ");
        let remaster = self.remaster();
        if remaster != "steady" {
            line.push_str(&format!("; remaster {remaster}"));
        }
        line
    }
}

fn context(
    settings: &Arc<Settings>,
    host: &Host,
    facts: &Arc<Facts>,
    services: &Arc<Services>,
) -> Context {
    Context {
        host: host.clone(),
        settings: settings.clone(),
        facts: facts.clone(),
        job: Arc::new(Job::default()),
        master: None,
        functions: Arc::new(Registry),
        minion: services.clone() as Arc<dyn Minion>,
        worker: services.compat.worker(),
    }
}

/// Reads the configuration anew: at SIGHUP, and when a remaster has changed it.
pub type Reload = dyn Fn() -> Result<Loaded, config::Error> + Send + Sync;

/// Why the daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Stop,
    /// This program shall take its place.
    Anew(PathBuf),
}

/// Runs the daemon until `shutdown` comes, or a new program shall take its place; `hangups` gives one item for each SIGHUP. Nothing that can be mended while
/// it runs keeps it from running: a full disk, a key that cannot be read, a master that is not there.
pub async fn run(
    loaded: Loaded,
    reload: Arc<Reload>,
    mut hangups: mpsc::Receiver<()>,
    shutdown: impl Future<Output = ()>,
) -> End {
    let started = Instant::now();
    let pulses = Arc::new(Pulses::default());
    let (sender, publications) = mpsc::channel(WAITING);
    let mut loaded = loaded;
    let machine = remaster::machine(&loaded.settings);
    let expected = Expected::of(machine.state());
    let held = remaster::hold(expected.as_ref(), &mut loaded.settings);
    let daemon = build(loaded, started);
    daemon.expect(expected);
    if let Some(words) = held {
        warn!("{words}");
        daemon.add_warning(words);
    }
    let settings = daemon.settings();
    let collect = daemon.clone();
    // Beside the connections: neither waits for the other.
    tokio::task::spawn_blocking(move || {
        let grains = grains::load(&collect.settings(), &collect.host, false);
        collect.facts.set_grains(grains);
        match compat::grains(&collect.context()) {
            Ok(grains) => collect.facts.set_grains(grains),
            Err(error) => warn!(%error, "Grains of synced modules are missing."),
        }
        collect.facts.are_collected();
        collect.grains_ready.send_replace(true);
    });
    notify::watchdog(pulses.clone(), started);
    let pulse = pulses.add("supervisor", started);
    let _socket = socket::serve(
        &settings.control_socket(),
        Arc::new(control::Control(daemon.clone())),
    )
    .inspect_err(|error| warn!(%error, "No control socket: `salt-agent status` has nobody to ask."))
    .ok();
    let crew = Arc::new(Crew::new(daemon.clone(), sender, pulses));
    crew.start();
    let (mover, asked) = remaster::start(&daemon, &crew, &reload, machine);
    rotation::start(&daemon, &crew);
    daemon.notify.ready();
    let pump = tokio::spawn(pump(daemon.clone(), publications));
    let periodic = tokio::spawn(periodic(daemon.clone()));
    let scheduler = tokio::spawn(scheduler(daemon.clone()));
    let heed = tokio::spawn(events::heed(daemon.clone(), daemon.services.listen()));
    let orders = tokio::spawn(orders::look(daemon.clone(), asked));
    let report = tokio::spawn(report::tell(daemon.clone()));
    tokio::pin!(shutdown);
    let beat = pulse.run();
    tokio::pin!(beat);
    let anew = anew::due(daemon.clone(), anew::offer(&daemon));
    tokio::pin!(anew);
    let end = loop {
        tokio::select! {
            () = &mut shutdown => break End::Stop,
            program = &mut anew => break End::Anew(program),
            () = &mut beat => {}
            Some(()) = hangups.recv() => {
                daemon.notify.reloading();
                if reloaded(&daemon, &*reload) {
                    crew.start();
                }
                daemon.notify.ready();
            }
        }
    };
    match &end {
        End::Stop => {
            info!("Stopping.");
            daemon.notify.stopping();
        }
        End::Anew(program) => info!(program = %program.display(), "Making room for a new program."),
    }
    crew.rest();
    for task in [mover, pump, periodic, scheduler, heed, orders, report] {
        task.abort();
    }
    let last = daemon.clone();
    // Sessions live on meanwhile: what ends now may still be delivered. The rest is in the spool.
    drop(tokio::task::spawn_blocking(move || finish(&last)).await);
    crew.close();
    info!(
        waiting = daemon.dispatcher.spool().stats().waiting,
        "Stopped."
    );
    end
}

/// Lets jobs end, then makes them; what the disk did not take gets its last chance.
fn finish(daemon: &Daemon) {
    let jobs = daemon.dispatcher.jobs();
    if !jobs.close(GRACE) {
        jobs.signal_all(nix::sys::signal::Signal::SIGTERM);
        if !jobs.close(LAST_WORDS) {
            warn!("Some jobs did not end in time.");
        }
    }
    daemon.dispatcher.spool().settle();
}

fn warn_of(loaded: &Loaded) {
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    if !loaded.ignored.is_empty() {
        let names: Vec<_> = loaded
            .ignored
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        warn!(options = names.join(", "), "Options without effect here.");
    }
}

fn build(loaded: Loaded, started: Instant) -> Arc<Daemon> {
    let settings = Arc::new(loaded.settings);
    let limits = (&settings.agent.spool).into();
    let spool = Spool::open(&settings.cachedir.join("spool"), limits);
    let most = dispatch::most_jobs(&settings);
    let jobs = Jobs::open(&settings.cachedir, most, settings.jobs.queue_hwm);
    let (jobs, links) = (Arc::new(jobs), Arc::new(Links::default()));
    let services = Arc::new(Services::new(jobs.clone(), links.clone()));
    let facts = Arc::new(Facts::default());
    let schedule = Arc::new(Schedule::of(&settings));
    let host = Host::real();
    let base = context(&settings, &host, &facts, &services);
    let dispatcher = Dispatcher::new(base, links.clone(), jobs, Arc::new(spool));
    Arc::new(Daemon {
        pair: Arc::new(Pair::told(&settings)),
        warnings: Mutex::new(loaded.warnings.iter().map(ToString::to_string).collect()),
        settings: RwLock::new(settings),
        host,
        facts,
        links,
        services,
        dispatcher,
        notify: Notify::default(),
        started,
        grains_ready: watch::Sender::new(false),
        facts_ready: watch::Sender::new(false),
        once: welcome::Once::default(),
        schedule,
        remaster: Mutex::new("steady".to_owned()),
        expected: Mutex::new(None),
    })
}

/// Hands publications to the dispatcher, once grains and pillar are there to target by.
async fn pump(daemon: Arc<Daemon>, mut publications: mpsc::Receiver<Arrived>) {
    daemon.facts_there().await;
    daemon.dispatcher.resume();
    while let Some(arrived) = publications.recv().await {
        daemon.dispatcher.submit(Publication {
            master: arrived.master,
            load: arrived.load,
        });
    }
}

/// `ping_interval` and `grains_refresh_every`.
async fn periodic(daemon: Arc<Daemon>) {
    let mut minute = tokio::time::interval(Duration::from_mins(1));
    minute.reset();
    let mut minutes = 0;
    loop {
        minute.tick().await;
        minutes += 1;
        let shared = daemon.clone();
        // Its outcome is in the spool's numbers.
        let tidy = move || {
            shared.dispatcher.spool().settle();
            // Jobs for which there was no thread.
            if *shared.facts_ready.borrow() {
                shared.dispatcher.resume();
            }
        };
        drop(tokio::task::spawn_blocking(tidy).await);
        let settings = daemon.settings();
        let due = |every: Duration| {
            let every = every.as_secs() / 60;
            every != 0 && minutes % every == 0
        };
        if due(settings.net.ping_interval) {
            for (_, link) in daemon.links.all() {
                if link.status.borrow().state.is_ready() {
                    welcome::fire(&link, "minion_ping", "ping".into(), None).await;
                }
            }
        }
        if due(settings.grains.refresh_every) {
            let shared = daemon.clone();
            let refresh = move || shared.services.refresh_grains(&shared.context());
            if let Ok(Err(error)) = tokio::task::spawn_blocking(refresh).await {
                warn!(%error, "Grains were not refreshed.");
            }
        }
    }
}

/// Starts what the schedule has due, once there is a pillar, which may hold a part of it.
async fn scheduler(daemon: Arc<Daemon>) {
    let asked = Arc::downgrade(&daemon);
    daemon.services.serve(
        schedule::SERVICE,
        Arc::new(move |request| match asked.upgrade() {
            Some(daemon) => daemon.schedule.manage(&daemon.context(), &request),
            None => Err(Error::execution("the agent is stopping")),
        }),
    );
    if !daemon.settings().jobs.scheduler_before_connect {
        daemon.facts_there().await;
    }
    loop {
        let running = |name: &str| daemon.dispatcher.running_of_schedule(name);
        for due in daemon.schedule.due(&daemon.context(), &running) {
            let master = daemon.links.first_ready().map(|(name, _)| name);
            daemon
                .dispatcher
                .scheduled(&due, &master.unwrap_or_default());
        }
        daemon.schedule.wait().await;
    }
}

/// Takes a new configuration; true when the sessions must be opened anew.
fn reloaded(daemon: &Arc<Daemon>, reload: &Reload) -> bool {
    let loaded = match reload() {
        Ok(loaded) => loaded,
        Err(error) => {
            error!(%error, "The new configuration cannot be used; the old one stays.");
            return false;
        }
    };
    let mut loaded = loaded;
    let held = remaster::hold(daemon.expected().as_ref(), &mut loaded.settings);
    let same = adopt_settings(daemon, loaded);
    if let Some(words) = held {
        warn!("{words}");
        daemon.add_warning(words);
    }
    let refresh = daemon.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = refresh.services.refresh_grains(&refresh.context()) {
            warn!(%error, "Grains and pillar were not refreshed.");
        }
    });
    info!("Configuration read again.");
    !same
}

/// Lives by other settings from now on; whether they lead to the same masters in the same way.
fn adopt_settings(daemon: &Daemon, loaded: Loaded) -> bool {
    warn_of(&loaded);
    let old = daemon.settings();
    let new = Arc::new(loaded.settings);
    if new.id != old.id || new.cachedir != old.cachedir {
        warn!("A new id or cache directory takes effect at the next start.");
    }
    *daemon
        .settings
        .write()
        .unwrap_or_else(PoisonError::into_inner) = new.clone();
    *daemon
        .warnings
        .lock()
        .unwrap_or_else(PoisonError::into_inner) =
        loaded.warnings.iter().map(ToString::to_string).collect();
    daemon.dispatcher.set_base(daemon.context());
    daemon.schedule.replace(&new);
    same_way(&old, &new)
}

/// Whether two configurations lead to the same masters in the same way.
fn same_way(old: &Settings, new: &Settings) -> bool {
    let way = |s: &Settings| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            s.master, s.crypto, s.auth, s.net, s.pki_dir, s.agent.trust
        )
    };
    way(old) == way(new)
}
