//! A master that shows another key than the believed one is told about wherever somebody may hear it: on the
//! console with both fingerprints, in the status, and to every other master that is there.

use std::io::Write as _;
use std::sync::Arc;

use salt_wire::error::Reason;
use salt_wire::map;
use tokio::sync::watch;
use tracing::warn;

use super::Daemon;
use super::remaster::tell;
use crate::host::fs;
use crate::session::Status;

/// Tells each mismatch of one session once.
pub(super) async fn watch(daemon: Arc<Daemon>, name: String, mut status: watch::Receiver<Status>) {
    let mut said = String::new();
    loop {
        let detail = {
            let status = status.borrow_and_update();
            let trouble = status.trouble.as_ref();
            let trouble = trouble.filter(|t| t.reason == Reason::MasterKeyMismatch);
            trouble.map(|t| t.detail.clone())
        };
        match detail {
            Some(detail) if detail != said => {
                console(&daemon, &name, &detail);
                let data = map! {
                    "master" => name.as_str(),
                    "reason" => Reason::MasterKeyMismatch.code(),
                    "detail" => detail.as_str(),
                };
                tell(&daemon, Reason::MasterKeyMismatch.code(), data).await;
                said = detail;
            }
            _ => {}
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn console(daemon: &Daemon, name: &str, detail: &str) {
    let settings = daemon.settings();
    let Some(path) = &settings.agent.console else {
        return;
    };
    let reason = Reason::MasterKeyMismatch;
    let line = format!(
        "salt-agent: id={} master={name} reason={reason} {}",
        settings.id,
        detail.escape_debug()
    );
    let written = fs::append(path).and_then(|mut console| writeln!(console, "{line}\r"));
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "The console cannot be written (agent:console).");
    }
}
