//! The pause before the next try: decorrelated jitter, so that a thousand agents that lost their master in
//! the same second do not come back in the same second.

use std::time::Duration;

/// Pauses that grow on average and never line up: each is random between the shortest and three times the
/// one before it, and no longer than the longest.
#[derive(Debug, Clone)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    last: Duration,
}

impl Backoff {
    /// A back-off between two bounds; a longest below the shortest counts as the shortest.
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        // Zero would make a busy loop of a master that refuses at once.
        let shortest = shortest.max(Duration::from_millis(50));
        Self {
            shortest,
            longest: longest.max(shortest),
            last: shortest,
        }
    }

    /// The next pause.
    pub fn next(&mut self, random: &mut dyn FnMut() -> f64) -> Duration {
        let span = (self.last * 3).saturating_sub(self.shortest);
        self.last = (self.shortest + span.mul_f64(random().clamp(0.0, 1.0))).min(self.longest);
        self.last
    }

    /// Begins anew, after things went well.
    pub fn reset(&mut self) {
        self.last = self.shortest;
    }

    /// The longest pause.
    pub const fn longest(&self) -> Duration {
        self.longest
    }
}

/// A random number from 0 to 1, of the kernel.
pub fn random() -> f64 {
    // Without randomness all pauses are their middle: still bounded, only not spread.
    let number = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_in_their_bounds_and_grow_on_average() {
        let (shortest, longest) = (Duration::from_secs(1), Duration::from_secs(11));
        let mut backoff = Backoff::new(shortest, longest);
        let mut firsts = Vec::new();
        for _ in 0..100 {
            backoff.reset();
            let pauses: Vec<_> = (0..20).map(|_| backoff.next(&mut random)).collect();
            assert!(pauses.iter().all(|p| (shortest..=longest).contains(p)));
            assert!(pauses[0] <= 3 * shortest);
            firsts.push(pauses[0]);
        }
        firsts.sort();
        firsts.dedup();
        assert!(
            firsts.len() > 90,
            "a hundred agents, {} pauses",
            firsts.len()
        );
        let mut backoff = Backoff::new(shortest, longest);
        assert_eq!(backoff.next(&mut || 1.0), 3 * shortest);
        assert_eq!(backoff.next(&mut || 1.0), 9 * shortest);
        assert_eq!(backoff.next(&mut || 1.0), longest);
    }

    #[test]
    fn nonsense_bounds_make_no_busy_loop() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        assert!(backoff.next(&mut || 0.0) >= Duration::from_millis(50));
    }
}
