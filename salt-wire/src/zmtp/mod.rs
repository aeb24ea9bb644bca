//! ZeroMQ's wire protocol, ZMTP 3.1, as far as a minion needs it: the NULL mechanism, SUB and REQ, and
//! heartbeats in both directions. Sans-io: bytes and the time go in, bytes and events come out.
//!
//! [`greeting`] → [`frame`] → [`command`] → [`Connection`], one file each. A further socket type is a
//! variant of [`Role`] and what `connection.rs` does once it is ready.
//!
//! Why not the `zeromq` crate here: it answers no PING, sends none, and lets a peer's announced length
//! decide how much memory is reserved. The day it does better, this folder can go.

pub mod command;
pub mod connection;
pub mod error;
pub mod frame;
pub mod greeting;

pub use connection::{Connection, Event, Heartbeat, Limits, Peer, Role};
pub use error::Error;
