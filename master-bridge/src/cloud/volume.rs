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

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeSnapshot {
    /// Its id.
    pub id: String,
    /// Its name; it may have none.
    #[serde(default)]
    pub name: Option<String>,
    /// `creating`, `available`, `deleting`, `error`…
    pub status: String,
    /// Of which volume.
    #[serde(default)]
    pub volume_id: String,
    /// GiB.
    #[serde(default)]
    pub size: u64,
    /// Its metadata.
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
    /// When it was made.
    #[serde(default)]
    pub created_at: String,
}

impl Named for VolumeSnapshot {
    const KIND: &'static str = "volume snapshot";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn about(&self) -> String {
        format!(
            "{} of {} since {}",
            self.status, self.volume_id, self.created_at
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

    /// Waits until a volume is gone.
    pub async fn wait_volume_gone(&self, id: &str, within: Duration) -> error::Result<()> {
        until(&format!("removal of volume {id}"), within, &mut |_| {}, || async {
            Ok(match self.volume(id).await? {
                None => Look::There(()),
                Some(volume) if volume.status.starts_with("error") => Look::Never(
                    Error::new(Kind::Failed, format!("volume {} ({id}) is in {}", volume.name(), volume.status))
                        .hint("the operator of the cloud finds the reason in Cinder's log under the volume's id"),
                ),
                Some(volume) => Look::NotYet(volume.status),
            })
        })
        .await
    }

    /// All snapshots of volumes.
    pub async fn volume_snapshots(&self) -> Result<Vec<VolumeSnapshot>> {
        self.list(
            Call::get(Service::BlockStorage, &["snapshots", "detail"]),
            "snapshots",
        )
        .await
    }

    /// The volume snapshot that a name or an id means.
    pub async fn volume_snapshot_of(&self, word: &str) -> error::Result<VolumeSnapshot> {
        pick(self.volume_snapshots().await?, word)
    }

    /// Makes a snapshot of a volume; the body is Cinder's.
    pub async fn create_volume_snapshot(&self, body: Value) -> Result<VolumeSnapshot> {
        let call = Call::post(
            Service::BlockStorage,
            &["snapshots"],
            json!({"snapshot": body}),
        );
        self.ask(&call, "snapshot").await
    }

    /// Removes a snapshot of a volume, if it is there.
    pub async fn delete_volume_snapshot(&self, id: &str) -> Result<bool> {
        self.remove(&Call::delete(Service::BlockStorage, &["snapshots", id]))
            .await
    }

    async fn volume_snapshot(&self, id: &str) -> Result<Option<VolumeSnapshot>> {
        self.find(
            &Call::get(Service::BlockStorage, &["snapshots", id]),
            "snapshot",
        )
        .await
    }

    /// Waits until a snapshot of a volume is there.
    pub async fn wait_volume_snapshot(
        &self,
        id: &str,
        within: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> error::Result<()> {
        until(&format!("volume snapshot {id}"), within, tell, || async {
            Ok(match self.volume_snapshot(id).await? {
                Some(found) if found.status == "available" => Look::There(()),
                Some(found) if !found.status.starts_with("error") => Look::NotYet(found.status),
                _ => Look::Never(
                    Error::new(Kind::Failed, format!("the volume snapshot {id} has failed")).hint(
                        "the operator of the cloud finds the reason in Cinder's log under its id",
                    ),
                ),
            })
        })
        .await
    }

    /// Waits until a snapshot of a volume is gone.
    pub async fn wait_volume_snapshot_gone(&self, id: &str, within: Duration) -> error::Result<()> {
        until(
            &format!("removal of volume snapshot {id}"),
            within,
            &mut |_| {},
            || async {
                Ok(match self.volume_snapshot(id).await? {
                    None => Look::There(()),
                    Some(found) => Look::NotYet(found.status),
                })
            },
        )
        .await
    }
}
