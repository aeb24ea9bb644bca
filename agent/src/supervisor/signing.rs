//! How returns to one master are signed: as `minion_sign_messages` says, unless that master takes them otherwise
//! only.
//!
//! A master verifies with its own `signing_algorithm`, which no release sets. Without it its handler fails over a
//! signed return, and stores nothing. With `require_minion_sign_messages` it refuses unsigned ones, with
//! `drop_messages_signature_fail` those that do not verify. salt-minion notices none of this and loses the return.

use salt_wire::crypto::SigAlgo;

use crate::config::Settings;
use crate::keys;

/// How one return is signed; `None` for not at all.
pub(super) type Way = Option<SigAlgo>;

/// What a master answered instead of storing a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// Its handler failed; it says no more than that.
    Failed,
    /// It refuses it.
    Refused,
}

/// The ways in the order in which they are tried.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    ways: Vec<Way>,
    /// What this master has taken, which comes first.
    taken: Option<Way>,
}

impl Ladder {
    /// As the settings say first; then whatever a master may want.
    pub(super) fn of(settings: &Settings) -> Self {
        let algorithms = keys::Masters::of(settings).algorithms().sig;
        Self::new(settings.crypto.minion_sign_messages, algorithms)
    }

    fn new(sign: bool, algorithms: Vec<SigAlgo>) -> Self {
        let mut ways: Vec<Way> = algorithms.into_iter().map(Some).collect();
        let unsigned = if sign { ways.len() } else { 0 };
        ways.insert(unsigned, None);
        Self { ways, taken: None }
    }

    /// The first way to try.
    pub(super) fn first(&self) -> Way {
        self.taken.unwrap_or_else(|| self.wanted())
    }

    fn wanted(&self) -> Way {
        self.ways.first().copied().flatten()
    }

    /// The next way, after these were answered with a no; `None` when there is no other that could help.
    pub(super) fn next(&self, answers: &[(Way, No)]) -> Option<Way> {
        let untried = |way: &Way| !answers.iter().any(|(tried, _)| tried == way);
        match answers.last()? {
            // It could not even look at a signature: another one would not help.
            (Some(_), No::Failed) => Some(None).filter(untried),
            // No signature was in the way: it fails over something else.
            (None, No::Failed) => None,
            (_, No::Refused) => self.ways.iter().copied().find(untried),
        }
    }

    /// This master takes returns this way; the words for the log if that is news and not what was wanted.
    pub(super) fn learn(&mut self, way: Way) -> Option<String> {
        let news = self.first() != way;
        self.taken = Some(way);
        (news && way != self.wanted()).then(|| match way {
            None => "This master cannot verify signed returns (its signing_algorithm is not set): they go to it \
                     unsigned, in spite of minion_sign_messages."
                .to_owned(),
            Some(algo) => format!("This master takes returns only when they are signed with {algo}: so they are."),
        })
    }

    /// Forgets what was taken: the master is there anew, and may have been mended.
    pub(super) fn forget(&mut self) {
        self.taken = None;
    }
}

/// Why a return is not stored, and what to do about it.
pub(super) fn complaint(answers: &[(Way, No)]) -> &'static str {
    let any = |wanted: fn(&(Way, No)) -> bool| answers.iter().any(wanted);
    let signed_failed = any(|a| matches!(a, (Some(_), No::Failed)));
    let unsigned_refused = any(|a| matches!(a, (None, No::Refused)));
    match answers.last() {
        _ if signed_failed && unsigned_refused => {
            "the master wants signed returns (require_minion_sign_messages) and cannot verify them: set \
             signing_algorithm in its configuration"
        }
        Some((_, No::Refused)) => {
            "the master refuses it, signed or not: it may hold another key of ours, or drop what does not verify \
             (drop_messages_signature_fail)"
        }
        _ => "the master could not store it: its log says why, and its disk may be full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRONG: Way = Some(SigAlgo::Pkcs1v15Sha224);
    const WEAK: Way = Some(SigAlgo::Pkcs1v15Sha1);

    /// All that is tried at a master that answers like this; the way that it took is the last.
    fn climb(sign: bool, answer: impl Fn(Way) -> Option<No>) -> (Vec<Way>, Option<&'static str>) {
        let mut ladder = Ladder::new(sign, vec![SigAlgo::Pkcs1v15Sha224, SigAlgo::Pkcs1v15Sha1]);
        let (mut way, mut answers) = (ladder.first(), Vec::new());
        loop {
            let Some(no) = answer(way) else {
                ladder.learn(way);
                assert_eq!(ladder.first(), way);
                let tried = answers.iter().map(|(w, _)| *w).chain([way]).collect();
                return (tried, None);
            };
            answers.push((way, no));
            let Some(next) = ladder.next(&answers) else {
                let tried = answers.iter().map(|(w, _)| *w).collect();
                return (tried, Some(complaint(&answers)));
            };
            way = next;
        }
    }

    #[test]
    fn every_kind_of_master_is_given_what_it_takes_and_none_is_asked_for_ever() {
        let default = |way: Way| way.map(|_| No::Failed);
        assert_eq!(climb(true, default).0, [STRONG, None]);
        assert_eq!(climb(false, default).0, [None]);
        let strict = |way| (way != WEAK).then_some(No::Refused);
        assert_eq!(climb(true, strict).0, [STRONG, WEAK]);
        assert_eq!(climb(false, strict).0, [None, STRONG, WEAK]);
        let (tried, why) = climb(true, |way: Way| {
            Some(if way.is_some() {
                No::Failed
            } else {
                No::Refused
            })
        });
        assert_eq!(tried, [STRONG, None, WEAK]);
        assert!(why.unwrap().contains("signing_algorithm"), "{why:?}");
        let (tried, why) = climb(true, |_| Some(No::Failed));
        assert_eq!(tried, [STRONG, None]);
        assert!(why.unwrap().contains("disk"), "{why:?}");
        let (tried, why) = climb(true, |_| Some(No::Refused));
        assert_eq!(tried, [STRONG, WEAK, None]);
        assert!(why.unwrap().contains("refuses"), "{why:?}");
    }

    #[test]
    fn what_was_learned_is_said_once_and_forgotten_with_the_connection() {
        let mut ladder = Ladder::new(true, vec![SigAlgo::Pkcs1v15Sha1]);
        assert_eq!(ladder.learn(WEAK), None);
        assert!(ladder.learn(None).unwrap().contains("unsigned"));
        assert_eq!(ladder.learn(None), None);
        ladder.forget();
        assert_eq!(ladder.first(), WEAK);
    }
}
