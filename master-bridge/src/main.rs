//! `master-bridge`: arguments, runtime, exit code.

use std::process::ExitCode;

use clap::Parser;
use master_bridge::cli::Cli;

fn main() -> ExitCode {
    master_bridge::run(Cli::parse())
}
