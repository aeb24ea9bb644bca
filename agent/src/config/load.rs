//! From a place on disk to [`Settings`]: where the configuration is, and everything there is to say about it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, geteuid};
use salt_wire::{Map, Value};

use super::error::{Error, Origin};
use super::options::{self, Treatment};
use super::{FindId, Settings, Warning, effective, input};
use crate::host::account;

/// Where the configuration is when nothing says otherwise.
pub const DEFAULT_DIR: &str = "/etc/salt";

/// What to read.
#[derive(Debug, Clone)]
pub struct Source {
    /// The main file, `minion` in the configuration directory.
    pub conf_file: PathBuf,
    /// For `~/` in includes.
    pub home: Option<PathBuf>,
    /// Options that the command line sets; they win over every file.
    pub overrides: Map,
}

impl Source {
    /// The configuration in `dir`, if given; else where the environment says; else in [`DEFAULT_DIR`].
    pub fn locate(dir: Option<&Path>, var: &dyn Fn(&str) -> Option<String>) -> Self {
        let from_environment = || var("SALT_CONFIG_DIR").map(PathBuf::from);
        let dir = dir.map(Path::to_owned).or_else(from_environment);
        let dir = dir.unwrap_or_else(|| DEFAULT_DIR.into());
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        let mut conf_file = dir.join("minion");
        if dir == Path::new(DEFAULT_DIR)
            && let Some(named) = var("SALT_MINION_CONFIG").map(PathBuf::from)
            && named.is_file()
        {
            conf_file = named;
        }
        Self {
            conf_file,
            home: var("HOME").map(PathBuf::from),
            overrides: Map::new(),
        }
    }

    /// The directory of the main file.
    pub fn config_dir(&self) -> &Path {
        self.conf_file.parent().unwrap_or(Path::new("/"))
    }
}

/// A configuration that can be used, and what is to be said about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What should be mended.
    pub warnings: Vec<Warning>,
    /// Options that are set and have no effect here, each with its place.
    pub ignored: Vec<(String, Option<Origin>)>,
    /// The files read, in order.
    pub files: Vec<PathBuf>,
}

/// Reads, merges, completes and checks.
pub fn load(source: &Source, find_id: FindId<'_>) -> Result<Loaded, Error> {
    let mut input = input::read(&source.conf_file, source.home.as_deref())?;
    for (key, value) in &source.overrides {
        if let Some(name) = key.as_str() {
            input.origins.forget(name);
            input.origins.set_by_caller(std::iter::once(name));
        }
        input.values.insert(key.clone(), value.clone());
    }
    let ignored = ignored(&input.values)
        .map(|name| (name.to_owned(), input.origins.of(name)))
        .collect();
    let (opts, more) = effective::apply(input.values, &source.conf_file, &input.origins, find_id)?;
    let settings = Settings::read(source.config_dir(), opts, input.origins)?;
    let mut warnings = input.warnings;
    warnings.extend(more);
    warnings.extend(input.files.iter().filter_map(|file| planted(file)));
    warnings.extend(nobody(&settings));
    Ok(Loaded {
        settings,
        warnings,
        ignored,
        files: input.files,
    })
}

/// A file that others can write decides what runs here as us.
fn planted(file: &Path) -> Option<Warning> {
    let meta = fs::metadata(file).ok()?;
    let owner = Uid::from_raw(meta.uid());
    let words = if !owner.is_root() && owner != geteuid() {
        format!(
            "belongs to {}, who can change what is run here",
            account::name_of(owner)
        )
    } else if meta.mode() & 0o022 != 0 {
        format!("others may write to it (mode {:04o})", meta.mode() & 0o7777)
    } else {
        return None;
    };
    let origin = Origin {
        file: file.to_owned(),
        line: None,
    };
    Some(Warning::new(Some(origin), words))
}

/// The daemon cannot give its rights up for an account that is not there.
fn nobody(settings: &Settings) -> Option<Warning> {
    let missing = !settings.user.is_empty() && account::find(&settings.user).is_none();
    missing.then(|| {
        let words = format!(
            "`user` is {}: there is no such account, and the daemon will not start",
            settings.user
        );
        Warning::new(settings.origins.of("user"), words)
    })
}

/// Options that say something other than Salt's default and are not implemented.
fn ignored(values: &Map) -> impl Iterator<Item = &str> {
    values.iter().filter_map(|(key, value)| {
        let info = key.as_str().and_then(options::find)?;
        let unused = info.treatment != Treatment::Used;
        let default = info.default.as_ref().unwrap_or(&Value::Null);
        (unused && default != value && value.is_truthy() | default.is_truthy()).then_some(info.name)
    })
}
