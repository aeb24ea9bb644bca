//! The console line: who this machine is and how its first join goes, for an operator (or the bridge) who reads
//! the serial console through a channel that the network cannot forge: one line at each state until the first
//! session is ready, and one with the outcome when there is more to wait for. [`salt_wire::announce`] says what it
//! looks like.

use std::io::Write;
use std::sync::Arc;

use salt_wire::Announcement;
use tokio::sync::watch;
use tracing::{info, warn};

use super::credentials::Pair;
use crate::config::Settings;
use crate::host::fs;
use crate::identity::Binding;
use crate::logging::ANNOUNCE;
use crate::session::{State, Status};

/// Tells each new state of a session until it is ready.
pub(super) async fn tell(
    settings: Arc<Settings>,
    pair: Arc<Pair>,
    mut status: watch::Receiver<Status>,
) {
    let cloned_from = Binding::read(&settings.pki_dir).and_then(|binding| binding.parent());
    let mut said = String::new();
    loop {
        let (announcement, ready) = {
            let status = status.borrow_and_update();
            let told = worth_telling(&status);
            let announcement = told.and_then(|(state, reason)| {
                announcement(&settings, &pair, state, reason, cloned_from.clone())
            });
            (announcement, status.state.is_ready())
        };
        if let Some(line) = announcement.map(|a| a.to_string())
            && line != said
        {
            info!(target: ANNOUNCE, "{line}");
            write(&settings, &line);
            said = line;
        }
        if ready || status.changed().await.is_err() {
            return;
        }
    }
}

/// Tells how the first join ended, once its states have run or its time is over.
pub(super) fn outcome(settings: &Settings, pair: &Pair, state: &str, reason: Option<&str>) {
    let cloned_from = Binding::read(&settings.pki_dir).and_then(|binding| binding.parent());
    if let Some(said) = announcement(settings, pair, state, reason, cloned_from) {
        let line = said.to_string();
        info!(target: ANNOUNCE, "{line}");
        write(settings, &line);
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

fn announcement(
    settings: &Settings,
    pair: &Pair,
    state: &str,
    reason: Option<&str>,
    cloned_from: Option<String>,
) -> Option<Announcement> {
    let key = pair.known()?;
    Some(Announcement {
        id: settings.id.parse().ok()?,
        fingerprint: key.public().fingerprint(settings.crypto.hash_type),
        nonce: settings.agent.nonce.clone(),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        cloned_from,
    })
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
