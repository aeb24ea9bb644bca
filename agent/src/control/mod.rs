//! The control socket: how `salt-agent status` and `salt-agent remaster` talk to the daemon of this machine.
//!
//! One connection carries one request and one answer, each a line of JSON. The socket belongs to the
//! daemon's account, is closed to all others, and a peer must be that account or root. Sizes, times and the
//! number of connections are bounded.
//!
//! One more request: a name that [`Daemon::request`] understands.

mod client;
mod report;
mod server;

use salt_wire::{Map, Value};

pub use client::{ControlError, ask, status};
pub use report::{JobReport, MasterReport, SpoolReport, StatusReport};
pub use server::{Server, serve};

/// Longest request in bytes.
pub(crate) const MAX_REQUEST: usize = 256 << 10;
/// Longest answer in bytes.
pub(crate) const MAX_ANSWER: usize = 16 << 20;

/// The daemon, as the control socket sees it. Called on a thread that may block.
pub trait Daemon: Send + Sync {
    /// What it is doing right now.
    fn status(&self) -> StatusReport;

    /// Any other request, by name; an error's text is shown to the operator as it is.
    fn request(&self, name: &str, arguments: Map) -> Result<Value, String>;
}
