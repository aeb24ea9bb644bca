//! Moves between real masters of different releases: proven, undone, interrupted.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod fleet;
mod moves;
