//! `remaster-all`: everyone to another master, a canary first, then in waves.

use std::process::ExitCode;

use clap::Args;

use super::by_order::{ByOrder, Via};
use super::travel::{Rules, Travel};
use crate::cli::{Global, rate};
use crate::error::{Error, Kind, Result};
use crate::fleet::Destination;
use crate::output::Output;
use crate::plan::build::Shape;
use crate::plan::order::OrderBy;
use crate::plan::steps::Limits;
use crate::plan::waves::Amount;
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
    #[command(flatten)]
    waves: Waves,
}

/// How a move by jobs goes on. Signed orders are read when their minions find them, in no order.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waves")]
struct Waves {
    /// How many go first, alone; if one of them fails nobody follows [default: 1]
    #[arg(long, value_name = "N")]
    canary: Option<usize>,
    /// How many are in a wave: a number, or a part of all [default: 10%]
    #[arg(long, value_name = "N|N%")]
    wave: Option<Amount>,
    /// Who goes before whom, by a grain; the last value goes last, and those with none of the values just before it
    #[arg(long, value_name = "GRAIN=A,B,…")]
    order_by: Option<OrderBy>,
    /// How many may be on their way at once [default: 50]
    #[arg(long, value_name = "N")]
    max_in_flight: Option<usize>,
    /// Authentications a second that the new master gets [default: 10]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    auth_rate: Option<f64>,
    /// Call the wave back and stop when more than this many failed [default: 2]
    #[arg(long, value_name = "N")]
    max_failures: Option<usize>,
    /// Pause after this many waves, the canary included; `ops resume` goes on
    #[arg(long, value_name = "N")]
    pause_after: Option<usize>,
}

impl Waves {
    /// The first of these options that was given.
    fn given(&self) -> Option<&'static str> {
        let all = [
            ("--canary", self.canary.is_some()),
            ("--wave", self.wave.is_some()),
            ("--order-by", self.order_by.is_some()),
            ("--max-in-flight", self.max_in_flight.is_some()),
            ("--auth-rate", self.auth_rate.is_some()),
            ("--max-failures", self.max_failures.is_some()),
            ("--pause-after", self.pause_after.is_some()),
        ];
        all.into_iter()
            .find(|(_, given)| *given)
            .map(|(name, _)| name)
    }

    fn shape(&self) -> Shape {
        Shape {
            canary: self.canary.unwrap_or(1),
            wave: self.wave.unwrap_or(Amount::Percent(10)),
            limits: Limits {
                max_in_flight: self.max_in_flight.unwrap_or(50).max(1),
                max_failures: self.max_failures.unwrap_or(2),
                auth_rate: self.auth_rate.unwrap_or(10.0),
                pause_after: self.pause_after,
            },
        }
    }
}

impl RemasterAll {
    /// Moves everyone.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        if self.by_order.via != Via::Job
            && let Some(name) = self.waves.given()
        {
            let text = format!("{name} says nothing to a signed order");
            return Err(Error::new(Kind::Usage, text).hint(
                "minions read it when they find it; sign one for each part of them instead",
            ));
        }
        let groups = global.nodegroups()?;
        let travel = Travel {
            command: "remaster-all",
            target: self.kind.of(&self.target, ":", groups.as_ref())?,
            destination: self.destination,
            rules: self.rules,
            by_order: self.by_order,
            shape: self.waves.shape(),
            order_by: self.waves.order_by,
        };
        travel.run(global, output).await
    }
}
