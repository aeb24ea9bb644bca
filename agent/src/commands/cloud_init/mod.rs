//! `salt-agent cloud-init`: what the user-data of the instance says about the minion, done as cloud-init's own
//! module `cc_salt_minion` would do it, for images that have the agent in them. It needs no cloud-init; where that
//! runs, its merged configuration is what counts.
//!
//! `user_data` finds the `salt_minion:` block, `block` says what it means, this file does it, once for an instance.

mod block;
mod user_data;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use salt_wire::crypto::PrivateKey;
use salt_wire::{Value, map};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{Code, Destination, print, source, start_logging};
use crate::cli::{CloudInitArgs, Format, Global};
use crate::config::{FoundId, Settings};
use crate::host::{digest, env, fs::make_dirs, fs::write_atomic};
use crate::identity::places::{self, Instance};
use crate::identity::{self, instance::Machine};
use crate::keys::Store;
use block::Block;

/// The drop-in that a block becomes. It comes after what the image has and before what a remaster writes.
const DROP_IN: &str = "50-cloud-init.conf";

/// What was done, so that it is done once.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Done {
    /// For this instance.
    instance: String,
    /// From there.
    source: String,
    /// The digest of its block.
    digest: String,
}

pub(super) fn run(global: &Global, args: &CloudInitArgs) -> anyhow::Result<Code> {
    // The id may be what we are about to set.
    let place = source(global);
    let placeholder = |_: &salt_wire::Map| Ok(FoundId::set("localhost"));
    let loaded = crate::config::load(&place, &placeholder)?;
    start_logging(&loaded, Destination::Console);
    let settings = &loaded.settings;
    if !args.dry_run
        && let Some(parent) = super::guard(settings)?
    {
        super::warn_of_clone(settings, &parent);
    }
    let machine = Machine::of(settings);
    let found = find(&machine);
    let mut steps = Vec::new();
    if let Some(found) = &found {
        steps = apply(settings, found, args, &state_dir())?;
    }
    if args.key && !args.dry_run {
        let loaded = crate::config::load(&place, &placeholder)?;
        Store::of(&loaded.settings).load_or_make()?;
    }
    match args.output {
        Format::Json => print::json(&Value::Map(map! {
            "source" => found.as_ref().map(|f| f.source.as_str()),
            "instance" => found.as_ref().and_then(|f| f.id.as_deref()),
            "dry_run" => args.dry_run,
            "steps" => steps,
        }))?,
        Format::Text => {
            let from = found.as_ref().map_or("nothing", |f| &f.source);
            let mut lines = vec![format!("from  {from}")];
            let verb = if args.dry_run { "would" } else { "done " };
            lines.extend(steps.iter().map(|step| format!("{verb} {step}")));
            print::line(&lines.join("\n"))?;
        }
    }
    Ok(Code::OK)
}

/// The instance, with its user-data as the best source has it.
fn find(machine: &Machine) -> Option<Instance> {
    let local = places::local(&machine.root, machine.drive.as_deref(), &machine.mount_at);
    let found = local.or_else(|| {
        let ask = machine.chosen || machine.is_openstack();
        (ask && !machine.metadata_url.is_empty())
            .then(|| places::metadata(&machine.metadata_url))
            .flatten()
    });
    // Where cloud-init has run in this boot, it knows vendor-data and what else was merged.
    let id = fs::read_to_string(machine.root.join("run/cloud-init/.instance-id"));
    let merged = machine.root.join("var/lib/cloud/instance/cloud-config.txt");
    if let Ok(id) = id
        && let Some(text) = places::read(&merged)
    {
        let found = found.unwrap_or_default();
        return Some(Instance {
            source: merged.display().to_string(),
            id: Some(id.trim().to_owned()),
            user_data: Some(text),
            ..found
        });
    }
    found
}

/// Does what the instance says, or names it.
fn apply(
    settings: &Settings,
    found: &Instance,
    args: &CloudInitArgs,
    state_dir: &Path,
) -> anyhow::Result<Vec<String>> {
    let mut steps = Vec::new();
    let data = found.user_data.as_deref().unwrap_or_default();
    let read = user_data::salt_minion(data);
    for note in &read.notes {
        warn!(source = found.source, "{note}");
    }
    if let Some(name) = &found.hostname {
        name_it(settings, name, args, &mut steps);
    }
    let Some(value) = read.block else {
        return Ok(steps);
    };
    let block = Block::of(&value, settings)
        .with_context(|| format!("salt_minion in the user-data of {}", found.source))?;
    let record = state_dir.join("cloud-init.json");
    let done = Done {
        instance: found.id.clone().unwrap_or_default(),
        source: found.source.clone(),
        digest: digest::bytes(&value.to_msgpack(), "sha256")?,
    };
    let before: Option<Done> = fs::read(&record)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let same = before.is_some_and(|b| b.instance == done.instance && b.digest == done.digest);
    if same && !args.again {
        return Ok(steps);
    }
    let file = block.config_dir.join("minion.d").join(DROP_IN);
    if let Some(text) = block.drop_in()? {
        steps.push(format!("write {}", file.display()));
        if !args.dry_run {
            make_dirs(&block.config_dir.join("minion.d"), 0o755)?;
            // It may hold a password of a pillar or a token.
            write_atomic(&file, text.as_bytes(), 0o640)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    if let Some(key) = &block.key {
        take_key(settings, key, &block.pki_dir, args, &mut steps)?;
    }
    if !args.dry_run {
        make_dirs(state_dir, 0o700)?;
        let text = serde_json::to_string_pretty(&done)?;
        write_atomic(&record, format!("{text}\n").as_bytes(), 0o600)?;
        info!(
            source = found.source,
            "The instance's salt_minion was taken."
        );
    }
    Ok(steps)
}

/// Beside the receipt of a golden image; systemd's StateDirectory of the unit.
fn state_dir() -> PathBuf {
    env::var("STATE_DIRECTORY").map_or_else(|| "/var/lib/salt-agent".into(), PathBuf::from)
}

/// A machine whose name nobody has set is named by its cloud, or its id would be an address.
fn name_it(settings: &Settings, name: &str, args: &CloudInitArgs, steps: &mut Vec<String>) {
    let unnamed = matches!(
        env::hostname().split('.').next().unwrap_or_default(),
        "" | "localhost" | "(none)"
    );
    let file = identity::cache_file(&settings.opts);
    let fits = name.parse::<salt_wire::ids::MinionId>().is_ok();
    if !unnamed || settings.origins.is_set("id") || file.exists() || !fits {
        return;
    }
    steps.push(format!("write {}: {name}", file.display()));
    if !args.dry_run
        && let Err(error) = write_atomic(&file, format!("{name}\n").as_bytes(), 0o644)
    {
        warn!(file = %file.display(), %error, "The minion id could not be kept.");
    }
}

/// The owner's pair becomes ours. One that is there already is put away, never overwritten.
fn take_key(
    settings: &Settings,
    pem: &str,
    pki_dir: &Path,
    args: &CloudInitArgs,
    steps: &mut Vec<String>,
) -> anyhow::Result<()> {
    let key = PrivateKey::from_pem(pem).context("private_key is no usable RSA key")?;
    let store = Store::in_dir(settings, pki_dir);
    if let Some(own) = store.load()? {
        if own.public() == key.public() {
            return Ok(());
        }
        steps.push(format!("put the key in {} away", pki_dir.display()));
        if !args.dry_run {
            identity::binding::put_key_away(pki_dir)?;
        }
    }
    steps.push(format!("write {}", store.private_file().display()));
    if !args.dry_run {
        let kept = store.keep(key)?;
        let fingerprint = kept.public().fingerprint(settings.crypto.hash_type);
        info!(%fingerprint, "The key of the user-data is the minion's now.");
    }
    if !store.private_file().starts_with(&settings.pki_dir) {
        bail!(
            "the key went to {}, as pki_dir says, but the minion looks in {}: set conf: {{pki_dir: …}}, too",
            pki_dir.display(),
            settings.pki_dir.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
