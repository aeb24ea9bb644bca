//! `boot`: a new VM that is a proven minion with its highstate before anybody uses it.

use std::process::ExitCode;

use clap::Args;

use super::vm_shape::{Joining, Shape};
use super::vm_work::{MasterFacts, Rules, Wish, carry_out, master};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudPlan;
use crate::plan::cloud::{Lead, Ref};
use crate::salt::keys::{Key, KeyState, all};
use crate::vms::plans::{Address, Enrol};

/// Arguments of `boot`.
#[derive(Debug, Args)]
#[command(after_help = "\
The key is accepted because the agent showed its fingerprint on the serial console, which Nova alone can read, \
with a nonce that this VM alone was given. With --enrol token, for clouds without a console, the master accepts \
whoever shows the token of the VM's user-data, until the VM's own key has come. On failure everything that was made is undone.

Examples:
  master-bridge boot app3 --image ubuntu-24.04 --flavor m1.small --grain level=ci --expect-grain level=ci
  master-bridge boot web1 --image golden --flavor m1.small --network app --floating-ip --dry-run")]
pub struct Boot {
    /// The server's name
    name: String,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    joining: Joining,
    /// Lead a floating address to it: this one, or without an address a free one, else a new one
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "auto")]
    floating_ip: Option<String>,
    /// The network that new floating addresses come from [default: the only external one]
    #[arg(long, value_name = "NETWORK")]
    external_network: Option<String>,
    /// How its key is let in: proven by the console before it is accepted, or by a token that is taken out then
    #[arg(long, value_enum, default_value_t)]
    enrol: Enrol,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

impl Boot {
    /// Plans it, and does it.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let minion = self.joining.minion(&self.name)?;
        let mut facts = master(self.joining.master.as_deref(), global).await?;
        let cloud = Client::connect(&self.cloud).await?;
        let servers = cloud.servers().await?;
        if let Some(twin) = servers.iter().find(|s| s.name == self.name) {
            let text = format!("there is a server {} already: {}", self.name, twin.id);
            return Err(Error::new(Kind::Refused, text).hint(format!(
                "`master-bridge replace {}` takes its place; or choose another name",
                self.name
            )));
        }
        free(&mut facts, &minion).await?;
        let server = self.shape.resolve(&self.name, &cloud).await?;
        if self.enrol == Enrol::Token {
            facts.master.autosign()?;
        }
        let newcomer = self
            .joining
            .newcomer("server", server, &facts, (None, self.enrol))?;
        let mut steps = newcomer.steps();
        let mut subjects = vec![format!("server {}", self.name), format!("minion {minion}")];
        if let Some(word) = &self.floating_ip {
            let address = address(word, self.external_network.as_deref(), &cloud).await?;
            if let Address::There {
                address, before, ..
            } = &address
            {
                if let Some(lead) = before {
                    let text = format!("{address} leads to {} already", lead.fixed_ip);
                    return Err(Error::new(Kind::Refused, text)
                        .hint("`master-bridge flip` moves an address that is in use"));
                }
                subjects.push(format!("floating IP {address}"));
            }
            steps.extend(address.steps(&Ref::Step("server".into()), None, None));
        }
        let release = crate::plan::cloud::What::Release {
            server: Ref::Step("server".into()),
        };
        steps.push(crate::plan::CloudStep::new("release", release));
        let plan = CloudPlan {
            title: format!("boot {}", self.name),
            cloud: cloud.name().to_owned(),
            project: cloud.project().map(|(id, _)| id).unwrap_or_default(),
            subjects,
            steps,
            seed: String::new(),
        };
        let wish = Wish {
            command: "boot",
            plan,
            question: format!("boot {} in {}", self.name, cloud.name()),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

/// The keys of a minion on the master.
pub(super) async fn keys_of(facts: &mut MasterFacts, minion: &str) -> Result<Vec<Key>> {
    let mut keys = all(&mut *facts.master).await?;
    keys.retain(|k| k.id == minion);
    Ok(keys)
}

/// Refuses an id that is another's.
pub(super) async fn free(facts: &mut MasterFacts, minion: &str) -> Result<()> {
    let keys = keys_of(facts, minion).await?;
    let taken = keys
        .iter()
        .find(|k| matches!(k.state, KeyState::Accepted | KeyState::Rejected));
    let Some(key) = taken else {
        return Ok(());
    };
    let text = format!(
        "the master has a key of {minion} already, {}: {}",
        key.state.name(),
        key.shown()
    );
    Err(Error::new(Kind::Refused, text).hint(format!(
        "if that machine is gone: `master-bridge keys delete {minion}`; or choose another --minion-id"
    )))
}

/// The floating address that a word means: `auto` is a free one, else a new one.
pub(super) async fn address(word: &str, network: Option<&str>, cloud: &Client) -> Result<Address> {
    let there = |ip: crate::cloud::FloatingIp| Address::There {
        id: ip.id,
        address: ip.floating_ip_address,
        before: match (ip.port_id, ip.fixed_ip_address) {
            (Some(port), Some(fixed_ip)) => Some(Lead { port, fixed_ip }),
            _ => None,
        },
    };
    if word != "auto" {
        return cloud.floating_ip_of(word).await.map(there);
    }
    let external = match network {
        Some(word) => Some(cloud.network_of(word).await?.id),
        None => None,
    };
    let mut ips = cloud.floating_ips().await?;
    ips.sort_by(|a, b| a.floating_ip_address.cmp(&b.floating_ip_address));
    let free = ips.into_iter().find(|ip| {
        ip.port_id.is_none()
            && external
                .as_ref()
                .is_none_or(|id| *id == ip.floating_network_id)
    });
    match (free, external) {
        (Some(free), _) => Ok(there(free)),
        (None, Some(network)) => Ok(Address::New { network }),
        (None, None) => Ok(Address::New {
            network: only_external(cloud).await?,
        }),
    }
}

/// The one network that floating addresses come from.
pub(super) async fn only_external(cloud: &Client) -> Result<String> {
    let networks = cloud.networks().await?;
    let external: Vec<_> = networks.iter().filter(|n| n.external).collect();
    match external.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(Error::new(
            Kind::NothingMatched,
            "this project sees no external network",
        )),
        many => {
            let names: Vec<&str> = many.iter().map(|n| n.name.as_str()).collect();
            Err(
                Error::new(Kind::Usage, "which external network?").hint(format!(
                    "say --external-network and one of {}",
                    names.join(", ")
                )),
            )
        }
    }
}
