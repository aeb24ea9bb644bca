//! Decisions without effects: what would be done to whom, and in what order. Pure, and tested as tables.
//!
//! `moves.rs` decides about one minion, `order.rs` and `waves.rs` say who goes when, `bucket.rs` how fast;
//! [`Plan`] is all of it as typed steps with a hash, and `place.rs` reads from the world how far a step came.

pub mod bucket;
pub mod build;
pub mod moves;
pub mod order;
pub mod place;
pub mod steps;
pub mod waves;

pub use steps::{Action, Member, Plan, Step};
