//! `replace`: a new VM in the place of an old one, without a moment when nobody serves.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::boot::{keys_of, only_external};
use super::flip::Watch;
use super::vm_shape::{Joining, fits};
use super::vm_work::{Rules, Wish, carry_out, master};
use crate::cli::Global;
use crate::cloud::server::{NewServer, Nic, OP, ROLE, RootDisk, Server};
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudPlan;
use crate::plan::cloud::Lead;
use crate::salt::keys::KeyState;
use crate::vms::plans::{Address, Enrol, Replacement};

/// Arguments of `replace`.
#[derive(Debug, Args)]
#[command(after_help = "\
The new VM is made beside the old one, with its name, flavor, image, networks, groups, keypair and metadata, unless \
options say otherwise. It is proven, brought to its highstate and found healthy before the floating address moves; \
the old VM goes last. On failure before that it serves as before.

Examples:
  master-bridge replace app2 --flavor m1.large --health 'http://{address}/' --probe tcp:80
  master-bridge replace app2 --image golden-2 --test-ip --keep-old --dry-run")]
pub struct Replace {
    /// The old server, by name, id or address
    name: String,
    /// Another flavor
    #[arg(long, value_name = "FLAVOR")]
    flavor: Option<String>,
    /// Another image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Keep the old server, without its address
    #[arg(long)]
    keep_old: bool,
    /// Lead a temporary floating address to the new server first, and ask --probe through it
    #[arg(long)]
    test_ip: bool,
    /// The network that the temporary address comes from [default: the only external one]
    #[arg(long, value_name = "NETWORK", requires = "test_ip")]
    external_network: Option<String>,
    /// When the new server is well: a URL that it fetches itself, an http:// URL with {address} in it that is fetched
    /// from here, or a function on the minion that returns yes
    #[arg(long, value_name = "CHECK")]
    health: Option<String>,
    /// Seconds that it has to become well
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    health_within: u64,
    /// Seconds that both run side by side after the flip
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    soak: u64,
    /// Go on although the old server has volumes, which stay with it
    #[arg(long)]
    without_volumes: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    joining: Joining,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

impl Replace {
    /// Plans it, and does it.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut facts = master(self.joining.master.as_deref(), global).await?;
        let cloud = Client::connect(&self.cloud).await?;
        let old = cloud.server_of(&self.name).await?;
        if let Some(op) = old.metadata.get(OP) {
            let text = format!("server {} is held by the operation {op}", old.name);
            return Err(Error::new(Kind::Refused, text).hint(format!(
                "end that one first: `ops resume {op}` or `ops rollback {op}`"
            )));
        }
        let server = self.like(&old, &cloud).await?;
        let minion = self.joining.minion(&old.name)?;
        let keys = keys_of(&mut facts, &minion).await?;
        let accepted = keys.iter().find(|k| k.state == KeyState::Accepted);
        let aside = accepted
            .and_then(|k| k.key.as_ref())
            .map(|key| key.wire_pem().to_string());
        if aside.is_none() {
            output.warn(&format!(
                "the master has no accepted key of {minion}: if the old server's minion has another id, name it with --minion-id"
            ));
        }
        let new = self
            .joining
            .newcomer("green", server, &facts, (aside, Enrol::Console))?;
        let addresses = leading_to(&old, &cloud).await?;
        if addresses.is_empty() {
            output.warn(&format!(
                "no floating address leads to {}: nothing will be flipped",
                old.name
            ));
        }
        let test = match (self.test_ip, &self.external_network) {
            (false, _) => None,
            (true, Some(word)) => Some(cloud.network_of(word).await?.id),
            (true, None) => Some(only_external(&cloud).await?),
        };
        let replacement = Replacement {
            old: (old.id.clone(), old.name.clone()),
            new,
            health: self.health.clone().map(|check| (check, self.health_within)),
            test: test.map(|network| (network, self.watch.probe())),
            addresses,
            probe: self.watch.probe(),
            soak: self.soak,
            keep_old: self.keep_old,
        };
        let mut subjects = vec![format!("server {}", old.id), format!("minion {minion}")];
        for address in &replacement.addresses {
            if let Address::There { address, .. } = address {
                subjects.push(format!("floating IP {address}"));
            }
        }
        let plan = CloudPlan {
            title: format!("replace {}", old.name),
            cloud: cloud.name().to_owned(),
            project: cloud.project().map(|(id, _)| id).unwrap_or_default(),
            subjects,
            steps: replacement.steps(),
            seed: String::new(),
        };
        let last = if self.keep_old { "keep" } else { "remove" };
        let wish = Wish {
            command: "replace",
            plan,
            question: format!("replace {} and {last} the old server {}", old.name, old.id),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }

    /// A server as the old one is, but for what the options say.
    async fn like(&self, old: &Server, cloud: &Client) -> Result<NewServer> {
        let flavor = self.flavor.as_deref().unwrap_or(&old.flavor.original_name);
        let flavor = cloud.flavor_of(flavor).await?;
        let from_volume = old.image_id().is_none();
        let image = match (&self.image, old.image_id()) {
            (Some(word), _) => cloud.image_of(word).await?,
            (None, Some(id)) => cloud.image(id).await?.ok_or_else(|| {
                Error::new(
                    Kind::NothingMatched,
                    format!("the image {id} of {} is gone", old.name),
                )
                .hint("name another with --image")
            })?,
            (None, None) => {
                let text = format!(
                    "{} boots from a volume, and its image is not known",
                    old.name
                );
                return Err(Error::new(Kind::Usage, text).hint("name it with --image"));
            }
        };
        // The first of a server that boots from a volume is its root disk.
        let data = old.volumes_attached.iter().skip(usize::from(from_volume));
        let data: Vec<&str> = data.map(|v| v.id.as_str()).collect();
        if !data.is_empty() && !self.without_volumes {
            let text = format!(
                "{} has volumes that only one server can have: {}",
                old.name,
                data.join(", ")
            );
            return Err(Error::new(Kind::Refused, text).hint(
                "--without-volumes leaves them with the old server; to take them over, stop the writer, detach and attach them by hand",
            ));
        }
        let mut volume = None;
        if let Some(root) = old.volumes_attached.first().filter(|_| from_volume) {
            let size = cloud
                .volume(&root.id)
                .await?
                .map_or(image.min_disk.max(1), |v| v.size);
            volume = Some((size, root.delete_on_termination));
        }
        fits(&image, &flavor, volume.map(|(size, _)| size))?;
        cloud.limits().await?.allow(1, &flavor)?;
        let ports = cloud.ports_of(&old.id).await?;
        let mut seen = BTreeSet::new();
        let mut nics: Vec<Nic> = Vec::new();
        for port in &ports {
            if seen.insert(port.network_id.clone()) {
                nics.push(Nic::Network(port.network_id.clone()));
            }
        }
        let groups: BTreeSet<String> = old.security_groups.iter().map(|g| g.name.clone()).collect();
        let mut metadata = old.metadata.clone();
        metadata.retain(|name, _| name != OP && !name.starts_with("bridge-"));
        metadata.insert(ROLE.into(), "green".into());
        Ok(NewServer {
            name: old.name.clone(),
            image: image.id,
            flavor: flavor.id,
            nics,
            security_groups: groups.into_iter().collect(),
            key_name: old.key_name.clone(),
            server_group: old.server_groups.first().cloned(),
            availability_zone: old
                .availability_zone
                .clone()
                .filter(|zone| !zone.is_empty()),
            root: volume.map_or(RootDisk::Local, |(size, delete_on_termination)| {
                RootDisk::Volume {
                    size,
                    delete_on_termination,
                }
            }),
            config_drive: !old.config_drive.is_empty(),
            metadata,
        })
    }
}

/// The floating addresses that lead to a server.
async fn leading_to(server: &Server, cloud: &Client) -> Result<Vec<Address>> {
    let ports = cloud.ports_of(&server.id).await?;
    let ips = cloud.floating_ips().await?;
    let mut found = Vec::new();
    for ip in ips {
        let (Some(port), Some(fixed_ip)) = (ip.port_id, ip.fixed_ip_address) else {
            continue;
        };
        if ports.iter().any(|p| p.id == port) {
            found.push(Address::There {
                id: ip.id,
                address: ip.floating_ip_address,
                before: Some(Lead { port, fixed_ip }),
            });
        }
    }
    Ok(found)
}
