//! From what there is to what is to be.

use std::collections::BTreeMap;

use super::spec::{Role, Spec, Vip};
use super::{ENV, Have, owner};
use crate::cloud::Server;
use crate::cloud::server::{MASTER, NewServer, Nic, RootDisk};
use crate::error::{Error, Kind, Result};
use crate::plan::CloudStep;
use crate::plan::cloud::{Ref, What};
use crate::plan::rules;
use crate::plan::thing::{Gone, Thing};
use crate::vms::plans::{Enrol, Newcomer};

/// What the file's words mean in this cloud.
#[derive(Debug, Default)]
pub struct Shapes {
    /// Image and flavor ids, by role.
    pub roles: BTreeMap<String, (String, String)>,
    /// The id of the external network.
    pub external: Option<String>,
    /// The id of the network that is there already.
    pub network: Option<String>,
    /// The user-data of each server that is to be made, by its name.
    pub user_data: BTreeMap<String, String>,
}

/// Works out the steps.
struct Maker<'a> {
    spec: &'a Spec,
    have: &'a Have,
    shapes: &'a Shapes,
    owner: String,
    steps: Vec<CloudStep>,
}

/// The steps after which an environment is as its file says; none if it is.
pub fn up(spec: &Spec, have: &Have, shapes: &Shapes) -> Result<Vec<CloudStep>> {
    let mut maker = Maker {
        spec,
        have,
        shapes,
        owner: owner(&spec.name),
        steps: Vec::new(),
    };
    let network = maker.network()?;
    let groups = rules::steps(&spec.group, &spec.prefix(), &have.all_groups, &maker.owner)?;
    maker.steps.extend(groups);
    maker.keypair()?;
    let vips = maker.vips(&network)?;
    maker.servers(&network, &vips)?;
    maker.drained();
    Ok(maker.steps)
}

impl Maker<'_> {
    fn make(&mut self, key: &str, thing: Thing) -> Ref {
        let owner = self.owner.clone();
        self.steps
            .push(CloudStep::new(key, What::Make { thing, owner }));
        Ref::Step(key.to_owned())
    }

    fn name(&self, word: &str) -> String {
        format!("{}{word}", self.spec.prefix())
    }

    fn network(&mut self) -> Result<Ref> {
        if let Some(id) = &self.shapes.network {
            return Ok(Ref::Id(id.clone()));
        }
        let name = self.name("net");
        let network = match self.have.networks.first() {
            Some(there) => Ref::Id(there.id.clone()),
            None => self.make("network", Thing::Network { name }),
        };
        let cidr = self.spec.network.cidr.clone().unwrap_or_default();
        let subnet = match self.have.subnets.first() {
            Some(there) if there.cidr == cidr => Ref::Id(there.id.clone()),
            Some(there) => {
                let text = format!(
                    "the subnet of {} is {}, and is to be {cidr}",
                    self.spec.name, there.cidr
                );
                return Err(Error::new(Kind::Refused, text)
                    .hint("a network that is in use is not moved: `env down` and `env up`, or another environment"));
            }
            None => {
                let thing = Thing::Subnet {
                    name: self.name("subnet"),
                    network: network.clone(),
                    cidr,
                    dns: self.spec.network.dns.clone(),
                };
                self.make("subnet", thing)
            }
        };
        if let Some(external) = self.shapes.external.clone() {
            let name = self.name("router");
            let router = match self.have.routers.first() {
                Some(there) => Ref::Id(there.id.clone()),
                None => self.make(
                    "router",
                    Thing::Router {
                        name,
                        external: Some(external),
                    },
                ),
            };
            let plugged = matches!((&router, &subnet), (Ref::Id(r), Ref::Id(s))
                if self.have.interfaces.iter().any(|(router, subnet)| router == r && subnet == s));
            if !plugged {
                self.make("interface", Thing::Interface { router, subnet });
            }
        }
        Ok(network)
    }

    fn keypair(&mut self) -> Result<()> {
        let Some(key) = &self.spec.keypair else {
            return Ok(());
        };
        let words = |text: &str| {
            text.split_whitespace()
                .take(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        match self.have.keypairs.first() {
            Some(there) if words(&there.public_key) == words(&key.public_key) => {}
            Some(there) => {
                let text = format!("the keypair {} holds another key", there.name);
                return Err(Error::new(Kind::Refused, text)
                    .hint("servers keep the key that they were made with: `keypair delete` it, and `env up` makes the new one"));
            }
            None => {
                let thing = Thing::Keypair {
                    name: self.name("key"),
                    public_key: key.public_key.trim().to_owned(),
                };
                self.make("keypair", thing);
            }
        }
        Ok(())
    }

    /// The ports of the virtual addresses, each by its role.
    fn vips(&mut self, network: &Ref) -> Result<BTreeMap<String, Ref>> {
        let mut all = BTreeMap::new();
        let spec = self.spec;
        for (name, vip) in &spec.vip {
            let port = self.vip(name, vip, network)?;
            all.insert(vip.servers.clone(), port);
        }
        Ok(all)
    }

    /// What others are told to let through: the step that makes the port, or its address.
    fn vip(&mut self, name: &str, vip: &Vip, network: &Ref) -> Result<Ref> {
        let full = self.name(name);
        let there = self.have.ports.iter().find(|p| p.name == full);
        let key = format!("vip-{name}");
        let (port, also) = match there {
            Some(there) => {
                let address = there
                    .fixed_ips
                    .first()
                    .map(|ip| ip.ip_address.clone())
                    .unwrap_or_default();
                if vip
                    .address
                    .as_ref()
                    .is_some_and(|wanted| *wanted != address)
                {
                    let text = format!(
                        "the virtual address {full} is {address}, not {}",
                        vip.address.as_deref().unwrap_or_default()
                    );
                    return Err(Error::new(Kind::Refused, text)
                        .hint("another name makes another one beside it"));
                }
                (Ref::Id(there.id.clone()), Ref::Id(address))
            }
            None => {
                let names = self
                    .spec
                    .server
                    .get(&vip.servers)
                    .map(|of| of.groups.clone());
                let groups = self.groups_of(&names.unwrap_or_default())?;
                let thing = Thing::Port {
                    name: full,
                    network: network.clone(),
                    groups,
                    address: vip.address.clone(),
                    also: Vec::new(),
                };
                let port = self.make(&key, thing);
                (port.clone(), port)
            }
        };
        if vip.floating_ip {
            self.float(&key, &port, there.map(|p| p.id.as_str()));
        }
        Ok(also)
    }

    /// A floating address for a port, unless one leads there.
    fn float(&mut self, key: &str, port: &Ref, id: Option<&str>) {
        let leads = id.is_some_and(|id| {
            self.have
                .floating_ips
                .iter()
                .any(|ip| ip.port_id.as_deref() == Some(id))
        });
        if leads {
            return;
        }
        let network = self.shapes.external.clone().unwrap_or_default();
        let ip = self.make(&format!("{key}-ip"), Thing::FloatingIp { network });
        self.make(
            &format!("{key}-lead"),
            Thing::Lead {
                ip,
                port: port.clone(),
            },
        );
    }

    /// Groups of the file by their steps, others by their ids.
    fn groups_of(&self, names: &[String]) -> Result<Vec<Ref>> {
        names
            .iter()
            .map(|name| {
                let own = self.spec.group.contains_key(name);
                let full = if own { self.name(name) } else { name.clone() };
                let there = self
                    .have
                    .all_groups
                    .iter()
                    .find(|g| g.name == full || (!own && g.id == *name));
                match there {
                    Some(there) => Ok(Ref::Id(there.id.clone())),
                    None if own => Ok(Ref::Step(format!("group-{name}"))),
                    None => Err(Error::new(
                        Kind::NothingMatched,
                        format!("there is no security group {name}"),
                    )
                    .hint("groups of the file are in [group.NAME]")),
                }
            })
            .collect()
    }

    fn servers(&mut self, network: &Ref, vips: &BTreeMap<String, Ref>) -> Result<()> {
        let spec = self.spec;
        let (mut newcomers, mut after) = (Vec::new(), Vec::new());
        for (role, of) in &spec.server {
            let group = self.server_group(role, of)?;
            for name in spec.names(role, of) {
                let there = self.have.servers.iter().find(|s| s.name == name).cloned();
                let short = name
                    .strip_prefix(&spec.prefix())
                    .unwrap_or(&name)
                    .to_owned();
                let server = match &there {
                    Some(there) => self.kept(there)?,
                    None => {
                        let port = self.port(&short, &name, of, network, vips.get(role))?;
                        let newcomer =
                            self.newcomer(&short, &name, (role, of), (port, group.clone()));
                        newcomers.push((newcomer, of));
                        Ref::Step(short.clone())
                    }
                };
                after.push((short, server, of, there));
            }
        }
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for (newcomer, of) in &newcomers {
            let mut steps = newcomer.steps();
            if of.master || !of.minion {
                steps.truncate(2);
            }
            if of.master {
                steps.extend(proven(&newcomer.key, of.boot_within));
            }
            let rest = steps.split_off(1);
            first.extend(steps);
            then.extend(rest);
        }
        // All are asked for before any is waited for.
        self.steps.extend(first);
        self.steps.extend(then);
        for (short, server, of, there) in after {
            self.volumes(&short, &server, of)?;
            if of.floating_ip {
                let port = self
                    .have
                    .ports
                    .iter()
                    .find(|p| p.name == self.name(&short))
                    .map(|p| p.id.clone());
                let lead = port
                    .clone()
                    .map_or_else(|| Ref::Step(format!("port-{short}")), Ref::Id);
                self.float(&short, &lead, port.as_deref());
            }
            if there.is_none() {
                self.steps.push(CloudStep::new(
                    &format!("{short}-release"),
                    What::Release { server },
                ));
            }
        }
        Ok(())
    }

    fn kept(&self, there: &Server) -> Result<Ref> {
        if there.status == "ERROR" {
            let text = format!("server {} is in ERROR", there.name);
            return Err(Error::new(Kind::Refused, text).hint(format!(
                "`server show {0}` says why; `replace {0}` makes another",
                there.name
            )));
        }
        Ok(Ref::Id(there.id.clone()))
    }

    fn server_group(&mut self, role: &str, of: &Role) -> Result<Option<String>> {
        let Some(policy) = &of.policy else {
            return Ok(None);
        };
        let name = self.name(role);
        Ok(Some(
            match self.have.server_groups.iter().find(|g| g.name == name) {
                Some(there) => there.id.clone(),
                None => {
                    let key = format!("servers-{role}");
                    self.make(
                        &key,
                        Thing::ServerGroup {
                            name,
                            policy: policy.clone(),
                        },
                    );
                    format!("{{{key}}}")
                }
            },
        ))
    }

    /// A port of its own for each server: its address and groups outlive a rebuild, and a pair shares another.
    fn port(
        &mut self,
        short: &str,
        name: &str,
        of: &Role,
        network: &Ref,
        vip: Option<&Ref>,
    ) -> Result<String> {
        if let Some(there) = self
            .have
            .ports
            .iter()
            .find(|p| p.name == name && p.device_id.is_empty())
        {
            return Ok(there.id.clone());
        }
        let key = format!("port-{short}");
        let thing = Thing::Port {
            name: name.to_owned(),
            network: network.clone(),
            groups: self.groups_of(&of.groups)?,
            address: None,
            also: vip.cloned().into_iter().collect(),
        };
        self.make(&key, thing);
        Ok(format!("{{{key}}}"))
    }

    fn newcomer(
        &self,
        short: &str,
        name: &str,
        (role, of): (&str, &Role),
        (port, group): (String, Option<String>),
    ) -> Newcomer {
        let mut metadata = BTreeMap::from([(ENV.to_owned(), self.spec.name.clone())]);
        if of.master || !of.minion {
            metadata.insert(MINION.to_owned(), "no".to_owned());
        }
        let (image, flavor) = self.shapes.roles.get(role).cloned().unwrap_or_default();
        Newcomer {
            key: short.to_owned(),
            server: NewServer {
                name: name.to_owned(),
                image,
                flavor,
                nics: vec![Nic::Port(port)],
                security_groups: Vec::new(),
                key_name: self.spec.keypair.as_ref().map(|_| self.name("key")),
                server_group: group,
                availability_zone: None,
                root: RootDisk::Local,
                config_drive: false,
                metadata,
            },
            user_data: self.shapes.user_data.get(name).cloned().unwrap_or_default(),
            minion: name.to_owned(),
            aside: None,
            expect: of.grains.clone(),
            highstate: of.highstate,
            announced: of.boot_within,
            enrol: Enrol::Console,
        }
    }

    fn volumes(&mut self, short: &str, server: &Ref, of: &Role) -> Result<()> {
        for (name, size) in &of.volumes {
            let full = self.name(&format!("{short}-{name}"));
            let key = format!("{short}-{name}");
            let there = self
                .have
                .volumes
                .iter()
                .find(|v| v.name.as_deref() == Some(&full))
                .cloned();
            let attached = match (&there, server) {
                (Some(volume), Ref::Id(id)) => {
                    volume.attachments.iter().any(|a| a.server_id == *id)
                }
                _ => false,
            };
            if attached {
                continue;
            }
            let volume = match there {
                Some(there) => Ref::Id(there.id),
                None => {
                    let thing = Thing::Volume {
                        name: full,
                        size: *size,
                        volume_type: None,
                        snapshot: None,
                    };
                    self.make(&key, thing)
                }
            };
            self.make(
                &format!("{key}-attached"),
                Thing::Attachment {
                    server: server.clone(),
                    volume,
                },
            );
        }
        Ok(())
    }

    /// Those that are too many go, the last first, with what was theirs.
    fn drained(&mut self) {
        let spec = self.spec;
        let wanted: Vec<String> = spec
            .server
            .iter()
            .flat_map(|(role, of)| spec.names(role, of))
            .collect();
        let mut extra: Vec<&Server> = self
            .have
            .servers
            .iter()
            .filter(|s| !wanted.contains(&s.name))
            .collect();
        extra.sort_by(|a, b| b.name.cmp(&a.name));
        for server in extra {
            let short = server
                .name
                .strip_prefix(&spec.prefix())
                .unwrap_or(&server.name)
                .to_owned();
            for (key, gone) in belongings(self.have, server) {
                self.steps.push(CloudStep::new(
                    &format!("{short}-{key}"),
                    What::Unmake { gone },
                ));
            }
        }
    }
}

/// A master's key, from its console into its server's metadata.
fn proven(server: &str, within: u64) -> [CloudStep; 2] {
    let proof = format!("{server}-proof");
    let pairs = BTreeMap::from([(MASTER.to_owned(), format!("{{{proof}.fingerprint}}"))]);
    let server = server.to_owned();
    let key = What::MasterKey {
        server: server.clone(),
        within,
    };
    let tag = What::Tag {
        server: Ref::Step(server.clone()),
        pairs,
    };
    [
        CloudStep::new(&proof, key),
        CloudStep::new(&format!("{server}-tag"), tag),
    ]
}

/// A server and what is its own: what leads to it first, what it used last.
pub(super) fn belongings(have: &Have, server: &Server) -> Vec<(String, Gone)> {
    let mut all = Vec::new();
    let ports: Vec<_> = have
        .ports
        .iter()
        .filter(|p| p.device_id == server.id || p.name == server.name)
        .collect();
    for ip in &have.floating_ips {
        if ip
            .port_id
            .as_ref()
            .is_some_and(|id| ports.iter().any(|p| p.id == *id))
        {
            let gone = Gone::FloatingIp {
                id: ip.id.clone(),
                address: ip.floating_ip_address.clone(),
            };
            all.push(("ip-gone".to_owned(), gone));
        }
    }
    all.push((
        "gone".into(),
        Gone::Server {
            id: server.id.clone(),
            name: server.name.clone(),
        },
    ));
    if server.metadata.get(MINION).is_none_or(|is| is != "no") {
        all.push((
            "key-gone".into(),
            Gone::MinionKey {
                minion: server.name.clone(),
            },
        ));
    }
    for port in ports {
        all.push((
            "port-gone".into(),
            Gone::Port {
                id: port.id.clone(),
                name: port.name.clone(),
            },
        ));
    }
    for volume in &have.volumes {
        let name = volume.name.clone().unwrap_or_default();
        let on = volume.attachments.iter().any(|a| a.server_id == server.id);
        if on || name.starts_with(&format!("{}-", server.name)) {
            let key = format!("{name}-gone");
            all.push((
                key,
                Gone::Volume {
                    id: volume.id.clone(),
                    name,
                },
            ));
        }
    }
    all
}

/// The metadata key that says `no` on a server that is nobody's minion.
pub(super) const MINION: &str = "bridge-minion";
