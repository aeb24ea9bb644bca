//! A master that shows another key than the believed one is told about wherever somebody may hear it: on the
//! console with both fingerprints, in the status, and to every other master that is there.

use std::sync::Arc;

use salt_wire::error::Reason;
use salt_wire::map;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Daemon;
use super::console::write;
use super::remaster::tell;
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
                let (whose, master, words) = (daemon.clone(), name.clone(), detail.clone());
                drop(spawn_blocking(move || console(&whose, &master, &words)).await);
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
    let reason = Reason::MasterKeyMismatch;
    let line = format!(
        "salt-agent: id={} master={name} reason={reason} {}",
        settings.id,
        detail.escape_debug()
    );
    write(&settings, &line);
}
