//! Those who come back after a master rotated its AES key: counted, so that an operator knows what a deletion costs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use salt_wire::Value;

use crate::error::Result;
use crate::output::Output;
use crate::salt::{Event, Master};

/// The rotation is at the master's next loop, at most a minute later; then minions come with the next job.
const ROTATION: Duration = Duration::from_secs(75);
/// After the rotation minions are counted for so long, or until all have come.
const HERD: Duration = Duration::from_secs(15);

/// Those who come back after a rotation.
#[derive(Debug, Default)]
pub struct Herd {
    /// When the rotation was seen.
    since: Option<Instant>,
    /// How often who authenticated.
    came: BTreeMap<String, usize>,
    /// How many authentications were in each second.
    seconds: BTreeMap<u64, usize>,
}

impl Herd {
    /// Whether a rotation was seen.
    pub fn rotated(&self) -> bool {
        self.since.is_some()
    }

    /// How many authentications there were since.
    pub fn count(&self) -> usize {
        self.came.values().sum()
    }

    /// The most in one second.
    pub fn peak(&self) -> usize {
        self.seconds.values().copied().max().unwrap_or(0)
    }

    /// Takes what the bus says. Only those who are left come back because of the rotation: who was deleted knocks for
    /// reasons of its own, and so does whoever comes before it.
    fn hear(&mut self, event: &Event, left: &BTreeSet<String>, now: Instant) {
        let rotates = event.data.get("rotate_aes_key");
        if event.tag == "key" && rotates.is_some_and(Value::is_truthy) {
            self.since.get_or_insert(now);
        }
        let (Some(since), "salt/auth") = (self.since, event.tag.as_str()) else {
            return;
        };
        let id = event.data.get("id").and_then(Value::as_str);
        if let Some(id) = id.filter(|id| left.contains(*id)) {
            *self.came.entry(id.to_owned()).or_default() += 1;
            let second = now.saturating_duration_since(since).as_secs();
            *self.seconds.entry(second).or_default() += 1;
        }
    }

    /// When nobody else is waited for.
    fn end(&self, start: Instant, left: usize) -> Instant {
        match self.since {
            None => start + ROTATION,
            Some(since) if self.came.len() >= left => since,
            Some(since) => since + HERD,
        }
    }
}

/// Counts who authenticates after the rotation, until all who are `left` have, or nobody comes any more.
pub async fn watch(old: &mut dyn Master, left: &BTreeSet<String>, output: &Output) -> Result<Herd> {
    output.say("watching how the others come back");
    let (start, mut herd) = (Instant::now(), Herd::default());
    loop {
        let end = herd.end(start, left.len());
        let pause = end.saturating_duration_since(Instant::now());
        if pause.is_zero() {
            break;
        }
        let Some(event) = old.event(pause).await? else {
            break;
        };
        herd.hear(&event, left, Instant::now());
    }
    output.say(&format!(
        "{}{} authentications, at most {} in a second",
        if herd.rotated() {
            ""
        } else {
            "no rotation was seen; "
        },
        herd.count(),
        herd.peak()
    ));
    Ok(herd)
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn only_those_who_are_left_are_counted_and_only_since_the_rotation() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let left: BTreeSet<String> = ["a".to_owned(), "b".to_owned()].into();
        let event = |tag: &str, data| Event {
            tag: tag.into(),
            data,
        };
        let auth = |id: &str| event("salt/auth", map! {"id" => id, "result" => true});
        let rotation = event("key", map! {"rotate_aes_key" => true});
        let mut herd = Herd::default();
        herd.hear(&auth("a"), &left, now);
        herd.hear(&event("key", map! {"rotate_aes_key" => false}), &left, now);
        assert!(!herd.rotated());
        assert_eq!((herd.count(), herd.end(now, 2)), (0, now + ROTATION));
        let then = now + 5 * second;
        herd.hear(&rotation, &left, then);
        assert_eq!(herd.end(now, 2), then + HERD);
        herd.hear(&auth("deleted"), &left, then);
        herd.hear(&auth("a"), &left, then);
        herd.hear(&auth("a"), &left, then + second);
        assert_eq!((herd.count(), herd.peak()), (2, 1));
        assert_eq!(herd.end(now, 2), then + HERD, "b has not come");
        herd.hear(&auth("b"), &left, then + second);
        assert_eq!((herd.count(), herd.peak()), (3, 2));
        assert!(herd.end(now, 2) <= then, "all have come");
        // Another rotation does not begin it anew.
        herd.hear(&rotation, &left, then + second);
        assert_eq!(herd.since, Some(then));
    }
}
