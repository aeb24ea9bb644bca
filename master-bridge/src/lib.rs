//! The bridge: keys, jobs and remastering, from the master's side.
//!
//! ```text
//! cli → commands → fleet (both masters) → journal → plan (pure)
//!                                       → salt (a master, behind the trait `Master`)
//! all of them → output, progress, error
//! ```
//!
//! A command is a file in `commands/` and a line in its `mod.rs`; it talks to masters through
//! [`salt::Master`] only, decides in `plan/` where nothing is sent, and says everything through
//! [`output::Output`].

pub mod cli;
pub mod cloud;
pub mod commands;
pub mod error;
mod fault;
pub mod fleet;
pub mod journal;
pub mod output;
pub mod plan;
pub mod progress;
pub mod proof;
pub mod salt;
pub mod sandbox;
mod scan;
mod secret;
pub mod vms;

use std::process::ExitCode;

use cli::Cli;
use output::Output;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Runs one command line to its exit code.
pub fn run(cli: Cli) -> ExitCode {
    start_log(cli.global.verbose);
    let output = Output::new(&cli.global);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli, &output)),
        Err(e) => Err(error::Error::new(error::Kind::Local, "cannot start").because(&e)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn start_log(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    // Our own crates alone: a library's warning is no news for an operator.
    let ours = Targets::new().with_target("master_bridge", level);
    tracing_subscriber::registry()
        .with(fmt::layer().with_writer(std::io::stderr).without_time())
        .with(ours)
        .init();
}
