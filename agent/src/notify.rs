//! What systemd is told: ready, what we are doing, that we still live.
//!
//! Without systemd around us (no `NOTIFY_SOCKET`) all of it is nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::{debug, error};

/// Speaks to the service manager.
#[derive(Debug, Default)]
pub struct Notify {
    last: Mutex<String>,
}

impl Notify {
    /// The daemon is up: its files are read and its sessions try. That a master is there is no part of it, since an
    /// unaccepted key is no failed start.
    pub fn ready(&self) {
        send(&[NotifyState::Ready]);
    }

    /// The one line of `systemctl status` that says what we are doing.
    pub fn status(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            text.clone_into(&mut last);
            send(&[NotifyState::Status(text)]);
        }
    }

    /// The configuration is being read anew; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => send(&[NotifyState::Reloading, now]),
            Err(_) => send(&[NotifyState::Reloading]),
        }
    }

    /// We are going down.
    pub fn stopping(&self) {
        send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        debug!(%error, "The service manager was not told.");
    }
}

/// Signs of life of everything that must not hang. Each part beats; the watchdog is fed as long as all do.
#[derive(Debug, Default)]
pub struct Pulses {
    pulses: Mutex<Vec<(String, Weak<AtomicU64>)>>,
}

/// How often a part beats.
const BEAT: Duration = Duration::from_secs(1);

/// The pulse of one part; it counts no more when dropped.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<AtomicU64>, Instant);

impl Pulse {
    /// Beats until it is dropped: put it into the same task as the work, so that it stops when the work blocks.
    pub async fn run(self) {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            beat.tick().await;
            self.0.store(since(self.1), Ordering::Relaxed);
        }
    }
}

fn since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Pulses {
    /// A new part.
    pub fn add(&self, name: &str, start: Instant) -> Pulse {
        let pulse = Arc::new(AtomicU64::new(since(start)));
        self.lock().push((name.to_owned(), Arc::downgrade(&pulse)));
        Pulse(pulse, start)
    }

    /// The parts that have not beaten for `limit`. One that hangs may stop others, which share its thread.
    pub fn stuck(&self, start: Instant, limit: Duration) -> Vec<String> {
        let now = since(start);
        let mut pulses = self.lock();
        pulses.retain(|(_, pulse)| pulse.strong_count() > 0);
        let late = |(_, pulse): &&(String, Weak<AtomicU64>)| {
            pulse.upgrade().is_some_and(|pulse| {
                let last = Duration::from_millis(pulse.load(Ordering::Relaxed));
                Duration::from_millis(now).saturating_sub(last) > limit
            })
        };
        let late = pulses.iter().filter(late);
        late.map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Weak<AtomicU64>)>> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Feeds systemd's watchdog from a thread of its own, for as long as no part hangs. Without a watchdog, nothing.
pub fn watchdog(pulses: Arc<Pulses>, start: Instant) {
    let mut usec = 0;
    if !sd_notify::watchdog_enabled(false, &mut usec) {
        return;
    }
    let period = Duration::from_micros(usec);
    let feed = move || {
        loop {
            let stuck = pulses.stuck(start, period / 2);
            if stuck.is_empty() {
                send(&[NotifyState::Watchdog]);
            } else {
                let part = stuck.join(", ");
                error!(part, "A part of the agent hangs: the watchdog is not fed.");
            }
            std::thread::sleep((period / 4).max(Duration::from_millis(10)));
        }
    };
    let thread = std::thread::Builder::new().name("watchdog".into());
    if let Err(error) = thread.stack_size(128 << 10).spawn(feed) {
        error!(%error, "No thread for the watchdog.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_blocks_is_named_and_one_that_ended_is_not() {
        let (pulses, start) = (Pulses::default(), Instant::now());
        let limit = Duration::from_millis(300);
        let ended = pulses.add("ended", start);
        drop(ended);
        let lives = tokio::spawn(pulses.add("lives", start).run());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(pulses.stuck(start, limit).is_empty());
        // The same thread runs the tasks: nobody beats while it sleeps.
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(pulses.stuck(start, limit), ["lives"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(pulses.stuck(start, limit).is_empty());
        lives.abort();
    }
}
