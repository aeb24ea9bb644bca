//! The console line: who this machine is and how its first join goes, for an operator (or the bridge) who reads
//! the serial console through a channel that the network cannot forge.
//!
//! `salt-agent: id=ID fingerprint=FINGERPRINT nonce=NONCE state=STATE [reason=REASON]`, one line at each state
//! until the first session is ready.

use std::io::Write;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

use super::credentials::Pair;
use crate::config::Settings;
use crate::host::fs;
use crate::logging::ANNOUNCE;
use crate::session::{State, Status};

/// Tells each new state of a session until it is ready.
pub(super) async fn tell(
    settings: Arc<Settings>,
    pair: Arc<Pair>,
    mut status: watch::Receiver<Status>,
) {
    let mut said = String::new();
    loop {
        let (words, ready) = {
            let status = status.borrow_and_update();
            (words(&status), status.state.is_ready())
        };
        if let Some(line) = words.and_then(|words| line(&settings, &pair, &words))
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

/// The states that an operator waits for; what lies between them is over in a moment.
fn words(status: &Status) -> Option<String> {
    let reason = match &status.state {
        State::Ready { .. } => None,
        State::Pending(_) | State::Lost(_) => status.trouble.as_ref(),
        State::Connecting | State::Authenticating { .. } | State::Subscribing => return None,
    };
    let mut words = format!("state={}", status.state.name());
    if let Some(trouble) = reason {
        words.push_str(" reason=");
        words.push_str(trouble.reason.code());
    }
    Some(words)
}

fn line(settings: &Settings, pair: &Pair, words: &str) -> Option<String> {
    let key = pair.known()?;
    Some(format!(
        "salt-agent: id={} fingerprint={} nonce={} {words}",
        settings.id,
        key.public().fingerprint(settings.crypto.hash_type),
        settings.agent.nonce.as_deref().unwrap_or("-"),
    ))
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
