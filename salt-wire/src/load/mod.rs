//! What the messages mean: one file per kind, both directions in the same file.
//!
//! Requests are built as [`Map`](crate::Map)s, because a channel adds its fields to them; what a master
//! sends is read into a type. A new message is a new file here and a line below.

mod auth;
mod auth_reply;
mod event;
mod file;
mod pillar;
mod publication;
mod request;
mod return_;

pub use auth::AuthRequest;
pub use auth_reply::{AuthAnswer, AuthBody, AuthReply, AuthTicket, SignedAuth};
pub use event::Event;
pub use file::{Chunk, FileHash, file_hash, serve_file};
pub(crate) use pillar::complaint;
pub(crate) use publication::BROADCAST;

pub use pillar::{PillarReply, PillarRequest, PillarSecret};
pub use publication::{Publication, PublicationFrame};
pub use request::{Request, RequestFields};
pub use return_::Return;
