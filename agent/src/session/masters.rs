//! Which master next: the order of a list under `master_type: failover` or `distributed`, and where to
//! fail back to. Plain data; the supervisor asks it.

use crate::config::MasterAddress;
use crate::config::settings::{MasterOptions, MasterType};

/// A list of masters of which one is used at a time.
#[derive(Debug, Clone)]
pub struct Failover {
    /// In the order in which they are tried; the first one is where `master_failback` goes back to.
    order: Vec<MasterAddress>,
    current: usize,
    /// Tries since the last success.
    failed: usize,
}

impl Failover {
    /// The list in its order: as written, shuffled, or begun at the place that the id chooses.
    pub fn new(options: &MasterOptions, id: &str, random: &mut dyn FnMut() -> f64) -> Self {
        let mut order = options.addresses.clone();
        if options.kind == MasterType::Distributed && !order.is_empty() {
            let start = crc32(id.as_bytes()) as usize % order.len();
            order.rotate_left(start);
        } else if options.random {
            // With failback the first one is special and stays.
            let fixed = usize::from(options.failback && options.kind == MasterType::Failover);
            shuffle(order.get_mut(fixed..).unwrap_or_default(), random);
        }
        Self {
            order,
            current: 0,
            failed: 0,
        }
    }

    /// The master to use now.
    pub fn current(&self) -> Option<&MasterAddress> {
        self.order.get(self.current)
    }

    /// The one to fail back to, if that is not where we are.
    pub fn home(&self) -> Option<&MasterAddress> {
        self.order.first().filter(|_| self.current != 0)
    }

    /// The current one is lost: on to the next. True when the whole list failed since the last success, which
    /// is the time for a pause.
    pub fn failed(&mut self) -> bool {
        if self.order.is_empty() {
            return true;
        }
        self.current = (self.current + 1) % self.order.len();
        self.failed += 1;
        self.failed.is_multiple_of(self.order.len())
    }

    /// The current one works.
    pub fn worked(&mut self) {
        self.failed = 0;
    }

    /// Back to the first.
    pub fn go_home(&mut self) {
        self.current = 0;
        self.failed = 0;
    }
}

/// Fisher and Yates.
pub fn shuffle<T>(items: &mut [T], random: &mut dyn FnMut() -> f64) {
    for last in (1..items.len()).rev() {
        let pick = (random() * (last + 1) as f64) as usize;
        items.swap(last, pick.min(last));
    }
}

/// CRC-32 as Python's `zlib.crc32`, which Salt means to use for `distributed`.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let lowest = crc & 1;
            crc = (crc >> 1) ^ (0xedb8_8320 * lowest);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use salt_wire::{Map, map};

    use super::*;
    use crate::config::Settings;

    fn failover(extra: Map) -> Failover {
        let mut options = map! {
            "master" => vec!["a", "b", "c", "d"], "master_type" => "failover",
        };
        options.extend(extra);
        let settings = Settings::from_overrides(Path::new("/etc/salt"), "m1", options).unwrap();
        Failover::new(&settings.master, &settings.id, &mut || 0.0)
    }

    fn hosts(failover: &Failover) -> Vec<&str> {
        failover.order.iter().map(|a| a.host.as_str()).collect()
    }

    #[test]
    fn one_after_the_other_with_a_pause_after_each_pass() {
        let mut list = failover(Map::new());
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(list.current().unwrap().host.clone());
            let pause = list.failed();
            assert_eq!(pause, seen.len() % 4 == 0);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "a"]);
        assert_eq!(list.home().unwrap().host, "a");
        list.worked();
        assert!(!list.failed());
        list.go_home();
        assert!(list.home().is_none());
    }

    #[test]
    fn random_keeps_the_first_only_for_failback() {
        assert_eq!(
            hosts(&failover(map! {"random_master" => true})),
            ["b", "c", "d", "a"]
        );
        let list = failover(map! {"random_master" => true, "master_failback" => true});
        assert_eq!(hosts(&list), ["a", "c", "d", "b"]);
    }

    #[test]
    fn distributed_begins_where_the_id_says() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let list = failover(map! {"master_type" => "distributed"});
        let start = crc32(b"m1") as usize % 4;
        assert_eq!(hosts(&list)[0], ["a", "b", "c", "d"][start]);
    }
}
