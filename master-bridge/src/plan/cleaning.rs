//! The keys that a move leaves on the old master, and when they may go: a deletion rotates the master's AES key, and
//! everyone who is left there authenticates anew.

use std::collections::BTreeSet;
use std::str::FromStr;

use salt_wire::crypto::HashType;
use serde::{Deserialize, Serialize};

/// What is done to each key.
pub const DELETE: &str = "delete-key";

/// One key on the old master whose minion is on the new one for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldKey {
    /// Its minion's id.
    pub id: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// The key itself, to be put back.
    pub pem: String,
}

/// One run of deletions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanPlan {
    /// The fingerprint of the old master's key.
    pub old: String,
    /// The fingerprint of the new master's key.
    pub new: String,
    /// The keys to delete, in the order of their ids.
    pub keys: Vec<OldKey>,
    /// Who is left on the old master, in order.
    pub left: Vec<String>,
    /// When it may be done; nothing: at once.
    pub window: Option<Window>,
    /// Whether somebody looks on while those who are left come back.
    pub watch: bool,
}

impl CleanPlan {
    /// Another world, another hash.
    pub fn hash(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        HashType::Sha256.hex(text.as_bytes())
    }

    /// Their ids.
    pub fn ids(&self) -> Vec<&str> {
        self.keys.iter().map(|key| key.id.as_str()).collect()
    }

    /// Whether it may be done at this minute of the day, with so many left by now: nobody has to come back if nobody is
    /// left.
    pub fn may_begin(&self, minute: u32, left: usize) -> bool {
        left == 0 || self.window.is_none_or(|window| window.holds(minute))
    }

    /// What is different in the world since an earlier plan.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let key = |key: &OldKey| format!("{} ({})", key.id, key.fingerprint);
        let keys = |plan: &Self| plan.keys.iter().map(key).collect::<BTreeSet<_>>();
        let left = |plan: &Self| plan.left.iter().cloned().collect::<BTreeSet<_>>();
        let mut told = Vec::new();
        let mut tell = |now: BTreeSet<String>, was: BTreeSet<String>, words: [&str; 2]| {
            for (some, words) in [
                (was.difference(&now), words[0]),
                (now.difference(&was), words[1]),
            ] {
                told.extend(some.map(|one| format!("{one} {words}")));
            }
        };
        tell(
            keys(self),
            keys(before),
            ["is not gone for good any more", "is gone for good by now"],
        );
        tell(
            left(self),
            left(before),
            [
                "is not left on the old master any more",
                "is on the old master by now",
            ],
        );
        if (&self.old, &self.new) != (&before.old, &before.new) {
            told.push("a master has another key".to_owned());
        }
        told
    }
}

/// A part of the day; it may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Window {
    from: u32,
    until: u32,
}

impl Window {
    /// Whether it holds a minute of the day.
    pub fn holds(self, minute: u32) -> bool {
        if self.from <= self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minutes = |text: &str| -> Option<u32> {
            let (hours, minutes) = text.trim().split_once(':')?;
            let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let window = text
            .split_once('-')
            .and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
        let (from, until) = window.ok_or("must be like 01:00-05:00")?;
        Ok(Self { from, until })
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, until) = (self.from, self.until);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            until / 60,
            until % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AnyPlan, Planned};
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let window: Window = "22:30-05:00".parse().unwrap();
        let held: Vec<u32> = [0, 299, 300, 720, 1349, 1350, 1439]
            .into_iter()
            .filter(|minute| window.holds(*minute))
            .collect();
        assert_eq!(held, [0, 299, 1350, 1439]);
        assert_eq!(window.to_string(), "22:30-05:00");
        let day: Window = "01:00-05:00".parse().unwrap();
        assert!(day.holds(60) && !day.holds(300));
        for bad in ["", "1-5", "24:00-01:00", "01:60-02:00", "x"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    fn plan(keys: &[&str], left: &[&str]) -> CleanPlan {
        let key = |id: &&str| OldKey {
            id: (*id).to_owned(),
            fingerprint: "aa".into(),
            pem: "pem".into(),
        };
        CleanPlan {
            old: "oo".into(),
            new: "nn".into(),
            keys: keys.iter().map(key).collect(),
            left: left.iter().map(|id| (*id).to_owned()).collect(),
            window: "01:00-05:00".parse().ok(),
            watch: true,
        }
    }

    #[test]
    fn it_waits_for_its_time_and_comes_back_from_the_journal() {
        let mut plan = plan(&["m1"], &["m2", "m3"]);
        assert!(plan.may_begin(61, 2) && !plan.may_begin(600, 2));
        let text = serde_json::to_string(&plan).unwrap();
        let back: AnyPlan = serde_json::from_str(&text).unwrap();
        assert!(matches!(back, AnyPlan::Clean(back) if back == plan));
        // It is the day's number that counts, not the one of the day that it was planned.
        assert!(plan.may_begin(600, 0), "nobody has to come back");
        plan.left.clear();
        assert!(!plan.may_begin(600, 1), "somebody came since");
        plan.window = None;
        assert!(plan.may_begin(600, 1), "at once");
    }

    #[test]
    fn both_masters_hold_its_minions() {
        let plan = plan(&["m1", "m2"], &["m3"]);
        let held: Vec<_> = [("oo", "m1"), ("nn", "m1"), ("oo", "m2"), ("nn", "m2")]
            .map(|(place, id)| (place.to_owned(), id.to_owned()))
            .into();
        assert_eq!(plan.holds(), held);
    }

    #[test]
    fn what_has_moved_while_somebody_thought_is_named() {
        let before = plan(&["m1", "m2"], &["m3"]);
        assert!(before.differences(&before).is_empty());
        let now = plan(&["m1"], &["m2", "m4"]);
        assert_ne!(now.hash(), before.hash());
        assert_eq!(
            now.differences(&before),
            [
                "m2 (aa) is not gone for good any more",
                "m3 is not left on the old master any more",
                "m2 is on the old master by now",
                "m4 is on the old master by now",
            ]
        );
        // As many as before, but others: another world.
        assert_ne!(plan(&["m1"], &["m5"]).hash(), plan(&["m1"], &["m6"]).hash());
        let other = CleanPlan {
            new: "xx".into(),
            ..before.clone()
        };
        assert_eq!(other.differences(&before), ["a master has another key"]);
    }
}
