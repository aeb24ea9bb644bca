//! Debian's `/etc/network/interfaces`, written as Salt writes it.
//!
//! `options.rs` what an option may be, `bond.rs` those of bonds and bridges, `settings.rs` a state's arguments made an
//! interface of, `read.rs` the file as it is, `render.rs` the texts.

mod bond;
mod options;
mod read;
mod render;
mod settings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::fs::rewrite;
use crate::python;

pub use bond::bond;
pub use options::{is_no, is_yes};
pub use read::{Resolver, interfaces};
pub use render::{bond_file, eth, modules, ppp, route, source};
pub use settings::of_settings;

/// The main file.
pub const FILE: &str = "/etc/network/interfaces";
/// Further files of interfaces.
pub const DIR: &str = "/etc/network/interfaces.d/";
/// What `ifup` runs.
pub const UP_DIR: &str = "/etc/network/if-up.d/";
/// What `ifdown` runs.
pub const DOWN_DIR: &str = "/etc/network/if-down.d/";
/// Where options of kernel modules are.
pub const MODPROBE_DIR: &str = "/etc/modprobe.d/";
/// Peers of point-to-point connections.
pub const PPP_DIR: &str = "/etc/ppp/peers/";

/// Why something cannot be so: Python's class of it and the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its class.
    pub kind: &'static str,
    /// The words.
    pub message: String,
}

impl Fault {
    /// What the states report as their comment.
    pub fn attribute(message: impl Into<String>) -> Self {
        Self {
            kind: "AttributeError",
            message: message.into(),
        }
    }

    fn key(key: &str) -> Self {
        Self {
            kind: "KeyError",
            message: format!("'{key}'"),
        }
    }
}

/// An option of an interface that is none of these.
pub fn unexpected(iface: &str, option: &str, expected: &[&str]) -> Fault {
    Fault::attribute(format!(
        "Invalid option -- Interface: {iface}, Option: {option}, Expected: [{}]",
        expected.join("|")
    ))
}

/// The lines of a file with their ends; none of one that cannot be read.
pub fn lines_of(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Writes a file in a directory that must be there.
pub fn write(path: &Path, text: &str) -> Result<(), Fault> {
    rewrite(path, text.as_bytes(), 0o644).map_err(|e| os_error(path, &e))
}

fn os_error(path: &Path, error: &io::Error) -> Fault {
    Fault {
        kind: "OSError",
        message: python::os_error(path, error),
    }
}

/// Writes a file whose directory is one of those of the package.
pub fn write_in(dir: &str, name: &str, text: &str) -> Result<PathBuf, Fault> {
    let path = Path::new(dir).join(name);
    if !Path::new(dir).exists() {
        return Err(Fault::attribute(format!(
            "{} cannot be written. {dir} does not exist",
            path.display()
        )));
    }
    write(&path, text)?;
    Ok(path)
}

/// The lines of a text as Salt compares them, each with an end: also what follows the last one.
pub fn compared(text: &str) -> Vec<String> {
    text.split('\n').map(|l| format!("{l}\n")).collect()
}

/// Puts an interface into its file, beside all others; its own text is handed back.
pub fn put(iface: &str, data: Map, file: Option<&str>) -> Result<String, Fault> {
    let mut adapters = interfaces()?;
    adapters.insert(iface.into(), data.into());
    let (mut all, mut own) = (String::new(), String::new());
    for (name, data) in &adapters {
        let name = python::text(name);
        let empty = Map::new();
        let data = data.as_map().unwrap_or(&empty);
        let text = match data.get("type").and_then(Value::as_str) {
            Some("source") => source(data),
            _ => eth(&name, data),
        };
        all += &text;
        if name == iface {
            own = text;
        }
    }
    let path = match file {
        Some(file) if file.starts_with('/') => PathBuf::from(file),
        Some(file) => Path::new(DIR).join(file),
        None => PathBuf::from(FILE),
    };
    let dir = path.parent().unwrap_or(Path::new("/"));
    if !dir.exists() {
        return Err(Fault::attribute(format!(
            "{} cannot be written.",
            dir.display()
        )));
    }
    write(&path, if file.is_some() { &own } else { &all })?;
    Ok(own)
}
