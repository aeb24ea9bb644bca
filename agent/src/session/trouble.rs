//! Faults of the way to a master, sorted into the words of [`Reason`].

use salt_wire::error::Reason;
use salt_wire::zmtp;

use super::state::Trouble;
use crate::transport::{Error, Port};

/// The trouble that a transport error is, on the way to this port.
pub fn trouble(error: &Error, port: Port) -> Trouble {
    let reason = match error {
        Error::Dns { .. } => Reason::Dns,
        Error::Refused { .. } => match port {
            Port::Publish => Reason::Port4505Closed,
            Port::Request => Reason::Port4506Closed,
        },
        Error::Timeout { .. } => Reason::Timeout,
        Error::Unreachable { .. } => Reason::Unreachable,
        Error::Closed { .. } => Reason::ConnectionClosed,
        Error::Zmtp { source, .. } => match source {
            zmtp::Error::Silent { .. } => Reason::MasterSilent,
            zmtp::Error::NotZeroMq { .. }
            | zmtp::Error::Version { .. }
            | zmtp::Error::Mechanism { .. }
            | zmtp::Error::SocketType { .. }
            | zmtp::Error::Refused { .. } => Reason::NotZeroMq,
            zmtp::Error::TooLarge { .. }
            | zmtp::Error::TooManyFrames { .. }
            | zmtp::Error::Malformed(_)
            | zmtp::Error::Misuse(_) => Reason::BadAnswer,
        },
    };
    Trouble {
        reason,
        detail: told(error),
    }
}

/// An error and its causes in one line.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some messages hold their cause already.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
