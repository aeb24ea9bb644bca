//! `remaster`: some minions, named by id, to another master; and where everyone is.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::remaster_clean::Clean;
use super::remaster_status::Status;
use super::travel::Travel;
use crate::cli::Global;
use crate::error::Result;
use crate::fleet::Destination;
use crate::output::Output;
use crate::plan::build::Shape;
use crate::plan::steps::Limits;
use crate::plan::waves::Amount;
use crate::salt::Target;

const EXAMPLE: &str = "\
Examples:
  master-bridge remaster web1 --to new.example.org --to-config /etc/salt-new
  master-bridge remaster web1 --to new.example.org --finger 51:8f:…   (without sight of the new master)
  master-bridge remaster web1 --to new.example.org --to-config /etc/salt-new --dry-run -o json";

/// Arguments of `remaster`.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLE,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Remaster {
    #[command(subcommand)]
    command: Option<Other>,
    #[command(flatten)]
    moving: Moving,
}

/// What else there is about moves.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Show where everyone is: on the old master, the new one, both, or nowhere
    Status(Status),
    /// Delete the keys on the old master of those who are on the new one for good
    Clean(Clean),
}

/// Arguments of a move.
#[derive(Debug, Args)]
pub struct Moving {
    /// Which minions, by their exact ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    destination: Destination,
    #[command(flatten)]
    rules: super::travel::Rules,
    #[command(flatten)]
    by_order: super::by_order::ByOrder,
}

impl Remaster {
    /// Moves them, all at once; or does what else was asked for.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self.command {
            Some(Other::Status(command)) => command.run(global, output).await,
            Some(Other::Clean(command)) => command.run(global, output).await,
            None => self.moving.run(global, output).await,
        }
    }
}

impl Moving {
    async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let travel = Travel {
            command: "remaster",
            target: Target::list(&self.ids),
            destination: self.destination,
            rules: self.rules,
            by_order: self.by_order,
            order_by: None,
            shape: Shape {
                canary: 0,
                wave: Amount::Percent(100),
                limits: Limits {
                    max_in_flight: usize::MAX,
                    max_failures: self.ids.len(),
                    auth_rate: 10.0,
                    pause_after: None,
                },
            },
        };
        travel.run(global, output).await
    }
}
