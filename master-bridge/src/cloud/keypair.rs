//! Keypairs (Nova). They belong to the user, not to the project, and have no id but their name.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error::{self, Error, Kind};

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

    /// Lets Nova make a keypair; it shows the private half this once.
    pub async fn generate_keypair(&self, name: &str) -> error::Result<(Keypair, SecretString)> {
        let body = json!({"keypair": {"name": name}});
        let call = Call::post(Service::Compute, &["os-keypairs"], body);
        let made: Value = self.ask(&call, "keypair").await?;
        let Some(private) = made["private_key"].as_str() else {
            let text = format!("this cloud makes no keypairs any more; {name} is not made");
            return Err(Error::new(Kind::Failed, text)
                .hint("`ssh-keygen -t ed25519`, and `master-bridge keypair import`"));
        };
        let private = SecretString::from(private.to_owned());
        let keypair = Keypair {
            name: name.to_owned(),
            public_key: made["public_key"].as_str().unwrap_or_default().to_owned(),
            fingerprint: made["fingerprint"].as_str().unwrap_or_default().to_owned(),
        };
        Ok((keypair, private))
    }

    /// Removes a keypair, if it is there.
    pub async fn delete_keypair(&self, name: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::Compute, &["os-keypairs", name]))
            .await
    }
}
