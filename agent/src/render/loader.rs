//! Where `import`, `include` and `extends` find their files: the file server, through the cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use salt_jinja::{Loaded, Loader};

use super::error::Imported;
use crate::fileclient::{FileClient, url};

/// Files by the name that a template used, for the message if one of them is at fault.
pub(super) type Seen = Arc<Mutex<HashMap<String, Imported>>>;

/// Loads from one environment.
pub(super) struct Files<'a> {
    pub(super) files: &'a FileClient,
    pub(super) saltenv: &'a str,
    pub(super) seen: Seen,
}

impl Loader for Files<'_> {
    fn load(&self, name: &str, directory: Option<&str>) -> Result<Option<Loaded>, String> {
        let relative = matches!(name.split('/').next(), Some("." | ".."));
        let path = if relative {
            let Some(base) = directory else {
                tracing::warn!(
                    template = name,
                    "Relative path cannot be resolved without an environment."
                );
                return Ok(None);
            };
            let path = normalized(&format!("{base}/{name}"));
            if path == ".." || path.starts_with("../") {
                tracing::warn!(
                    template = name,
                    "Discarded template path: attempts to ascend outside of salt://."
                );
                return Ok(None);
            }
            path
        } else {
            name.trim_start_matches("salt://").to_owned()
        };
        let cached = self
            .files
            .cache_file(&url::create(&path), self.saltenv, None)
            .map_err(|e| e.to_string())?;
        let Some(cached) = cached else {
            return Ok(None);
        };
        let text = std::fs::read(&cached).map_err(|e| format!("{}: {e}", cached.display()))?;
        let text =
            String::from_utf8(text).map_err(|e| format!("{}: not UTF-8: {e}", cached.display()))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(
            name.to_owned(),
            Imported {
                path: cached.display().to_string(),
                text: text.clone(),
            },
        );
        // What is loaded from now on sees itself as being where this file is.
        let own = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let dir = if relative {
            directory.unwrap_or(own)
        } else {
            own
        };
        let file = if relative { name } else { path.as_str() };
        Ok(Some(Loaded {
            text,
            globals: vec![
                ("tplfile".into(), file.into()),
                (
                    "tpldir".into(),
                    if dir.is_empty() { "." } else { dir }.into(),
                ),
                ("tpldot".into(), dir.replace('/', ".").into()),
            ],
        }))
    }
}

/// `os.path.normpath` of a path below the root.
fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
