//! Which master's key may follow which: permitted by a handover certificate, a signed order or the old master
//! itself, and taken when the master shows it. No pin is ever simply deleted.
//!
//! `remaster/successors.json` in the key directory keeps both: what is permitted until a time, and what was
//! taken, so that a `master_finger` of before still speaks for the key that followed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use salt_wire::crypto::{Fingerprint, HashType, PublicKey};
use serde::{Deserialize, Serialize};

use super::KeyError;
use super::store::write_error;
use crate::host::fs::write_atomic;

/// Entries kept; more are forgotten, the oldest first.
const KEPT: usize = 32;

/// One key that may follow, or has followed, another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// Fingerprint of the key that was believed.
    pub from: String,
    /// The other form of it, which 3008's `salt-key` prints and a `master_finger` may have.
    #[serde(default)]
    pub alias: String,
    /// Fingerprint of the one that follows.
    pub to: String,
    /// Unix time until which it may.
    pub not_after: u64,
    /// It did.
    pub taken: bool,
}

/// The list.
#[derive(Debug, Clone)]
pub struct Succession {
    file: PathBuf,
}

impl Succession {
    /// The list in this key directory.
    pub fn of(pki_dir: &Path) -> Self {
        Self {
            file: pki_dir.join("remaster/successors.json"),
        }
    }

    /// All entries; none if the file cannot be used: then nothing is permitted.
    pub fn all(&self) -> Vec<Successor> {
        let Ok(text) = fs::read(&self.file) else {
            return Vec::new();
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(file = %self.file.display(), %error, "The successors of masters' keys cannot be read: none is permitted.");
            Vec::new()
        })
    }

    /// Permits a key to follow another until a time.
    pub fn permit(&self, from: &str, to: &str, not_after: u64) -> Result<(), KeyError> {
        let mut all = self.all();
        all.retain(|s| s.taken || s.from != from || s.to != to);
        all.push(Successor {
            from: from.to_owned(),
            alias: String::new(),
            to: to.to_owned(),
            not_after,
            taken: false,
        });
        self.write(all)
    }

    /// This key has taken its place, in that of the one believed before.
    pub fn take(&self, key: &PublicKey, old: Option<&PublicKey>) -> Result<(), KeyError> {
        let mut all = self.all();
        for successor in all.iter_mut().filter(|s| matches(key, &s.to)) {
            successor.taken = true;
            if let Some(old) = old {
                let hash = HashType::default();
                successor.from = old.fingerprint(hash).to_string();
                successor.alias = old.fingerprint_with_armour(hash).to_string();
            }
        }
        self.write(all)
    }

    /// The fingerprints that may follow a key now: of the stored key, or of one of the configured
    /// fingerprints.
    pub fn permitted(
        &self,
        stored: Option<&PublicKey>,
        fingers: &[Fingerprint],
    ) -> Vec<Fingerprint> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(u64::MAX, |d| d.as_secs());
        let speaks = |from: &str| {
            stored.is_some_and(|key| matches(key, from))
                || from
                    .parse()
                    .is_ok_and(|f: Fingerprint| fingers.contains(&f))
        };
        let all = self.all();
        // Taken, and yet the old key is stored: the power failed between the two.
        let open = all.iter().filter(|s| s.taken || now < s.not_after);
        let open = open.filter(|s| speaks(&s.from));
        open.filter_map(|s| s.to.parse().ok()).collect()
    }

    /// Configured fingerprints, and those of the keys that have followed them.
    pub fn followed(&self, fingers: &[Fingerprint]) -> Vec<Fingerprint> {
        let mut followed = fingers.to_vec();
        // In the order in which they were taken: a chain is followed to its end.
        for successor in self.all().iter().filter(|s| s.taken) {
            let named = |text: &String| {
                let finger = text.parse::<Fingerprint>();
                finger.is_ok_and(|finger| followed.contains(&finger))
            };
            if let Ok(to) = successor.to.parse::<Fingerprint>()
                && (named(&successor.from) || named(&successor.alias))
                && !followed.contains(&to)
            {
                // The latest one speaks first.
                followed.insert(0, to);
            }
        }
        followed
    }

    fn write(&self, mut all: Vec<Successor>) -> Result<(), KeyError> {
        let more = all.len().saturating_sub(KEPT);
        all.drain(..more);
        let dir = self.file.parent().unwrap_or(&self.file);
        fs::create_dir_all(dir).map_err(|cause| write_error(dir, cause))?;
        serde_json::to_vec_pretty(&all)
            .map_err(std::io::Error::other)
            .and_then(|text| write_atomic(&self.file, &text, 0o600))
            .map_err(|cause| write_error(&self.file, cause))
    }
}

fn matches(key: &PublicKey, finger: &str) -> bool {
    finger.parse().is_ok_and(|f| key.matches(&f))
}

#[cfg(test)]
mod tests {
    use salt_wire::crypto::{OsRandom, PrivateKey};

    use super::*;

    fn key() -> PublicKey {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        key.public().clone()
    }

    fn finger(key: &PublicKey) -> Fingerprint {
        key.fingerprint(HashType::default())
    }

    #[test]
    fn a_key_may_follow_until_its_time_and_speaks_for_itself_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let list = Succession::of(dir.path());
        let (old, new, third) = (key(), key(), key());
        let (from, to) = (finger(&old).to_string(), finger(&new).to_string());
        list.permit(&from, &to, 1).unwrap();
        assert!(list.permitted(Some(&old), &[]).is_empty(), "too late");
        list.permit(&from, &to, u64::MAX).unwrap();
        assert_eq!(list.permitted(Some(&old), &[]), [finger(&new)]);
        assert_eq!(list.permitted(None, &[finger(&old)]), [finger(&new)]);
        assert!(list.permitted(Some(&third), &[]).is_empty());
        assert_eq!(list.followed(&[finger(&old)]), [finger(&old)]);

        list.take(&new, Some(&old)).unwrap();
        assert!(list.permitted(Some(&new), &[]).is_empty(), "once");
        assert_eq!(list.followed(&[finger(&old)]), [finger(&new), finger(&old)]);
        let armoured = old.fingerprint_with_armour(HashType::default());
        assert_eq!(list.followed(&[armoured])[0], finger(&new));
        assert!(list.followed(&[]).is_empty());

        fs::write(&list.file, "{").unwrap();
        assert!(list.all().is_empty());
    }
}
