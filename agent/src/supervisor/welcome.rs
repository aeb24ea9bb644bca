//! What happens when a session becomes ready: the start events beside the pillar, and once in a life the startup
//! states.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use salt_wire::{Map, Value, map};
use tokio::sync::watch;
use tracing::{info, warn};

use super::Daemon;
use super::links::Link;
use super::services::fresh_pillar;
use crate::config::Settings;
use crate::context::Context;
use crate::dispatch::Masters;
use crate::host;
use crate::identity::{Binding, binding::Parent};
use crate::logging::ANNOUNCE;
use crate::session::backoff::{Backoff, random};
use crate::session::{Session, Status};

/// Things that happen once.
#[derive(Debug, Default)]
pub(super) struct Once {
    ready: AtomicBool,
    states: AtomicBool,
    ready_after: OnceLock<(u64, u64)>,
}

impl Once {
    /// Milliseconds from the kernel's start, and from ours, to the first session that was ready.
    pub(super) fn ready_after(&self) -> Option<(u64, u64)> {
        self.ready_after.get().copied()
    }
}

/// Greets a master each time its session becomes ready.
pub(super) async fn greet(daemon: Arc<Daemon>, name: String, mut status: watch::Receiver<Status>) {
    loop {
        if status.wait_for(|s| s.state.is_ready()).await.is_err() {
            return;
        }
        tokio::select! {
            () = welcome(&daemon, &name) => {}
            gone = status.wait_for(|s| !s.state.is_ready()) => {
                if gone.is_err() {
                    return;
                }
                continue;
            }
        }
        if status.wait_for(|s| !s.state.is_ready()).await.is_err() {
            return;
        }
    }
}

async fn welcome(daemon: &Arc<Daemon>, name: &str) {
    daemon.grains_there().await;
    announce(daemon, name);
    // The master makes the pillar while it hears of us; what it publishes until then waits in `pump`.
    let first = async {
        let fetched = pillar(daemon, name).await;
        daemon.facts_ready.send_replace(true);
        fetched
    };
    let (mut fetched, ()) = tokio::join!(first, events(daemon, name));
    startup_states(daemon, name);
    let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
    while !fetched {
        tokio::time::sleep(backoff.next(&mut random)).await;
        fetched = pillar(daemon, name).await;
    }
}

/// Fetches the pillar from this master; it counts if no master with a lower rank is ready.
async fn pillar(daemon: &Arc<Daemon>, name: &str) -> bool {
    let (shared, name) = (daemon.clone(), name.to_owned());
    let fetch = move || {
        let Some(master) = shared.links.link(&name) else {
            return true;
        };
        let ctx = shared.context();
        match fresh_pillar(&ctx, master) {
            Ok(pillar) => {
                if pillar.contains_key("_errors") {
                    warn!(master = %name, "The pillar has errors: state runs will refuse it.");
                }
                let first = shared.links.first_ready();
                if first.is_none_or(|(first, _)| first == name) {
                    ctx.facts.set_pillar(pillar);
                }
                true
            }
            Err(error) => {
                warn!(master = %name, %error, "No pillar yet; trying again.");
                false
            }
        }
    };
    tokio::task::spawn_blocking(fetch).await.unwrap_or(true)
}

fn announce(daemon: &Daemon, name: &str) {
    if daemon.once.ready.swap(true, Ordering::AcqRel) {
        info!(master = name, "Session is ready.");
    } else {
        let milliseconds = u64::try_from(daemon.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let since_boot = host::clock::since_boot().as_millis();
        let since_boot = u64::try_from(since_boot).unwrap_or(u64::MAX);
        daemon
            .once
            .ready_after
            .get_or_init(|| (since_boot, milliseconds));
        info!(target: ANNOUNCE, master = name, milliseconds, since_boot, "Minion is ready.");
    }
}

/// The start events, in both styles and with the grains that the options name.
async fn events(daemon: &Daemon, name: &str) {
    let Some(link) = daemon.links.get(name) else {
        return;
    };
    let settings = daemon.settings();
    let id = settings.id.as_str();
    let data = format!("Minion {id} started at {}", ctime());
    let mut tags = vec![format!("salt/minion/{id}/start")];
    if settings.jobs.legacy_startup_events {
        tags.insert(0, "minion_start".to_owned());
    }
    let grains = start_grains(&settings, &daemon.context());
    for tag in tags {
        fire(&link, &tag, data.as_str().into(), grains.clone()).await;
    }
    cloned(daemon, &link).await;
}

/// Fires one event on a master's bus; whether it was taken.
pub(super) async fn fire(link: &Link, tag: &str, data: Value, grains: Option<Map>) -> bool {
    let event = salt_wire::load::Event {
        tag: tag.to_owned(),
        data,
    };
    let patience = link.client.patience();
    let sent = link.client.request(event.to_map(grains), patience).await;
    if let Err(error) = &sent {
        warn!(tag, %error, "Event not delivered.");
    }
    sent.is_ok()
}

/// Says once that this machine is a copy: whoever runs the master should know where its disk came from.
async fn cloned(daemon: &Daemon, link: &Link) {
    let settings = daemon.settings();
    let Some(binding) = Binding::read(&settings.pki_dir).filter(|b| !b.told) else {
        return;
    };
    let Some(Parent {
        instance,
        fingerprint,
        ..
    }) = binding.cloned_from
    else {
        return;
    };
    let data = map! {
        "cloned_from" => instance,
        "fingerprint" => fingerprint,
        "instance" => binding.machine.instance,
    };
    let tag = format!("salt/minion/{}/cloned", settings.id);
    if fire(link, &tag, data.into(), None).await
        && let Err(error) = Binding::told(&settings.pki_dir)
    {
        warn!(%error, "It could not be recorded that the master knows of the clone.");
    }
}

fn start_grains(settings: &Settings, ctx: &Context) -> Option<Map> {
    let names = &settings.jobs.start_event_grains;
    let grains = ctx.facts.grains();
    let chosen: Map = names
        .iter()
        .filter_map(|name| Some((name.as_str().into(), grains.get(name.as_str())?.clone())))
        .collect();
    (!names.is_empty()).then_some(chosen)
}

/// As C's `ctime` writes it: `Sat Nov 21 04:55:08 2026`.
fn ctime() -> String {
    jiff::Zoned::now()
        .strftime("%a %b %e %H:%M:%S %Y")
        .to_string()
}

/// `startup_states`, as a job of our own whose return is `req`.
fn startup_states(daemon: &Daemon, name: &str) {
    let settings = daemon.settings();
    let jobs = &settings.jobs;
    let (fun, arg) = match jobs.startup_states.as_str() {
        "" => return,
        "sls" => ("state.sls", vec![Value::from(jobs.sls_list.clone())]),
        "top" => ("state.top", vec![Value::from(jobs.top_file.as_str())]),
        _ => ("state.highstate", Vec::new()),
    };
    if daemon.once.states.swap(true, Ordering::AcqRel) {
        return;
    }
    info!(fun, "Running the startup states.");
    daemon.dispatcher.submit(crate::dispatch::Publication {
        master: name.to_owned(),
        load: map! {
            "fun" => fun,
            "arg" => arg,
            "tgt" => settings.id.as_str(),
            "tgt_type" => "list",
            "jid" => "req",
            "ret" => jobs.returner.as_str(),
            "user" => "",
        },
    });
}

/// What attends a session: greeting and the way out of the spool.
pub(super) fn attend(daemon: &Arc<Daemon>, session: &Session) -> tokio::task::JoinHandle<()> {
    let greeter = greet(daemon.clone(), session.name().to_owned(), session.status());
    let deliver = deliver(daemon, session);
    let told = tell(daemon.clone(), session.status());
    let name = session.name().to_owned();
    let mismatch = super::mismatch::watch(daemon.clone(), name, session.status());
    tokio::spawn(async move {
        tokio::join!(greeter, deliver, told, mismatch);
    })
}

/// Sends what waits for a session's master until the session is gone.
pub(super) fn deliver(
    daemon: &Arc<Daemon>,
    session: &Session,
) -> impl Future<Output = ()> + Send + use<> {
    let net = &daemon.settings().net;
    let timing = super::drain::Timing {
        shortest: net.return_retry_timer,
        longest: net.return_retry_timer_max,
        tries: net.return_retry_tries,
    };
    let spool = daemon.dispatcher.spool().clone();
    let ladder = super::signing::Ladder::of(&daemon.settings());
    super::drain::drain(session.client(), spool, session.status(), timing, ladder)
}

/// Keeps the service manager's status text true.
async fn tell(daemon: Arc<Daemon>, mut status: watch::Receiver<Status>) {
    loop {
        daemon.notify.status(&daemon.status_line());
        if status.changed().await.is_err() {
            return;
        }
    }
}
