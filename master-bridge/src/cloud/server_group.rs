//! Server groups (Nova): servers that are to be on different hosts, or on the same.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error;

/// A server group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `affinity`, `anti-affinity`, `soft-affinity`, `soft-anti-affinity`.
    #[serde(default)]
    pub policy: String,
    /// The ids of its servers.
    #[serde(default)]
    pub members: Vec<String>,
}

impl Named for ServerGroup {
    const KIND: &'static str = "server group";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        format!("{} of {}", self.policy, self.members.len())
    }
}

impl Client {
    /// All server groups. Nova pages them by offset, not by marker, so one large page must do.
    pub async fn server_groups(&self) -> Result<Vec<ServerGroup>> {
        self.list(
            Call::get(Service::Compute, &["os-server-groups"]),
            "server_groups",
        )
        .await
    }

    /// The one that a name or an id means.
    pub async fn server_group_of(&self, word: &str) -> error::Result<ServerGroup> {
        pick(self.server_groups().await?, word)
    }

    /// Makes a server group.
    pub async fn create_server_group(&self, name: &str, policy: &str) -> Result<ServerGroup> {
        let body = json!({"server_group": {"name": name, "policy": policy}});
        self.ask(
            &Call::post(Service::Compute, &["os-server-groups"], body),
            "server_group",
        )
        .await
    }

    /// Removes a server group, if it is there.
    pub async fn delete_server_group(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Compute, &["os-server-groups", id]))
            .await
    }
}
