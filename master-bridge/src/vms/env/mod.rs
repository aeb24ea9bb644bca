//! Environments: networks, groups, volumes, servers and a virtual address as a file says; as many as one likes in a
//! project, each thing's name beginning with its environment's.
//!
//! `spec.rs` is the file, `have.rs` what there is of an environment (everything that its maker wrote the
//! environment's name on), `up.rs` the steps from one to the other, `down.rs` those that remove it all. The same
//! world and file give the same steps; none if there is nothing to do.

mod down;
mod have;
mod spec;
mod up;

pub use down::down;
pub use have::Have;
pub use spec::{Spec, Vip};
pub use up::{Shapes, up};

/// The metadata key of servers that names their environment.
pub const ENV: &str = "bridge-env";

/// What is written on everything of an environment.
pub fn owner(name: &str) -> String {
    format!("master-bridge env {name}")
}
