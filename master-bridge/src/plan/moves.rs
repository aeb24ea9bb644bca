//! May this minion move, and what must be done for its key on the new master?

use salt_wire::crypto::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::salt::keys::KeyState;

/// The reason why a minion stays that nobody hears.
pub const NO_ANSWER: &str = "no-answer";

/// What is known about one minion before anything is done.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its id.
    pub id: String,
    /// The fingerprint that the minion itself says.
    pub own: Option<Fingerprint>,
    /// The fingerprint of the key that the old master holds.
    pub old: Option<Fingerprint>,
    /// The key that the new master holds; several if one was denied.
    pub new: Vec<(KeyState, Option<Fingerprint>)>,
    /// Whether the new master's keys could be read at all.
    pub new_is_known: bool,
    /// Whether it answers on the new master.
    pub answers_on_new: bool,
    /// The state of its remaster machine, if it has one.
    pub machine: Option<String>,
    /// The master that it names as its own.
    pub master: Option<String>,
    /// Its turn, by the grain of `--order-by`.
    pub rank: usize,
    /// What its cloud says of its server, if a cloud was asked.
    pub server: Option<String>,
}

/// What is to be done with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyWork {
    /// The new master has accepted it.
    None,
    /// The new master holds it as pending: accept it.
    Accept,
    /// The new master does not know it: hand it over.
    Copy,
    /// The new master cannot be reached from here: somebody accepts it there.
    ByHand,
}

impl KeyWork {
    /// The words for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "accepted there",
            Self::Accept => "accept there",
            Self::Copy => "copy",
            Self::ByHand => "accept by hand",
        }
    }
}

/// What will be done with one minion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It moves.
    Move(KeyWork),
    /// It is on the new master.
    There,
    /// It stays where it is, and why: a word for programs and one for people.
    Skip(&'static str, &'static str),
}

/// Decides about one minion.
pub fn decide(facts: &Facts) -> Decision {
    let Some(own) = &facts.own else {
        return if facts.answers_on_new {
            Decision::There
        } else {
            Decision::Skip(NO_ANSWER, "it does not answer on the old master")
        };
    };
    if facts.old.as_ref() != Some(own) {
        return Decision::Skip(
            "key-differs",
            "its key is not the one that the old master holds",
        );
    }
    match facts.machine.as_deref() {
        None => {
            return Decision::Skip(
                "no-agent",
                "it has no function remaster.to: is it a salt-minion?",
            );
        }
        Some("steady") => {}
        Some(_) => return Decision::Skip("busy", "another move is under way"),
    }
    if !facts.new_is_known {
        return Decision::Move(KeyWork::ByHand);
    }
    let same = |state| {
        facts
            .new
            .iter()
            .any(|(s, f)| *s == state && f.as_ref() == Some(own))
    };
    if facts.new.is_empty() {
        Decision::Move(KeyWork::Copy)
    } else if same(KeyState::Rejected) {
        Decision::Skip("rejected", "the new master has rejected its key")
    } else if facts.new.iter().any(|(_, f)| f.as_ref() != Some(own)) {
        Decision::Skip(
            "denied-other-key",
            "the new master holds another key under this id",
        )
    } else if same(KeyState::Accepted) {
        Decision::Move(KeyWork::None)
    } else if same(KeyState::Pending) {
        Decision::Move(KeyWork::Accept)
    } else {
        Decision::Skip("denied-other-key", "the new master has denied its key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finger(byte: &str) -> Option<Fingerprint> {
        Some(byte.repeat(32).parse().unwrap())
    }

    fn good() -> Facts {
        Facts {
            id: "m".into(),
            own: finger("aa"),
            old: finger("aa"),
            new_is_known: true,
            machine: Some("steady".into()),
            ..Facts::default()
        }
    }

    #[test]
    fn every_kind_of_minion() {
        use KeyState::{Accepted, Denied, Pending, Rejected};
        let with = |new: &[(KeyState, &str)]| Facts {
            new: new.iter().map(|(s, f)| (*s, finger(f))).collect(),
            ..good()
        };
        let skipped = |facts: Facts| match decide(&facts) {
            Decision::Skip(code, _) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(decide(&good()), Decision::Move(KeyWork::Copy));
        assert_eq!(
            decide(&with(&[(Accepted, "aa")])),
            Decision::Move(KeyWork::None)
        );
        assert_eq!(
            decide(&with(&[(Pending, "aa")])),
            Decision::Move(KeyWork::Accept)
        );
        assert_eq!(skipped(with(&[(Rejected, "aa")])), "rejected");
        assert_eq!(skipped(with(&[(Accepted, "bb")])), "denied-other-key");
        assert_eq!(skipped(with(&[(Pending, "bb")])), "denied-other-key");
        let both = with(&[(Accepted, "aa"), (Denied, "bb")]);
        assert_eq!(skipped(both), "denied-other-key");
        let hand = Facts {
            new_is_known: false,
            ..good()
        };
        assert_eq!(decide(&hand), Decision::Move(KeyWork::ByHand));
        assert_eq!(
            skipped(Facts {
                old: finger("bb"),
                ..good()
            }),
            "key-differs"
        );
        assert_eq!(
            skipped(Facts {
                machine: None,
                ..good()
            }),
            "no-agent"
        );
        let busy = Some("probation".into());
        assert_eq!(
            skipped(Facts {
                machine: busy,
                ..good()
            }),
            "busy"
        );
        let silent = Facts {
            own: None,
            ..good()
        };
        assert_eq!(skipped(silent.clone()), "no-answer");
        let there = Facts {
            answers_on_new: true,
            ..silent
        };
        assert_eq!(decide(&there), Decision::There);
    }
}
