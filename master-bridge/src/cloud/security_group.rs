//! Security groups (Neutron).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error;

/// A security group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Any words.
    #[serde(default)]
    pub description: String,
    /// Its rules, as Neutron shows them.
    #[serde(default)]
    pub security_group_rules: Vec<Value>,
    /// Whose it is; an administrator sees those of others too.
    #[serde(default)]
    pub project_id: String,
}

impl Named for SecurityGroup {
    const KIND: &'static str = "security group";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        format!("{} rules", self.security_group_rules.len())
    }
}

impl Client {
    /// The security groups of the project.
    pub async fn security_groups(&self) -> Result<Vec<SecurityGroup>> {
        let mut call = Call::get(Service::Network, &["security-groups"]);
        // For an administrator: there is a "default" in each project.
        if let Some((id, _)) = self.project() {
            call = call.query("project_id", id);
        }
        self.list(call, "security_groups").await
    }

    /// The one that a name or an id means.
    pub async fn security_group_of(&self, word: &str) -> error::Result<SecurityGroup> {
        pick(self.security_groups().await?, word)
    }

    /// Makes a security group; Neutron gives it rules that let everything out.
    pub async fn create_security_group(
        &self,
        name: &str,
        description: &str,
    ) -> Result<SecurityGroup> {
        let body = json!({"security_group": {"name": name, "description": description}});
        self.ask(
            &Call::post(Service::Network, &["security-groups"], body),
            "security_group",
        )
        .await
    }

    /// Removes a security group, if it is there.
    pub async fn delete_security_group(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Network, &["security-groups", id]))
            .await
    }

    /// Adds a rule; the body is Neutron's.
    pub async fn create_security_group_rule(&self, body: Value) -> Result<Value> {
        let call = Call::post(
            Service::Network,
            &["security-group-rules"],
            json!({"security_group_rule": body}),
        );
        self.ask(&call, "security_group_rule").await
    }

    /// Removes a rule, if it is there.
    pub async fn delete_security_group_rule(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(
            Service::Network,
            &["security-group-rules", id],
        ))
        .await
    }
}
