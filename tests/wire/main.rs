//! The protocol crate against what real masters and Salt's own code have said.
//!
//! `tests/fixtures/README.md` tells how the recordings are made.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod crypt;
mod fixtures;
mod recorded;
mod salt_reads_ours;
mod seeds;
