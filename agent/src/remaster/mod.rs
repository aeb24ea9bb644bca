//! Moving to another master without ever being without one.
//!
//! An order names the new master and the fingerprint of its key. The machine is a pure table
//! ([`step()`]) over plain data ([`State`], [`Event`], [`Effect`]); [`Machine`] records each state before
//! it hands out that state's effects, so that an agent killed at any instruction resumes or goes back.
//! The supervisor feeds events and carries effects out.
//!
//! A new state: `state.rs`, `step.rs`, and the samples in `table.rs`; a new effect: `effect.rs` and
//! whoever implements [`Effects`]. `UPDATE_TABLE=1 cargo test -p salt-agent remaster` prints the table anew.
#![doc = include_str!("../../../docs/remaster-table.md")]

pub mod control;
mod driver;
mod effect;
mod event;
mod journal;
mod state;
mod step;
#[cfg(test)]
mod table;

pub use driver::{Driver, Effects, Look, Request};
pub use effect::{Effect, Report, Which};
pub use event::Event;
pub use journal::{ApplyError, JournalError, Machine};
pub use state::{Cause, Journey, Mark, Millis, Outcome, Previous, SavedFile, Stage, State};
pub use step::{Refused, Step, step};
