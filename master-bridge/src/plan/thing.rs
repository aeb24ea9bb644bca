//! Things of a cloud that a step makes or removes: each of one kind, found by what its maker wrote on it.

use serde::{Deserialize, Serialize};

use super::cloud::Ref;
use super::rules::Rule;

/// Something that is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Thing {
    /// A network.
    Network {
        /// Its name.
        name: String,
    },
    /// A subnet of IPv4.
    Subnet {
        /// Its name.
        name: String,
        /// Its network.
        network: Ref,
        /// Its addresses.
        cidr: String,
        /// Name servers.
        dns: Vec<String>,
    },
    /// A router.
    Router {
        /// Its name.
        name: String,
        /// The external network that it leads to.
        external: Option<String>,
    },
    /// A subnet's place on a router.
    Interface {
        /// The router.
        router: Ref,
        /// The subnet.
        subnet: Ref,
    },
    /// A security group.
    Group {
        /// Its name.
        name: String,
        /// Any words.
        description: String,
    },
    /// The rules of a security group: these and no others.
    Rules {
        /// The group.
        group: Ref,
        /// Its name.
        name: String,
        /// All of them.
        rules: Vec<Rule>,
        /// Whether what goes out is managed too.
        egress: bool,
        /// The rules before, if the group was there.
        before: Option<Vec<Rule>>,
        /// What changes, for people.
        changes: Vec<String>,
    },
    /// A keypair.
    Keypair {
        /// Its name.
        name: String,
        /// Its public half.
        public_key: String,
    },
    /// A server group.
    ServerGroup {
        /// Its name.
        name: String,
        /// Its policy.
        policy: String,
    },
    /// A port.
    Port {
        /// Its name.
        name: String,
        /// Its network.
        network: Ref,
        /// Its security groups.
        groups: Vec<Ref>,
        /// Its address; any without it.
        address: Option<String>,
        /// Ports whose addresses it may use as well, as a VRRP pair does.
        also: Vec<Ref>,
    },
    /// A floating address.
    FloatingIp {
        /// The external network's id.
        network: String,
    },
    /// Where a floating address leads.
    Lead {
        /// The floating address.
        ip: Ref,
        /// The port.
        port: Ref,
    },
    /// A volume.
    Volume {
        /// Its name.
        name: String,
        /// GiB.
        size: u64,
        /// Its type.
        volume_type: Option<String>,
        /// The volume snapshot that it is made of.
        snapshot: Option<String>,
    },
    /// A snapshot of a volume.
    VolumeSnapshot {
        /// Its name.
        name: String,
        /// The volume.
        volume: Ref,
        /// Although it is in use.
        force: bool,
    },
    /// A volume on a server.
    Attachment {
        /// The server.
        server: Ref,
        /// The volume.
        volume: Ref,
    },
}

impl Thing {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network { .. } => "network",
            Self::Subnet { .. } => "subnet",
            Self::Router { .. } => "router",
            Self::Interface { .. } => "interface",
            Self::Group { .. } => "security-group",
            Self::Rules { .. } => "rules",
            Self::Keypair { .. } => "keypair",
            Self::ServerGroup { .. } => "server-group",
            Self::Port { .. } => "port",
            Self::FloatingIp { .. } => "floating-ip",
            Self::Lead { .. } => "lead",
            Self::Volume { .. } => "volume",
            Self::VolumeSnapshot { .. } => "volume-snapshot",
            Self::Attachment { .. } => "attachment",
        }
    }

    /// What it is, for people.
    pub fn subject(&self) -> String {
        let of = |it: &Ref| match it {
            Ref::Id(id) => id.clone(),
            Ref::Step(key) => format!("the {key}"),
        };
        match self {
            Self::Network { name } | Self::Group { name, .. } => name.clone(),
            Self::Subnet { name, cidr, .. } => format!("{name} {cidr}"),
            Self::Router {
                name,
                external: Some(id),
            } => format!("{name} to {id}"),
            Self::Router {
                name,
                external: None,
            } => name.clone(),
            Self::Interface { router, subnet } => format!("{} on {}", of(subnet), of(router)),
            Self::Rules { name, changes, .. } => format!("{name} ({})", changes.join(", ")),
            Self::Keypair { name, .. } => name.clone(),
            Self::ServerGroup { name, policy } => format!("{name} {policy}"),
            Self::Port { name, address, .. } => match address {
                Some(address) => format!("{name} {address}"),
                None => name.clone(),
            },
            Self::FloatingIp { network } => format!("from {network}"),
            Self::Lead { ip, port } => format!("{} to {}", of(ip), of(port)),
            Self::Volume { name, size, .. } => format!("{name} of {size} GiB"),
            Self::VolumeSnapshot { name, volume, .. } => format!("{name} of {}", of(volume)),
            Self::Attachment { server, volume } => format!("{} on {}", of(volume), of(server)),
        }
    }
}

/// Something that was there before, and is removed. This cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Gone {
    /// A server, with its ports.
    Server {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A minion's key on the master.
    MinionKey {
        /// The minion.
        minion: String,
    },
    /// A floating address.
    FloatingIp {
        /// Its id.
        id: String,
        /// The address.
        address: String,
    },
    /// A port.
    Port {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A volume, with what is on it.
    Volume {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A volume's place on a server.
    Attachment {
        /// The server's id.
        server: String,
        /// The volume's id.
        volume: String,
    },
    /// A subnet's place on a router.
    Interface {
        /// The router's id.
        router: String,
        /// The subnet's id.
        subnet: String,
    },
    /// A router.
    Router {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A network, with its subnets.
    Network {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A security group.
    Group {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A server group.
    ServerGroup {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A keypair.
    Keypair {
        /// Its name.
        name: String,
    },
}

impl Gone {
    /// What it is, for people.
    pub fn subject(&self) -> String {
        match self {
            Self::Server { id, name } => format!("server {name} ({id})"),
            Self::MinionKey { minion } => format!("the key of {minion}"),
            Self::FloatingIp { address, .. } => format!("floating address {address}"),
            Self::Port { id, name } => format!("port {name} ({id})"),
            Self::Volume { id, name } => format!("volume {name} ({id})"),
            Self::Attachment { server, volume } => format!("volume {volume} from server {server}"),
            Self::Interface { router, subnet } => format!("subnet {subnet} from router {router}"),
            Self::Router { id, name } => format!("router {name} ({id})"),
            Self::Network { id, name } => format!("network {name} ({id})"),
            Self::Group { id, name } => format!("security group {name} ({id})"),
            Self::ServerGroup { id, name } => format!("server group {name} ({id})"),
            Self::Keypair { name } => format!("keypair {name}"),
        }
    }

    /// Whether what it is can come back: it leaves a place, and is there still.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Attachment { .. } | Self::Interface { .. })
    }
}
