//! The file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::plan::rules::GroupSpec;

/// An environment as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: everything of it is called `NAME-…`.
    pub name: String,
    /// The external network, for routers and floating addresses.
    #[serde(default)]
    pub external: Option<String>,
    /// How its servers reach the master.
    #[serde(default)]
    pub master: Option<String>,
    /// A network of its own, or one that is there.
    pub network: Net,
    /// A keypair for its servers, `NAME-key`.
    #[serde(default)]
    pub keypair: Option<Key>,
    /// Its security groups.
    #[serde(default)]
    pub group: BTreeMap<String, GroupSpec>,
    /// Its virtual addresses.
    #[serde(default)]
    pub vip: BTreeMap<String, Vip>,
    /// Its servers, by role: `NAME-ROLE1`, `NAME-ROLE2`…
    #[serde(default)]
    pub server: BTreeMap<String, Role>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    /// One that is there, by name or id.
    #[serde(default)]
    pub existing: Option<String>,
    /// The addresses of one of its own.
    #[serde(default)]
    pub cidr: Option<String>,
    /// Name servers.
    #[serde(default)]
    pub dns: Vec<String>,
}

/// A keypair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its public half, as OpenSSH writes it.
    pub public_key: String,
}

/// A virtual address that the servers of a role share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vip {
    /// The role.
    pub servers: String,
    /// The address; any without it.
    #[serde(default)]
    pub address: Option<String>,
    /// Whether a floating address leads to it.
    #[serde(default)]
    pub floating_ip: bool,
}

/// Servers of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// Their image.
    pub image: String,
    /// Their flavor.
    pub flavor: String,
    /// Their security groups: of this file, or of the project.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Their server group's policy: `anti-affinity`, `soft-anti-affinity`…
    #[serde(default)]
    pub policy: Option<String>,
    /// Whether a floating address leads to each.
    #[serde(default)]
    pub floating_ip: bool,
    /// Whether they are minions of this master.
    #[serde(default = "yes")]
    pub minion: bool,
    /// Whether they are salt-masters: their keys are proven through the console, as `master launch` does it.
    #[serde(default)]
    pub master: bool,
    /// Whether they get their highstate.
    #[serde(default = "yes")]
    pub highstate: bool,
    /// Grains that they get.
    #[serde(default)]
    pub grains: BTreeMap<String, String>,
    /// A volume for each, by name: GiB.
    #[serde(default)]
    pub volumes: BTreeMap<String, u64>,
    /// Seconds until the agent must be on the console.
    #[serde(default = "ten_minutes")]
    pub boot_within: u64,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn ten_minutes() -> u64 {
    600
}

/// More is a mistake, not an environment.
const MOST: u32 = 500;

impl Spec {
    /// Reads the text; what cannot be is refused with its place.
    pub fn of(text: &str) -> Result<Self> {
        let spec: Self = toml::from_str(text).map_err(|e| {
            let mut error = Error::new(Kind::Usage, "this is no environment")
                .hint("docs/environments.md has a whole one");
            error.causes = vec![e.to_string()];
            error
        })?;
        let bad = |text: String| Err(Error::new(Kind::Usage, text));
        let plain = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.len() <= 40
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        let names = [&spec.name]
            .into_iter()
            .chain(spec.group.keys())
            .chain(spec.vip.keys())
            .chain(spec.server.keys());
        for name in names {
            if !plain(name) {
                return bad(format!(
                    "{name} is no name: letters, digits, - and _, a letter first"
                ));
            }
        }
        match (&spec.network.existing, &spec.network.cidr) {
            (None, None) => {
                return bad("network: `cidr` makes one, `existing` takes one that is there".into());
            }
            (Some(_), Some(_)) => return bad("network: `cidr` or `existing`, not both".into()),
            _ => {}
        }
        for (name, role) in &spec.server {
            if role.count > MOST {
                return bad(format!(
                    "server {name}: {} are too many, {MOST} are the most",
                    role.count
                ));
            }
            if name.ends_with(|c: char| c.is_ascii_digit()) {
                return bad(format!(
                    "server {name}: a role's name ends with no digit, its servers' names do"
                ));
            }
        }
        for (name, vip) in &spec.vip {
            if !spec.server.contains_key(&vip.servers) {
                return bad(format!("vip {name}: there is no server {}", vip.servers));
            }
        }
        let floats =
            spec.vip.values().any(|v| v.floating_ip) || spec.server.values().any(|s| s.floating_ip);
        if floats && spec.external.is_none() {
            return bad("floating addresses come from a network: name it with `external`".into());
        }
        Ok(spec)
    }

    /// The servers of a role that are to be there.
    pub fn names(&self, role: &str, of: &Role) -> Vec<String> {
        let prefix = self.prefix();
        (1..=of.count)
            .map(|n| format!("{prefix}{role}{n}"))
            .collect()
    }

    /// What the names of its things begin with.
    pub fn prefix(&self) -> String {
        format!("{}-", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_said() {
        let base = "name = 'ci'\n";
        for (text, why) in [
            ("", "no environment"),
            ("[network]\n", "makes one"),
            ("[network]\ncidr = 'x'\nexisting = 'y'", "not both"),
            (
                "[network]\ncidr = 'x'\n[vip.v]\nservers = 'lb'",
                "no server lb",
            ),
            (
                "[network]\ncidr = 'x'\n[server.a1]\nimage = 'i'\nflavor = 'f'",
                "no digit",
            ),
            (
                "[network]\ncidr = 'x'\n[server.a]\nimage = 'i'\nflavor = 'f'\nfloating_ip = true",
                "external",
            ),
            (
                "[network]\ncidr = 'x'\n[server.a]\nimage = 'i'\nflavor = 'f'\nflavour = 'x'",
                "flavour",
            ),
            ("[network]\ncidr = 'x'\n[group.'a b']", "is no name"),
        ] {
            let error = Spec::of(&format!("{base}{text}")).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        Spec::of(&format!("{base}[network]\ncidr = '10.0.0.0/24'")).unwrap();
    }
}
