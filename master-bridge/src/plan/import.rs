//! What an image is imported from, and as what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An image to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// Where its content is.
    pub source: Source,
    /// What it is sent as: `raw`, `qcow2`, `vmdk`…
    pub disk_format: String,
    /// GiB that a root disk must have.
    pub min_disk: u64,
    /// MiB that a server must have.
    pub min_ram: u64,
    /// Properties of the image.
    pub properties: BTreeMap<String, String>,
    /// Whether its content goes through Glance's staging, where it may be converted or copied.
    pub staged: bool,
}

/// Where an image's content is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// In a file here.
    File {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The format that it is in, if it is sent as another one.
        convert: Option<String>,
        /// `sha256:…` or `sha512:…` of it, if it was given.
        checksum: Option<String>,
    },
    /// Behind a URL that Glance itself fetches.
    Url {
        /// The URL.
        url: String,
        /// `sha512:…` that Glance must come to, if it was given.
        checksum: Option<String>,
    },
}

impl Import {
    /// What it is, for people.
    pub fn subject(&self) -> String {
        match &self.source {
            Source::File {
                path,
                size,
                convert: None,
                ..
            } => {
                format!(
                    "{} from {} ({}, {size} bytes)",
                    self.name,
                    path.display(),
                    self.disk_format
                )
            }
            Source::File {
                path,
                size,
                convert: Some(from),
                ..
            } => format!(
                "{} from {} ({from}, {size} bytes, sent as {})",
                self.name,
                path.display(),
                self.disk_format
            ),
            Source::Url { url, .. } => format!("{} from {url} ({})", self.name, self.disk_format),
        }
    }
}
