//! What was before: written before the first change, read by `--undo`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::plan::Units;
use crate::config::Settings;
use crate::host::fs::write_atomic;

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) fingerprint: Option<String>,
    pub(super) minion_enabled: bool,
    pub(super) minion_active: bool,
    pub(super) agent_enabled: bool,
    pub(super) agent_active: bool,
    /// Seconds since 1970.
    pub(super) adopted_at: i64,
}

/// Where it is.
pub(super) fn file(settings: &Settings) -> PathBuf {
    settings.root_dir.join("var/lib/salt-agent/adopt.json")
}

impl Record {
    pub(super) fn of(units: &Units, settings: &Settings, fingerprint: &Option<String>) -> Self {
        Self {
            id: settings.id.clone(),
            fingerprint: fingerprint.clone(),
            minion_enabled: units.minion_enabled,
            minion_active: units.minion_active,
            agent_enabled: units.agent_enabled,
            agent_active: units.agent_active,
            adopted_at: jiff::Timestamp::now().as_second(),
        }
    }

    pub(super) fn read(file: &Path) -> anyhow::Result<Option<Self>> {
        let text = match fs::read(file) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let record = serde_json::from_slice(&text);
        record
            .map(Some)
            .with_context(|| format!("{} is damaged: remove it to begin anew", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let dir = file.parent().unwrap_or(Path::new("/"));
        let text = serde_json::to_vec_pretty(self)?;
        fs::create_dir_all(dir)
            .and_then(|()| write_atomic(file, &text, 0o600))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    #[cfg(test)]
    pub(super) fn for_test(units: &Units) -> Self {
        Self {
            id: "m1".to_owned(),
            fingerprint: None,
            minion_enabled: units.minion_enabled,
            minion_active: units.minion_active,
            agent_enabled: units.agent_enabled,
            agent_active: units.agent_active,
            adopted_at: 0,
        }
    }
}
