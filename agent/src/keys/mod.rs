//! Keys on disk, in Salt's directory, under Salt's names and with Salt's modes, so that a salt-minion's
//! directory can be taken over and given back: our own pair ([`store`]) and what speaks for the masters'
//! keys ([`trust`]), with what may follow them ([`succession`]).

mod error;
mod guard;
pub mod store;
pub mod succession;
pub mod trust;

pub use error::KeyError;
pub use store::Store;
pub use succession::Succession;
pub use trust::Masters;
