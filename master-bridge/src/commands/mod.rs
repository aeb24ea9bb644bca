//! The commands, one file each: its arguments and its `run`. One more is a file here, a `mod` line, a
//! variant in `cli.rs` and an arm below.

pub mod bake;
mod begin;
pub mod boot;
mod by_order;
pub mod completions;
pub mod env;
pub mod flavor;
pub mod flip;
pub mod image;
mod image_import;
pub mod keypair;
pub mod keys;
mod keys_rotate;
pub mod man;
pub mod master;
mod master_launch;
mod master_pillar;
pub mod minions;
pub mod ops;
pub mod orders;
pub mod remaster;
pub mod remaster_all;
mod remaster_clean;
mod remaster_status;
pub mod replace;
pub mod run;
pub mod sandbox;
pub mod secgroup;
pub mod server;
pub mod stack;
mod stack_input;
mod stack_roll;
mod travel;
mod vm_shape;
mod vm_work;
pub mod volume;

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{Cli, Command, Global};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::salt::Master;
use crate::salt::job::Patience;

/// Runs a command line.
pub async fn run(cli: Cli, output: &Output) -> Result<ExitCode> {
    let global = &cli.global;
    match cli.command {
        Command::Keys(command) => command.run(global, output).await,
        Command::Run(command) => command.run(global, output).await,
        Command::Minions(command) => command.run(global, output).await,
        Command::Remaster(command) => command.run(global, output).await,
        Command::RemasterAll(command) => command.run(global, output).await,
        Command::Ops(command) => command.run(global, output).await,
        Command::Orders(command) => command.run(global, output).await,
        Command::Master(command) => command.run(global, output).await,
        Command::Sandbox(command) => command.run(global, output).await,
        Command::Server(command) => command.run(global, output).await,
        Command::Flavor(command) => command.run(global, output).await,
        Command::Keypair(command) => command.run(global, output).await,
        Command::Secgroup(command) => command.run(global, output).await,
        Command::Volume(command) => command.run(global, output).await,
        Command::Env(command) => command.run(global, output).await,
        Command::Stack(command) => command.run(global, output).await,
        Command::Image(command) => command.run(global, output).await,
        Command::Bake(command) => command.run(global, output).await,
        Command::Boot(command) => command.run(global, output).await,
        Command::Flip(command) => command.run(global, output).await,
        Command::Replace(command) => command.run(global, output).await,
        Command::Completions(command) => command.run(output),
        Command::Man(command) => command.run(output),
    }
}

/// Opens the master that the global options name.
async fn open(global: &Global) -> Result<Box<dyn Master>> {
    global.way()?.open().await
}

/// How long to wait for jobs: the master's settings, unless the command line says otherwise.
fn patience(global: &Global, master: &dyn Master) -> Patience {
    let (timeout, gather) = master.patience();
    Patience {
        timeout: global.timeout.unwrap_or(timeout),
        gather: global.gather_timeout.unwrap_or(gather),
        most: global.max_wait,
    }
}

/// A look at minions needs no long wait: half of an hour is no interactive answer.
fn short(patience: Patience) -> Patience {
    Patience {
        most: patience.most.min(Duration::from_secs(120)),
        ..patience
    }
}

/// A job that nobody was there for is no success.
fn nothing_matched(what: &str) -> Error {
    Error::new(Kind::NothingMatched, format!("no {what} matches"))
        .hint("`master-bridge minions` shows who there is")
}
