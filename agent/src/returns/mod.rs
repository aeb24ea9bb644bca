//! What a function gave, shaped for the master: `load.rs` makes the `_return` load with Salt's rules and
//! words, `spool.rs` keeps it on disk until the master has it.

pub mod load;
pub mod spool;

pub use spool::Spool;
