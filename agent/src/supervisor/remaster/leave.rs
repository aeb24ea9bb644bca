//! Leaving masters: what they still get before their sessions close.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::info;

use super::{LOOK, Mover};
use crate::supervisor::Daemon;
use crate::supervisor::crew::Crew;
use crate::supervisor::links::Link;

/// A master that is left is still heard for this long: a job that an operator published in the moment of the
/// switch must not go into a closed connection.
const OVERLAP: Duration = Duration::from_secs(3);
/// Jobs of a master that was left may end this long after it, and are still answered to it.
const LINGER: Duration = Duration::from_mins(10);
/// After that, and when the master is gone, their returns go to the new one: for this long.
const LATE_JOBS: Duration = Duration::from_hours(24);

impl Mover {
    /// Closes the sessions that the configuration does not name: at once those that are not ready, the others
    /// in a moment, and when their jobs are answered.
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
            if is_ready(&link) {
                tokio::spawn(linger(self.daemon.clone(), self.crew.clone(), name, link));
            } else {
                self.crew.dismiss(&name);
                tokio::spawn(rehome(self.daemon.clone(), self.crew.clone(), name));
            }
        }
    }
}

fn is_ready(link: &Link) -> bool {
    link.status.borrow().state.is_ready()
}

/// Whether jobs of this master run, or returns wait for it.
fn bound(daemon: &Daemon, name: &str) -> bool {
    let dispatcher = &daemon.dispatcher;
    dispatcher.jobs().of_master(name) > 0 || dispatcher.spool().waiting(name) > 0
}

async fn linger(daemon: Arc<Daemon>, crew: Arc<Crew>, name: String, link: Link) {
    let begun = Instant::now();
    let mut free = 0;
    // A job leaves the table a moment before its return is in the spool: one look is none.
    while is_ready(&link) && begun.elapsed() < LINGER && (free < 3 || begun.elapsed() < OVERLAP) {
        free = if bound(&daemon, &name) { 0 } else { free + 1 };
        sleep(LOOK).await;
    }
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

/// What comes in late for a master that is gone goes to the present one.
async fn rehome(daemon: Arc<Daemon>, crew: Arc<Crew>, name: String) {
    let end = Instant::now() + LATE_JOBS;
    let mut free = 0;
    loop {
        let more = daemon.dispatcher.jobs().of_master(&name) > 0;
        free = if more { 0 } else { free + 1 };
        if crew.wanted().contains(&name) || Instant::now() > end {
            return;
        }
        if let Some(home) = crew.wanted().into_iter().next()
            && daemon.links.get(&name).is_none()
        {
            let moved = daemon.dispatcher.spool().rehome(&name, &home);
            if moved > 0 {
                info!(
                    from = name,
                    to = home,
                    moved,
                    "Returns go to the new master."
                );
            }
        }
        if free > 3 {
            return;
        }
        sleep(LOOK).await;
    }
}
