//! Salt's minion protocol: bytes and meaning, without sockets, clock or files; only `transport`, behind the feature
//! `tokio`, moves the bytes.
//!
//! A caller hands in received bytes, the time and a source of randomness; what comes back are bytes to
//! send and typed events. See each folder for its part.
//!
//! # The protocol in one page
//!
//! ```text
//! minion                                   master
//!   REQ  ---- tcp ret_port (4506) ---->  ROUTER   questions: auth, pillar, files, returns, events
//!   SUB  <--- tcp publish_port (4505) -  PUB      jobs, to all minions at once
//! ```
//!
//! Underneath is ZeroMQ's own protocol ([`zmtp`]). One message is one msgpack map ([`value`]), whose outer
//! side is in the clear ([`frame`]); what it says is in [`load`], and who may say it in [`channel`]:
//!
//! 1. **`_auth`** ([`channel::handshake`]), in the clear: our id, our public key, a nonce, and, if we know the
//!    master's key, a secret wrapped for it. The answer is signed by the master. It says *pending*, *no* or
//!    *full*, or brings, wrapped for our key: the **AES key** that all minions share, the **session key** that
//!    is ours alone, our secret, and the publish port. Nothing in it is believed before the nonce, the
//!    signature, and what the operator said about the master's key ([`channel::trust`]) all agree.
//! 2. **Requests** ([`channel::request`]) go out under the session key with a fresh nonce, the time, our id and
//!    `tok`, a proof of our private key. A reply comes back under the same key and begins with that nonce. A
//!    **pillar** comes under a one-time key, wrapped for ours and signed by the master.
//! 3. **Publications** ([`channel::publish`]) come under the AES key, mostly signed, with a serial that grows.
//!    Whether a job is for us is not the wire's business.
//! 4. The master changes its AES key when it starts, daily, and after a key was deleted, and says so to nobody:
//!    the next publication does not authenticate. The session key ages as well: a request is answered with the
//!    plain text `bad load`. Both mean: `_auth` again, then once more.
//!
//! Encryption is [`Crypticle`](crypto::Crypticle): AES-192-CBC under an HMAC-SHA256. Signatures and wrapping are
//! RSA, with the stronger of Salt's two hashes where the master takes it. `_auth` speaks version 3; version 2 is
//! accepted from a master of the past that never spoke 3, and below it only on an operator's word.
//!
//! # Whose fault
//!
//! Every [`Error`] has a [`Fault`], which decides what another try is good for; every reason for not being
//! connected has a [`Reason`], whose word is the same everywhere.

pub mod announce;
pub mod channel;
pub mod crypto;
pub mod error;
pub mod frame;
pub mod ids;
pub mod load;
pub mod order;
#[cfg(feature = "tokio")]
pub mod transport;
pub mod value;
pub mod zmtp;

pub use announce::Announcement;
pub use error::{Error, Fault, Reason};
pub use value::{Map, Value};
