//! How a master is reached: as the command line says it, and as the journal keeps it for a resume.

use std::path::{Path, PathBuf};

use super::api::{Api, Settings};
use super::{Local, Master, MasterConfig};
use crate::error::{Error, Kind, Result};

/// A way to a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It runs on this host, and this is its configuration directory.
    Local(PathBuf),
    /// Through the salt-api beside it.
    Api(Settings),
}

impl Way {
    /// Opens the master.
    pub async fn open(&self) -> Result<Box<dyn Master>> {
        Ok(match self {
            Self::Local(dir) => Box::new(Local::open(MasterConfig::read(dir)?).await?),
            Self::Api(settings) => Box::new(Api::open(settings.clone()).await?),
        })
    }

    /// The master's configuration directory, for what only its files tell.
    pub fn dir(&self, what: &str) -> Result<&Path> {
        match self {
            Self::Local(dir) => Ok(dir),
            Self::Api(_) => {
                let text =
                    format!("{what} needs the master's own files, which salt-api does not give");
                Err(Error::new(Kind::Usage, text)
                    .hint("run it on the master, with --salt-config instead of --salt-api"))
            }
        }
    }

    /// As the journal keeps it. Never a password.
    pub fn text(&self) -> String {
        match self {
            Self::Local(dir) => dir.display().to_string(),
            Self::Api(settings) => serde_json::to_string(settings).unwrap_or_default(),
        }
    }

    /// What a journal kept; `None` for what a later bridge wrote.
    pub fn of_text(text: &str) -> Option<Self> {
        if text.starts_with('{') {
            return serde_json::from_str(text).ok().map(Self::Api);
        }
        Some(Self::Local(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_keeps_either_way() {
        let api = Way::Api(Settings {
            url: "https://m.example:8000".into(),
            user: "ops".into(),
            eauth: "pam".into(),
            password_file: Some("/etc/secret".into()),
            ca: None,
        });
        for way in [Way::Local("/etc/salt".into()), api] {
            assert_eq!(Way::of_text(&way.text()), Some(way));
        }
        assert_eq!(Way::of_text("{\"later\": 1}"), None);
    }
}
