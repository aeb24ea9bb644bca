//! What can happen to a move.

use salt_wire::order::Order;

use super::state::{Cause, Previous};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An operator ordered a move.
    Ordered(Order, Box<Previous>),
    /// The effects of the present state are done.
    Done,
    /// One of them failed; those behind it were not begun.
    Failed(Cause),
    /// The candidate session authenticated against the ordered fingerprint.
    Authenticated,
    /// The new master has our key and has not accepted it.
    Pending,
    /// The new master will not have us, or is not the one that was ordered.
    Denied(Cause),
    /// Pillar and round trip came back through the candidate.
    Answered,
    /// The new master is not there at the moment, and the session tries again.
    Trouble(Cause),
    /// The connection to the new master is gone for longer than a hiccup.
    Lost(Cause),
    /// The new master answered one more round trip after the switch.
    Round,
    /// The state's deadline may be over.
    Deadline,
    /// An operator calls the move off.
    Cancel,
    /// An operator or the bridge is content with the new master.
    Confirm,
    /// An operator wants the old master back.
    Rollback,
    /// The agent started and found this state in its journal.
    Restarted,
}

impl Event {
    /// Its name in logs and refusals.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ordered(..) => "ordered",
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Authenticated => "authenticated",
            Self::Pending => "pending",
            Self::Denied(_) => "denied",
            Self::Answered => "answered",
            Self::Trouble(_) => "trouble",
            Self::Lost(_) => "lost",
            Self::Round => "round",
            Self::Deadline => "deadline",
            Self::Cancel => "cancel",
            Self::Confirm => "confirm",
            Self::Rollback => "rollback",
            Self::Restarted => "restarted",
        }
    }
}
