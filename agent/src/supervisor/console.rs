//! The console line: who this machine is and how its first join goes, for an operator (or the bridge) who reads
//! the serial console through a channel that the network cannot forge: one line as soon as there is a key, before any
//! master hears of it, one at each state until the first session is ready, and one with the outcome when there is more
//! to wait for. [`salt_wire::announce`] says what it looks like.

use std::io::Write;
use std::sync::Arc;

use salt_wire::Announcement;
use salt_wire::crypto::PrivateKey;
use tokio::sync::watch;
use tracing::{info, warn};

use super::credentials::Pair;
use crate::config::Settings;
use crate::host::fs;
use crate::identity::Binding;
use crate::logging::ANNOUNCE;
use crate::session::{State, Status};

/// Tells whose key this is: no session has it yet.
pub(super) fn begin(settings: &Settings, key: &PrivateKey) {
    say(
        settings,
        key,
        State::Connecting.name(),
        None,
        &mut String::new(),
    );
}

/// Tells each new state of a session until it is ready.
pub(super) async fn tell(
    settings: Arc<Settings>,
    pair: Arc<Pair>,
    mut status: watch::Receiver<Status>,
) {
    // A master that is out of reach asks nobody for the key, and that is what the console is read for.
    let asked = pair.clone();
    let key = tokio::task::spawn_blocking(move || asked.key()).await;
    let mut key = key.ok().and_then(Result::ok);
    let mut said = String::new();
    loop {
        let (told, ready) = {
            let status = status.borrow_and_update();
            (worth_telling(&status), status.state.is_ready())
        };
        key = pair.known().or(key);
        if let Some(((state, reason), key)) = told.zip(key.as_ref()) {
            say(&settings, key, state, reason, &mut said);
        }
        if ready || status.changed().await.is_err() {
            return;
        }
    }
}

/// Tells how the first join ended, once its states have run or its time is over.
pub(super) fn outcome(settings: &Settings, pair: &Pair, state: &str, reason: Option<&str>) {
    if let Some(key) = pair.known() {
        say(settings, &key, state, reason, &mut String::new());
    }
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

/// Says it, unless that was the last thing `said`.
fn say(
    settings: &Settings,
    key: &PrivateKey,
    state: &str,
    reason: Option<&str>,
    said: &mut String,
) {
    let Ok(id) = settings.id.parse() else { return };
    let announcement = Announcement {
        id,
        fingerprint: key.public().fingerprint(settings.crypto.hash_type),
        nonce: settings.agent.nonce.clone(),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        cloned_from: Binding::read(&settings.pki_dir).and_then(|binding| binding.parent()),
    };
    let line = announcement.to_string();
    if line != *said {
        info!(target: ANNOUNCE, "{line}");
        write(settings, &line);
        *said = line;
    }
}

fn write(settings: &Settings, line: &str) {
    let Some(path) = &settings.agent.console else {
        return;
    };
    let written = fs::append(path).and_then(|mut console| writeln!(console, "{line}\r"));
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "The console cannot be written (agent:console).");
    }
}
