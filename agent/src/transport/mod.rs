//! Ways to a master: names to addresses, addresses to byte streams, byte streams to ZeroMQ messages.
//!
//! ```text
//! resolve (DNS with its TTL) → dial (TCP, or memory in tests) → Link (ZMTP, of salt-wire) → Pool (requests)
//! ```
//!
//! Another way to reach a master is one more implementation of [`Dial`].

pub mod pool;
pub mod resolve;
pub mod tcp;

pub use pool::Pool;
pub use resolve::{Answer, Resolve};
#[cfg(test)]
pub(crate) use salt_wire::transport::memory;
pub use salt_wire::transport::{BoxFuture, Dial, Error, Link, Port, Stream};
