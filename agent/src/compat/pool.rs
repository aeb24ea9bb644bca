//! The process that one run left for the next: starting Python and Salt takes a second, so it waits a while.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::child::Child;

/// How many wait. Each holds some 80 MiB.
const MOST: usize = 1;

/// Processes at rest.
#[derive(Default)]
pub(super) struct Pool {
    resting: Mutex<Vec<Child>>,
}

impl Pool {
    /// One of this Python that is still there.
    pub(super) fn take(&self, python: &Path) -> Option<Child> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(Child::lives);
        let at = resting.iter().position(|c| c.python() == python)?;
        Some(resting.swap_remove(at))
    }

    /// Keeps one that is told to rest; it ends by itself when nobody takes it for a while.
    pub(super) fn give(&self, mut child: Child) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(Child::lives);
        if resting.len() < MOST && child.rest() {
            resting.push(child);
        }
    }
}
