//! Byte streams to a master, and ZeroMQ messages over them: the one part of this crate that moves bytes, behind the
//! feature `tokio`.
//!
//! ```text
//! dial (whatever opens streams) → Link (ZMTP)
//! ```
//!
//! Another way to reach a master is one more implementation of [`Dial`].

mod error;
mod link;
#[cfg(any(test, feature = "testing"))]
pub mod memory;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

pub use error::Error;
pub use link::Link;

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
