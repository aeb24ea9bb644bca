//! The remaster machine in this daemon: its effects are sessions, files and events; what happens to the
//! candidates' sessions is fed back to it.
//!
//! `files` writes the drop-in and the pins, `looks` is the pre-flight and `remaster.check`, `watch` tells the
//! machine what becomes of the sessions, `leave` closes those that are left, `expected` keeps the masters
//! ours whatever somebody writes into the configuration meanwhile.

mod expected;
mod files;
mod leave;
mod looks;
mod parties;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use salt_wire::order::Order;
use salt_wire::{Map, Value, map};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info, warn};

pub(super) use expected::{Expected, hold};
use looks::{Looks, NO_ROUND_TRIP};
use watch::{Need, Watched};

use super::crew::Crew;
use super::links::Link;
use super::orders;
use super::services::fresh_pillar;
use super::{Daemon, Reload, adopt_settings};
use crate::config::{MasterAddress, MasterType, Settings};
use crate::context::{Error, Minion};
use crate::dispatch::{Masters, Publication};
use crate::host::crash;
use crate::keys;
use crate::orders::Ledger;
use crate::remaster::{
    Cause, Driver, Effect, Effects, Event, Journey, Look, Machine, Millis, Previous, Report,
    Request, State, Which, control,
};
use crate::session::{Patience, Persistence};

/// Requests that wait for the machine.
const WAITING: usize = 32;
/// How often a missing session is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// Telling a master must not hold the move up.
const TELL: Patience = Patience {
    timeout: Duration::from_secs(5),
    tries: 1,
};
/// The old master gets so long to be there again before the new one is left.
const ATTACHED: Duration = Duration::from_secs(10);
/// A new master to which a whole wave has come answers late, and that is not no answer: the machine's own deadline
/// for the round trip comes after this.
const ROUND_TRIP: Patience = Patience {
    timeout: Duration::from_secs(25),
    tries: 2,
};

/// Reads the journal; a damaged one is put aside, and the configured master stays in charge.
pub(super) fn machine(settings: &Settings) -> Machine {
    let journal = files::folder(&settings.pki_dir).join("journal.json");
    Machine::open(&journal).unwrap_or_else(|error| {
        error!(%error, "The remaster journal cannot be used.");
        Machine::at_rest(&journal)
    })
}

/// Starts the machine: resumes what its journal holds, and serves `remaster.*`.
pub(super) fn start(
    daemon: &Arc<Daemon>,
    crew: &Arc<Crew>,
    reload: &Arc<Reload>,
    machine: Machine,
) -> (JoinHandle<()>, mpsc::Sender<Request>) {
    let (sender, inbox) = mpsc::channel(WAITING);
    let runtime = Handle::current();
    let (asked, shared) = (sender.clone(), Arc::downgrade(daemon));
    let handler = move |request: Map| {
        let answer = match (
            request.get("text").and_then(Value::as_str),
            shared.upgrade(),
        ) {
            (Some(text), Some(daemon)) => runtime
                .block_on(orders::take(&daemon, &asked, text, "request"))
                .map_err(|cause| cause.to_string()),
            _ => runtime.block_on(control::serve(&request, &asked, now())),
        };
        answer.map(Value::Map).map_err(Error::Execution)
    };
    daemon.services.serve("remaster", Arc::new(handler));
    let parties = Arc::new(Mutex::default());
    let handing_in = leave::hand_in_all(daemon.clone(), crew.clone(), parties.clone());
    let mover = Mover {
        daemon: daemon.clone(),
        crew: crew.clone(),
        reload: reload.clone(),
        happened: sender.clone(),
        watching: None,
        guard: None,
        _handing_in: Task(tokio::spawn(handing_in)),
        parties,
    };
    let task = tokio::spawn(Driver::new(machine, mover, inbox).run());
    (task, sender)
}

pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Mover {
    daemon: Arc<Daemon>,
    crew: Arc<Crew>,
    reload: Arc<Reload>,
    happened: mpsc::Sender<Request>,
    watching: Option<(Watched, Task)>,
    /// Watches the configuration of the order with this id.
    guard: Option<(String, Task)>,
    /// Everyone on both sides of the latest move.
    parties: Arc<Mutex<Vec<parties::Party>>>,
    _handing_in: Task,
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
            Effect::Switch(journey) => {
                files::switch(&self.daemon.settings(), journey, &files::Real)
            }
            Effect::Restore(journey) => self.restore(journey).await,
            Effect::Promote(which) => self.promote(which).await,
            Effect::Release => {
                self.release();
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

    fn check(&mut self, look: Look, answer: oneshot::Sender<Map>) {
        let looks = self.looks();
        tokio::spawn(async move {
            let findings = looks.all(&look).await;
            drop(answer.send(findings));
        });
    }

    fn permit(&mut self, order: &Order) -> Result<Map, Cause> {
        let settings = self.daemon.settings();
        let (address, finger) = self.same_master(order)?;
        let parsed = finger
            .parse()
            .map_err(|_| Cause::new("bad-order", "the fingerprint cannot be read"))?;
        let news = keys::Masters::of(&settings)
            .permit(&address, &parsed, order.expires)
            .map_err(|e| Cause::new("keys-unusable", e.to_string()))?;
        let state = if news { "permitted" } else { "known" };
        info!(master = %address, finger, state, "The master may have another key.");
        self.try_again(&address);
        Ok(map! {
            "state" => state, "master" => address.to_string(), "finger" => finger,
            "expires" => order.expires,
        })
    }

    fn previous(&mut self, order: &Order) -> Result<Previous, Cause> {
        files::previous(&self.daemon.settings(), order)
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
        self.daemon.expect(Expected::of(state));
        self.daemon.notify.status(&self.daemon.status_line());
        let journey = match state {
            State::Steady { last } => last.as_ref().and_then(|last| last.journey.as_deref()),
            moving => moving.journey(),
        };
        if let Some(journey) = journey {
            let parties = parties::parties(&self.daemon.settings(), journey);
            *self.parties.lock().unwrap_or_else(PoisonError::into_inner) = parties;
        }
        self.settle(state);
        self.guard(state);
        let wanted = self.watched(state);
        if self.watching.as_ref().map(|(watched, _)| watched) == wanted.as_ref() {
            return;
        }
        self.watching = wanted.map(|watched| {
            // A hiccup of this length is what every session may have.
            let lost = self.daemon.settings().agent.dead_after * 2;
            let happened = self.happened.clone();
            let task = watch::watch(self.daemon.clone(), watched.clone(), lost, happened);
            (watched, Task(tokio::spawn(task)))
        });
    }
}

impl Mover {
    /// A session that was refused waits long between two tries: what was permitted is tried at once.
    fn try_again(&self, address: &MasterAddress) {
        let name = address.to_string();
        let settings = self.daemon.settings();
        let away = self.daemon.links.get(&name);
        let away = away.is_some_and(|link| !link.status.borrow().state.is_ready());
        let rank = settings.master.addresses.iter().position(|a| a == address);
        if let (true, Some(rank), MasterType::Hot) = (away, rank, settings.master.kind)
            && let Some(sessions) = self.crew.sessions()
        {
            sessions.open(address, rank, Persistence::Forever, sessions.masters());
        }
    }

    fn looks(&self) -> Looks {
        Looks {
            daemon: self.daemon.clone(),
            crew: self.crew.clone(),
        }
    }

    /// Looks that leave no trace on the new master.
    async fn preflight(&self, order: &Order) -> Result<(), Cause> {
        let look = Look {
            order: order.clone(),
            pinned: true,
            auth: false,
        };
        self.looks().first_trouble(&look).await
    }

    /// The one master that an order for another key means: it must be ours.
    fn same_master(&self, order: &Order) -> Result<(MasterAddress, String), Cause> {
        let list = files::addresses(order)?;
        let ours = self.crew.configured();
        let found = list
            .into_iter()
            .find(|(a, _)| ours.contains(&a.to_string()));
        found.ok_or_else(|| {
            let detail = format!(
                "{}:{} is not our master: a new key is of one that we have",
                order.master, order.master_port
            );
            Cause::new("not-our-master", detail)
        })
    }

    fn open(&self, order: &Order) -> Result<(), Cause> {
        let settings = self.daemon.settings();
        let sessions = self.crew.sessions().ok_or_else(stopping)?;
        let ours = self.crew.configured();
        for (address, finger) in files::addresses(order)? {
            let finger = finger
                .parse()
                .map_err(|_| Cause::new("bad-order", "the fingerprint cannot be read"))?;
            let masters = sessions.masters();
            if ours.contains(&address.to_string()) {
                // It stays what it is, if it is what the order means.
                let known = masters.stored(&address);
                let known = known.map_err(|e| Cause::new("keys-unusable", e.to_string()))?;
                if known.is_some_and(|key| key.matches(&finger)) {
                    // Of a failover list one alone is there: on trial all have to be.
                    if self.daemon.links.get(&address.to_string()).is_none() {
                        sessions.open_candidate(&address, order.publish_port, masters);
                    }
                    continue;
                }
                let detail = format!("{address} is our master and has another key than {finger}");
                return Err(Cause::new("master-key-mismatch", detail));
            }
            let file = files::candidate(&settings.pki_dir, &address);
            sessions.open_candidate(
                &address,
                order.publish_port,
                masters.candidate(finger, file),
            );
        }
        Ok(())
    }

    /// The pillar, which only the true master can answer, a highstate that changes nothing if one is ordered,
    /// and an event that it takes.
    fn verify(&self, order: &Order) {
        let (looks, happened, order) = (self.looks(), self.happened.clone(), order.clone());
        tokio::spawn(async move {
            let event = match verified(&looks, &order).await {
                Ok(()) => Event::Answered,
                Err(cause) => Event::Failed(cause),
            };
            drop(happened.send(Request::Happened(event)).await);
        });
    }

    /// Reads the configuration anew and lives by it; open sessions stay open.
    async fn promote(&self, which: &Which) -> Result<(), Cause> {
        let reload = self.reload.clone();
        let mut loaded = tokio::task::spawn_blocking(move || reload())
            .await
            .map_err(|e| Cause::new("config", e.to_string()))?
            .map_err(|e| Cause::new("config", e.to_string()))?;
        let expected = match which {
            Which::New(order) => Expected::new_masters(order),
            Which::Old(previous) => Expected::old_masters(previous),
        };
        if let Some(found) = expected.differs(&loaded.settings) {
            let cause = Cause::new(
                Cause::FOREIGN,
                format!("the configuration names {found} now, and not {expected}"),
            );
            if let Which::New(_) = which {
                return Err(cause);
            }
            // There is no way further back: the old masters are ours, whatever it says.
            self.report_foreign(&cause).await;
            expected.force(&mut loaded.settings);
        }
        self.daemon.expect(Some(expected));
        adopt_settings(&self.daemon, loaded);
        self.crew.take_over();
        if let Which::Old(_) = which {
            self.attached().await;
        }
        // The master grain and the pillar are another master's now.
        let daemon = self.daemon.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = daemon.services.refresh_grains(&daemon.context()) {
                warn!(%error, "Grains and pillar were not refreshed.");
            }
        });
        Ok(())
    }

    /// Waits until one of our masters is there, for a moment: on the way back, too, the one that is left is left when
    /// another can give jobs. One that is gone for good must not hold the way back up.
    async fn attached(&self) {
        let (ours, begun) = (self.crew.configured(), Instant::now());
        let ready = || {
            let mut links = ours.iter().filter_map(|name| self.daemon.links.get(name));
            links.any(|link| link.status.borrow().state.is_ready())
        };
        while !ready() && begun.elapsed() < ATTACHED {
            sleep(LOOK).await;
        }
    }

    async fn restore(&self, journey: &Journey) -> Result<(), Cause> {
        let foreign = files::restore(&self.daemon.settings(), journey, &files::Real)?;
        if !foreign.is_empty() {
            self.report_foreign(&files::changed(&foreign)).await;
        }
        Ok(())
    }

    async fn report_foreign(&self, cause: &Cause) {
        report_foreign(&self.daemon, cause).await;
    }

    /// A signed order whose move has come to its end is not taken again.
    fn settle(&self, state: &State) {
        let ledger = Ledger::of(&self.daemon.settings().pki_dir);
        let State::Steady { last: Some(last) } = state else {
            return;
        };
        if let Some(id) = ledger.open_order()
            && last.is_final(&id)
        {
            if let Err(error) = ledger.done() {
                warn!(order = id, %error, "The order's end was not recorded.");
            }
            crash::point(format_args!("order's end recorded"));
        }
    }

    /// Watches the configuration while a move is under way.
    fn guard(&mut self, state: &State) {
        let order = state.journey().map(|j| j.order.id.clone());
        if self.guard.as_ref().map(|(id, _)| id) == order.as_ref() {
            return;
        }
        self.guard = state.journey().zip(order).map(|(journey, id)| {
            let watching = watch_files(self.daemon.clone(), journey.clone());
            (id, Task(tokio::spawn(watching)))
        });
    }

    fn watched(&self, state: &State) -> Option<Watched> {
        let (order, need) = match state {
            State::Trial { journey, .. }
            | State::Waiting { journey, .. }
            | State::Verifying { journey, .. }
            | State::Committing { journey } => (&journey.order, Need::All),
            State::Probation { journey, .. } => (&journey.order, Need::Any),
            State::Steady { .. }
            | State::Staged { .. }
            | State::Returning { .. }
            | State::RollingBack { .. } => return None,
        };
        let list = files::addresses(order).ok()?;
        Some(Watched {
            names: list.into_iter().map(|(a, _)| a.to_string()).collect(),
            need,
            rounds: if need == Need::Any { order.rounds } else { 0 },
            confirm: Duration::from_secs(order.confirm),
        })
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
        tell(&self.daemon, stage, data).await;
    }
}

/// Fires `salt/remaster/<minion id>/<what>` on every master that is there.
pub(super) async fn tell(daemon: &Daemon, what: &str, data: Map) {
    let event = salt_wire::load::Event {
        tag: format!("salt/remaster/{}/{what}", daemon.settings().id),
        data: data.into(),
    };
    let mut tasks = tokio::task::JoinSet::new();
    for (name, link) in daemon.links.all() {
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

async fn report_foreign(daemon: &Daemon, cause: &Cause) {
    warn!(reason = cause.code, "{}", cause.detail);
    daemon.add_warning(cause.to_string());
    let data = map! {"reason" => cause.code.as_str(), "detail" => cause.detail.as_str()};
    tell(daemon, "config_changed", data).await;
}

/// How often the files are looked at: a digest of a few small files.
const FILES: Duration = Duration::from_secs(2);

/// Says when somebody writes into the configuration while a move is under way, once for each time.
async fn watch_files(daemon: Arc<Daemon>, journey: Journey) {
    let mut before = journey.previous.others.clone();
    let mut said = Vec::new();
    loop {
        sleep(FILES).await;
        let settings = daemon.settings();
        let mut edited = files::edited(&settings, &before);
        let ours = files::foreign(&settings, &journey).unwrap_or_default();
        if ours != said {
            edited.extend(ours.clone());
            said = ours;
        }
        if !edited.is_empty() {
            report_foreign(&daemon, &files::changed(&edited)).await;
            before = files::others(&settings);
        }
    }
}

async fn verified(looks: &Looks, order: &Order) -> Result<(), Cause> {
    let lost = || Cause::new("lost", "the candidate session is gone");
    for (address, _) in files::addresses(order)? {
        let name = address.to_string();
        let link: Link = looks.daemon.links.get(&name).ok_or_else(lost)?;
        let (shared, master) = (looks.daemon.clone(), name.clone());
        let fetch = tokio::task::spawn_blocking(move || {
            let master = shared.links.link(&master)?;
            Some(fresh_pillar(&shared.context(), master))
        });
        let pillar = fetch.await.ok().flatten().ok_or_else(lost)?;
        let pillar = pillar.map_err(|e| match link.client.trouble() {
            Some(trouble) => Cause::new(trouble.reason.code(), trouble.detail),
            None => Cause::new("no-pillar", e.to_string()),
        })?;
        if let Some(less) = looks.judge_pillar(&pillar).await? {
            let text = format!("the pillar of {name} lacks what the old master's has: {less:?}");
            warn!(order = order.id, "{text}");
            looks.daemon.add_warning(text);
        }
        if let Some(budget) = order.changes {
            let master = looks.daemon.links.link(&name).ok_or_else(lost)?;
            looks.test_run(master, Some(budget)).await?;
        }
        let event = salt_wire::load::Event {
            tag: format!("salt/remaster/{}/verifying", looks.daemon.settings().id),
            data: map! {"order" => order.id.as_str()}.into(),
        };
        let answer = link.client.request(event.to_map(None), ROUND_TRIP).await;
        answer.map_err(|e| Cause::new(NO_ROUND_TRIP, e.to_string()))?;
    }
    Ok(())
}

fn stopping() -> Cause {
    Cause::new("stopping", "the agent is shutting down")
}
