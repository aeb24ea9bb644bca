//! What a step wants done. Each effect says how things shall be, so that doing it twice does no harm.

use salt_wire::order::Order;

use super::state::{Cause, Journey, Millis, Previous, Stage};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Resolve the new master, reach both its ports, see that our files can be written.
    Check(Order),
    /// Have a candidate session that trusts the ordered fingerprint and nothing else.
    Open(Order),
    /// Fetch the pillar and make a round trip through the candidate; reported as `Answered` or `Failed`.
    Verify(Order),
    /// Have the configuration name the new master, and its key pinned.
    Switch(Box<Journey>),
    /// Have the configuration and the pinned key as they were.
    Restore(Box<Journey>),
    /// Have the sessions of these masters be those that count, opened if need be.
    Promote(Which),
    /// Have no other session, once the jobs that came over it were answered.
    Release,
    /// Run a highstate from the new master.
    Highstate,
    /// Have no trace of a trial left.
    Tidy,
    /// Let a moment pass before what failed is tried again.
    Pause,
    /// Tell every master that is attached.
    Tell(Box<Report>),
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The masters of the order.
    New(Order),
    /// Those of before.
    Old(Previous),
}

/// What the masters are told: the event `salt/remaster/<id>/<stage>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The stage that was reached.
    pub stage: Stage,
    /// When.
    pub at: Millis,
    /// The order, and the stages before this one.
    pub journey: Journey,
    /// Why, if it was rolled back.
    pub cause: Option<Cause>,
}

impl Effect {
    /// Its name in logs and in the table.
    pub fn name(&self) -> String {
        match self {
            Self::Check(_) => "check".into(),
            Self::Open(_) => "open".into(),
            Self::Verify(_) => "verify".into(),
            Self::Switch(_) => "switch".into(),
            Self::Restore(_) => "restore".into(),
            Self::Promote(_) => "promote".into(),
            Self::Release => "release".into(),
            Self::Highstate => "highstate".into(),
            Self::Tidy => "tidy".into(),
            Self::Pause => "pause".into(),
            Self::Tell(report) => format!("tell {}", report.stage.name()),
        }
    }
}
