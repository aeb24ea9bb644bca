//! What a new server is to be: options that `boot` and `bake` share, resolved and checked before anything is made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::vm_work::{MasterFacts, pair, text_of};
use crate::cloud::resolve::pick_all;
use crate::cloud::server::{NewServer, Nic, RootDisk};
use crate::cloud::{Client, Flavor, Image};
use crate::error::{Error, Kind, Result};
use crate::vms::plans::{Enrol, Newcomer};
use crate::vms::user_data::{Facts, render};

/// The server itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Shape {
    /// The image, by name or id
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: String,
    /// The flavor, by name or id
    #[arg(long, value_name = "FLAVOR")]
    pub(super) flavor: String,
    /// A network for an interface, by name or id; several in order [default: the only one of the project]
    #[arg(long, value_name = "NETWORK")]
    pub(super) network: Vec<String>,
    /// A port for an interface, by id, name or address; before the networks
    #[arg(long, value_name = "PORT")]
    pub(super) port: Vec<String>,
    /// A security group, by name or id [default: `default`]
    #[arg(long, value_name = "GROUP")]
    pub(super) security_group: Vec<String>,
    /// The keypair for SSH
    #[arg(long, value_name = "KEYPAIR")]
    pub(super) key_name: Option<String>,
    /// The server group, by name or id
    #[arg(long, value_name = "GROUP")]
    pub(super) server_group: Option<String>,
    /// The availability zone
    #[arg(long, value_name = "ZONE")]
    pub(super) availability_zone: Option<String>,
    /// Boot from a new volume of so many GiB rather than from the host's disk
    #[arg(long, value_name = "GIB")]
    pub(super) volume_size: Option<u64>,
    /// Keep that volume when the server is removed
    #[arg(long, requires = "volume_size")]
    pub(super) keep_volume: bool,
    /// Give it a config drive, for clouds without a metadata service
    #[arg(long)]
    pub(super) config_drive: bool,
    /// Metadata of the server
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) property: Vec<(String, String)>,
}

/// How it becomes a minion.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Minion")]
pub(super) struct Joining {
    /// The minion id [default: the server's name]
    #[arg(long, value_name = "ID")]
    pub(super) minion_id: Option<String>,
    /// The address by which it reaches this master [default: `interface` of the master's configuration]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) master: Option<String>,
    /// A file of user-data that comes beside ours: #cloud-config, a script, #include
    #[arg(long, value_name = "FILE")]
    pub(super) user_data: Option<PathBuf>,
    /// A grain that it gets
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) grain: Vec<(String, String)>,
    /// A grain that it must have before its highstate
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) expect_grain: Vec<(String, String)>,
    /// Seconds until its agent must be on its console
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(super) boot_within: u64,
    /// No highstate
    #[arg(long)]
    pub(super) no_highstate: bool,
}

impl Shape {
    /// By ids, all of them there and fit for each other.
    pub(super) async fn resolve(&self, name: &str, cloud: &Client) -> Result<NewServer> {
        let image = cloud.image_of(&self.image).await?;
        let flavor = cloud.flavor_of(&self.flavor).await?;
        fits(&image, &flavor, self.volume_size)?;
        cloud.limits().await?.allow(1, &flavor)?;
        let mut nics: Vec<Nic> = Vec::new();
        if !self.port.is_empty() {
            let ports = pick_all(&cloud.ports().await?, &self.port)?;
            if let Some(taken) = ports.iter().find(|p| !p.device_id.is_empty()) {
                let text = format!("port {} belongs to {} already", taken.id, taken.device_id);
                return Err(Error::new(Kind::Refused, text).hint("a port serves one server"));
            }
            nics.extend(ports.into_iter().map(|p| Nic::Port(p.id)));
        }
        let networks = cloud.networks().await?;
        if self.network.is_empty() && nics.is_empty() {
            let own: Vec<_> = networks.into_iter().filter(|n| !n.external).collect();
            match own.as_slice() {
                [one] => nics.push(Nic::Network(one.id.clone())),
                [] => {
                    return Err(Error::new(
                        Kind::NothingMatched,
                        "this project has no network",
                    ));
                }
                many => {
                    let names: Vec<&str> = many.iter().map(|n| n.name.as_str()).collect();
                    return Err(Error::new(Kind::Usage, "which network?")
                        .hint(format!("say --network and one of {}", names.join(", "))));
                }
            }
        } else {
            let named = pick_all(&networks, &self.network)?;
            nics.extend(named.into_iter().map(|n| Nic::Network(n.id)));
        }
        let mut groups = Vec::new();
        if !self.security_group.is_empty() {
            let all = cloud.security_groups().await?;
            groups.extend(
                pick_all(&all, &self.security_group)?
                    .into_iter()
                    .map(|g| g.name),
            );
        }
        if let Some(name) = &self.key_name {
            cloud.keypair_of(name).await?;
        }
        let server_group = match &self.server_group {
            Some(word) => Some(cloud.server_group_of(word).await?.id),
            None => None,
        };
        Ok(NewServer {
            name: name.to_owned(),
            image: image.id,
            flavor: flavor.id,
            nics,
            security_groups: groups,
            key_name: self.key_name.clone(),
            server_group,
            availability_zone: self.availability_zone.clone(),
            root: self
                .volume_size
                .map_or(RootDisk::Local, |size| RootDisk::Volume {
                    size,
                    delete_on_termination: !self.keep_volume,
                }),
            config_drive: self.config_drive,
            metadata: self.property.iter().cloned().collect(),
        })
    }
}

/// Whether an image can be booted with a flavor: said here, before Nova says "No valid host".
pub(super) fn fits(image: &Image, flavor: &Flavor, volume: Option<u64>) -> Result<()> {
    let refused = |text: String, hint: &str| Err(Error::new(Kind::Refused, text).hint(hint));
    let name = image.name.as_deref().unwrap_or(&image.id);
    if image.status != "active" {
        return refused(
            format!("image {name} is {}, not active", image.status),
            "wait for it, or take another",
        );
    }
    // A flavor without a disk takes the image's size.
    let disk = volume.or((flavor.disk > 0).then_some(flavor.disk));
    if let Some(disk) = disk.filter(|disk| *disk < image.min_disk) {
        let text = format!(
            "image {name} needs {} GiB of disk, and there are {disk}",
            image.min_disk
        );
        return refused(text, "take a larger --flavor or --volume-size");
    }
    if flavor.ram < image.min_ram {
        let text = format!(
            "image {name} needs {} MiB of memory, and {} has {}",
            image.min_ram, flavor.name, flavor.ram
        );
        return refused(text, "take a larger --flavor");
    }
    Ok(())
}

impl Joining {
    /// The minion id of a server of this name.
    pub(super) fn minion(&self, name: &str) -> Result<String> {
        let id = self.minion_id.clone().unwrap_or_else(|| name.to_owned());
        id.parse::<salt_wire::ids::MinionId>().map_err(|e| {
            Error::new(Kind::Usage, format!("{id} is no minion id"))
                .because(&e)
                .hint("name one with --minion-id")
        })?;
        Ok(id)
    }

    /// The server as a minion to be.
    pub(super) fn newcomer(
        &self,
        key: &str,
        server: NewServer,
        facts: &MasterFacts,
        (aside, enrol): (Option<String>, Enrol),
    ) -> Result<Newcomer> {
        let minion = self.minion(&server.name)?;
        let own = self.user_data.as_ref().map(text_of).transpose()?;
        let user_data = render(
            &Facts {
                master: facts.address.clone(),
                finger: facts.finger.clone(),
                master_port: facts.ret_port,
                publish_port: facts.publish_port,
                id: minion.clone(),
                grains: self.grain.iter().cloned().collect::<BTreeMap<_, _>>(),
                token: enrol == Enrol::Token,
            },
            own.as_deref(),
        )?;
        Ok(Newcomer {
            key: key.to_owned(),
            server,
            user_data,
            minion,
            aside,
            expect: self.expect_grain.iter().cloned().collect(),
            highstate: !self.no_highstate,
            announced: self.boot_within,
            enrol,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_boot_is_said_before() {
        let image = |status: &str, disk: u64, ram: u64| -> Image {
            let text = json!({"id": "i", "name": "img", "status": status, "min_disk": disk, "min_ram": ram});
            serde_json::from_value(text).unwrap()
        };
        let flavor: Flavor = serde_json::from_value(
            json!({"id": "f", "name": "small", "vcpus": 1, "ram": 512, "disk": 5}),
        )
        .unwrap();
        fits(&image("active", 5, 512), &flavor, None).unwrap();
        fits(&image("active", 9, 0), &flavor, Some(10)).unwrap();
        assert!(fits(&image("queued", 0, 0), &flavor, None).is_err());
        assert!(fits(&image("active", 6, 0), &flavor, None).is_err());
        assert!(fits(&image("active", 0, 513), &flavor, None).is_err());
        let boundless = Flavor { disk: 0, ..flavor };
        fits(&image("active", 6, 0), &boundless, None).unwrap();
    }
}
