//! Volumes (Cinder) and their attachments (Nova).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::{Named, pick};
use super::wait::{Look, until};
use super::{Call, Client, Result, Service};
use crate::error::{self, Error, Kind};

/// A volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// Its name; it may have none.
    #[serde(default)]
    pub name: Option<String>,
    /// `creating`, `available`, `in-use`, `deleting`, `error`…
    pub status: String,
    /// GiB.
    pub size: u64,
    /// Its type.
    #[serde(default)]
    pub volume_type: Option<String>,
    /// `true` or `false`, as text.
    #[serde(default)]
    pub bootable: String,
    /// Where it is attached.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Its metadata.
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
    /// When it was made.
    #[serde(default)]
    pub created_at: String,
}

/// Where a volume is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The server's id.
    pub server_id: String,
    /// The device's name there.
    #[serde(default)]
    pub device: Option<String>,
}

impl Named for Volume {
    const KIND: &'static str = "volume";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn about(&self) -> String {
        format!(
            "{} {} GiB since {}",
            self.status, self.size, self.created_at
        )
    }
}

impl Client {
    /// All volumes.
    pub async fn volumes(&self) -> Result<Vec<Volume>> {
        self.list(
            Call::get(Service::BlockStorage, &["volumes", "detail"]),
            "volumes",
        )
        .await
    }

    /// One volume, by its id.
    pub async fn volume(&self, id: &str) -> Result<Option<Volume>> {
        self.find(
            &Call::get(Service::BlockStorage, &["volumes", id]),
            "volume",
        )
        .await
    }

    /// The volume that a name or an id means.
    pub async fn volume_of(&self, word: &str) -> error::Result<Volume> {
        pick(self.volumes().await?, word)
    }

    /// Makes a volume; the body is Cinder's: `name`, `size`, `metadata`…
    pub async fn create_volume(&self, body: Value) -> Result<Volume> {
        let call = Call::post(Service::BlockStorage, &["volumes"], json!({"volume": body}));
        self.ask(&call, "volume").await
    }

    /// Removes a volume, if it is there.
    pub async fn delete_volume(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::BlockStorage, &["volumes", id]).wait_out_conflicts())
            .await
    }

    /// Attaches a volume to a server, and says under which name.
    pub async fn attach_volume(&self, server: &str, volume: &str) -> Result<Option<String>> {
        let parts = ["servers", server, "os-volume_attachments"];
        let body = json!({"volumeAttachment": {"volumeId": volume}});
        let made: Value = self
            .ask(
                &Call::post(Service::Compute, &parts, body),
                "volumeAttachment",
            )
            .await?;
        Ok(made
            .get("device")
            .and_then(Value::as_str)
            .map(str::to_owned))
    }

    /// Detaches a volume; Nova answers at once and works afterwards.
    pub async fn detach_volume(&self, server: &str, volume: &str) -> Result<bool> {
        let parts = ["servers", server, "os-volume_attachments", volume];
        self.remove(&Call::delete(Service::Compute, &parts).wait_out_conflicts())
            .await
    }

    /// Waits until a volume has this status.
    pub async fn wait_volume(
        &self,
        id: &str,
        status: &str,
        within: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> error::Result<Volume> {
        until(&format!("volume {id} with status {status}"), within, tell, || async {
            let volume: Volume = self.ask(&Call::get(Service::BlockStorage, &["volumes", id]), "volume").await?;
            if volume.status == status {
                return Ok(Look::There(volume));
            }
            if volume.status.starts_with("error") {
                let text = format!("volume {} ({id}) is in {}", volume.name(), volume.status);
                return Ok(Look::Never(Error::new(Kind::Failed, text).hint(
                    "the operator of the cloud finds the reason in Cinder's log under the volume's id",
                )));
            }
            Ok(Look::NotYet(volume.status))
        })
        .await
    }
}
