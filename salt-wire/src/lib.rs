//! Salt's minion protocol: bytes and meaning, without sockets, clock or files.
//!
//! A caller hands in received bytes, the time and a source of randomness; what comes back are bytes to
//! send and typed events. See each folder for its part.

pub mod channel;
pub mod crypto;
pub mod error;
pub mod frame;
pub mod ids;
pub mod load;
pub mod order;
pub mod value;
pub mod zmtp;

pub use error::{Error, Fault, Reason};
pub use value::{Map, Value};
