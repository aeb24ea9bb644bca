//! A plan: typed steps, each with what must hold before it, what it does, how that is checked, and how it
//! is undone. The same world gives the same plan and the same hash.

use std::path::PathBuf;

use salt_wire::crypto::HashType;
use serde::{Deserialize, Serialize};

use super::moves::KeyWork;
use crate::cloud::Selection;

/// What one step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The new master gets the minion's public key.
    HandOver,
    /// The minion goes to the new master, on probation.
    Move,
    /// The wave's members that arrived are kept, or all called back.
    Settle,
    /// The minion stays on the new master.
    Confirm,
    /// The minion comes back to the old master.
    Return,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::HandOver,
        Self::Move,
        Self::Settle,
        Self::Confirm,
        Self::Return,
    ];

    /// The word in the journal and in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::HandOver => "hand-over",
            Self::Move => "move",
            Self::Settle => "settle",
            Self::Confirm => "confirm",
            Self::Return => "return",
        }
    }

    /// The action of a word.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// What must hold before, what is done, how it is checked, how it is undone: for people.
    pub fn words(self) -> [&'static str; 4] {
        match self {
            Self::HandOver => [
                "minion, old and new master agree on the key, or the new one has none",
                "put the public key among the new master's accepted ones",
                "the new master shows this key as accepted",
                "delete the key there, if it was put there",
            ],
            Self::Move => [
                "the minion answers on the old master and no other order is under way",
                "remaster.to, as the tokens allow",
                "the minion answers on the new master, on probation for this order",
                "remaster.rollback; without any it comes back by itself",
            ],
            Self::Settle => [
                "every member has arrived or failed",
                "decide: confirm those that arrived, or call all back",
                "the decision is in the journal",
                "nothing to undo",
            ],
            Self::Confirm => [
                "the minion is on probation for this order",
                "remaster.confirm",
                "its last order ended as confirmed",
                "move it back: remaster.to the old master",
            ],
            Self::Return => [
                "the minion is on the new master",
                "remaster.rollback, or remaster.to the old master",
                "the minion answers on the old master",
                "move it again",
            ],
        }
    }
}

/// One minion of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// The fingerprint that it and the old master agree on.
    pub fingerprint: String,
    /// What is done with its key.
    pub key: KeyWork,
    /// The master that it names as its own: where it goes back to.
    pub from: String,
}

impl Member {
    /// Its id and the fingerprint of the key that a master must have of it.
    pub fn due(&self) -> (&str, &str) {
        (&self.id, &self.fingerprint)
    }
}

/// Minions that move, and are kept or called back, together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWave {
    /// `canary`, `wave 1`…
    pub name: String,
    /// Who.
    pub members: Vec<Member>,
}

/// Someone who is not moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// Who.
    pub id: String,
    /// The word for programs; `there` if nothing needs to be done.
    pub reason: String,
    /// The words for people.
    pub detail: String,
    /// What its cloud says of its server, if one was asked: told, but no part of what is agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// The new master and the terms of every order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Its address, as the minions reach it.
    pub master: String,
    /// Its key's fingerprint.
    pub finger: String,
    /// Its request port.
    pub master_port: u16,
    /// Its publish port.
    pub publish_port: u16,
    /// Seconds that it may take to accept a key.
    pub wait: u64,
    /// Seconds on probation.
    pub confirm: u64,
    /// A highstate after the move.
    pub highstate: bool,
    /// Round trips after which a move confirms itself; nothing or 0: somebody must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u64>,
    /// The most states that a highstate with `test=True` on the new master may want to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<u64>,
    /// Nothing moves: the same master has another key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rekey: bool,
    /// Its public key (PEM), if it could be read here: it then proves itself before it sees a minion's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Terms {
    /// As the fields of an order with this id.
    pub fn order(&self, id: &str) -> salt_wire::Map {
        let mut order = salt_wire::map! {
            "id" => id,
            "master" => self.master.as_str(),
            "finger" => self.finger.as_str(),
            "master_port" => u64::from(self.master_port),
            "publish_port" => u64::from(self.publish_port),
            "wait" => self.wait,
            "confirm" => self.confirm,
            "highstate" => self.highstate,
        };
        if let Some(key) = &self.key {
            order.insert("key".into(), key.as_str().into());
        }
        if let Some(rounds) = self.rounds {
            order.insert("rounds".into(), rounds.into());
        }
        if let Some(changes) = self.changes {
            order.insert("changes".into(), changes.into());
        }
        if self.rekey {
            order.insert("rekey".into(), true.into());
        }
        order
    }
}

/// How much at once, and when to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// How many may be on their way at once.
    pub max_in_flight: usize,
    /// How many may fail before all stops.
    pub max_failures: usize,
    /// Authentications a second on the new master.
    pub auth_rate: f64,
    /// Stop after this many waves.
    pub pause_after: Option<usize>,
}

/// A move of minions between two masters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The fingerprint of the old master's key.
    pub old: String,
    /// The old master's request port, for the way back.
    pub old_port: u16,
    /// The old master's publish port.
    pub old_publish_port: u16,
    /// Where to.
    pub to: Terms,
    /// Whether the new master can be seen from here.
    pub sees_new: bool,
    /// Who moves, in order.
    pub waves: Vec<PlannedWave>,
    /// Who does not, and why.
    pub stays: Vec<Stay>,
    /// How much at once.
    pub limits: Limits,
    /// How signed orders reach the minions; nothing: jobs of the old master do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Box<Carriage>>,
}

/// Signed orders: where they are left, and what signs them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carriage {
    /// Where they are left.
    pub way: Way,
    /// The file with the key that signs.
    pub key: PathBuf,
    /// The file with that key's passphrase, if it is not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// Seconds for which they count.
    pub valid: u64,
    /// The id of the project whose servers they are left at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// Where signed orders are left for minions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A file that minions read, or that a web server shows to them.
    File(PathBuf),
    /// The metadata of the servers that have the minions' ids as their names, in this cloud.
    Metadata(Selection),
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The index of its wave.
    pub wave: usize,
    /// Its minion; empty for a step of the whole wave.
    pub minion: String,
    /// What it does.
    pub action: Action,
}

impl Plan {
    /// Every step, in the order in which they are begun.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (wave, planned) in self.waves.iter().enumerate() {
            let step = |minion: &str, action| Step {
                wave,
                minion: minion.to_owned(),
                action,
            };
            for member in &planned.members {
                if matches!(member.key, KeyWork::Copy | KeyWork::Accept) {
                    steps.push(step(&member.id, Action::HandOver));
                }
            }
            steps.extend(planned.members.iter().map(|m| step(&m.id, Action::Move)));
            steps.push(step("", Action::Settle));
            steps.extend(planned.members.iter().map(|m| step(&m.id, Action::Confirm)));
        }
        steps
    }

    /// Everyone who moves.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.waves.iter().flat_map(|wave| &wave.members)
    }

    /// SHA-256 of the whole plan: another world, another hash.
    pub fn hash(&self) -> String {
        let mut plan = self.clone();
        for stay in &mut plan.stays {
            stay.server = None;
        }
        let text = serde_json::to_string(&plan).unwrap_or_default();
        HashType::Sha256.hex(text.as_bytes())
    }

    /// What differs from an earlier plan, a line each: the world has moved.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.to != before.to || self.old != before.old {
            lines.push("one of the masters, or the terms of the order".to_owned());
        }
        if self.by != before.by {
            lines.push("how orders reach the minions (--via and what belongs to it)".to_owned());
        }
        if self.limits != before.limits {
            lines.push(
                "the limits (--max-in-flight, --max-failures, --auth-rate, --pause-after)"
                    .to_owned(),
            );
        }
        let all = |plan: &Self| -> std::collections::BTreeMap<String, String> {
            let moving = plan.waves.iter().flat_map(|wave| {
                wave.members.iter().map(|m| {
                    let what = format!(
                        "{} with key {} ({})",
                        wave.name,
                        m.fingerprint,
                        m.key.name()
                    );
                    (m.id.clone(), what)
                })
            });
            let staying = plan
                .stays
                .iter()
                .map(|s| (s.id.clone(), format!("stays: {}", s.reason)));
            moving.chain(staying).collect()
        };
        let (now, then) = (all(self), all(before));
        for id in now
            .keys()
            .chain(then.keys().filter(|id| !now.contains_key(*id)))
        {
            let word = |map: &std::collections::BTreeMap<String, String>| {
                map.get(id).cloned().unwrap_or_else(|| "not there".into())
            };
            if now.get(id) != then.get(id) {
                lines.push(format!("{id}: was {}, is {}", word(&then), word(&now)));
            }
        }
        lines
    }

    /// The document of `--dry-run`.
    pub fn document(&self) -> serde_json::Value {
        let steps: Vec<_> = self
            .steps()
            .iter()
            .map(|step| {
                serde_json::json!({
                    "step": step.action.name(),
                    "wave": self.waves.get(step.wave).map(|w| w.name.as_str()),
                    "id": (!step.minion.is_empty()).then_some(step.minion.as_str()),
                })
            })
            .collect();
        let kinds: serde_json::Map<_, _> = Action::ALL
            .iter()
            .filter(|a| steps.iter().any(|s| s["step"] == a.name()))
            .map(|action| {
                let [before, effect, check, inverse] = action.words();
                let words = serde_json::json!({
                    "precondition": before, "effect": effect, "check": check, "inverse": inverse,
                });
                (action.name().to_owned(), words)
            })
            .collect();
        serde_json::json!({
            "hash": self.hash(), "plan": self, "steps": steps, "kinds": kinds,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn plan(waves: &[&[&str]]) -> Plan {
        let member = |id: &&str| Member {
            id: (*id).to_owned(),
            fingerprint: "aa".into(),
            key: KeyWork::Copy,
            from: "old".into(),
        };
        Plan {
            old: "oo".into(),
            old_port: 4506,
            old_publish_port: 4505,
            to: Terms {
                master: "new".into(),
                finger: "ff".into(),
                master_port: 4506,
                publish_port: 4505,
                wait: 60,
                confirm: 60,
                highstate: false,
                rounds: None,
                changes: None,
                rekey: false,
                key: None,
            },
            sees_new: true,
            waves: waves
                .iter()
                .enumerate()
                .map(|(at, ids)| PlannedWave {
                    name: format!("wave {at}"),
                    members: ids.iter().map(member).collect(),
                })
                .collect(),
            stays: Vec::new(),
            limits: Limits {
                max_in_flight: 10,
                max_failures: 0,
                auth_rate: 10.0,
                pause_after: None,
            },
            by: None,
        }
    }

    #[test]
    fn every_member_is_handed_over_moved_and_confirmed_in_its_wave() {
        let plan = plan(&[&["a"], &["b", "c"]]);
        let shown: Vec<_> = plan
            .steps()
            .iter()
            .map(|s| format!("{}{}:{}", s.wave, s.minion, s.action.name()))
            .collect();
        assert_eq!(
            shown.join(" "),
            "0a:hand-over 0a:move 0:settle 0a:confirm \
             1b:hand-over 1c:hand-over 1b:move 1c:move 1:settle 1b:confirm 1c:confirm"
        );
        assert!(Action::ALL.iter().all(|a| Action::of(a.name()) == Some(*a)));
    }

    #[test]
    fn the_hash_follows_the_world_and_the_difference_is_named() {
        let (before, mut now) = (plan(&[&["a", "b"]]), plan(&[&["a", "b"]]));
        assert_eq!(before.hash(), now.hash());
        assert!(now.differences(&before).is_empty());
        now.waves[0].members[0].fingerprint = "bb".into();
        now.waves[0].members.pop();
        assert_ne!(before.hash(), now.hash());
        let lines = now.differences(&before);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("a: was wave 0 with key aa"),
            "{lines:?}"
        );
        assert!(lines[1].ends_with("is not there"), "{lines:?}");
    }

    #[test]
    fn a_plan_comes_back_from_its_document() {
        let plan = plan(&[&["a"]]);
        let read: Plan = serde_json::from_value(plan.document()["plan"].clone()).unwrap();
        assert_eq!(read.hash(), plan.hash());
    }
}
