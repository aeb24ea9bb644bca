//! What the suites share: real masters and minions of three releases, our own programs, waits with
//! deadlines. Helpers only, no tests.
//!
//! Every server of a test gets a loopback address of its own, so that all can use Salt's ports and no
//! two tests ever meet. What a test starts ends with it, by process id.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test"
)]

mod address;
mod agent;
mod api;
mod bin;
mod client;
mod disk;
mod events;
mod fake_master;
mod master;
mod minion;
mod names;
mod netns;
pub mod parity;
mod process;
mod ready;
mod release;
mod salt;
mod salt_api;
mod sandbox;
mod venv;
mod wait;

pub use address::{Address, next_address};
pub use agent::Agent;
pub use api::{Answer, Api};
pub use bin::bin;
pub use client::Client;
pub use disk::Disk;
pub use events::{Event, Events};
pub use fake_master::{Auth, Behaviour, FakeMaster, Reply, Signature, hello};
pub use master::{Master, MasterBuilder};
pub use minion::Minion;
pub use names::{Names, Says};
pub use netns::NetNs;
pub use process::{Finished, Process};
pub use release::{RELEASES, Release};
pub use salt_api::SaltApi;
pub use sandbox::Sandbox;
pub use wait::{until, until_some};
