//! Networks and subnets (Neutron).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    /// Any words; the bridge notes its operations here.
    #[serde(default)]
    pub description: String,
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
    /// Any words; the bridge notes its operations here.
    #[serde(default)]
    pub description: String,
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

    /// Makes a network.
    pub async fn create_network(&self, name: &str, description: &str) -> Result<Network> {
        let body = json!({"network": {"name": name, "description": description}});
        self.ask(
            &Call::post(Service::Network, &["networks"], body),
            "network",
        )
        .await
    }

    /// Removes a network with its subnets, if it is there and nothing is plugged into it.
    pub async fn delete_network(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Network, &["networks", id]).wait_out_conflicts())
            .await
    }

    /// Makes a subnet; the body is Neutron's.
    pub async fn create_subnet(&self, body: Value) -> Result<Subnet> {
        self.ask(
            &Call::post(Service::Network, &["subnets"], json!({"subnet": body})),
            "subnet",
        )
        .await
    }

    /// Removes a subnet, if it is there and nothing is plugged into it.
    pub async fn delete_subnet(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Network, &["subnets", id]).wait_out_conflicts())
            .await
    }
}
