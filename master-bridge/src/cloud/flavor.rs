//! Flavors (Nova).

use serde::{Deserialize, Serialize};

use super::resolve::{Named, pick};
use super::{Call, Client, Result, Service};
use crate::error;

/// A flavor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Processors.
    pub vcpus: u64,
    /// Memory in MiB.
    pub ram: u64,
    /// Root disk in GiB; 0 is as large as the image.
    pub disk: u64,
    /// Another disk, in GiB.
    #[serde(rename = "OS-FLV-EXT-DATA:ephemeral", default)]
    pub ephemeral: u64,
    /// Whether everybody may use it.
    #[serde(rename = "os-flavor-access:is_public", default)]
    pub is_public: bool,
}

impl Named for Flavor {
    const KIND: &'static str = "flavor";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        format!("{} vcpus, {} MiB, {} GiB", self.vcpus, self.ram, self.disk)
    }
}

impl Client {
    /// All flavors, the small ones first.
    pub async fn flavors(&self) -> Result<Vec<Flavor>> {
        let call = Call::get(Service::Compute, &["flavors", "detail"]);
        let mut all: Vec<Flavor> = self.list(call, "flavors").await?;
        all.sort_by(|a, b| {
            (a.ram, a.vcpus, a.disk, &a.name).cmp(&(b.ram, b.vcpus, b.disk, &b.name))
        });
        Ok(all)
    }

    /// The flavor that a name or an id means.
    pub async fn flavor_of(&self, word: &str) -> error::Result<Flavor> {
        pick(self.flavors().await?, word)
    }
}
