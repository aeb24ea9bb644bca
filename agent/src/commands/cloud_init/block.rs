//! The `salt_minion:` mapping, as cloud-init documents it: `conf`, `grains`, `public_key` and `private_key`,
//! `config_dir`, `pki_dir`. `pkg_name` and `service_name` are about a package that is here already.

use std::path::PathBuf;

use anyhow::bail;
use salt_wire::{Map, Value};
use salt_yaml::DumpOptions;

use crate::config::Settings;

/// Keys that cloud-init knows.
const KNOWN: [&str; 8] = [
    "conf",
    "config_dir",
    "grains",
    "pkg_name",
    "pki_dir",
    "private_key",
    "public_key",
    "service_name",
];

/// What it asks for.
#[derive(Debug)]
pub(super) struct Block {
    conf: Map,
    grains: Map,
    /// The private key's text.
    pub(super) key: Option<String>,
    pub(super) config_dir: PathBuf,
    pub(super) pki_dir: PathBuf,
}

impl Block {
    pub(super) fn of(value: &Value, settings: &Settings) -> anyhow::Result<Self> {
        let Value::Map(block) = value else {
            bail!("it is no mapping");
        };
        let unknown = block
            .keys()
            .filter_map(Value::as_str)
            .find(|k| !KNOWN.contains(k));
        if let Some(key) = unknown {
            tracing::warn!(
                key,
                "cloud-init's salt_minion knows no such key; it is passed over."
            );
        }
        let map = |key: &str| match block.get(key) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Map(map)) => Ok(map.clone()),
            Some(_) => bail!("`{key}` is no mapping"),
        };
        let text = |key: &str| match block.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text.clone())),
            Some(_) => bail!("`{key}` is no text"),
        };
        let (public, private) = (text("public_key")?, text("private_key")?);
        // As cloud-init has it: one alone is not used.
        let key = public.zip(private).map(|(_, private)| private);
        Ok(Self {
            conf: map("conf")?,
            grains: map("grains")?,
            key,
            config_dir: text("config_dir")?
                .map_or_else(|| settings.config_dir.clone(), PathBuf::from),
            pki_dir: text("pki_dir")?.map_or_else(|| settings.pki_dir.clone(), PathBuf::from),
        })
    }

    /// The text of the drop-in; nothing when neither options nor grains are given.
    pub(super) fn drop_in(&self) -> anyhow::Result<Option<String>> {
        let mut conf = self.conf.clone();
        if !self.grains.is_empty() {
            let mut grains = self.grains.clone();
            // In Salt, `grains` of the configuration wins over the grains file that cloud-init writes.
            if let Some(Value::Map(own)) = conf.get("grains") {
                grains.extend(own.clone());
            }
            conf.insert("grains".into(), grains.into());
        }
        if conf.is_empty() {
            return Ok(None);
        }
        let yaml = salt_yaml::dump(&Value::Map(conf), &DumpOptions::default())?;
        Ok(Some(format!(
            "# The instance's user-data (salt_minion), written by `salt-agent cloud-init` once for each instance.\n\
             # `salt-agent generalize` removes it.\n{yaml}"
        )))
    }
}
