//! Our next pair and our last one, while a rotation is under way: files beside the pair in use.
//!
//! ```text
//! minion.pem              in use
//! remaster/next.pem       staged: made, not used yet
//! remaster/last.pem       what was in use before, until somebody confirms
//! ```
//!
//! Whatever the moment at which the power fails, `minion.pem` is a whole key that some master has accepted.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use salt_wire::crypto::{PrivateKey, PublicKey};

use super::store::write_error;
use super::{KeyError, Store};
use crate::host::crash;
use crate::host::fs::remove_if_there;

/// Where a rotation stands.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// A key that is to be used next.
    pub next: Option<Arc<PrivateKey>>,
    /// The key that was used before, until the present one is confirmed.
    pub last: Option<Arc<PrivateKey>>,
}

impl Rotation {
    /// The word for it.
    pub fn state(&self) -> &'static str {
        match (&self.next, &self.last) {
            (Some(_), _) => "staged",
            (None, Some(_)) => "switched",
            (None, None) => "steady",
        }
    }

    /// The key beside the one in use, which a master may hold instead of it.
    pub fn other(&self) -> Option<&Arc<PrivateKey>> {
        self.next.as_ref().or(self.last.as_ref())
    }
}

impl Store {
    fn next_file(&self) -> PathBuf {
        self.dir().join("remaster/next.pem")
    }

    fn last_file(&self) -> PathBuf {
        self.dir().join("remaster/last.pem")
    }

    /// Where the rotation stands.
    pub fn rotation(&self) -> Result<Rotation, KeyError> {
        let read = |path: PathBuf| Ok::<_, KeyError>(self.load_private(&path)?.map(Arc::new));
        let next = read(self.next_file())?;
        // With both, a switch was interrupted before it did anything.
        let last = match &next {
            Some(_) => None,
            None => read(self.last_file())?,
        };
        Ok(Rotation { next, last })
    }

    /// Makes the next key, or finds the one that is there already. A new key takes seconds.
    pub fn stage(&self) -> Result<Arc<PrivateKey>, KeyError> {
        let path = self.next_file();
        if let Some(staged) = self.load_private(&path)? {
            return Ok(Arc::new(staged));
        }
        let made = self.make()?;
        self.make_beside(&path)?;
        self.put(&path, &made)?;
        crash::point(format_args!("key staged"));
        Ok(Arc::new(made))
    }

    /// Puts the staged key into use and keeps the one before.
    pub fn switch(&self) -> Result<(), KeyError> {
        let (own, next, last) = (self.private_file(), self.next_file(), self.last_file());
        let Some(key) = self.load_private(&next)? else {
            return Err(write_error(&next, io::ErrorKind::NotFound.into()));
        };
        forget(&last)?;
        fs::hard_link(&own, &last).map_err(|e| write_error(&last, e))?;
        crash::point(format_args!("last key kept"));
        fs::rename(&next, &own).map_err(|e| write_error(&own, e))?;
        self.settle()?;
        crash::point(format_args!("next key in use"));
        self.write_public(key.public())?;
        crash::point(format_args!("public key written"));
        Ok(())
    }

    /// Puts the last key into use again.
    pub fn switch_back(&self) -> Result<(), KeyError> {
        let (own, last) = (self.private_file(), self.last_file());
        let Some(key) = self.load_private(&last)? else {
            return Err(write_error(&last, io::ErrorKind::NotFound.into()));
        };
        // The public file first: of a wrong one beside the key in use, the last key's is made good at the next start.
        self.write_public(key.public())?;
        crash::point(format_args!("last public key written"));
        fs::rename(&last, &own).map_err(|e| write_error(&own, e))?;
        self.settle()
    }

    /// Keeps the key in use: what is beside it goes.
    pub fn conclude(&self) -> Result<(), KeyError> {
        forget(&self.next_file())?;
        forget(&self.last_file())?;
        self.settle()?;
        crash::point(format_args!("rotation concluded"));
        Ok(())
    }

    /// Whether this is the public key of the other side of a rotation.
    pub(super) fn is_of_rotation(&self, key: &PublicKey) -> bool {
        let files = [self.next_file(), self.last_file()];
        let of = |path: &PathBuf| self.load_private(path).ok().flatten();
        files
            .iter()
            .filter_map(of)
            .any(|private| private.public() == key)
    }

    /// Renames are on disk.
    fn settle(&self) -> Result<(), KeyError> {
        for folder in [self.dir().to_owned(), self.dir().join("remaster")] {
            if folder.exists() {
                let synced = fs::File::open(&folder).and_then(|dir| dir.sync_all());
                synced.map_err(|e| write_error(&folder, e))?;
            }
        }
        Ok(())
    }
}

fn forget(path: &std::path::Path) -> Result<(), KeyError> {
    remove_if_there(path).map_err(|e| write_error(path, e))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use salt_wire::map;

    use super::*;
    use crate::config::Settings;

    fn store(dir: &Path) -> Store {
        let opts = map! { "pki_dir" => dir.join("pki").to_str().unwrap(), "keysize" => 2048 };
        Store::of(&Settings::from_overrides(dir, "m1", opts).unwrap())
    }

    fn public(store: &Store) -> PublicKey {
        PublicKey::from_pem(&fs::read_to_string(store.public_file()).unwrap()).unwrap()
    }

    #[test]
    fn a_key_follows_another_and_may_be_called_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let old = store.load_or_make().unwrap();
        assert_eq!(store.rotation().unwrap().state(), "steady");
        assert!(store.switch().is_err(), "nothing is staged");
        assert!(store.switch_back().is_err());

        let next = store.stage().unwrap();
        assert_eq!(store.stage().unwrap().public(), next.public(), "made once");
        assert_ne!(next.public(), old.public());
        assert_eq!(store.rotation().unwrap().state(), "staged");
        let mode = fs::metadata(store.next_file())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o400);
        assert_eq!(store.load().unwrap().unwrap().public(), old.public());

        store.switch().unwrap();
        assert_eq!(store.load().unwrap().unwrap().public(), next.public());
        assert_eq!(public(&store), *next.public());
        let rotation = store.rotation().unwrap();
        assert_eq!(rotation.state(), "switched");
        assert_eq!(rotation.other().unwrap().public(), old.public());

        store.switch_back().unwrap();
        assert_eq!(store.load().unwrap().unwrap().public(), old.public());
        assert_eq!(public(&store), *old.public());
        assert_eq!(store.rotation().unwrap().state(), "steady");

        store.stage().unwrap();
        store.switch().unwrap();
        store.conclude().unwrap();
        assert_eq!(store.rotation().unwrap().state(), "steady");
        assert_eq!(
            fs::read_dir(store.dir().join("remaster")).unwrap().count(),
            0
        );
        store.stage().unwrap();
        store.conclude().unwrap();
        assert_eq!(store.rotation().unwrap().state(), "steady");
    }

    /// Each state of the disk in which the power may fail, and what a start makes of it.
    #[test]
    fn the_power_may_fail_at_any_moment() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let old = store.load_or_make().unwrap();
        let next = store.stage().unwrap();

        // The last key is linked, the next one not in place: staged still, and the switch may be tried again.
        fs::hard_link(store.private_file(), store.last_file()).unwrap();
        assert_eq!(store.load().unwrap().unwrap().public(), old.public());
        assert_eq!(store.rotation().unwrap().state(), "staged");

        // The next key is in place, the public file is the last one's.
        fs::rename(store.next_file(), store.private_file()).unwrap();
        assert_eq!(public(&store), *old.public());
        assert_eq!(store.load().unwrap().unwrap().public(), next.public());
        assert_eq!(public(&store), *next.public(), "made good");
        assert_eq!(store.rotation().unwrap().state(), "switched");

        // On the way back: the public file is the last key's already.
        store.write_public(old.public()).unwrap();
        assert_eq!(store.load().unwrap().unwrap().public(), next.public());
        assert_eq!(public(&store), *next.public());
        fs::rename(store.last_file(), store.private_file()).unwrap();
        store.write_public(old.public()).unwrap();
        assert_eq!(store.load().unwrap().unwrap().public(), old.public());
        assert_eq!(store.rotation().unwrap().state(), "steady");
    }
}
