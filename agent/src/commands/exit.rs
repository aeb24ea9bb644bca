//! How a command ends: its exit code, and the words for a failure. The one place that maps kinds of errors
//! to codes; the codes are Salt's.

use std::process::{ExitCode, Termination};

use salt_wire::error::Reason;

use super::print;
use crate::config;
use crate::control::ControlError;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u8);

impl Code {
    /// All is well.
    pub const OK: Self = Self(0);
    /// It failed.
    pub const FAILED: Self = Self(1);
    /// The command line is wrong.
    pub const USAGE: Self = Self(64);
    /// Nobody is there: no daemon, no master.
    pub const UNAVAILABLE: Self = Self(69);
    /// It may be well later: the key is not accepted yet.
    pub const TRY_LATER: Self = Self(75);
    /// Not allowed, or not trusted.
    pub const DENIED: Self = Self(77);

    /// What a session's trouble exits with.
    pub fn of_reason(reason: Reason) -> Self {
        match reason {
            Reason::Pending | Reason::MasterFull => Self::TRY_LATER,
            Reason::Rejected
            | Reason::DeniedOtherKey
            | Reason::MasterKeyMismatch
            | Reason::MasterNotTrusted
            | Reason::AnswerNotAuthentic => Self::DENIED,
            Reason::Dns
            | Reason::Port4505Closed
            | Reason::Port4506Closed
            | Reason::Timeout
            | Reason::Unreachable
            | Reason::NotZeroMq
            | Reason::ConnectionClosed
            | Reason::MasterSilent
            | Reason::NameMoved
            | Reason::Superseded
            | Reason::BadAnswer => Self::UNAVAILABLE,
            Reason::BadAlgorithm
            | Reason::AuthVersionTooOld
            | Reason::BadLoad
            | Reason::KeysUnusable
            | Reason::ClockSkew => Self::FAILED,
        }
    }

    fn of(error: &anyhow::Error) -> Self {
        if let Some(error) = error.downcast_ref::<ControlError>() {
            return match error {
                ControlError::NotRunning { .. } | ControlError::Broken { .. } => Self::UNAVAILABLE,
                ControlError::Denied { .. } => Self::DENIED,
                ControlError::Refused(_) => Self::FAILED,
            };
        }
        Self::FAILED
    }
}

impl Termination for Code {
    fn report(self) -> ExitCode {
        self.0.into()
    }
}

/// Prints what clap has to say: help to standard output, mistakes to standard error.
pub(super) fn usage(error: &clap::Error) -> Code {
    // Nobody is left to be told when this cannot be printed.
    drop(error.print());
    if error.use_stderr() {
        Code::USAGE
    } else {
        Code::OK
    }
}

/// Prints an error with its causes, a line each, and what to do about it.
pub(super) fn fail(error: &anyhow::Error) -> Code {
    print::error(&format!("error: {error}"));
    for cause in error.chain().skip(1) {
        print::error(&format!("  cause: {cause}"));
    }
    if let Some(hint) = hint(error) {
        print::error(&format!("hint: {hint}"));
    }
    Code::of(error)
}

/// The next thing to type.
fn hint(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<ControlError>() {
        return match error {
            ControlError::NotRunning { .. } => Some(
                "start it with `systemctl start salt-agent`, or give its configuration with -c DIR",
            ),
            ControlError::Denied { .. } => Some("try again with sudo"),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<config::Error>() {
        return match error {
            config::Error::Id { .. } => Some("set `id` in the minion's configuration"),
            config::Error::Read { .. } => Some("read it as root, or give another one with -c DIR"),
            _ => Some("`salt-agent check-config` says whether the configuration is right"),
        };
    }
    None
}
