//! Images (Glance).

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::{Named, pick};
use super::wait::{Look, until};
use super::{BoxedAsyncRead, Call, Client, Result, Service};
use crate::error::{self, Error, Kind};

/// An image, as Glance shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name, which others may have too; it may have none.
    #[serde(default)]
    pub name: Option<String>,
    /// `queued`, `saving`, `importing`, `active`, `killed`, `deleted`, `deactivated`.
    pub status: String,
    /// Bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// GiB that a root disk must have.
    #[serde(default)]
    pub min_disk: u64,
    /// MiB that a server must have.
    #[serde(default)]
    pub min_ram: u64,
    /// `raw`, `qcow2`…
    #[serde(default)]
    pub disk_format: Option<String>,
    /// `private`, `shared`, `community`, `public`.
    #[serde(default)]
    pub visibility: String,
    /// The algorithm of the hash.
    #[serde(default)]
    pub os_hash_algo: Option<String>,
    /// The hash of its content.
    #[serde(default)]
    pub os_hash_value: Option<String>,
    /// Whether it can be deleted.
    #[serde(default)]
    pub protected: bool,
    /// When it was made.
    #[serde(default)]
    pub created_at: String,
    /// Whose it is: a project's id.
    #[serde(default)]
    pub owner: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Everything else, its own properties among it.
    #[serde(flatten)]
    pub properties: BTreeMap<String, Value>,
}

impl Image {
    /// A property of its own.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).and_then(Value::as_str)
    }
}

impl Named for Image {
    const KIND: &'static str = "image";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn about(&self) -> String {
        format!(
            "{} {} since {}",
            self.status, self.visibility, self.created_at
        )
    }
}

impl Client {
    /// All images that we may see, the newest first.
    pub async fn images(&self) -> Result<Vec<Image>> {
        let call = Call::get(Service::Image, &["images"])
            .query("limit", "200")
            .query("sort", "created_at:desc");
        self.list(call, "images").await
    }

    /// One image, by its id.
    pub async fn image(&self, id: &str) -> Result<Option<Image>> {
        self.find(&Call::get(Service::Image, &["images", id]), "")
            .await
    }

    /// The image that a name or an id means.
    pub async fn image_of(&self, word: &str) -> error::Result<Image> {
        pick(self.images().await?, word)
    }

    /// Makes an image without content. The body is Glance's: `name`, `disk_format`, `min_disk`, properties.
    pub async fn queue_image(&self, body: Value) -> Result<Image> {
        self.ask(&Call::post(Service::Image, &["images"], body), "")
            .await
    }

    /// Sends an image's content.
    pub async fn upload_image(&self, id: &str, content: BoxedAsyncRead) -> Result<()> {
        let call = Call::new(Method::PUT, Service::Image, &["images", id, "file"])
            .content_type("application/octet-stream");
        self.upload(&call, content).await.map(drop)
    }

    /// Sends an image's content to where an import takes it from.
    pub async fn stage_image(&self, id: &str, content: BoxedAsyncRead) -> Result<()> {
        let call = Call::new(Method::PUT, Service::Image, &["images", id, "stage"])
            .content_type("application/octet-stream");
        self.upload(&call, content).await.map(drop)
    }

    /// Begins an import; the method is Glance's: its name, and what belongs to it.
    pub async fn import_image(&self, id: &str, method: Value) -> Result<()> {
        let call = Call::post(
            Service::Image,
            &["images", id, "import"],
            json!({"method": method}),
        );
        self.send(&call).await.map(drop)
    }

    /// Sets properties of an image; Glance wants each that is there replaced and each that is not added.
    pub async fn set_image(&self, id: &str, values: &BTreeMap<String, Value>) -> Result<Image> {
        // "add" replaces what is there: RFC 6902, and Glance does so.
        let patch: Vec<Value> = values
            .iter()
            .map(|(name, value)| {
                let path = name.replace('~', "~0").replace('/', "~1");
                json!({"op": "add", "path": format!("/{path}"), "value": value})
            })
            .collect();
        let call = Call::new(Method::PATCH, Service::Image, &["images", id])
            .body(patch.into())
            .content_type("application/openstack-images-v2.1-json-patch")
            .idempotent();
        self.ask(&call, "").await
    }

    /// Removes an image, if it is there.
    pub async fn delete_image(&self, id: &str) -> Result<bool> {
        let call = Call::delete(Service::Image, &["images", id]).wait_out_conflicts();
        self.remove(&call).await
    }

    /// Waits until an image is active.
    pub async fn wait_image(
        &self,
        id: &str,
        within: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> error::Result<Image> {
        until(&format!("image {id}"), within, tell, || async {
            let image: Image = self.ask(&Call::get(Service::Image, &["images", id]), "").await?;
            Ok(match image.status.as_str() {
                "active" => Look::There(image),
                "killed" | "deleted" | "pending_delete" | "deactivated" => {
                    let text = format!("image {} ({id}) is {}", image.name(), image.status);
                    Look::Never(Error::new(Kind::Failed, text).hint(
                        "the operator of the cloud finds the reason in Glance's or the host's log under the image's id",
                    ))
                }
                other => Look::NotYet(other.to_owned()),
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glances_own_image_is_read_with_its_properties() {
        let image: Image = serde_json::from_value(json!({
            "id": "i", "name": null, "status": "queued", "size": null, "min_disk": 0, "min_ram": 0,
            "disk_format": "raw", "visibility": "shared", "os_hash_algo": null, "os_hash_value": null,
            "protected": false, "created_at": "2026", "owner": "p", "tags": [], "bridge_base": "b", "virtual_size": 7,
        }))
        .unwrap();
        assert_eq!(image.name(), "");
        assert_eq!(image.property("bridge_base"), Some("b"));
    }
}
