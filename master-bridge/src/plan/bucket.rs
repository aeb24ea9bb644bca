//! A token bucket: so many authentications a second on the new master, and no more.

use std::time::{Duration, Instant};

/// Tokens that come at a steady rate and are kept for at most one second's worth.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket of this many tokens a second.
    pub fn new(rate: f64, now: Instant) -> Self {
        Self {
            rate,
            tokens: rate.max(1.0),
            filled: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.rate.max(1.0));
        self.filled = now;
    }

    /// Takes up to `most` whole tokens.
    pub fn take(&mut self, most: usize, now: Instant) -> usize {
        self.fill(now);
        // The rate is bounded by the command line, so this is a small number.
        let taken = (self.tokens.floor() as usize).min(most);
        self.tokens -= taken as f64;
        taken
    }

    /// How long until there is a whole token.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        Duration::from_secs_f64(((1.0 - self.tokens) / self.rate).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_rate_and_one_seconds_worth() {
        let start = Instant::now();
        for rate in [0.5, 1.0, 10.0] {
            let mut bucket = Bucket::new(rate, start);
            let (mut now, mut taken) = (start, 0);
            for _ in 0..1000 {
                taken += bucket.take(usize::MAX, now);
                now += Duration::from_millis(37);
            }
            let most = rate.max(1.0) + rate * (now - start).as_secs_f64();
            assert!(taken as f64 <= most, "{rate}: {taken} of {most}");
            assert!(
                taken as f64 >= most - 2.0 * rate.max(1.0),
                "{rate}: {taken}"
            );
        }
    }

    #[test]
    fn the_wait_is_until_the_next_token() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2.0, start);
        assert_eq!(bucket.take(1, start), 1);
        assert_eq!(bucket.take(9, start), 1);
        assert_eq!(bucket.take(9, start), 0);
        let wait = bucket.wait(start);
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(bucket.take(9, start + wait), 1);
    }
}
