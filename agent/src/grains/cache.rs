//! `grains_cache`: the last collection, kept in Salt's own cache file for as long as it is fresh.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use salt_wire::{Map, Value};
use tracing::warn;

use crate::config::Settings;
use crate::host::fs::write_atomic;

/// The kept grains, if caching is on and they are young enough.
pub(super) fn read(settings: &Settings) -> Option<Map> {
    if !enabled(settings) {
        return None;
    }
    let seconds = settings
        .opts
        .get("grains_cache_expiration")
        .and_then(Value::as_int)
        .and_then(|s| u64::try_from(s).ok())
        .unwrap_or(300);
    let path = file(settings);
    let age = fs::metadata(&path).ok()?.modified().ok()?.elapsed().ok()?;
    if age > Duration::from_secs(seconds) {
        return None;
    }
    match Value::from_msgpack(&fs::read(path).ok()?).ok()? {
        Value::Map(grains) if !grains.is_empty() => Some(grains),
        _ => None,
    }
}

/// Keeps these grains, if caching is on.
pub(super) fn write(settings: &Settings, grains: &Map) {
    if !enabled(settings) {
        return;
    }
    let path = file(settings);
    let bytes = Value::Map(grains.clone()).to_msgpack();
    if let Err(error) = write_atomic(&path, &bytes, 0o600) {
        warn!(path = %path.display(), %error, "The grains cache was not written.");
    }
}

fn enabled(settings: &Settings) -> bool {
    settings
        .opts
        .get("grains_cache")
        .is_some_and(Value::is_truthy)
}

fn file(settings: &Settings) -> PathBuf {
    settings.cachedir.join("grains.cache.p")
}
