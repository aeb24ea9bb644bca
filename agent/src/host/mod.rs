//! What the machine can do, typed. The only folder that spawns processes, reads the clock or the
//! environment, or writes files. Everything above gets a [`Host`] handed in.
//!
//! One more capability is one more file here.

pub mod account;
pub mod cancel;
pub mod clock;
pub mod diff;
pub mod digest;
pub mod env;
pub mod exec;
pub mod fs;
pub mod lock;
pub mod net;
pub mod netlink;
pub mod perms;
pub mod pkg;
pub mod privileges;
pub mod process;
pub mod service;
pub mod shell;
pub mod shlex;
pub mod user;

use std::sync::Arc;

pub use cancel::Cancel;

/// The machine, as functions and states see it.
#[derive(Clone)]
pub struct Host {
    /// Runs commands; scripted in tests.
    pub exec: Arc<dyn exec::Exec>,
}

impl Host {
    /// The real machine.
    pub fn real() -> Self {
        Self {
            exec: Arc::new(exec::Processes),
        }
    }
}
