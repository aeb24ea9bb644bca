//! Moves between real masters of different releases: proven, undone, interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap in a test is a failed test"
)]

mod crash;
mod fleet;
mod many;
mod moves;
