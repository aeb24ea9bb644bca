//! `master-bridge`: the master's side.

fn main() {}
