//! What can be wrong with a ZeroMQ peer. Every one of these ends the connection.

use std::time::Duration;

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The other side speaks something else: no ZeroMQ signature in its first bytes.
    #[error("the peer does not speak ZeroMQ (its first bytes are {first})")]
    NotZeroMq {
        /// Its first bytes, printable ones as they are.
        first: String,
    },
    /// A ZeroMQ of before version 4 (ZMTP 3).
    #[error("the peer speaks ZMTP {major}, which is older than 3")]
    Version {
        /// Its major version.
        major: u8,
    },
    /// It wants a security mechanism; Salt uses none.
    #[error("the peer wants the ZeroMQ security mechanism {name}, Salt's masters use NULL")]
    Mechanism {
        /// What it wants.
        name: String,
    },
    /// It is another kind of socket: most often the two ports of a master were swapped.
    #[error(
        "the peer is a {found} socket where {expected} was expected; are the two ports swapped?"
    )]
    SocketType {
        /// What we can talk to.
        expected: &'static str,
        /// What it says it is.
        found: String,
    },
    /// It refused us with an ERROR command.
    #[error("the peer refused the connection: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// A frame, or the message that it is part of, is larger than allowed. Found from the announced length,
    /// before memory is spent on it.
    #[error("the peer announced a {what} of {announced} bytes, the limit is {limit}")]
    TooLarge {
        /// Command or message.
        what: &'static str,
        /// The length it announced (of a message: so far).
        announced: u64,
        /// The longest that is taken.
        limit: u64,
    },
    /// A message of more frames than any of Salt's has.
    #[error("the peer sent a message of more than {limit} frames")]
    TooManyFrames {
        /// The most that are taken.
        limit: usize,
    },
    /// Against the rules of ZMTP.
    #[error("the peer broke the ZeroMQ protocol: {0}")]
    Malformed(&'static str),
    /// Nothing came from it for too long, though it was pinged.
    #[error("nothing was heard from the peer for {} s", silence.as_secs_f32())]
    Silent {
        /// How long.
        silence: Duration,
    },
    /// We asked for something that the state of the connection does not allow.
    #[error("misuse of a connection: {0}")]
    Misuse(&'static str),
}
