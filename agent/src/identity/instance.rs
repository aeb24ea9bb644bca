//! Which machine this is: everything that tells it from its clones, as it can be known before the first packet.
//!
//! One more source is a function here and a line in `Machine::instance`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::places::{self, Instance};
use crate::config::{IdentitySource, Settings};

/// DMI ids that boards without one of their own show.
const NO_UUID: [&str; 5] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "01234567-8910-abcd-efab-cdefabcdefab",
];
/// What OpenStack's hypervisors write into DMI, as cloud-init knows it.
const OPENSTACK: [&str; 2] = ["OpenStack Nova", "OpenStack Compute"];
/// And into the asset tag, by those who sell it under other names.
const OPENSTACK_TAGS: [&str; 5] = [
    "OpenTelekomCloud",
    "SAP CCloud VM",
    "HUAWEICLOUD",
    "OpenStack Nova",
    "OpenStack Compute",
];

/// What is known of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The instance id that the cloud gave it.
    pub instance: Option<String>,
    /// Where that stood.
    pub source: Option<String>,
    /// The uuid that its firmware shows.
    pub uuid: Option<String>,
    /// Its `/etc/machine-id`.
    pub machine_id: Option<String>,
}

/// Where to look.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The root of the system.
    pub root: PathBuf,
    /// Where a drive is mounted for a moment.
    pub mount_at: PathBuf,
    /// The metadata service; empty: it is not asked.
    pub metadata_url: String,
    /// The rungs of the ladder.
    pub sources: Vec<IdentitySource>,
    /// The operator said which: then all are asked.
    pub chosen: bool,
    /// The operator's own id.
    pub given: Option<String>,
    /// The directory of a config drive that is mounted.
    pub drive: Option<PathBuf>,
}

impl Machine {
    /// This machine, as the settings say.
    pub fn of(settings: &Settings) -> Self {
        let agent = &settings.agent;
        Self {
            root: "/".into(),
            mount_at: settings.cachedir.join("config-drive"),
            metadata_url: agent.metadata_url.clone(),
            sources: agent.identity_sources.clone(),
            chosen: settings.origins.is_set("agent:identity:sources"),
            given: agent.identity_instance.clone(),
            drive: agent.order_drive.clone(),
        }
    }

    /// Everything that can be known now.
    pub fn evidence(&self) -> Evidence {
        let instance = self.instance();
        let firmware = self.has(IdentitySource::Machine) && !self.is_container();
        Evidence {
            source: instance.as_ref().map(|(source, _)| source.clone()),
            instance: instance.map(|(_, id)| id),
            uuid: self.dmi("product_uuid").filter(|_| firmware).and_then(uuid),
            machine_id: self.text("etc/machine-id").filter(|id| {
                self.has(IdentitySource::Machine)
                    && id.len() == 32
                    && id.bytes().all(|b| b.is_ascii_hexdigit())
            }),
        }
    }

    /// The first source that knows the instance's id. Those on the machine itself come first; the network is only
    /// asked where nothing else can know and something there would answer.
    fn instance(&self) -> Option<(String, String)> {
        if let Some(given) = &self.given {
            return Some(("agent:identity:instance".into(), given.clone()));
        }
        if self.has(IdentitySource::ConfigDrive) {
            // Of this boot: a directory in memory. What lies below /var/lib/cloud may be the parent's.
            if let Some(id) = self.text("run/cloud-init/.instance-id") {
                return Some(("cloud-init".into(), id));
            }
            let local = places::local(&self.root, self.drive.as_deref(), &self.mount_at);
            if let Some(Instance {
                source,
                id: Some(id),
                ..
            }) = local
            {
                return Some((source, id));
            }
        }
        let ask = self.has(IdentitySource::Metadata)
            && !self.metadata_url.is_empty()
            && (self.chosen || (self.is_openstack() && self.dmi("product_uuid").is_none()));
        if ask
            && let Some(Instance {
                source,
                id: Some(id),
                ..
            }) = places::metadata(&self.metadata_url)
        {
            return Some((source, id));
        }
        None
    }

    fn has(&self, source: IdentitySource) -> bool {
        self.sources.contains(&source)
    }

    /// Whether the firmware says that this is an OpenStack instance.
    pub fn is_openstack(&self) -> bool {
        let is = |file: &str, list: &[&str]| {
            self.dmi(file)
                .is_some_and(|text| list.contains(&text.as_str()))
        };
        is("product_name", &OPENSTACK) || is("chassis_asset_tag", &OPENSTACK_TAGS)
    }

    /// A container shows its host's firmware.
    fn is_container(&self) -> bool {
        let marks = ["run/systemd/container", "run/.containerenv", ".dockerenv"];
        marks.iter().any(|mark| self.root.join(mark).exists())
    }

    fn dmi(&self, file: &str) -> Option<String> {
        self.text(&format!("sys/class/dmi/id/{file}"))
    }

    fn text(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.root.join(Path::new(path))).ok()?;
        let text = String::from_utf8(bytes).ok()?.trim().to_owned();
        (!text.is_empty() && text.len() <= 256 && !text.contains('\n')).then_some(text)
    }
}

fn uuid(text: String) -> Option<String> {
    let text = text.to_ascii_lowercase();
    (is_uuid(&text) && !NO_UUID.contains(&text.as_str())).then_some(text)
}

/// Whether a text is a uuid: nobody made it up by hand.
pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    parts.len() == 5
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

/// Whether two uuids are one: firmware of different ages writes its first three fields in either byte order.
pub(super) fn same_uuid(a: &str, b: &str) -> bool {
    let swapped = |text: &str| {
        let parts: Vec<String> = text
            .split('-')
            .enumerate()
            .map(|(number, part)| {
                if number > 2 || part.len() % 2 != 0 || !part.is_ascii() {
                    return part.to_owned();
                }
                let pairs = (0..part.len()).step_by(2).rev();
                pairs.map(|at| &part[at..at + 2]).collect()
            })
            .collect();
        parts.join("-")
    };
    a.eq_ignore_ascii_case(b) || swapped(a).eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests;
