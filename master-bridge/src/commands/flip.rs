//! `flip`: a floating address from one server to another, looked at before and after, measured, undoable.

use std::process::ExitCode;

use clap::Args;

use super::vm_work::{Rules, Wish, carry_out};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::Result;
use crate::output::Output;
use crate::plan::CloudPlan;
use crate::plan::cloud::{Probe, Ref};

/// Arguments of `flip`.
#[derive(Debug, Args)]
#[command(after_help = "\
One update at Neutron moves it; with --probe it is asked ten times a second and led back by itself if it is not \
answered for longer than --max-blackout. `ops rollback` leads it back later.

Examples:
  master-bridge flip 203.0.113.7 --to app2 --probe tcp:443
  master-bridge flip 203.0.113.7 --to 5b0f6c1e-0f6c-4d0e-9f6b-0d6f3b0c7a11 --fixed-ip 10.0.0.12")]
pub struct Flip {
    /// The floating address, or its id
    ip: String,
    /// The server, by name, id or address
    #[arg(long, value_name = "SERVER")]
    to: String,
    /// Which of the server's addresses, if it has several
    #[arg(long, value_name = "ADDRESS")]
    fixed_ip: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// How a floating address is watched while it moves.
#[derive(Debug, Clone, Args)]
pub(super) struct Watch {
    /// What to ask through the floating address, ten times a second: tcp:PORT, or an http:// URL with {ip} in it
    #[arg(long, value_name = "TARGET")]
    pub(super) probe: Option<String>,
    /// Milliseconds without an answer after which it is led back
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10_000)]
    pub(super) max_blackout: u64,
}

impl Watch {
    /// As the plan has it.
    pub(super) fn probe(&self) -> Option<Probe> {
        self.probe.as_ref().map(|target| Probe {
            target: target.clone(),
            limit: self.max_blackout,
        })
    }
}

impl Flip {
    /// Plans it, and does it.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let cloud = Client::connect(&self.cloud).await?;
        let server = cloud.server_of(&self.to).await?;
        // Not "auto": a flip is of one address that somebody uses.
        let ip = cloud.floating_ip_of(&self.ip).await?.floating_ip_address;
        let address = super::boot::address(&ip, None, &cloud).await?;
        let to = Ref::Id(server.id.clone());
        let plan = CloudPlan {
            title: format!("flip {ip} to {}", server.name),
            cloud: cloud.name().to_owned(),
            project: cloud.project().map(|(id, _)| id).unwrap_or_default(),
            subjects: vec![format!("floating IP {ip}")],
            steps: address.steps(&to, self.fixed_ip.clone(), self.watch.probe()),
            seed: String::new(),
        };
        let wish = Wish {
            command: "flip",
            plan,
            question: format!("lead {ip} to {} ({})", server.name, server.id),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}
