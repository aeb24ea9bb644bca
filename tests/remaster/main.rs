//! Moves between real masters of different releases: proven, undone, interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap in a test is a failed test"
)]

mod adopted;
mod both;
mod crash;
mod fleet;
mod kills;
mod leftovers;
mod many;
mod moves;
mod net;
mod orders;
mod pair;
mod rotation;
mod strange;
mod trouble;
