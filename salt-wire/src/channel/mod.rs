//! Conversations with a master, without sockets: bytes in, bytes and decisions out.
//!
//! [`handshake`] makes a [`Ticket`](handshake::Ticket) of an answer to `_auth`; from it [`request`] gets the
//! keys to ask with and [`publish`] the keys to listen with. After each re-authentication both are handed
//! the new ticket. None of them waits or retries: the caller has the clock, and [`fault`](crate::error::Error::fault)
//! tells what another try is good for.

pub mod handshake;
pub mod proof;
pub mod publish;
pub mod request;
pub mod trust;
mod wrapped;

#[cfg(test)]
mod tests;
