//! Leaving masters: what they still get before their sessions close.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;

use super::files::parting;
use super::parties::Party;
use super::{LOOK, Mover, Task};
use crate::host::fs::remove_if_there;
use crate::session::{Session, Status};
use crate::supervisor::crew::Crew;
use crate::supervisor::links::Link;
use crate::supervisor::{Daemon, welcome};

/// A master that is left is still heard for this long: a job that an operator published in the moment of the
/// switch must not go into a closed connection.
const OVERLAP: Duration = Duration::from_secs(3);
/// Jobs of a master that was left may end this long after it, and are still answered to it.
const LINGER: Duration = Duration::from_mins(10);
/// A master for which returns of an earlier run wait may take so long to take them.
const HAND_IN: Duration = Duration::from_secs(30);
/// How often it is looked whether there are any.
const HAND_IN_LOOK: Duration = Duration::from_secs(1);
/// Between looks at returns that cannot be moved, at most.
const LATE_LOOK: Duration = Duration::from_secs(30);
/// After that, and when the master is gone, their returns go to the new one: for this long.
const LATE_JOBS: Duration = Duration::from_hours(24);

impl Mover {
    /// Closes the sessions that the configuration does not name: in a moment, and when their jobs are answered; at
    /// once those that are not there and are owed nothing.
    pub(super) fn release(&self) {
        let keep = self.crew.wanted();
        let leaving: Vec<(String, Link)> = self
            .daemon
            .links
            .all()
            .into_iter()
            .filter(|(name, _)| !keep.contains(name))
            .collect();
        for (name, link) in leaving {
            let (daemon, crew) = (self.daemon.clone(), self.crew.clone());
            if is_ready(&link.status) {
                tokio::spawn(linger(daemon, crew, name, link));
            } else if bound(&daemon, &name) {
                // We may have been started a moment ago: it may be there in another one.
                tokio::spawn(async move {
                    let begun = Instant::now();
                    while !is_ready(&link.status) && begun.elapsed() < HAND_IN {
                        sleep(LOOK).await;
                    }
                    linger(daemon, crew, name, link).await;
                });
            } else {
                // What comes in for it after all is handed in.
                crew.dismiss(&name);
            }
        }
    }
}

/// Sees to it, until it is dropped, that what an earlier run of the agent left for masters that are not ours (any
/// more) is handed in: with a power cut goes whoever would have waited for it.
pub(super) async fn hand_in_all(
    daemon: Arc<Daemon>,
    crew: Arc<Crew>,
    parties: Arc<Mutex<Vec<Party>>>,
) {
    let mut busy: HashMap<String, Task> = HashMap::new();
    loop {
        sleep(HAND_IN_LOOK).await;
        busy.retain(|_, task| !task.0.is_finished());
        let waiting = daemon.dispatcher.spool().masters();
        if waiting.is_empty() {
            continue;
        }
        let ours = crew.configured();
        for name in waiting {
            if ours.contains(&name) || daemon.links.get(&name).is_some() || busy.contains_key(&name)
            {
                continue;
            }
            let known = parties.lock().unwrap_or_else(PoisonError::into_inner);
            let party = known
                .iter()
                .find(|p| p.address.to_string() == name)
                .cloned();
            drop(known);
            let task = hand_in(daemon.clone(), crew.clone(), name.clone(), party);
            busy.insert(name, Task(tokio::spawn(task)));
        }
    }
}

/// To the master that asked, if it can be proven and is there; else to the present one.
async fn hand_in(daemon: Arc<Daemon>, crew: Arc<Crew>, name: String, party: Option<Party>) {
    let Some(party) = party else {
        return rehome(daemon, crew, name).await;
    };
    info!(master = name, "Returns wait for a master that was left.");
    let file = parting(&daemon.settings().pki_dir, &party.address);
    let begun = Instant::now();
    let mut opened: Option<Parting> = None;
    while begun.elapsed() < HAND_IN && !crew.wanted().contains(&name) {
        match (&opened, crew.sessions()) {
            (Some(parting), _) if is_ready(&parting.session.status()) => break,
            (None, Some(sessions)) => {
                let masters = sessions
                    .masters()
                    .candidate(party.finger.clone(), file.clone());
                let parted = sessions.part(&party.address, party.publish_port, masters);
                opened = Some(Parting::of(&daemon, parted));
            }
            _ => {}
        }
        sleep(LOOK).await;
    }
    if let Some(parting) = &opened {
        until_free(&daemon, &name, &parting.session.status()).await;
    }
    drop(opened);
    rehome(daemon, crew, name).await;
    if let Err(error) = remove_if_there(&file) {
        info!(file = %file.display(), %error, "The key of a master that was left stays.");
    }
}

/// A session that hands returns in and does nothing else: it takes no jobs, greets nobody and is no link for others.
struct Parting {
    session: Session,
    _deliver: Task,
}

impl Parting {
    fn of(daemon: &Arc<Daemon>, session: Session) -> Self {
        let _deliver = Task(tokio::spawn(welcome::deliver(daemon, &session)));
        Self { session, _deliver }
    }
}

fn is_ready(status: &watch::Receiver<Status>) -> bool {
    status.borrow().state.is_ready()
}

/// Whether jobs of this master run, or returns wait for it.
fn bound(daemon: &Daemon, name: &str) -> bool {
    let dispatcher = &daemon.dispatcher;
    dispatcher.jobs().of_master(name) > 0 || dispatcher.spool().waiting(name) > 0
}

async fn linger(daemon: Arc<Daemon>, crew: Arc<Crew>, name: String, link: Link) {
    until_free(&daemon, &name, &link.status).await;
    // It may have become ours again meanwhile, or be on trial anew.
    let same = daemon
        .links
        .get(&name)
        .is_some_and(|now| now.status.same_channel(&link.status));
    if same && !crew.wanted().contains(&name) {
        crew.dismiss(&name);
        rehome(daemon, crew, name).await;
    }
}

/// Until a master is gone, or nothing runs and nothing waits for it.
async fn until_free(daemon: &Daemon, name: &str, status: &watch::Receiver<Status>) {
    let begun = Instant::now();
    let mut free = 0;
    // A job leaves the table a moment before its return is in the spool: one look is none.
    while is_ready(status) && begun.elapsed() < LINGER && (free < 3 || begun.elapsed() < OVERLAP) {
        free = if bound(daemon, name) { 0 } else { free + 1 };
        sleep(LOOK).await;
    }
}

/// What comes in late for a master that is gone goes to the present one.
async fn rehome(daemon: Arc<Daemon>, crew: Arc<Crew>, name: String) {
    let end = Instant::now() + LATE_JOBS;
    let (mut free, mut pause) = (0, LOOK);
    loop {
        let more = daemon.dispatcher.jobs().of_master(&name) > 0;
        free = if more { 0 } else { free + 1 };
        if crew.wanted().contains(&name) || Instant::now() > end {
            return;
        }
        if let Some(home) = crew.wanted().into_iter().next()
            && daemon.links.get(&name).is_none()
        {
            let spool = daemon.dispatcher.spool();
            let moved = spool.rehome(&name, &home);
            // What the disk does not take now it may take later.
            let stays = moved == 0 && spool.waiting(&name) > 0;
            pause = if stays {
                (pause * 2).min(LATE_LOOK)
            } else {
                LOOK
            };
            if moved > 0 {
                info!(
                    from = name,
                    to = home,
                    moved,
                    "Returns go to the new master."
                );
            }
        }
        if free > 3 && daemon.dispatcher.spool().waiting(&name) == 0 {
            return;
        }
        sleep(pause).await;
    }
}
