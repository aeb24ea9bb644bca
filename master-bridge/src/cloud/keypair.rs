//! Keypairs (Nova). They belong to the user, not to the project, and have no id but their name.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error;

/// A keypair: its public half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keypair {
    /// Its name.
    pub name: String,
    /// The public key, as OpenSSH writes it.
    #[serde(default)]
    pub public_key: String,
    /// Its fingerprint.
    #[serde(default)]
    pub fingerprint: String,
}

impl Named for Keypair {
    const KIND: &'static str = "keypair";

    fn id(&self) -> &str {
        &self.name
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        self.fingerprint.clone()
    }
}

#[derive(Deserialize)]
struct Wrapped {
    keypair: Keypair,
}

impl Client {
    /// All keypairs of the user.
    pub async fn keypairs(&self) -> Result<Vec<Keypair>> {
        let call = Call::get(Service::Compute, &["os-keypairs"]);
        let all: Vec<Wrapped> = self.list(call, "keypairs").await?;
        Ok(all.into_iter().map(|w| w.keypair).collect())
    }

    /// The keypair of this name.
    pub async fn keypair_of(&self, name: &str) -> error::Result<Keypair> {
        pick(self.keypairs().await?, name)
    }

    /// Puts a public key under a name.
    pub async fn create_keypair(&self, name: &str, public_key: &str) -> Result<Keypair> {
        let body = json!({"keypair": {"name": name, "public_key": public_key}});
        self.ask(
            &Call::post(Service::Compute, &["os-keypairs"], body),
            "keypair",
        )
        .await
    }

    /// Removes a keypair, if it is there.
    pub async fn delete_keypair(&self, name: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Compute, &["os-keypairs", name]))
            .await
    }
}
