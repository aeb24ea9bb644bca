//! A job's stop signal: one flag that blocking code can poll, sleep on, and hang processes on.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Shared by a job, the processes it started and whoever may stop it. Clones are the same signal.
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    signal: Option<Signal>,
    groups: BTreeSet<i32>,
}

impl Cancel {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends `signal` to every process group of the job; TERM and KILL also end its own waits.
    pub fn signal(&self, signal: Signal) {
        let mut state = self.state();
        for group in &state.groups {
            // A group that is gone already is what we want.
            killpg(Pid::from_raw(*group), signal).ok();
        }
        if matches!(signal, Signal::SIGTERM | Signal::SIGKILL | Signal::SIGINT) {
            state.signal = Some(signal);
            self.inner.1.notify_all();
        }
    }

    /// Whether the job was told to end.
    pub fn is_cancelled(&self) -> bool {
        self.state().signal.is_some()
    }

    /// The signal that ended it; TERM when none was given.
    pub fn signal_given(&self) -> Signal {
        self.state().signal.unwrap_or(Signal::SIGTERM)
    }

    /// Sleeps for `time` or until cancelled; true when cancelled.
    pub fn sleep(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.state();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.signal.is_some() || left.is_zero() {
                return state.signal.is_some();
            }
            state = self
                .inner
                .1
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Adds a process group for as long as the guard lives; a signal already given reaches it at once.
    pub fn watch(&self, group: i32) -> Watch {
        let mut state = self.state();
        state.groups.insert(group);
        if let Some(signal) = state.signal {
            killpg(Pid::from_raw(group), signal).ok();
        }
        Watch {
            cancel: self.clone(),
            group,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a process group in reach of its job's signal.
pub struct Watch {
    cancel: Cancel,
    group: i32,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.cancel.state().groups.remove(&self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_at_the_signal() {
        let cancel = Cancel::new();
        let sleeper = cancel.clone();
        let thread = std::thread::spawn(move || sleeper.sleep(Duration::from_secs(60)));
        cancel.signal(Signal::SIGTERM);
        assert!(thread.join().unwrap());
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn an_undisturbed_sleep_says_so() {
        assert!(!Cancel::new().sleep(Duration::from_millis(1)));
    }
}
