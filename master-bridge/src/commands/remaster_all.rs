//! `remaster-all`: everyone to another master, a canary first, then in waves.

use std::process::ExitCode;

use clap::Args;

use super::by_order::ByOrder;
use super::travel::{Rules, Travel};
use crate::cli::{Global, rate};
use crate::error::Result;
use crate::fleet::Destination;
use crate::output::Output;
use crate::plan::build::Shape;
use crate::plan::order::OrderBy;
use crate::plan::steps::Limits;
use crate::plan::waves::Amount;
use crate::salt::MasterConfig;
use crate::salt::target::TargetType;

const EXAMPLE: &str = "\
Examples:
  master-bridge remaster-all --to new.example.org --to-config /etc/salt-new --dry-run
  master-bridge remaster-all --to new.example.org --to-config /etc/salt-new --order-by level=ci,staging,prod
  master-bridge remaster-all -G role:web --to new.example.org --to-config /etc/salt-new --canary 2 --wave 25%

What was interrupted goes on with `master-bridge ops resume last`.";

/// Arguments of `remaster-all`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct RemasterAll {
    /// Which minions: a shell pattern, unless an option says otherwise
    #[arg(value_name = "TGT", default_value = "*")]
    target: String,
    #[command(flatten)]
    kind: TargetType,
    #[command(flatten)]
    destination: Destination,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    by_order: ByOrder,
    /// How many go first, alone; if one of them fails nobody follows
    #[arg(long, help_heading = "Waves", value_name = "N", default_value_t = 1)]
    canary: usize,
    /// How many are in a wave: a number, or a part of all
    #[arg(long, help_heading = "Waves", value_name = "N|N%", default_value_t = Amount::Percent(10))]
    wave: Amount,
    /// Who goes before whom, by a grain; the last value goes last, and those with none of the values just before it
    #[arg(long, help_heading = "Waves", value_name = "GRAIN=A,B,…")]
    order_by: Option<OrderBy>,
    /// How many may be on their way at once
    #[arg(long, help_heading = "Waves", value_name = "N", default_value_t = 50)]
    max_in_flight: usize,
    /// Authentications a second that the new master gets
    #[arg(long, help_heading = "Waves", value_name = "RATE", default_value = "10", value_parser = rate)]
    auth_rate: f64,
    /// Call the wave back and stop when more than this many failed
    #[arg(long, help_heading = "Waves", value_name = "N", default_value_t = 2)]
    max_failures: usize,
    /// Pause after this many waves, the canary included; `ops resume` goes on
    #[arg(long, help_heading = "Waves", value_name = "N")]
    pause_after: Option<usize>,
}

impl RemasterAll {
    /// Moves everyone.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let config = MasterConfig::read(&global.salt_config)?;
        let travel = Travel {
            command: "remaster-all",
            target: self.kind.of(&self.target, ":", &config)?,
            destination: self.destination,
            rules: self.rules,
            by_order: self.by_order,
            order_by: self.order_by,
            shape: Shape {
                canary: self.canary,
                wave: self.wave,
                limits: Limits {
                    max_in_flight: self.max_in_flight.max(1),
                    max_failures: self.max_failures,
                    auth_rate: self.auth_rate,
                    pause_after: self.pause_after,
                },
            },
        };
        travel.run(global, output).await
    }
}
