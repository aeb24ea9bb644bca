//! OpenStack, as the commands see it.
//!
//! ```text
//! config (clouds.yaml, OS_*) → OpenStack ─┐
//!                    another Cloud, in memory ─┴→ trait Cloud → Client (retries, pages) → one file per resource
//! ```
//!
//! A request is a value ([`Call`]), its answer another ([`Answer`]); [`Cloud`] carries one to the other and is
//! all that a stand-in has to be. [`Client`] repeats what may be repeated, collects pages and turns refusals
//! into a [`Fault`] with the service's own words, which `?` turns into the error that people see. One more
//! resource is a file with its type (fields named as OpenStack names them) and an `impl Client`; names and ids
//! are told apart by `resolve.rs` alone, and everything that takes time waits through `wait.rs`.
//!
//! `openstack.rs` is the real one, on `openstack_sdk`. Its generated endpoints are not used: they do not encode
//! ids, and most are wrong for one question of ours or another. What the crate needs to work in the field
//! (discovery by hand and again after a re-login, a second session for long transfers, the plug-in of
//! application credentials) is in that file and nowhere else.
//!
//! ```ignore
//! let cloud = Client::connect(&Selection::default()).await?;
//! let server = cloud.server_of("app2").await?;              // name, id or address
//! cloud.wait_server(&server.id, "ACTIVE", Duration::from_secs(300), &mut |_| {}).await?;
//! ```

mod call;
mod client;
pub mod config;
mod fault;
pub mod flavor;
pub mod floating_ip;
pub mod image;
pub mod keypair;
pub mod network;
mod openstack;
pub mod port;
pub mod quota;
pub mod resolve;
mod retry;
pub mod router;
pub mod security_group;
pub mod server;
pub mod server_group;
pub mod stack;
pub mod volume;
pub mod wait;

use std::future::Future;
use std::pin::Pin;

pub use call::{Answer, Call, Service};
pub use client::Client;
pub use config::Selection;
pub use fault::{Fault, FaultKind};
pub use flavor::Flavor;
pub use floating_ip::FloatingIp;
pub use image::Image;
pub use keypair::Keypair;
pub use network::{Network, Subnet};
pub use openstack::OpenStack;
pub use openstack_sdk::types::BoxedAsyncRead;
pub use port::Port;
pub use resolve::Named;
pub use router::Router;
pub use security_group::SecurityGroup;
pub use server::Server;
pub use server_group::ServerGroup;
pub use stack::Stack;
pub use volume::{Volume, VolumeSnapshot};

/// Result of a call.
pub type Result<T> = std::result::Result<T, Fault>;

/// A future of a trait that must work behind `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Something that answers OpenStack's requests. Every call has a deadline of its own.
pub trait Cloud {
    /// What to call it in messages: its name in clouds.yaml, or the address of its Keystone.
    fn name(&self) -> &str;

    /// The project that we work in, if the token has one: id and name.
    fn project(&self) -> Option<(String, String)>;

    /// Whether we came with an application credential, which Heat refuses for most stacks.
    fn is_application_credential(&self) -> bool {
        false
    }

    /// One request and its answer, whatever its status. Only no answer at all is a fault.
    fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Answer>;

    /// A request whose body is streamed, without a deadline for the whole: the reader watches for stalls.
    fn upload<'a>(&'a self, call: &'a Call, body: BoxedAsyncRead) -> Pending<'a, Answer>;
}
