//! Floating addresses (Neutron).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error;

/// A floating address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// The address.
    pub floating_ip_address: String,
    /// The id of the external network that it comes from.
    #[serde(default)]
    pub floating_network_id: String,
    /// The port that it leads to.
    #[serde(default)]
    pub port_id: Option<String>,
    /// The address of that port that it leads to.
    #[serde(default)]
    pub fixed_ip_address: Option<String>,
    /// `ACTIVE`, `DOWN`, `ERROR`.
    #[serde(default)]
    pub status: String,
    /// Any words; the bridge notes here that it has made it.
    #[serde(default)]
    pub description: String,
}

impl Named for FloatingIp {
    const KIND: &'static str = "floating IP";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.floating_ip_address
    }

    fn about(&self) -> String {
        match &self.fixed_ip_address {
            Some(fixed) => format!("{} to {fixed}", self.status),
            None => "free".into(),
        }
    }
}

impl Client {
    /// All floating addresses of the project.
    pub async fn floating_ips(&self) -> Result<Vec<FloatingIp>> {
        self.list(Call::get(Service::Network, &["floatingips"]), "floatingips")
            .await
    }

    /// One, by its id.
    pub async fn floating_ip(&self, id: &str) -> Result<Option<FloatingIp>> {
        self.find(
            &Call::get(Service::Network, &["floatingips", id]),
            "floatingip",
        )
        .await
    }

    /// The one that an address or an id means.
    pub async fn floating_ip_of(&self, word: &str) -> error::Result<FloatingIp> {
        pick(self.floating_ips().await?, word)
    }

    /// Takes a new one from an external network, with words of ours in its description.
    pub async fn allocate_floating_ip(
        &self,
        network: &str,
        description: &str,
    ) -> Result<FloatingIp> {
        let body =
            json!({"floatingip": {"floating_network_id": network, "description": description}});
        self.ask(
            &Call::post(Service::Network, &["floatingips"], body),
            "floatingip",
        )
        .await
    }

    /// Leads it to an address of a port, or nowhere. One update, no matter where it led before.
    pub async fn lead_floating_ip(&self, id: &str, to: Option<(&str, &str)>) -> Result<FloatingIp> {
        let body = match to {
            Some((port, fixed)) => json!({"port_id": port, "fixed_ip_address": fixed}),
            None => json!({"port_id": null}),
        };
        let call = Call::put(
            Service::Network,
            &["floatingips", id],
            json!({"floatingip": body}),
        );
        self.ask(&call, "floatingip").await
    }

    /// Gives it back, if it is there.
    pub async fn release_floating_ip(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Network, &["floatingips", id]))
            .await
    }
}
