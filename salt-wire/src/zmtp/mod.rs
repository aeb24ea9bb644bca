//! ZeroMQ's wire protocol, ZMTP 3.1, as far as a minion needs it: the NULL mechanism, SUB and REQ, and
//! heartbeats in both directions. Sans-io: bytes and the time go in, bytes and events come out.
//!
//! [`greeting`] → [`frame`] → [`command`] → [`Connection`], one file each. A further socket type is a
//! variant of [`Role`] and what `connection.rs` does once it is ready.
//!
//! Why not the `zeromq` crate: 0.7 takes a PING for an error, so that a stock master drops its subscriber every ten
//! seconds, and a request that waits longer than that for its reply fails; it sends none, and lets a peer's announced
//! length decide how much memory is reserved (`ZmqCodec::decode` calls `reserve` with it before a byte of it has
//! come). The day it does better, this folder can go; until then the tests hold the two against each other.

pub mod command;
pub mod connection;
pub mod error;
pub mod frame;
pub mod greeting;

pub use connection::{Connection, Event, Heartbeat, Limits, Peer, Role};
pub use error::Error;
