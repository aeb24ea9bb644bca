//! `remaster`: some minions, named by id, to another master.

use std::process::ExitCode;

use clap::Args;

use super::remaster_all::Journey;
use crate::cli::Global;
use crate::error::Result;
use crate::fleet::Destination;
use crate::output::Output;
use crate::plan::waves::Amount;
use crate::salt::Target;

/// Arguments of `remaster`.
#[derive(Debug, Args)]
pub struct Remaster {
    /// Which minions, by their exact ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    destination: Destination,
}

impl Remaster {
    /// Moves them, all at once.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let journey = Journey {
            target: Target::list(&self.ids),
            destination: self.destination,
            canary: 0,
            wave: Amount::Percent(100),
            max_in_flight: usize::MAX,
            max_failures: 0,
            pause_after: None,
        };
        journey.run(global, output).await
    }
}
