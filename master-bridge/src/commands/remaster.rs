//! `remaster`: some minions, named by id, to another master.

use std::process::ExitCode;

use clap::Args;

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
#[command(after_help = EXAMPLE)]
pub struct Remaster {
    /// Which minions, by their exact ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    destination: Destination,
    #[command(flatten)]
    rules: super::travel::Rules,
}

impl Remaster {
    /// Moves them, all at once.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let travel = Travel {
            command: "remaster",
            target: Target::list(&self.ids),
            destination: self.destination,
            rules: self.rules,
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
