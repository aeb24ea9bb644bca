//! The remaster machine in this daemon: its effects are sessions, files and events; what happens to the
//! candidate's session is fed back to it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use salt_wire::error::Reason;
use salt_wire::order::Order;
use salt_wire::{Map, Value, map};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::crew::Crew;
use super::links::Link;
use super::services::fresh_pillar;
use super::{Daemon, Reload, adopt_settings, remaster_files as files};
use crate::config::MasterAddress;
use crate::context::{Error, Minion};
use crate::dispatch::{Masters, Publication};
use crate::remaster::{
    Cause, Driver, Effect, Effects, Event, Machine, Millis, Previous, Report, Request, State,
    control,
};
use crate::session::{Patience, Status};

/// Requests that wait for the machine.
const WAITING: usize = 32;
/// The new master may be away this long before the move is in doubt.
const LOST: Duration = Duration::from_secs(30);
/// How often a missing session is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// Telling a master must not hold the move up.
const TELL: Patience = Patience {
    timeout: Duration::from_secs(5),
    tries: 1,
};
/// For one look at one port.
const REACH: Duration = Duration::from_secs(5);
/// Returns that are on their way to a master that is left.
const LAST_RETURNS: Duration = Duration::from_secs(3);
/// Jobs of a master that was left may end this long after it.
const LATE_JOBS: Duration = Duration::from_hours(24);

/// Starts the machine: resumes what its journal holds, and serves `remaster.*`.
pub(super) fn start(
    daemon: &Arc<Daemon>,
    crew: &Arc<Crew>,
    reload: &Arc<Reload>,
) -> JoinHandle<()> {
    let settings = daemon.settings();
    let journal = files::folder(&settings.pki_dir).join("journal.json");
    let machine = Machine::open(&journal).unwrap_or_else(|error| {
        error!(%error, "The remaster journal cannot be used.");
        Machine::at_rest(&journal)
    });
    let (sender, inbox) = mpsc::channel(WAITING);
    let runtime = Handle::current();
    let asked = sender.clone();
    let handler = move |request: Map| {
        runtime
            .block_on(control::serve(&request, &asked, now()))
            .map(Value::Map)
            .map_err(Error::Execution)
    };
    daemon.services.serve("remaster", Arc::new(handler));
    let mover = Mover {
        daemon: daemon.clone(),
        crew: crew.clone(),
        reload: reload.clone(),
        happened: sender,
        watch: None,
    };
    tokio::spawn(Driver::new(machine, mover, inbox).run())
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

struct Mover {
    daemon: Arc<Daemon>,
    crew: Arc<Crew>,
    reload: Arc<Reload>,
    happened: mpsc::Sender<Request>,
    watch: Option<(String, JoinHandle<()>)>,
}

impl Drop for Mover {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.watch {
            task.abort();
        }
    }
}

impl Effects for Mover {
    async fn run(&mut self, effect: &Effect) -> Result<(), Cause> {
        match effect {
            Effect::Check(order) => self.preflight(order).await,
            Effect::Open(order) => self.open(order),
            Effect::Verify(order) => {
                self.verify(order);
                Ok(())
            }
            Effect::Switch(order) => files::switch(&self.daemon.settings(), order),
            Effect::Restore(previous) => files::restore(previous),
            Effect::Promote => self.promote().await,
            Effect::Release => {
                self.release().await;
                Ok(())
            }
            Effect::Highstate => {
                self.highstate();
                Ok(())
            }
            Effect::Tidy => files::tidy(&self.daemon.settings()),
            Effect::Pause => {
                sleep(Duration::from_secs(2)).await;
                Ok(())
            }
            Effect::Tell(report) => {
                self.tell(report).await;
                Ok(())
            }
        }
    }

    async fn check(&mut self, order: &Order) -> Map {
        let mut findings = Map::new();
        for (name, look) in self.looks(order).await {
            let mut finding = map! {"ok" => look.found.is_ok(), "seconds" => look.seconds};
            if let Err(cause) = look.found {
                finding.insert("reason".into(), cause.code.into());
                finding.insert("detail".into(), cause.detail.into());
            }
            findings.insert(name.into(), finding.into());
        }
        findings
    }

    fn previous(&mut self, order: &Order) -> Result<Previous, Cause> {
        let address = address(order)?;
        files::previous(&self.daemon.settings(), &address)
    }

    fn now(&self) -> Millis {
        now()
    }

    fn entered(&mut self, state: &State) {
        let mut shown = self
            .daemon
            .remaster
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.name().clone_into(&mut shown);
        drop(shown);
        self.daemon.notify.status(&self.daemon.status_line());
        let order = match state {
            State::Trial { journey, .. }
            | State::Waiting { journey, .. }
            | State::Verifying { journey, .. }
            | State::Committing { journey }
            | State::Probation { journey, .. } => Some(&journey.order),
            State::Steady { .. }
            | State::Staged { .. }
            | State::Returning { .. }
            | State::RollingBack { .. } => None,
        };
        let wanted = order.and_then(|o| address(o).ok()).map(|a| a.to_string());
        if self.watch.as_ref().map(|(name, _)| name) == wanted.as_ref() {
            return;
        }
        if let Some((_, task)) = self.watch.take() {
            task.abort();
        }
        if let Some(name) = wanted {
            let task = watch(self.daemon.clone(), name.clone(), self.happened.clone());
            self.watch = Some((name, tokio::spawn(task)));
        }
    }
}

struct Look {
    found: Result<(), Cause>,
    seconds: f64,
}

impl Mover {
    async fn preflight(&self, order: &Order) -> Result<(), Cause> {
        for (name, look) in self.looks(order).await {
            info!(
                order = order.id,
                check = name,
                seconds = look.seconds,
                ok = look.found.is_ok(),
                "Checked."
            );
            look.found?;
        }
        Ok(())
    }

    /// Everything that can be seen without leaving a trace.
    async fn looks(&self, order: &Order) -> BTreeMap<&'static str, Look> {
        let mut looks = BTreeMap::new();
        let mut add = |name, start: Instant, found| {
            let seconds = start.elapsed().as_secs_f64();
            looks.insert(name, Look { found, seconds });
        };
        let (start, settings) = (Instant::now(), self.daemon.settings());
        let ours = address(order).and_then(|address| {
            if self.crew.configured().contains(&address.to_string()) {
                let detail = format!("{address} is our master already");
                return Err(Cause::new("same-master", detail));
            }
            files::usable(&settings)
        });
        add("configuration", start, ours);
        let Some(sessions) = self.crew.sessions() else {
            return looks;
        };
        let start = Instant::now();
        let resolved = sessions.addresses(&order.master).await;
        let addresses = match resolved {
            Ok(addresses) => {
                add("name", start, Ok(()));
                addresses
            }
            Err(detail) => {
                add("name", start, Err(Cause::new(Reason::Dns.code(), detail)));
                return looks;
            }
        };
        for (name, port, reason) in [
            ("request port", order.master_port, Reason::Port4506Closed),
            ("publish port", order.publish_port, Reason::Port4505Closed),
        ] {
            let start = Instant::now();
            let mut found = Err(Cause::new(reason.code(), "the name has no address"));
            for ip in &addresses {
                let connect = tokio::net::TcpStream::connect((*ip, port));
                found = match timeout(REACH, connect).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(e)) => Err(Cause::new(reason.code(), format!("{ip} port {port}: {e}"))),
                    Err(_) => {
                        let detail =
                            format!("{ip} port {port}: no answer in {} s", REACH.as_secs());
                        Err(Cause::new(reason.code(), detail))
                    }
                };
                if found.is_ok() {
                    break;
                }
            }
            add(name, start, found);
        }
        looks
    }

    fn open(&self, order: &Order) -> Result<(), Cause> {
        let address = address(order)?;
        let finger = order
            .finger
            .parse()
            .map_err(|_| Cause::new("bad-order", "the fingerprint cannot be read"))?;
        let settings = self.daemon.settings();
        let sessions = self.crew.sessions().ok_or_else(stopping)?;
        let masters = sessions
            .masters()
            .candidate(finger, files::candidate(&settings.pki_dir));
        sessions.open_candidate(&address, order.publish_port, masters);
        Ok(())
    }

    /// The pillar, which only the true master can answer, and an event that it takes.
    fn verify(&self, order: &Order) {
        let (daemon, happened) = (self.daemon.clone(), self.happened.clone());
        let Ok(address) = address(order) else { return };
        let id = order.id.clone();
        tokio::spawn(async move {
            let name = address.to_string();
            let event = match verified(daemon, name, id).await {
                Ok(()) => Event::Answered,
                Err(cause) => Event::Failed(cause),
            };
            drop(happened.send(Request::Happened(event)).await);
        });
    }

    /// Reads the configuration anew and lives by it; open sessions stay open.
    async fn promote(&self) -> Result<(), Cause> {
        let reload = self.reload.clone();
        let loaded = tokio::task::spawn_blocking(move || reload())
            .await
            .map_err(|e| Cause::new("config", e.to_string()))?
            .map_err(|e| Cause::new("config", e.to_string()))?;
        adopt_settings(&self.daemon, loaded);
        self.crew.take_over();
        // The master grain and the pillar are another master's now.
        let daemon = self.daemon.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = daemon.services.refresh_grains(&daemon.context()) {
                warn!(%error, "Grains and pillar were not refreshed.");
            }
        });
        Ok(())
    }

    /// Closes the sessions that the configuration does not name; what still goes to their masters goes first.
    async fn release(&self) {
        let Some(sessions) = self.crew.sessions() else {
            return;
        };
        let keep = self.crew.configured();
        let spool = self.daemon.dispatcher.spool().clone();
        let leaving: Vec<(String, Link)> = self
            .daemon
            .links
            .all()
            .into_iter()
            .filter(|(name, _)| !keep.contains(name))
            .collect();
        let end = Instant::now() + LAST_RETURNS;
        for (name, link) in &leaving {
            while spool.waiting(name) > 0
                && link.status.borrow().state.is_ready()
                && Instant::now() < end
            {
                sleep(LOOK).await;
            }
        }
        sessions.keep_only(&keep);
        let Some(home) = keep.into_iter().next() else {
            return;
        };
        let names: Vec<String> = leaving.into_iter().map(|(name, _)| name).collect();
        let daemon = self.daemon.clone();
        tokio::spawn(async move {
            let end = Instant::now() + LATE_JOBS;
            loop {
                let running = daemon.dispatcher.jobs().counts().0 > 0;
                for name in names.iter().filter(|n| daemon.links.get(n).is_none()) {
                    let moved = spool.rehome(name, &home);
                    if moved > 0 {
                        info!(
                            from = name,
                            to = home,
                            moved,
                            "Returns go to the new master."
                        );
                    }
                }
                if !running || Instant::now() > end {
                    return;
                }
                sleep(Duration::from_secs(5)).await;
            }
        });
    }

    fn highstate(&self) {
        let settings = self.daemon.settings();
        let Some((master, _)) = self.daemon.links.first_ready() else {
            warn!("No master is ready: no highstate after the move.");
            return;
        };
        let load = map! {
            "fun" => "state.highstate", "arg" => Value::List(Vec::new()), "tgt" => settings.id.as_str(),
            "tgt_type" => "list", "jid" => "req", "ret" => "", "user" => "",
        };
        self.daemon.dispatcher.submit(Publication { master, load });
    }

    /// The event `salt/remaster/<minion id>/<stage>`, to every master that listens.
    async fn tell(&self, report: &Report) {
        let id = self.daemon.settings().id.clone();
        let (stage, journey) = (report.stage.name(), &report.journey);
        let mut data = map! {
            "order" => journey.order.id.as_str(),
            "stage" => stage,
            "from" => journey.previous.master.as_str(),
            "to" => journey.order.master.as_str(),
            "durations" => control::durations(&journey.marks, report.at),
        };
        if let Some(cause) = &report.cause {
            data.insert("reason".into(), cause.code.as_str().into());
            data.insert("detail".into(), cause.detail.as_str().into());
            warn!(
                order = journey.order.id,
                reason = cause.code,
                detail = cause.detail,
                "Remaster {stage}."
            );
        } else {
            info!(
                order = journey.order.id,
                to = journey.order.master,
                "Remaster {stage}."
            );
        }
        let event = salt_wire::load::Event {
            tag: format!("salt/remaster/{id}/{stage}"),
            data: data.into(),
        };
        let mut tasks = tokio::task::JoinSet::new();
        for (name, link) in self.daemon.links.all() {
            if !link.status.borrow().state.is_ready() {
                continue;
            }
            let load = event.to_map(None);
            tasks.spawn(async move {
                if let Err(error) = link.client.request(load, TELL).await {
                    warn!(master = name, %error, "A remaster event was not delivered.");
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn verified(daemon: Arc<Daemon>, name: String, order: String) -> Result<(), Cause> {
    let lost = || Cause::new("lost", "the candidate session is gone");
    let link = daemon.links.get(&name).ok_or_else(lost)?;
    let (shared, master) = (daemon.clone(), name.clone());
    let fetch = tokio::task::spawn_blocking(move || {
        let master = shared.links.link(&master)?;
        Some(fresh_pillar(&shared.context(), master))
    });
    let pillar = fetch.await.ok().flatten().ok_or_else(lost)?;
    let pillar = pillar.map_err(|e| Cause::new("no-pillar", e.to_string()))?;
    if let Some(errors) = pillar.get("_errors") {
        let detail = format!("the new master's pillar has errors: {errors:?}");
        return Err(Cause::new("pillar-errors", detail));
    }
    let event = salt_wire::load::Event {
        tag: format!("salt/remaster/{}/verifying", daemon.settings().id),
        data: map! {"order" => order}.into(),
    };
    let answer = link.client.request(event.to_map(None), TELL).await;
    answer
        .map(drop)
        .map_err(|e| Cause::new("no-round-trip", e.to_string()))
}

/// Reports what happens to the session of this name, whichever one has it.
async fn watch(daemon: Arc<Daemon>, name: String, happened: mpsc::Sender<Request>) {
    let mut told = None;
    let mut lost: Option<(Instant, String)> = None;
    loop {
        let link = daemon.links.get(&name);
        let news = link.as_ref().map(|link| News::of(&link.status.borrow()));
        match &news {
            Some(News::Ready) => lost = None,
            Some(News::Away(detail)) => {
                lost.get_or_insert_with(|| (Instant::now(), detail.clone()));
            }
            None => {
                lost.get_or_insert_with(|| (Instant::now(), "its session is gone".into()));
            }
            Some(News::Pending | News::Denied(_)) => {}
        }
        if news.is_some() && news != told {
            let event = match news.clone() {
                Some(News::Ready) => Some(Event::Authenticated),
                Some(News::Pending) => Some(Event::Pending),
                Some(News::Denied(cause)) => Some(Event::Denied(cause)),
                Some(News::Away(_)) | None => None,
            };
            told = news;
            if let Some(event) = event
                && happened.send(Request::Happened(event)).await.is_err()
            {
                return;
            }
        }
        if let Some((_, detail)) = lost.take_if(|(since, _)| since.elapsed() >= LOST) {
            let cause = Cause::new("lost", format!("the new master is away: {detail}"));
            if happened
                .send(Request::Happened(Event::Lost(cause)))
                .await
                .is_err()
            {
                return;
            }
        }
        match link {
            Some(mut link) => drop(timeout(LOOK, link.status.changed()).await),
            None => sleep(LOOK).await,
        }
    }
}

/// A session's state, as far as a move is concerned.
#[derive(Debug, Clone, PartialEq)]
enum News {
    Ready,
    Pending,
    Denied(Cause),
    Away(String),
}

impl News {
    fn of(status: &Status) -> Self {
        if status.state.is_ready() {
            return Self::Ready;
        }
        match &status.trouble {
            Some(trouble) => match trouble.reason {
                Reason::Pending => Self::Pending,
                Reason::Rejected
                | Reason::DeniedOtherKey
                | Reason::MasterKeyMismatch
                | Reason::MasterNotTrusted
                | Reason::BadAlgorithm
                | Reason::AuthVersionTooOld => {
                    Self::Denied(Cause::new(trouble.reason.code(), trouble.detail.clone()))
                }
                _ => Self::Away(trouble.to_string()),
            },
            None if status.state.name() == "pending" => Self::Pending,
            None => Self::Away(status.state.name().to_owned()),
        }
    }
}

fn address(order: &Order) -> Result<MasterAddress, Cause> {
    MasterAddress::parse(&order.master, order.master_port)
        .map(|address| MasterAddress {
            port: order.master_port,
            ..address
        })
        .map_err(|e| Cause::new("bad-order", e))
}

fn stopping() -> Cause {
    Cause::new("stopping", "the agent is shutting down")
}
