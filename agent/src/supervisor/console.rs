//! The console line: who this machine is and how its first join goes, for an operator (or the bridge) who reads
//! the serial console through a channel that the network cannot forge: one line as soon as there is a key, before any
//! master hears of it, one at each state until the first session is ready, and one with the outcome when there is more
//! to wait for. [`salt_wire::announce`] says what it looks like.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use salt_wire::Announcement;
use salt_wire::crypto::{Fingerprint, PrivateKey};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::credentials::Pair;
use crate::config::Settings;
use crate::host::console;
use crate::identity::Binding;
use crate::logging::ANNOUNCE;
use crate::session::{State, Status};

/// The same line of one master comes again after this time: a master that is out of reach for now one reason and now
/// another one must not push everything else out of the log that Nova keeps.
const AGAIN: Duration = Duration::from_mins(1);

/// What the console of this daemon has shown.
#[derive(Default)]
pub(super) struct Shown {
    key: Mutex<Option<Fingerprint>>,
    /// By master, when each line was said last, the newest at the end.
    lines: Mutex<BTreeMap<String, Vec<(String, Instant)>>>,
}

impl Shown {
    /// Shows whose key this is, unless it was the last one that was shown.
    pub(super) fn key(&self, settings: &Settings, key: &PrivateKey) {
        let finger = key.public().fingerprint(settings.crypto.hash_type);
        let mut last = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if last.replace(finger.clone()) != Some(finger)
            && let Some(line) = line(settings, key, State::Connecting.name(), None)
        {
            say(settings, &line);
        }
    }

    /// Whether this line of a master is to be said now.
    fn is_news(&self, master: &str, line: &str, ready: bool, now: Instant) -> bool {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if ready {
            // What comes after it is another story.
            lines.remove(master);
            return true;
        }
        let said = lines.entry(master.to_owned()).or_default();
        let before = said.iter().position(|(text, _)| text == line);
        let is_last = before.is_some_and(|at| at + 1 == said.len());
        let is_fresh = before
            .and_then(|at| said.get(at))
            .is_some_and(|(_, then)| now.saturating_duration_since(*then) < AGAIN);
        if is_last || is_fresh {
            return false;
        }
        said.retain(|(text, _)| text != line);
        said.push((line.to_owned(), now));
        true
    }
}

/// Tells each new state of a session until it is ready, or over.
pub(super) async fn tell(
    settings: Arc<Settings>,
    pair: Arc<Pair>,
    master: String,
    mut status: watch::Receiver<Status>,
) {
    // A master that is out of reach asks nobody for the key, and that is what the console is read for.
    let asked = pair.clone();
    drop(spawn_blocking(move || asked.key().is_ok()).await);
    loop {
        let (told, ready) = {
            let status = status.borrow_and_update();
            (worth_telling(&status), status.state.is_ready())
        };
        if let Some((state, reason)) = told {
            let (settings, pair, master) = (settings.clone(), pair.clone(), master.clone());
            let told = spawn_blocking(move || {
                // Each time: it may be another one than before.
                let Ok(key) = pair.key() else { return };
                if let Some(line) = line(&settings, &key, state, reason)
                    && pair.shown().is_news(&master, &line, ready, Instant::now())
                {
                    say(&settings, &line);
                }
            });
            drop(told.await);
        }
        if ready || status.changed().await.is_err() {
            return;
        }
    }
}

/// Tells how the first join ended, once its states have run or its time is over. False if there is no key to tell of.
pub(super) fn outcome(settings: &Settings, pair: &Pair, state: &str, reason: Option<&str>) -> bool {
    let Ok(key) = pair.key() else { return false };
    let line = line(settings, &key, state, reason);
    if let Some(line) = &line {
        say(settings, line);
    }
    line.is_some()
}

/// The states that an operator waits for, and what keeps them. What lies between them is over in a moment.
fn worth_telling(status: &Status) -> Option<(&'static str, Option<&'static str>)> {
    let trouble = match &status.state {
        State::Ready { .. } => None,
        State::Pending(_) | State::Lost(_) => status.trouble.as_ref(),
        State::Connecting | State::Authenticating { .. } | State::Subscribing => return None,
    };
    Some((status.state.name(), trouble.map(|t| t.reason.code())))
}

fn line(
    settings: &Settings,
    key: &PrivateKey,
    state: &str,
    reason: Option<&str>,
) -> Option<String> {
    let announcement = Announcement {
        id: settings.id.parse().ok()?,
        fingerprint: key.public().fingerprint(settings.crypto.hash_type),
        nonce: settings.agent.nonce.clone(),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        cloned_from: Binding::read(&settings.pki_dir).and_then(|binding| binding.parent()),
    };
    Some(announcement.to_string())
}

fn say(settings: &Settings, line: &str) {
    info!(target: ANNOUNCE, "{line}");
    write(settings, line);
}

/// A line on the console, if the configuration names one.
pub(super) fn write(settings: &Settings, line: &str) {
    let Some(path) = &settings.agent.console else {
        return;
    };
    if let Err(error) = console::write_line(path, line) {
        warn!(path = %path.display(), %error, "The console cannot be written (agent:console).");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_that_comes_and_goes_is_not_told_of_each_time() {
        let shown = Shown::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let news =
            |master, line, seconds| shown.is_news(master, line, line == "ready", at(seconds));
        assert!(news("a", "lost dns", 0));
        assert!(!news("a", "lost dns", 90), "nothing is new");
        assert!(news("a", "lost timeout", 91));
        assert!(news("b", "lost dns", 91), "another one");
        assert!(news("a", "lost dns", 92), "it was long ago");
        assert!(!news("a", "lost timeout", 93));
        assert!(news("a", "pending", 94));
        assert!(news("a", "lost timeout", 152));
        assert!(news("a", "ready", 153) && news("a", "ready", 154));
        assert!(news("a", "lost timeout", 155));
    }
}
