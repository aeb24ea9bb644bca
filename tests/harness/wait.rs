//! Waiting for a condition, with a deadline and words for the failure.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds; fails the test after `seconds`.
pub fn until(seconds: u64, what: &str, mut condition: impl FnMut() -> bool) {
    until_some(seconds, what, || condition().then_some(()));
}

/// Waits until `look` finds something; fails the test after `seconds`.
pub fn until_some<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {seconds} s for {what}");
        thread::sleep(PAUSE);
    }
}
