//! The static grains file beside the configuration: what `grains.setval` writes and an operator may edit.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, Value};
use tracing::warn;

use crate::config::Settings;

/// Where it is.
pub fn path(settings: &Settings) -> PathBuf {
    settings.config_dir.join("grains")
}

/// The grains in it; a file that is no map of YAML counts as empty, as in Salt.
pub fn read(settings: &Settings) -> Map {
    let path = path(settings);
    let Ok(text) = fs::read_to_string(&path) else {
        return Map::new();
    };
    match salt_yaml::load_plain(&text) {
        Ok(Value::Map(grains)) => grains,
        Ok(Value::Null) => Map::new(),
        Ok(_) => {
            warn!(path = %path.display(), "The grains file holds no mapping and is skipped.");
            Map::new()
        }
        Err(error) => {
            warn!(path = %path.display(), %error, "Bad syntax in the grains file, which is skipped.");
            Map::new()
        }
    }
}
