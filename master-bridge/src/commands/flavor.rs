//! `flavor`: the sizes that servers can have.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::Result;
use crate::output::Output;

/// The commands about flavors.
#[derive(Debug, Subcommand)]
pub enum Flavors {
    /// List flavors, the small ones first
    #[command(after_help = "Example:\n  master-bridge flavor list --min-ram 2048")]
    List(List),
}

/// Arguments of `flavor list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only those with at least so many MiB of memory
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    min_ram: u64,
    /// Only those with at least so many GiB of disk
    #[arg(long, value_name = "GIB", default_value_t = 0)]
    min_disk: u64,
    #[command(flatten)]
    cloud: Selection,
}

impl Flavors {
    /// Runs one of them.
    pub async fn run(self, _: &Global, output: &Output) -> Result<ExitCode> {
        let Self::List(args) = self;
        let cloud = Client::connect(&args.cloud).await?;
        let mut flavors = cloud.flavors().await?;
        flavors.retain(|f| f.ram >= args.min_ram && f.disk >= args.min_disk);
        let rows: Vec<_> = flavors
            .iter()
            .map(|f| {
                let numbers = [f.vcpus, f.ram, f.disk, f.ephemeral].map(|n| n.to_string());
                let mut row = vec![f.name.clone()];
                row.extend(numbers);
                row.push(f.id.clone());
                row
            })
            .collect();
        output.list(
            &format!("no such flavors in {}", cloud.name()),
            &["name", "vcpus", "ram", "disk", "ephemeral", "id"],
            &rows,
        );
        output.document(&json!({"flavors": flavors}));
        Ok(ExitCode::SUCCESS)
    }
}
