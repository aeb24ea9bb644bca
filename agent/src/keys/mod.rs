//! Keys on disk, in Salt's directory, under Salt's names and with Salt's modes, so that a salt-minion's
//! directory can be taken over and given back: our own pair ([`store`]) with the one that is to
//! follow it ([`rotation`]), and what speaks for the masters' keys ([`trust`]), with what may follow those
//! ([`succession`]).

mod error;
mod guard;
pub mod rotation;
pub mod store;
pub mod succession;
pub mod trust;

pub use error::KeyError;
pub use rotation::Rotation;
pub use store::Store;
pub use succession::Succession;
pub use trust::Masters;
