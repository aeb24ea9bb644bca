//! Decisions without effects: what would be done to whom, and in what order. Pure, and tested as tables.

pub mod moves;
pub mod waves;
