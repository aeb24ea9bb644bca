//! Networks and subnets (Neutron).

use serde::{Deserialize, Serialize};

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error;

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE` and others.
    #[serde(default)]
    pub status: String,
    /// Its subnets' ids.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Whether floating addresses come from it.
    #[serde(rename = "router:external", default)]
    pub external: bool,
    /// Whether other projects use it too.
    #[serde(default)]
    pub shared: bool,
}

impl Named for Network {
    const KIND: &'static str = "network";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        let external = if self.external { " external" } else { "" };
        format!("{}{external}", self.status)
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its network's id.
    pub network_id: String,
    /// Its addresses.
    pub cidr: String,
    /// 4 or 6.
    #[serde(default)]
    pub ip_version: u8,
    /// Its router's address in it.
    #[serde(default)]
    pub gateway_ip: Option<String>,
}

impl Named for Subnet {
    const KIND: &'static str = "subnet";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        self.cidr.clone()
    }
}

impl Client {
    /// All networks that we may use.
    pub async fn networks(&self) -> Result<Vec<Network>> {
        self.list(Call::get(Service::Network, &["networks"]), "networks")
            .await
    }

    /// The network that a name or an id means.
    pub async fn network_of(&self, word: &str) -> error::Result<Network> {
        pick(self.networks().await?, word)
    }

    /// All subnets that we may use.
    pub async fn subnets(&self) -> Result<Vec<Subnet>> {
        self.list(Call::get(Service::Network, &["subnets"]), "subnets")
            .await
    }
}
