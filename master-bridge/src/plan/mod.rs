//! Decisions without effects: what would be done to whom, and in what order. Pure, and tested as tables.
//!
//! `moves.rs` decides about one minion, `order.rs` and `waves.rs` say who goes when, `bucket.rs` how fast;
//! [`Plan`] is all of it as typed steps with a hash, and `place.rs` reads from the world how far a step came.
//!
//! [`CloudPlan`] is another kind of plan: steps one after the other that make, change or remove things in a
//! cloud; its steps are carried out in `vms/`. [`CleanPlan`] deletes keys that a move has left. All are [`Planned`],
//! which is what the journal asks of a plan.

pub mod bucket;
pub mod build;
pub mod cleaning;
pub mod cloud;
pub mod import;
pub mod moves;
pub mod order;
pub mod place;
pub mod planned;
pub mod rules;
pub mod stack;
pub mod steps;
pub mod thing;
pub mod waves;
mod words;

pub use cleaning::CleanPlan;
pub use cloud::{CloudPlan, CloudStep};
pub use planned::{AnyPlan, Planned};
pub use steps::{Action, Carriage, Member, Plan, Step, Way};
