//! Ports (Neutron): a server's interfaces.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::Named;
use super::{Call, Client, Result, Service};

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its name, which is mostly empty.
    #[serde(default)]
    pub name: String,
    /// Its network's id.
    #[serde(default)]
    pub network_id: String,
    /// The server's id that it belongs to.
    #[serde(default)]
    pub device_id: String,
    /// `compute:…`, `network:floatingip`…
    #[serde(default)]
    pub device_owner: String,
    /// `ACTIVE`, `DOWN`.
    #[serde(default)]
    pub status: String,
    /// Its addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// The ids of its security groups.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Any words; the bridge notes its operations here.
    #[serde(default)]
    pub description: String,
}

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Its subnet's id.
    #[serde(default)]
    pub subnet_id: String,
    /// The address.
    pub ip_address: String,
}

impl Named for Port {
    const KIND: &'static str = "port";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        let addresses: Vec<&str> = self
            .fixed_ips
            .iter()
            .map(|ip| ip.ip_address.as_str())
            .collect();
        format!("{} {} {}", self.status, addresses.join(" "), self.device_id)
    }

    fn answers_to(&self, word: &str) -> bool {
        self.fixed_ips.iter().any(|ip| ip.ip_address == word)
    }
}

impl Client {
    /// All ports.
    pub async fn ports(&self) -> Result<Vec<Port>> {
        self.list(Call::get(Service::Network, &["ports"]), "ports")
            .await
    }

    /// The ports of a server.
    pub async fn ports_of(&self, server: &str) -> Result<Vec<Port>> {
        let call = Call::get(Service::Network, &["ports"]).query("device_id", server);
        self.list(call, "ports").await
    }

    /// One port, by its id.
    pub async fn port(&self, id: &str) -> Result<Option<Port>> {
        self.find(&Call::get(Service::Network, &["ports", id]), "port")
            .await
    }

    /// Makes a port; the body is Neutron's.
    pub async fn create_port(&self, body: Value) -> Result<Port> {
        let call = Call::post(Service::Network, &["ports"], json!({"port": body}));
        self.ask(&call, "port").await
    }

    /// Removes a port, if it is there.
    pub async fn delete_port(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Network, &["ports", id]))
            .await
    }
}
