//! Ways to a master: names to addresses, addresses to byte streams, byte streams to ZeroMQ messages.
//!
//! ```text
//! resolve (DNS with its TTL) → dial (TCP, or memory in tests) → Link (ZMTP) → Pool (requests)
//! ```
//!
//! Both sockets use our own ZMTP (`salt_wire::zmtp`) and not the `zeromq` crate, whose 0.7.0 answers no PING
//! (a stock master drops such a peer every few seconds), sends none, and reserves whatever length a peer
//! announces (`ZmqCodec::decode` calls `reserve` with it before a byte of it has come). The bridge and the fake master of the tests still use it.
//!
//! Another way to reach a master is one more implementation of [`Dial`].

pub mod error;
pub mod link;
#[cfg(test)]
pub(crate) mod memory;
pub mod pool;
pub mod resolve;
pub mod tcp;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

pub use error::Error;
pub use link::Link;
pub use pool::Pool;
pub use resolve::{Answer, Resolve};

/// A future behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A byte stream to a peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Which of a master's two ports a stream is for; the local side of each can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// Publications, 4505.
    Publish,
    /// Requests, 4506.
    Request,
}

/// Opens byte streams. It need not bound its time: the caller does.
pub trait Dial: Send + Sync {
    /// Connects to one address.
    fn dial(&self, to: SocketAddr, port: Port) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
}
