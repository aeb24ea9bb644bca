//! `salt-agent`: arguments, logging, config, run, exit code.

fn main() {}
