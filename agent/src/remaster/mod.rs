//! Moving to another master without ever being without one.
//!
//! An order names the new master and the fingerprint of its key. The machine is a pure table
//! ([`step()`]) over plain data ([`State`], [`Event`], [`Effect`]); [`Machine`] records each state before
//! it hands out that state's effects, so that an agent killed at any instruction resumes or goes back.
//! The supervisor feeds events and carries effects out.
//!
//! A new state: `state.rs`, `step.rs`, and the samples in `table.rs`; a new effect: `effect.rs` and
//! whoever implements [`Effects`]. `UPDATE_TABLE=1 cargo test -p salt-agent remaster` prints the table anew.
//!
//! The table, as the code has it (what is not listed is refused; *stays* is the same state without effects):
//!
//! <!-- table -->
//!
//! | state | event | next | effects |
//! |---|---|---|---|
//! | steady | ordered | staged | tell staged, check |
//! | steady | restarted | steady | tidy |
//! | steady | done, failed | *stays* | |
//! | staged | done | trial | tell trial, open |
//! | staged | failed | steady | tell rolled_back |
//! | staged | cancel | steady | tell rolled_back |
//! | staged | rollback | steady | tell rolled_back |
//! | staged | restarted | staged | tell staged, check |
//! | trial | failed | rolling_back | tell rolled_back, release, tidy |
//! | trial | authenticated | verifying | verify |
//! | trial | pending | waiting | tell waiting |
//! | trial | denied | rolling_back | tell rolled_back, release, tidy |
//! | trial | cancel | rolling_back | tell rolled_back, release, tidy |
//! | trial | rollback | rolling_back | tell rolled_back, release, tidy |
//! | trial | restarted | trial | open |
//! | trial | deadline | rolling_back | tell rolled_back, release, tidy |
//! | trial | done, lost, deadline (early) | *stays* | |
//! | waiting | failed | rolling_back | tell rolled_back, release, tidy |
//! | waiting | authenticated | verifying | verify |
//! | waiting | denied | rolling_back | tell rolled_back, release, tidy |
//! | waiting | cancel | rolling_back | tell rolled_back, release, tidy |
//! | waiting | rollback | rolling_back | tell rolled_back, release, tidy |
//! | waiting | restarted | waiting | open |
//! | waiting | deadline | rolling_back | tell rolled_back, release, tidy |
//! | waiting | done, pending, lost, deadline (early) | *stays* | |
//! | verifying | failed | rolling_back | tell rolled_back, release, tidy |
//! | verifying | pending | waiting | tell waiting |
//! | verifying | denied | rolling_back | tell rolled_back, release, tidy |
//! | verifying | answered | committing | tell verified, switch, promote |
//! | verifying | lost | rolling_back | tell rolled_back, release, tidy |
//! | verifying | cancel | rolling_back | tell rolled_back, release, tidy |
//! | verifying | rollback | rolling_back | tell rolled_back, release, tidy |
//! | verifying | restarted | trial | open |
//! | verifying | deadline | rolling_back | tell rolled_back, release, tidy |
//! | verifying | done, authenticated, deadline (early) | *stays* | |
//! | committing | done | probation | tell committed, release |
//! | committing | failed | committing | pause, switch, promote |
//! | committing | restarted | committing | switch, promote |
//! | committing | authenticated, pending, denied, answered, lost, deadline (early), deadline | *stays* | |
//! | probation | denied | returning | restore, promote, tell rolled_back, release, tidy |
//! | probation | lost | returning | restore, promote, tell rolled_back, release, tidy |
//! | probation | confirm | steady | tell confirmed, tidy |
//! | probation | rollback | returning | restore, promote, tell rolled_back, release, tidy |
//! | probation | restarted | probation | tell committed |
//! | probation | deadline | returning | restore, promote, tell rolled_back, release, tidy |
//! | probation | done, failed, authenticated, pending, answered, deadline (early) | *stays* | |
//! | returning | done | steady |  |
//! | returning | failed | returning | pause, restore, promote, tell rolled_back, release, tidy |
//! | returning | restarted | returning | restore, promote, tell rolled_back, release, tidy |
//! | returning | authenticated, pending, denied, answered, lost, deadline (early), deadline | *stays* | |
//! | rolling_back | done | steady |  |
//! | rolling_back | failed | rolling_back | pause, tell rolled_back, release, tidy |
//! | rolling_back | restarted | rolling_back | tell rolled_back, release, tidy |
//! | rolling_back | authenticated, pending, denied, answered, lost, deadline (early), deadline | *stays* | |
//!
//! <!-- end -->

pub mod control;
mod driver;
mod effect;
mod event;
mod journal;
mod state;
mod step;
#[cfg(test)]
mod table;

pub use driver::{Driver, Effects, Request};
pub use effect::{Effect, Report};
pub use event::Event;
pub use journal::{ApplyError, JournalError, Machine};
pub use state::{Cause, Journey, Mark, Millis, Outcome, Previous, SavedFile, Stage, State};
pub use step::{Refused, Step, step};
