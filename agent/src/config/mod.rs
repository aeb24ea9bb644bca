//! Salt's minion configuration, in three stages: fragment (a file as written) → input (merged, each key
//! with the file and line that set it) → [`Settings`] (validated, with rich types).
//!
//! One more of Salt's options: its line in `options.tsv` says `used`, and a field in `settings.rs` reads
//! it. One more of our own: see `agent.rs`.

mod address;
mod agent;
mod compat;
mod effective;
mod error;
mod fragment;
pub(crate) mod glob;
mod input;
mod load;
mod log;
pub mod options;
mod reader;
pub mod settings;
mod units;

use std::collections::BTreeMap;

use salt_wire::Map;

pub use address::MasterAddress;
pub use agent::{
    Agent, IdentitySource, KEYS as AGENT_KEYS, Profile, Release, Report, SpoolLimits, Trust,
};
pub use compat::{Compat, CompatMode};
pub use error::{Error, Origin};
pub use load::{DEFAULT_DIR, Loaded, Source, load};
pub use log::{LEVELS as LOG_LEVELS, LogLevel, LogOptions};
pub use settings::{MasterType, Settings};

/// Where each option was set; an option that files merged has several places, the last one decided.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<String, Vec<Origin>>);

impl Origins {
    /// The place that decided an option, or an option's nested key (`agent:trust`).
    pub fn of(&self, key: &str) -> Option<Origin> {
        self.all(key).last().cloned()
    }

    /// Every place that had a part in it.
    pub fn all(&self, key: &str) -> &[Origin] {
        let mut path = key;
        loop {
            if let Some(places) = self.0.get(path) {
                return places;
            }
            match path.rsplit_once(':') {
                Some((parent, _)) => path = parent,
                None => return &[],
            }
        }
    }

    /// Whether anything but the default set it.
    pub fn is_set(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Every option that something set, with its places; nested keys not.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Origin])> {
        let top = self.0.iter().filter(|(key, _)| !key.contains(':'));
        top.map(|(key, places)| (key.as_str(), places.as_slice()))
    }

    /// Forgets an option and its nested keys.
    fn forget(&mut self, key: &str) {
        let inside = format!("{key}:");
        self.0
            .retain(|path, _| path != key && !path.starts_with(&inside));
    }

    /// Notes that the caller itself set these, not a file.
    fn set_by_caller<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        for key in keys {
            self.0.insert(key.to_owned(), Vec::new());
        }
    }
}

/// Something that an operator should mend, though we go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub origin: Option<Origin>,
    /// What.
    pub text: String,
}

impl Warning {
    fn new(origin: Option<Origin>, text: impl Into<String>) -> Self {
        Self {
            origin,
            text: text.into(),
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// An id that no file sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundId {
    /// The id.
    pub id: String,
    /// It is an IPv4 address: a domain is not appended.
    pub is_address: bool,
    /// Where it comes from, for the log.
    pub how: String,
}

impl FoundId {
    /// An id that the caller knows.
    pub fn set(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            is_address: false,
            how: "given".to_owned(),
        }
    }
}

/// Finds the id when no file sets it; gets `opts` as they are up to there. See `identity`.
pub type FindId<'a> = &'a dyn Fn(&Map) -> Result<FoundId, Error>;

/// The known name nearest to a wrong one, if any is near.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (distance(wrong, name), name))
        .filter(|(far, name)| *far <= 2.max(name.len() / 4))
        .min()
        .map(|(_, name)| name)
}

/// Edits that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use salt_wire::map;

    fn settings(overrides: Map) -> Result<Settings, Error> {
        Settings::from_overrides("/etc/salt".as_ref(), "m1", overrides)
    }

    #[test]
    fn defaults_make_settings() {
        let settings = settings(Map::new()).unwrap();
        assert_eq!(settings.id, "m1");
        assert_eq!(settings.master.addresses[0].to_string(), "salt:4506");
        assert_eq!(settings.crypto.keysize, 4096);
        assert_eq!(settings.crypto.encryption, None);
        assert_eq!(settings.agent.dead_after.as_secs(), 15);
        assert_eq!(settings.agent.trust, Trust::Pinned);
        assert_eq!(settings.pki_dir.as_os_str(), "/etc/salt/pki/minion");
    }

    #[test]
    fn what_the_operator_set_counts() {
        let settings = settings(map! {
            "master" => vec!["a", "b:4606", "a"],
            "master_type" => "failover",
            "keysize" => 2048,
            "signing_algorithm" => "PKCS1v15-SHA1",
            "root_dir" => "/r",
            "agent" => map! { "trust" => "first-use", "dead_after" => "30s" },
        })
        .unwrap();
        assert_eq!(settings.master.addresses.len(), 2);
        assert_eq!(settings.master.kind, MasterType::Failover);
        assert_eq!(settings.crypto.keysize, 2048);
        assert!(settings.crypto.signing.is_some());
        assert_eq!(settings.agent.trust, Trust::FirstUse);
        assert_eq!(settings.cachedir.as_os_str(), "/r/var/cache/salt/minion");
    }

    #[test]
    fn no_master_is_needed_for_local_files() {
        let given = map! {"master" => ""};
        assert!(settings(given.clone()).is_err());
        let mut local = given;
        local.insert("file_client".into(), "local".into());
        let master = settings(local).unwrap().master;
        assert_eq!(master.kind, MasterType::Disable);
    }

    #[test]
    fn mistakes_are_named() {
        for (overrides, words) in [
            (
                map! { "master_port" => "http" },
                "`master_port` must be a port number, not \"http\"",
            ),
            (map! { "master_type" => "func" }, "`master_type` must be"),
            (map! { "id" => "a/b" }, "minion id \"a/b\" is not valid"),
            (map! { "id" => ".." }, "name of a directory"),
            (map! { "pki_dir" => 7 }, "`pki_dir` must be a path"),
            (map! { "hash_type" => "crc" }, "`hash_type` must be md5"),
            (
                map! { "master_finger" => "xyz" },
                "`master_finger` must be a fingerprint",
            ),
            (map! { "keysize" => 512 }, "2048 to 16384 bits"),
            (map! { "log_level" => "loud" }, "one of all, garbage"),
            (
                map! { "agent" => map! { "trust" => "all" } },
                "`agent:trust` must be `pinned` or `first-use`",
            ),
            (
                map! { "agent" => map! { "dead_after" => "0s" } },
                "1s or more",
            ),
            (
                map! { "agent" => map! { "order_keys" => "AAAA" } },
                "32 bytes in base64",
            ),
            (
                map! { "agent" => map! { "spool" => map! { "max_size" => "lots" } } },
                "`agent:spool:max_size` must be a size",
            ),
        ] {
            let error = settings(overrides).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_near_name_is_proposed() {
        assert_eq!(
            nearest("mastr", ["master", "id"].into_iter()),
            Some("master")
        );
        assert_eq!(nearest("zzzzzz", ["master", "id"].into_iter()), None);
    }
}
