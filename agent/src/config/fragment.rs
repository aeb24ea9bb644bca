//! One file as it is written: its options, and the line of each.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::error::{Error, Origin, kind};

/// Larger files are no configuration.
const MAX_SIZE: u64 = 16 << 20;

/// A file's options.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) file: PathBuf,
    pub(super) values: Map,
    /// Path of the key, joined with colons, and its place.
    pub(super) origins: Vec<(String, Origin)>,
}

impl Fragment {
    /// Reads a file; `None` when it does not exist.
    pub(super) fn read(file: &Path) -> Result<Option<Self>, Error> {
        let unreadable = |cause| Error::Read {
            file: file.to_owned(),
            cause,
        };
        match fs::metadata(file) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(e)),
            Ok(meta) if meta.len() > MAX_SIZE => {
                let words = "it is larger than 16 MiB: this is no configuration";
                return Err(unreadable(std::io::Error::other(words)));
            }
            Ok(_) => {}
        }
        let text = fs::read_to_string(file).map_err(unreadable)?;
        Self::parse(file, &text).map(Some)
    }

    /// Reads text that came from a file.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, Error> {
        let (value, positions) = salt_yaml::load_config(text).map_err(|error| Error::Syntax {
            file: file.to_owned(),
            line: error.line(),
            cause: error.problem.clone(),
        })?;
        let values = match value {
            Value::Map(values) => values,
            // Python's `or {}`: a file of comments is an empty configuration, and so are `false` and `0`.
            other if !other.is_truthy() => Map::new(),
            other => {
                return Err(Error::NotAMapping {
                    file: file.to_owned(),
                    found: kind(&other),
                });
            }
        };
        let mut fragment = Self {
            file: file.to_owned(),
            values,
            origins: Vec::new(),
        };
        let places: Vec<_> = positions
            .iter()
            .map(|(path, at)| (path.join(":"), fragment.origin(Some(at.line))))
            .collect();
        fragment.origins = places;
        fragment.id_is_text();
        Ok(fragment)
    }

    /// A place in this file.
    pub(super) fn origin(&self, line: Option<usize>) -> Origin {
        Origin {
            file: self.file.clone(),
            line,
        }
    }

    /// The place of a key at the top.
    pub(super) fn place(&self, key: &str) -> Origin {
        let found = self.origins.iter().find(|(path, _)| path == key);
        found.map_or_else(|| self.origin(None), |(_, origin)| origin.clone())
    }

    /// An id of digits is still a name.
    fn id_is_text(&mut self) {
        if let Some(id) = self.values.get_mut("id") {
            let text = match &*id {
                Value::Int(number) => number.to_string(),
                Value::Float(number) => format!("{number:?}"),
                Value::Bool(true) => "True".to_owned(),
                Value::Bool(false) => "False".to_owned(),
                Value::Null => "None".to_owned(),
                _ => return,
            };
            *id = text.into();
        }
    }
}
