//! What there is of an environment.

use super::super::steps::thing::MADE;
use super::{ENV, owner};
use crate::cloud::server::OP;
use crate::cloud::{
    Client, FloatingIp, Keypair, Network, Port, Router, SecurityGroup, Server, ServerGroup, Subnet,
    Volume,
};
use crate::error::{Error, Kind, Result};

/// Everything that is an environment's own, and the project's security groups, which its rules may name.
#[derive(Debug, Default)]
pub struct Have {
    /// Its networks.
    pub networks: Vec<Network>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// Its routers.
    pub routers: Vec<Router>,
    /// Which of its subnets are on which of its routers.
    pub interfaces: Vec<(String, String)>,
    /// Its security groups.
    pub groups: Vec<SecurityGroup>,
    /// All security groups of the project.
    pub all_groups: Vec<SecurityGroup>,
    /// Its server groups.
    pub server_groups: Vec<ServerGroup>,
    /// Its keypairs.
    pub keypairs: Vec<Keypair>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Its floating addresses.
    pub floating_ips: Vec<FloatingIp>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// Its servers.
    pub servers: Vec<Server>,
}

impl Have {
    /// Looks.
    pub async fn look(name: &str, cloud: &Client) -> Result<Self> {
        let (mark, prefix) = (format!("{} ", owner(name)), format!("{name}-"));
        let ours = |words: &str| words.contains(&mark);
        let mut have = Self {
            networks: cloud.networks().await?,
            subnets: cloud.subnets().await?,
            routers: cloud.routers().await?,
            all_groups: cloud.security_groups().await?,
            server_groups: cloud.server_groups().await?,
            keypairs: cloud.keypairs().await?,
            ports: cloud.ports().await?,
            floating_ips: cloud.floating_ips().await?,
            volumes: cloud.volumes().await?,
            servers: cloud.servers().await?,
            ..Self::default()
        };
        have.networks.retain(|n| ours(&n.description));
        have.subnets.retain(|s| ours(&s.description));
        have.routers.retain(|r| ours(&r.description));
        for router in &have.routers {
            let plugged = have
                .ports
                .iter()
                .filter(|p| p.device_id == router.id)
                .flat_map(|p| &p.fixed_ips);
            let plugged = plugged.filter(|ip| have.subnets.iter().any(|s| s.id == ip.subnet_id));
            have.interfaces
                .extend(plugged.map(|ip| (router.id.clone(), ip.subnet_id.clone())));
        }
        have.ports.retain(|p| ours(&p.description));
        have.groups = have
            .all_groups
            .iter()
            .filter(|g| ours(&g.description))
            .cloned()
            .collect();
        have.floating_ips.retain(|ip| ours(&ip.description));
        have.volumes
            .retain(|v| v.metadata.get(MADE).is_some_and(|words| ours(words)));
        have.servers
            .retain(|s| s.metadata.get(ENV).is_some_and(|env| env == name));
        // These have no place for words: their names tell, once anything else of the environment is there.
        have.server_groups.retain(|g| g.name.starts_with(&prefix));
        have.keypairs.retain(|k| k.name == format!("{prefix}key"));
        if have.is_unmarked() {
            have.server_groups.clear();
            have.keypairs.clear();
        }
        Ok(have)
    }

    /// Whether nothing that carries the environment's name in words is there.
    fn is_unmarked(&self) -> bool {
        self.networks.is_empty()
            && self.routers.is_empty()
            && self.groups.is_empty()
            && self.ports.is_empty()
            && self.floating_ips.is_empty()
            && self.volumes.is_empty()
            && self.servers.is_empty()
    }

    /// Whether nothing of it is there.
    pub fn is_empty(&self) -> bool {
        self.is_unmarked()
            && self.subnets.is_empty()
            && self.server_groups.is_empty()
            && self.keypairs.is_empty()
    }

    /// Refuses while an operation has a server in its hands.
    pub fn is_free(&self) -> Result<()> {
        let held = self
            .servers
            .iter()
            .find_map(|s| Some((s, s.metadata.get(OP)?)));
        let Some((server, op)) = held else {
            return Ok(());
        };
        let text = format!("server {} is held by the operation {op}", server.name);
        Err(Error::new(Kind::Refused, text).hint(format!(
            "end that one first: `ops resume {op}` or `ops rollback {op}`"
        )))
    }

    /// Rows for people: kind, name, what is to be said, id.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut row = |kind: &str, name: &str, about: String, id: &str| {
            rows.push(vec![kind.to_owned(), name.to_owned(), about, id.to_owned()]);
        };
        for n in &self.networks {
            row("network", &n.name, n.status.clone(), &n.id);
        }
        for s in &self.subnets {
            row("subnet", &s.name, s.cidr.clone(), &s.id);
        }
        for r in &self.routers {
            row("router", &r.name, String::new(), &r.id);
        }
        for g in &self.groups {
            row(
                "security group",
                &g.name,
                format!("{} rules", g.security_group_rules.len()),
                &g.id,
            );
        }
        for k in &self.keypairs {
            row("keypair", &k.name, k.fingerprint.clone(), "-");
        }
        for g in &self.server_groups {
            row("server group", &g.name, g.policy.clone(), &g.id);
        }
        for p in &self.ports {
            let ips: Vec<&str> = p
                .fixed_ips
                .iter()
                .map(|ip| ip.ip_address.as_str())
                .collect();
            row("port", &p.name, ips.join(" "), &p.id);
        }
        for ip in &self.floating_ips {
            let to = ip.fixed_ip_address.as_deref().unwrap_or("nowhere");
            row(
                "floating IP",
                &ip.floating_ip_address,
                format!("to {to}"),
                &ip.id,
            );
        }
        for v in &self.volumes {
            row(
                "volume",
                v.name.as_deref().unwrap_or_default(),
                format!("{} {} GiB", v.status, v.size),
                &v.id,
            );
        }
        for s in &self.servers {
            row("server", &s.name, s.status.clone(), &s.id);
        }
        rows
    }
}
