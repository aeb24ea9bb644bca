//! The agent: an ordinary minion to its master, a guest that cannot be lost to its operator.
//!
//! ```text
//! host → config → identity → keys → transport → session
//! host → config → grains → context → fileclient, pillar → render → states → highstate
//!      → modules → schedule, mine → dispatch → returns      (jobs in, returns out)
//! remaster: a pure table beside them; `supervisor`, where everything meets, feeds it and runs its effects
//! ```
//!
//! A folder may use those before it in `tests/layers.rs`, which fails on an arrow that points back.
//! A session never sees a module, a module never sees a socket.

pub mod cli;
pub mod commands;
pub mod compat;
pub mod config;
pub mod context;
pub mod control;
pub mod dispatch;
pub mod fileclient;
pub mod fnmatch;
pub mod grains;
pub mod highstate;
pub mod host;
pub mod identity;
pub mod keys;
pub mod logging;
pub mod mine;
pub mod modules;
pub mod notify;
pub mod orders;
pub mod output;
pub mod pillar;
pub mod python;
pub mod remaster;
pub mod render;
pub mod returns;
pub mod schedule;
pub mod session;
pub mod states;
pub mod supervisor;
pub mod targeting;
#[cfg(test)]
mod testing;
pub mod transport;
