//! Why there is no connection to a master, or no longer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::zmtp;

/// A fault between us and a master.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name has no address.
    #[error("the name {host} of the master cannot be resolved: {detail}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolvers said.
        detail: String,
    },
    /// Nothing listens there.
    #[error("{peer} refuses connections")]
    Refused {
        /// Address and port.
        peer: SocketAddr,
    },
    /// No answer in time.
    #[error("{peer} did not answer within {} s ({doing})", after.as_secs_f32())]
    Timeout {
        /// Address and port.
        peer: SocketAddr,
        /// What was waited for.
        doing: &'static str,
        /// How long.
        after: Duration,
    },
    /// The network or our own machine forbids it.
    #[error("{peer} cannot be reached")]
    Unreachable {
        /// Address and port.
        peer: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The peer closed the connection.
    #[error("{peer} closed the connection")]
    Closed {
        /// Address and port.
        peer: SocketAddr,
        /// The system's reason, if it was no orderly close.
        source: Option<io::Error>,
    },
    /// It speaks, but not as a master's socket does.
    #[error("{peer}: {source}")]
    Zmtp {
        /// Address and port.
        peer: SocketAddr,
        /// What is wrong.
        source: zmtp::Error,
    },
}

impl Error {
    /// Sorts an error of the system into ours.
    pub(crate) fn connecting(peer: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::ConnectionRefused {
            Self::Refused { peer }
        } else {
            Self::Unreachable { peer, source }
        }
    }
}
