//! In what order: a canary, then waves, each in parts that are under way at once; and when to stop.

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

/// Minions that move together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// `canary`, `wave 1`…
    pub name: String,
    /// Who, in parts that are under way at once.
    pub parts: Vec<Vec<String>>,
}

impl Wave {
    /// Everyone in it.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flatten().map(String::as_str)
    }
}

/// Divides minions into a canary and waves.
pub fn waves(ids: &[String], canary: usize, wave: Amount, in_flight: usize) -> Vec<Wave> {
    let parts = |ids: &[String]| {
        ids.chunks(in_flight.max(1))
            .map(<[String]>::to_vec)
            .collect()
    };
    let (first, rest) = ids.split_at(canary.min(ids.len()));
    let mut all = Vec::new();
    if !first.is_empty() {
        all.push(Wave {
            name: "canary".into(),
            parts: parts(first),
        });
    }
    for (at, ids) in rest.chunks(wave.of(ids.len())).enumerate() {
        all.push(Wave {
            name: format!("wave {}", at + 1),
            parts: parts(ids),
        });
    }
    all
}

/// Whether to go on after a part: a failed canary stops everything, else more failures than allowed.
pub fn may_go_on(wave: &Wave, failed_in_wave: usize, failed: usize, max_failures: usize) -> bool {
    if wave.name == "canary" {
        return failed_in_wave == 0;
    }
    failed <= max_failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("m{n}")).collect()
    }

    #[test]
    fn everyone_is_in_exactly_one_wave() {
        for count in [0, 1, 2, 9, 10, 11, 100, 101] {
            for canary in [0, 1, 3] {
                for wave in [
                    Amount::Count(1),
                    Amount::Count(7),
                    Amount::Percent(10),
                    Amount::Percent(100),
                ] {
                    for in_flight in [1, 3, 1000] {
                        let all = waves(&ids(count), canary, wave, in_flight);
                        let moved: Vec<_> =
                            all.iter().flat_map(Wave::ids).map(str::to_owned).collect();
                        assert_eq!(moved, ids(count));
                        assert!(
                            all.iter()
                                .flat_map(|w| &w.parts)
                                .all(|p| (1..=in_flight).contains(&p.len()))
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_canary_and_tenths() {
        let all = waves(&ids(21), 1, Amount::Percent(10), 2);
        let sizes: Vec<_> = all.iter().map(|w| w.ids().count()).collect();
        assert_eq!(sizes, [1, 3, 3, 3, 3, 3, 3, 2]);
        assert_eq!(all[0].name, "canary");
        assert_eq!(all[1].name, "wave 1");
        assert_eq!(all[1].parts.len(), 2);
    }

    #[test]
    fn failures_stop_it() {
        let all = waves(&ids(3), 1, Amount::Count(1), 1);
        assert!(may_go_on(&all[0], 0, 0, 2));
        assert!(!may_go_on(&all[0], 1, 1, 2), "a failed canary");
        assert!(may_go_on(&all[1], 2, 2, 2));
        assert!(!may_go_on(&all[1], 1, 3, 2));
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
