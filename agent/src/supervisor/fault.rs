//! Faults on demand, for tests of the watchdog. Only in debug builds: a release has no way to break itself.

use std::path::PathBuf;
use std::time::Duration;

use crate::host::env;

/// Names the file whose appearance makes a session's task hang.
const HANG: &str = "SALT_AGENT_FAULT_HANG";

/// Blocks the task that polls it as soon as the file is there, which it removes: the next process must not hang.
pub(super) async fn hang_when_asked() {
    let Some(file) = env::var(HANG).map(PathBuf::from) else {
        return;
    };
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if std::fs::remove_file(&file).is_ok() {
            tracing::error!(file = %file.display(), "Hanging, as asked.");
            loop {
                std::thread::park();
            }
        }
    }
}
