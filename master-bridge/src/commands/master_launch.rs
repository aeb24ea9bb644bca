//! `master launch` and `master list`: VMs that are salt-masters, each with the key that its console proved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::boot::address;
use super::vm_shape::Shape;
use super::vm_work::{Rules, Wish, carry_out, plan_of, text_of};
use crate::cli::Global;
use crate::cloud::server::{MASTER, Server};
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::plan::cloud::{Ref, What};
use crate::vms::user_data;

/// Arguments of `master launch`.
#[derive(Debug, Args)]
#[command(after_help = "\
The image has salt-master in it, or can install it as a package. Its key's fingerprint comes to us by the serial \
console, with a nonce that this VM alone was given, and stands in the server's metadata from then on.

Examples:
  master-bridge master launch salt2 --image ubuntu-24.04 --flavor m1.medium --network app
  master-bridge master launch salt2 --image ubuntu-24.04 --flavor m1.medium --config master.conf --floating-ip --dry-run")]
pub struct Launch {
    /// The server's name
    name: String,
    #[command(flatten)]
    shape: Shape,
    /// A file of the master's configuration, which becomes a drop-in of its own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file of user-data that comes beside ours: #cloud-config, a script, #include
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// Seconds until its key must be on its console
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    boot_within: u64,
    /// Lead a floating address to it: this one, or without an address a free one, else a new one
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "auto")]
    floating_ip: Option<String>,
    /// The network that new floating addresses come from [default: the only external one]
    #[arg(long, value_name = "NETWORK")]
    external_network: Option<String>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

impl Launch {
    /// Plans it, and does it.
    pub(super) async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let config = self.config.as_ref().map(text_of).transpose()?;
        if let Some(text) = &config {
            salt_yaml::load_plain(text).map_err(|e| {
                Error::new(Kind::Usage, "the master's configuration is no YAML").because(&e)
            })?;
        }
        let own = self.user_data.as_ref().map(text_of).transpose()?;
        let user_data = user_data::master(config.as_deref(), own.as_deref())?;
        let cloud = Client::connect(&self.cloud).await?;
        if let Some(twin) = cloud.servers().await?.iter().find(|s| s.name == self.name) {
            let text = format!("there is a server {} already: {}", self.name, twin.id);
            return Err(Error::new(Kind::Refused, text).hint("choose another name"));
        }
        let server = Box::new(self.shape.resolve(&self.name, &cloud).await?);
        let made = || Ref::Step("server".into());
        let pairs = BTreeMap::from([(MASTER.to_owned(), "{proof.fingerprint}".to_owned())]);
        let mut steps = vec![
            CloudStep::new("server", What::Server { server, user_data }),
            CloudStep::new(
                "active",
                What::Active {
                    server: made(),
                    within: 600,
                },
            ),
            CloudStep::new(
                "proof",
                What::MasterKey {
                    server: "server".into(),
                    within: self.boot_within,
                },
            ),
            CloudStep::new(
                "tag",
                What::Tag {
                    server: made(),
                    pairs,
                },
            ),
        ];
        if let Some(word) = &self.floating_ip {
            let ip = address(word, self.external_network.as_deref(), &cloud).await?;
            steps.extend(ip.steps(&made(), None, None));
        }
        steps.push(CloudStep::new("release", What::Release { server: made() }));
        let title = format!("launch the master {}", self.name);
        let wish = Wish {
            command: "master launch",
            question: format!("{title} in {}", cloud.name()),
            plan: plan_of(title, &cloud, vec![format!("server {}", self.name)], steps),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

/// Arguments of `master list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    cloud: Selection,
}

/// Where minions reach a server: its floating address, else its own.
fn reached(server: &Server) -> String {
    let of = |kind| server.addresses(kind).into_iter().next();
    of("floating")
        .or_else(|| of("fixed"))
        .unwrap_or_default()
        .to_owned()
}

pub(super) async fn list(args: &List, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let servers = cloud.servers().await?;
    let masters: Vec<(&Server, &String)> = servers
        .iter()
        .filter_map(|s| Some((s, s.metadata.get(MASTER)?)))
        .collect();
    let rows: Vec<_> = masters
        .iter()
        .map(|(server, finger)| {
            vec![
                server.name.clone(),
                server.status.clone(),
                reached(server),
                (*finger).clone(),
                server.id.clone(),
            ]
        })
        .collect();
    output.list(
        &format!(
            "no masters in {} that were launched from here",
            cloud.name()
        ),
        &["name", "status", "address", "fingerprint", "id"],
        &rows,
    );
    let all = masters.iter().map(|(server, finger)| {
        json!({"id": server.id, "name": server.name, "status": server.status, "address": reached(server), "fingerprint": finger})
    });
    output.document(&json!({"cloud": cloud.name(), "masters": all.collect::<Vec<_>>()}));
    Ok(ExitCode::SUCCESS)
}

/// A launched master's address and fingerprint.
pub(super) async fn launched(word: &str, cloud: &Selection) -> Result<(String, String)> {
    let cloud = Client::connect(cloud).await?;
    let server = cloud.server_of(word).await?;
    match server.metadata.get(MASTER) {
        Some(finger) => Ok((reached(&server), finger.clone())),
        None => Err(Error::new(
            Kind::NothingMatched,
            format!("server {word} was not launched as a master"),
        )
        .hint("`master-bridge master list` shows those that were")),
    }
}
