//! A session's states as plain data, and the one function that moves between them.
//!
//! [`step`] does no I/O and knows no time: the driver carries its effects out and feeds back what came of
//! them. An event that a state has no use for is `None`, never a panic.

use std::fmt;
use std::time::Duration;

use salt_wire::error::Reason;

/// Why a session is not ready, in a word and in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The word that log, status, events and exit code share.
    pub reason: Reason,
    /// What happened, and where to look.
    pub detail: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Looking the name up and opening the way to the request port.
    Connecting,
    /// Asking to be let in.
    Authenticating {
        /// The number of the try.
        tries: u32,
        /// How long we waited for acceptance before it; zero at first.
        waited: Duration,
    },
    /// Let in; opening the way to the publish port.
    Subscribing,
    /// The master holds our key and has not accepted it; the wait before the next try.
    Pending(Duration),
    /// Jobs come in and returns go out.
    Ready {
        /// The keys are being renewed.
        renewing: bool,
    },
    /// Not connected; a new try follows.
    Lost(Trouble),
}

impl State {
    /// Its word in log and status.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            // Asking again now and then is part of waiting.
            Self::Authenticating { waited, .. } if !waited.is_zero() => "pending",
            Self::Authenticating { .. } => "authenticating",
            Self::Subscribing => "subscribing",
            Self::Pending(_) => "pending",
            Self::Ready { .. } => "ready",
            Self::Lost(_) => "lost",
        }
    }

    /// Whether jobs come in.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request port answers.
    Reached,
    /// The master let us in.
    Authenticated,
    /// The master has our key, unaccepted.
    KeyPending,
    /// The publish port answers.
    Subscribed,
    /// One try to authenticate got no answer.
    NoAnswer(Trouble),
    /// It cannot go on.
    Failed(Trouble),
    /// A publication or a reply was made with keys that we do not have.
    KeysStale,
    /// A wait is over.
    Woke,
}

/// What a step wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look the name up and open the request port.
    Connect,
    /// Ask to be let in.
    Authenticate,
    /// Open the publish port.
    Subscribe,
    /// Close whatever is open.
    Close,
    /// Wait, then `Woke`.
    Wait(Pause),
    /// Ask for new keys; the session goes on meanwhile.
    Renew,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Not at all: there is a better place to go to already.
    None,
    /// This long, give or take.
    Acceptance(Duration),
    /// The back-off of a network that fails.
    Reconnect,
    /// The longer back-off of a master that says no: only a human can change that.
    Refused,
    /// The same for a master that is another one than it was: whatever an operator has configured for the others,
    /// whoever is in its place is not to be asked all the time.
    OtherMaster,
    /// `retry_dns`.
    Dns,
}

/// The options that decide about steps.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `auth_tries`, at least one.
    pub auth_tries: u32,
    /// `acceptance_wait_time`.
    pub acceptance_wait: Duration,
    /// `acceptance_wait_time_max`: the wait grows by its first length up to this.
    pub acceptance_wait_max: Duration,
    /// `auth_safemode`: no answer to `_auth` is treated as pending.
    pub safemode: bool,
}

/// The next state and what is to be done, or `None` when the event means nothing in this state.
pub fn step(state: &State, event: Event, policy: &Policy) -> Option<(State, Vec<Effect>)> {
    match state {
        State::Connecting => match event {
            Event::Reached => Some(authenticate(1, Duration::ZERO)),
            Event::Failed(trouble) | Event::NoAnswer(trouble) => Some(lost(trouble)),
            Event::Authenticated
            | Event::KeyPending
            | Event::Subscribed
            | Event::KeysStale
            | Event::Woke => None,
        },
        State::Authenticating { tries, waited } => match event {
            Event::Authenticated => Some((State::Subscribing, vec![Effect::Subscribe])),
            Event::KeyPending => Some(pending(grown(*waited, policy))),
            Event::NoAnswer(_) if *tries < policy.auth_tries => {
                Some(authenticate(tries + 1, *waited))
            }
            Event::NoAnswer(_) if policy.safemode => Some(pending(grown(*waited, policy))),
            Event::NoAnswer(trouble) | Event::Failed(trouble) => Some(lost(trouble)),
            Event::Reached | Event::Subscribed | Event::KeysStale | Event::Woke => None,
        },
        State::Subscribing => match event {
            Event::Subscribed => Some((State::Ready { renewing: false }, Vec::new())),
            Event::Failed(trouble) | Event::NoAnswer(trouble) => Some(lost(trouble)),
            Event::Reached
            | Event::Authenticated
            | Event::KeyPending
            | Event::KeysStale
            | Event::Woke => None,
        },
        State::Pending(waited) => match event {
            Event::Woke => Some(authenticate(1, *waited)),
            Event::Failed(trouble) | Event::NoAnswer(trouble) => Some(lost(trouble)),
            Event::Reached
            | Event::Authenticated
            | Event::KeyPending
            | Event::Subscribed
            | Event::KeysStale => None,
        },
        State::Ready { renewing } => match event {
            Event::KeysStale if *renewing => None,
            Event::KeysStale => Some((State::Ready { renewing: true }, vec![Effect::Renew])),
            Event::Authenticated if *renewing => {
                Some((State::Ready { renewing: false }, Vec::new()))
            }
            // The key was deleted on the master: it asks to be accepted again.
            Event::KeyPending if *renewing => {
                let (state, wait) = pending(policy.acceptance_wait);
                Some((state, [vec![Effect::Close], wait].concat()))
            }
            Event::Failed(trouble) | Event::NoAnswer(trouble) => Some(lost(trouble)),
            Event::Authenticated
            | Event::KeyPending
            | Event::Reached
            | Event::Subscribed
            | Event::Woke => None,
        },
        State::Lost(_) => match event {
            Event::Woke => Some((State::Connecting, vec![Effect::Connect])),
            Event::Reached
            | Event::Authenticated
            | Event::KeyPending
            | Event::Subscribed
            | Event::NoAnswer(_)
            | Event::Failed(_)
            | Event::KeysStale => None,
        },
    }
}

fn authenticate(tries: u32, waited: Duration) -> (State, Vec<Effect>) {
    (
        State::Authenticating { tries, waited },
        vec![Effect::Authenticate],
    )
}

fn pending(wait: Duration) -> (State, Vec<Effect>) {
    let pause = Pause::Acceptance(wait);
    (State::Pending(wait), vec![Effect::Wait(pause)])
}

fn grown(waited: Duration, policy: &Policy) -> Duration {
    if waited.is_zero() || policy.acceptance_wait_max <= policy.acceptance_wait {
        policy.acceptance_wait
    } else {
        (waited * 2).min(policy.acceptance_wait_max)
    }
}

fn lost(trouble: Trouble) -> (State, Vec<Effect>) {
    let pause = pause_after(trouble.reason);
    (
        State::Lost(trouble),
        vec![Effect::Close, Effect::Wait(pause)],
    )
}

/// Which wait a reason calls for.
fn pause_after(reason: Reason) -> Pause {
    match reason {
        Reason::NameMoved => Pause::None,
        Reason::Dns => Pause::Dns,
        Reason::MasterKeyMismatch => Pause::OtherMaster,
        Reason::Pending
        | Reason::Rejected
        | Reason::DeniedOtherKey
        | Reason::MasterFull
        | Reason::MasterNotTrusted
        | Reason::AnswerNotAuthentic
        | Reason::BadAlgorithm
        | Reason::AuthVersionTooOld
        | Reason::BadLoad
        | Reason::ClockSkew
        | Reason::KeysUnusable
        | Reason::Superseded => Pause::Refused,
        Reason::BadAnswer
        | Reason::NotZeroMq
        | Reason::Port4505Closed
        | Reason::Port4506Closed
        | Reason::Timeout
        | Reason::Unreachable
        | Reason::ConnectionClosed
        | Reason::MasterSilent => Pause::Reconnect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        auth_tries: 2,
        acceptance_wait: Duration::from_secs(10),
        acceptance_wait_max: Duration::from_secs(30),
        safemode: false,
    };

    fn trouble(reason: Reason) -> Trouble {
        Trouble {
            reason,
            detail: "test".into(),
        }
    }

    fn samples() -> Vec<State> {
        vec![
            State::Connecting,
            State::Authenticating {
                tries: 1,
                waited: Duration::ZERO,
            },
            State::Authenticating {
                tries: 2,
                waited: Duration::from_secs(20),
            },
            State::Subscribing,
            State::Pending(Duration::from_secs(20)),
            State::Ready { renewing: false },
            State::Ready { renewing: true },
            State::Lost(trouble(Reason::Timeout)),
        ]
    }

    fn events() -> Vec<(&'static str, Event)> {
        vec![
            ("reached", Event::Reached),
            ("authenticated", Event::Authenticated),
            ("key-pending", Event::KeyPending),
            ("subscribed", Event::Subscribed),
            ("no-answer", Event::NoAnswer(trouble(Reason::Timeout))),
            ("failed", Event::Failed(trouble(Reason::Rejected))),
            ("keys-stale", Event::KeysStale),
            ("woke", Event::Woke),
        ]
    }

    /// Every state with every event, read as a table.
    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in samples() {
            for (name, event) in events() {
                if let Some((next, effects)) = step(&state, event, &POLICY) {
                    let next = match next {
                        State::Lost(trouble) => format!("Lost({})", trouble.reason),
                        other => format!("{other:?}"),
                    };
                    let from = match &state {
                        State::Lost(_) => "Lost".to_owned(),
                        other => format!("{other:?}"),
                    };
                    table += &format!("{from} + {name} = {next} {effects:?}\n");
                }
            }
        }
        let expected = "\
Connecting + reached = Authenticating { tries: 1, waited: 0ns } [Authenticate]
Connecting + no-answer = Lost(timeout) [Close, Wait(Reconnect)]
Connecting + failed = Lost(rejected) [Close, Wait(Refused)]
Authenticating { tries: 1, waited: 0ns } + authenticated = Subscribing [Subscribe]
Authenticating { tries: 1, waited: 0ns } + key-pending = Pending(10s) [Wait(Acceptance(10s))]
Authenticating { tries: 1, waited: 0ns } + no-answer = Authenticating { tries: 2, waited: 0ns } [Authenticate]
Authenticating { tries: 1, waited: 0ns } + failed = Lost(rejected) [Close, Wait(Refused)]
Authenticating { tries: 2, waited: 20s } + authenticated = Subscribing [Subscribe]
Authenticating { tries: 2, waited: 20s } + key-pending = Pending(30s) [Wait(Acceptance(30s))]
Authenticating { tries: 2, waited: 20s } + no-answer = Lost(timeout) [Close, Wait(Reconnect)]
Authenticating { tries: 2, waited: 20s } + failed = Lost(rejected) [Close, Wait(Refused)]
Subscribing + subscribed = Ready { renewing: false } []
Subscribing + no-answer = Lost(timeout) [Close, Wait(Reconnect)]
Subscribing + failed = Lost(rejected) [Close, Wait(Refused)]
Pending(20s) + no-answer = Lost(timeout) [Close, Wait(Reconnect)]
Pending(20s) + failed = Lost(rejected) [Close, Wait(Refused)]
Pending(20s) + woke = Authenticating { tries: 1, waited: 20s } [Authenticate]
Ready { renewing: false } + no-answer = Lost(timeout) [Close, Wait(Reconnect)]
Ready { renewing: false } + failed = Lost(rejected) [Close, Wait(Refused)]
Ready { renewing: false } + keys-stale = Ready { renewing: true } [Renew]
Ready { renewing: true } + authenticated = Ready { renewing: false } []
Ready { renewing: true } + key-pending = Pending(10s) [Close, Wait(Acceptance(10s))]
Ready { renewing: true } + no-answer = Lost(timeout) [Close, Wait(Reconnect)]
Ready { renewing: true } + failed = Lost(rejected) [Close, Wait(Refused)]
Lost + woke = Connecting [Connect]
";
        assert_eq!(table, expected);
    }

    #[test]
    fn the_wait_for_acceptance_grows_only_when_told_to() {
        let constant = Policy {
            acceptance_wait_max: Duration::ZERO,
            ..POLICY
        };
        let first = Duration::from_secs(10);
        assert_eq!(grown(Duration::ZERO, &constant), first);
        assert_eq!(grown(first, &constant), first);
        assert_eq!(grown(first, &POLICY), 2 * first);
        assert_eq!(grown(2 * first, &POLICY), 3 * first);
    }

    #[test]
    fn safemode_waits_where_others_give_up() {
        let patient = Policy {
            safemode: true,
            ..POLICY
        };
        let state = State::Authenticating {
            tries: 2,
            waited: Duration::ZERO,
        };
        let no_answer = Event::NoAnswer(trouble(Reason::Timeout));
        let (next, _) = step(&state, no_answer, &patient).unwrap();
        assert_eq!(next, State::Pending(patient.acceptance_wait));
    }

    #[test]
    fn a_moved_name_is_followed_at_once() {
        let state = State::Ready { renewing: false };
        let (_, effects) =
            step(&state, Event::Failed(trouble(Reason::NameMoved)), &POLICY).unwrap();
        assert_eq!(effects, [Effect::Close, Effect::Wait(Pause::None)]);
    }
}
