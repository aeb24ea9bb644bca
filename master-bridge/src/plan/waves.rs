//! In what portions: a canary, then waves, each kept or called back by itself; and when to stop.

use std::fmt;
use std::str::FromStr;

/// How many: a number, or a part of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(u8),
}

impl Amount {
    /// Of this many; never none, so that a wave always moves someone.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count.max(1),
            Self::Percent(percent) => (all * usize::from(percent)).div_ceil(100).max(1),
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "must be a number of minions or a percentage such as 10%".to_owned();
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u8 = percent.trim().parse().map_err(|_| bad())?;
            return (1..=100)
                .contains(&percent)
                .then_some(Self::Percent(percent))
                .ok_or_else(bad);
        }
        let count: usize = text.parse().map_err(|_| bad())?;
        (count > 0).then_some(Self::Count(count)).ok_or_else(bad)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Divides minions into a canary and waves. `groups` go one after the other, and no wave has members of
/// two of them.
pub fn waves(groups: &[Vec<String>], canary: usize, wave: Amount) -> Vec<(String, Vec<String>)> {
    let all = groups.iter().map(Vec::len).sum();
    let (size, mut canary) = (wave.of(all), canary);
    let (mut waves, mut number) = (Vec::new(), 0);
    for group in groups {
        let (first, rest) = group.split_at(canary.min(group.len()));
        if !first.is_empty() {
            waves.push((CANARY.to_owned(), first.to_vec()));
        }
        // A canary is in the first group alone.
        if !group.is_empty() {
            canary = 0;
        }
        for ids in rest.chunks(size) {
            number += 1;
            waves.push((format!("wave {number}"), ids.to_vec()));
        }
    }
    waves
}

/// The name of the first wave, whose failure stops everything.
pub const CANARY: &str = "canary";

/// Whether to go on after a wave: a failed canary stops everything, else more failures than allowed.
pub fn may_go_on(wave: &str, failed_in_wave: usize, failed: usize, max_failures: usize) -> bool {
    if wave == CANARY {
        return failed_in_wave == 0;
    }
    failed <= max_failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("m{n:03}")).collect()
    }

    #[test]
    fn everyone_is_in_exactly_one_wave_and_groups_are_not_mixed() {
        for count in [0, 1, 2, 9, 10, 11, 100, 101] {
            for canary in [0, 1, 3] {
                for wave in [
                    Amount::Count(1),
                    Amount::Count(7),
                    Amount::Percent(10),
                    Amount::Percent(100),
                ] {
                    for cut in [0, 1, count / 2, count] {
                        let all = ids(count);
                        let (first, second) = all.split_at(cut.min(count));
                        let groups = [first.to_vec(), second.to_vec()];
                        let waves = waves(&groups, canary, wave);
                        let moved: Vec<_> = waves.iter().flat_map(|(_, ids)| ids.clone()).collect();
                        assert_eq!(moved, all);
                        for (name, ids) in &waves {
                            assert!(!ids.is_empty());
                            assert!(
                                ids.iter()
                                    .all(|id| first.contains(id) == first.contains(&ids[0]))
                            );
                            assert!(ids.len() <= wave.of(count) || name == CANARY);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_canary_and_tenths() {
        let all = waves(&[ids(21)], 1, Amount::Percent(10));
        let sizes: Vec<_> = all.iter().map(|(_, ids)| ids.len()).collect();
        assert_eq!(sizes, [1, 3, 3, 3, 3, 3, 3, 2]);
        assert_eq!((all[0].0.as_str(), all[1].0.as_str()), ("canary", "wave 1"));
    }

    #[test]
    fn failures_stop_it() {
        assert!(may_go_on("canary", 0, 0, 2));
        assert!(!may_go_on("canary", 1, 1, 2), "a failed canary");
        assert!(may_go_on("wave 1", 2, 2, 2));
        assert!(!may_go_on("wave 1", 1, 3, 2));
    }

    #[test]
    fn amounts_are_read() {
        assert_eq!("10%".parse(), Ok(Amount::Percent(10)));
        assert_eq!("7".parse(), Ok(Amount::Count(7)));
        for bad in ["", "0", "0%", "101%", "-1", "x"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}
