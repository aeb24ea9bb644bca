//! Orders that no master has to carry: signed by an operator, or by the old master's key, and read from a file,
//! the instance's metadata, its config drive or a URL. For VMs whose master is dead, and for those that slept
//! while it moved.
//!
//! `sources` finds texts, `judge` says what a text means for us, `ledger` remembers which were taken. One more
//! source: a function in `sources.rs` and a line in [`sources::gather`].

mod judge;
pub mod ledger;
pub mod sources;

pub use judge::{Verdict, judge};
pub use ledger::Ledger;
pub use sources::{Found, gather};
