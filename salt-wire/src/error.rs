//! Errors by who is at fault, and the reason codes that name a session's trouble everywhere.

use std::fmt;

use crate::crypto::CryptoError;
use crate::value::MsgpackError;

/// What went wrong with a message. [`Error::fault`] says whose doing it is, and so whether to try again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no such message.
    #[error("malformed {what}: {cause}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// It is a message, but keys, nonce or signature say it is not from whom it should be.
    #[error("the {what} cannot be trusted")]
    Untrusted {
        /// Which message.
        what: &'static str,
        /// Which check failed.
        #[source]
        source: CryptoError,
    },
    /// The peer speaks a version or algorithm that we do not, or must not.
    #[error("the master is not compatible: {cause}")]
    Incompatible {
        /// What it lacks.
        cause: String,
    },
    /// The master answered in words that it will not: these are its words.
    #[error("the master refused the {what}: {answer}")]
    Refused {
        /// Which request.
        what: &'static str,
        /// Its text, shortened.
        answer: String,
    },
    /// The caller asked for something that cannot be.
    #[error("{0}")]
    Misuse(String),
}

/// Who is to blame for an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Garbage: noise, a port scan, a broken middle box. Drop it and go on.
    Malformed,
    /// The peer, or somebody in between, is not who it should be. Authenticate again, and warn.
    Peer,
    /// The peer is honest but too old, too new or set up otherwise. An operator must act.
    Incompatible,
    /// The peer said no. Authenticate again, then back off.
    Refused,
    /// Our own mistake.
    Us,
}

impl Error {
    /// Who is to blame.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed { .. } => Fault::Malformed,
            Self::Untrusted { .. } => Fault::Peer,
            Self::Incompatible { .. } => Fault::Incompatible,
            Self::Refused { .. } => Fault::Refused,
            Self::Misuse(_) => Fault::Us,
        }
    }

    /// Bytes that are no such message.
    pub fn malformed(what: &'static str, cause: impl fmt::Display) -> Self {
        Self::Malformed {
            what,
            cause: cause.to_string(),
        }
    }

    /// A message that fails a check of keys, nonce or signature.
    pub fn untrusted(what: &'static str, source: CryptoError) -> Self {
        Self::Untrusted { what, source }
    }

    /// A no, in the words of the peer.
    pub fn refused(what: &'static str, answer: &str) -> Self {
        // The text is the peer's: keep it on one line and short.
        let answer = answer.chars().take(200).collect::<String>();
        Self::Refused {
            what,
            answer: answer.escape_debug().to_string(),
        }
    }

    /// For `map_err`: bytes that are no msgpack.
    pub fn msgpack(what: &'static str) -> impl FnOnce(MsgpackError) -> Self {
        move |error| Self::malformed(what, error)
    }
}

/// Why a session is not ready: the same word in log, `status`, event, console and exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The master holds our key and nobody has accepted it yet.
    Pending,
    /// The master has rejected our key, or denied it because another key has this id.
    Rejected,
    /// The master holds another key under our id. (It says the same as for [`Self::Rejected`]; who can
    /// look at the master's keys tells the two apart.)
    DeniedOtherKey,
    /// The master has as many minions as `max_minions` lets it have.
    MasterFull,
    /// The master showed another key than the pinned one.
    MasterKeyMismatch,
    /// The master showed a key, and nothing says whether to trust it.
    MasterNotTrusted,
    /// An answer was not signed by the key it should be, or carries another nonce: somebody is in between.
    AnswerNotAuthentic,
    /// The master takes none of the algorithms that we may use.
    BadAlgorithm,
    /// The master is too old to be talked to, or we are for it.
    AuthVersionTooOld,
    /// The master refused without saying why (`bad load`).
    BadLoad,
    /// What came back is no answer of a Salt master.
    BadAnswer,
    /// The master's name does not resolve.
    Dns,
    /// The publish port cannot be reached.
    Port4505Closed,
    /// The request port cannot be reached.
    Port4506Closed,
    /// The master did not answer in time.
    Timeout,
    /// Our clock and the master's differ.
    ClockSkew,
    /// The network does not let us reach the master.
    Unreachable,
    /// What listens at the master's port is no Salt master's socket.
    NotZeroMq,
    /// The master closed the connection: it restarts, or lost us.
    ConnectionClosed,
    /// The connection is open, and the master did not answer on it for too long.
    MasterSilent,
    /// The master's name stands for another address now.
    NameMoved,
    /// Another master took over: this one is no longer wanted.
    Superseded,
    /// Our own key files cannot be read, written or trusted.
    KeysUnusable,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Pending,
        Self::Rejected,
        Self::DeniedOtherKey,
        Self::MasterFull,
        Self::MasterKeyMismatch,
        Self::MasterNotTrusted,
        Self::AnswerNotAuthentic,
        Self::BadAlgorithm,
        Self::AuthVersionTooOld,
        Self::BadLoad,
        Self::BadAnswer,
        Self::Dns,
        Self::Port4505Closed,
        Self::Port4506Closed,
        Self::Timeout,
        Self::ClockSkew,
        Self::Unreachable,
        Self::NotZeroMq,
        Self::ConnectionClosed,
        Self::MasterSilent,
        Self::NameMoved,
        Self::Superseded,
        Self::KeysUnusable,
    ];

    /// The word. It never changes: scripts and reactors compare it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::DeniedOtherKey => "denied-other-key",
            Self::MasterFull => "master-full",
            Self::MasterKeyMismatch => "master-key-mismatch",
            Self::MasterNotTrusted => "master-not-trusted",
            Self::AnswerNotAuthentic => "answer-not-authentic",
            Self::BadAlgorithm => "bad-algorithm",
            Self::AuthVersionTooOld => "auth-version-too-old",
            Self::BadLoad => "bad-load",
            Self::BadAnswer => "bad-answer",
            Self::Dns => "dns",
            Self::Port4505Closed => "port-4505-closed",
            Self::Port4506Closed => "port-4506-closed",
            Self::Timeout => "timeout",
            Self::ClockSkew => "clock-skew",
            Self::Unreachable => "unreachable",
            Self::NotZeroMq => "not-zeromq",
            Self::ConnectionClosed => "connection-closed",
            Self::MasterSilent => "master-silent",
            Self::NameMoved => "name-moved",
            Self::Superseded => "superseded",
            Self::KeysUnusable => "keys-unusable",
        }
    }

    /// The reason of a word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_words_are_unique() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
    }
}
