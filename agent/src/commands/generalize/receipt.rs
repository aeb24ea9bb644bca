//! The receipt: what was looked for, what was removed, what is left, and a digest over it, so that whoever makes a
//! snapshot can ask for it.

use std::path::Path;

use anyhow::bail;
use serde::Serialize;

use super::scan::{Found, Wanted};
use super::secrets::Secret;
use crate::cli::Section;
use crate::host::digest;

/// A receipt without its digest.
#[derive(Debug, Serialize)]
pub(super) struct Receipt {
    /// Of this form.
    pub(super) version: u32,
    /// Who made it.
    pub(super) tool: String,
    /// When, RFC 3339.
    pub(super) at: String,
    /// The tree.
    pub(super) root: String,
    /// `generalize`, `check` or `dry-run`.
    pub(super) action: &'static str,
    /// The sections that count.
    pub(super) sections: Vec<String>,
    /// Every pattern that was looked for.
    pub(super) looked_for: Vec<&'static str>,
    /// What was done, or would be.
    pub(super) done: Vec<Done>,
    /// What the second scan found, or could not be removed.
    pub(super) left: Vec<Left>,
    /// Files that look like secrets.
    pub(super) secrets: Vec<Secret>,
    /// Nothing is left and no secret was seen.
    pub(super) clean: bool,
}

/// One thing that was done.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    /// Of this section.
    pub(super) section: String,
    /// Where.
    pub(super) path: String,
    /// What.
    pub(super) what: &'static str,
    /// Files that went.
    pub(super) files: u64,
    /// Bytes that went.
    pub(super) bytes: u64,
}

/// One thing that is still there.
#[derive(Debug, Serialize)]
pub(super) struct Left {
    /// Of this section.
    pub(super) section: String,
    /// Where.
    pub(super) path: String,
    /// Why.
    pub(super) why: String,
}

/// Whether a receipt can be written there: asked before anything is removed.
pub(super) fn has_a_place(file: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    if file.is_dir() || !dir.is_none_or(Path::is_dir) {
        bail!(
            "the receipt cannot be written to {}: nothing was changed",
            file.display()
        );
    }
    Ok(())
}

/// The word for a section, as on the command line.
pub(super) fn word(section: Section) -> String {
    use clap::ValueEnum;
    section
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A path as it is from inside.
pub(super) fn shown(path: &Path) -> String {
    format!("/{}", path.display())
}

impl Left {
    pub(super) fn of(found: &Found, why: impl Into<String>) -> Self {
        Self {
            section: word(found.section),
            path: shown(&found.path),
            why: why.into(),
        }
    }
}

impl Receipt {
    /// An empty one.
    pub(super) fn begin(root: &Path, action: &'static str, wanted: &Wanted) -> Self {
        Self {
            version: 1,
            tool: format!("salt-agent {}", env!("CARGO_PKG_VERSION")),
            at: jiff::Timestamp::now().to_string(),
            root: root.display().to_string(),
            action,
            sections: wanted.sections.iter().map(|s| word(*s)).collect(),
            looked_for: wanted.rows().map(|row| row.pattern).collect(),
            done: Vec::new(),
            left: Vec::new(),
            secrets: Vec::new(),
            clean: false,
        }
    }

    /// The document with its digest: SHA-256 over the document without it, in compact JSON.
    pub(super) fn seal(mut self) -> anyhow::Result<serde_json::Value> {
        self.clean = self.left.is_empty() && self.secrets.is_empty();
        let mut document = serde_json::to_value(&self)?;
        let sum = digest::bytes(document.to_string().as_bytes(), "sha256")?;
        if let Some(map) = document.as_object_mut() {
            map.insert("digest".to_owned(), format!("sha256:{sum}").into());
        }
        Ok(document)
    }
}
