//! Keys as files: a master's own, and its minions': how they are put into a master's folder, and how they are read where no master
//! answers any more.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use salt_wire::crypto::{Fingerprint, HashType, PublicKey};
use salt_wire::ids::MinionId;

use super::keys::{Key, KeyState};
use crate::error::{Error, Kind, Result};

/// Writes a public key as the master keeps it: outside first, then in by one rename.
pub(super) fn write(pki_dir: &Path, key: &Key) -> io::Result<()> {
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
    // An id from a master is still a foreign word that becomes a file name here.
    let id: MinionId = key.id.parse().map_err(|_| invalid("no valid minion id"))?;
    let public = key.key.as_ref().ok_or_else(|| invalid("no readable key"))?;
    let folder = pki_dir.join("minions");
    let owner = fs::metadata(&folder)?;
    let temporary = pki_dir.join(format!(".{}.{}.tmp", id.as_str(), std::process::id()));
    let written = fs::write(&temporary, public.wire_pem())
        .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o644)))
        .and_then(|()| {
            let ours = fs::metadata(&temporary)?;
            if (ours.uid(), ours.gid()) == (owner.uid(), owner.gid()) {
                return Ok(());
            }
            chown(&temporary, Some(owner.uid()), Some(owner.gid()))
        })
        .and_then(|()| fs::File::open(&temporary)?.sync_all())
        .and_then(|()| fs::rename(&temporary, folder.join(id.as_str())));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

/// The accepted keys in a key directory, by id: what a dead master leaves behind.
pub fn by_id(pki_dir: &Path) -> Result<BTreeMap<String, Key>> {
    let keys = accepted(pki_dir).map_err(|e| {
        let text = format!("cannot read the keys in {}", pki_dir.display());
        Error::new(Kind::Permission, text).because(&e)
    })?;
    Ok(keys.into_iter().map(|k| (k.id.clone(), k)).collect())
}

/// The same, in the order of their ids.
pub fn accepted(pki_dir: &Path) -> io::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(pki_dir.join(KeyState::Accepted.folder()))? {
        let entry = entry?;
        let Ok(id) = entry.file_name().into_string() else {
            continue;
        };
        if id.parse::<MinionId>().is_err() || id.starts_with('.') || !entry.file_type()?.is_file() {
            continue;
        }
        let pem = fs::read_to_string(entry.path())?;
        keys.push(Key {
            id,
            state: KeyState::Accepted,
            key: PublicKey::from_pem(&pem).ok(),
        });
    }
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(keys)
}

/// The key that a master shows to minions.
pub fn of_master(pki_dir: &Path) -> Result<PublicKey> {
    let path = ["master.pub", "cluster.pub"]
        .iter()
        .map(|name| pki_dir.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| pki_dir.join("master.pub"));
    let failed = || {
        Error::new(
            Kind::Local,
            format!("cannot read the master's key {}", path.display()),
        )
        .hint("it is made when the master starts for the first time")
    };
    let pem = fs::read_to_string(&path).map_err(|e| failed().because(&e))?;
    PublicKey::from_pem(&pem).map_err(|e| failed().because(&e))
}

/// Its fingerprint.
pub fn finger_of_master(pki_dir: &Path) -> Result<Fingerprint> {
    Ok(of_master(pki_dir)?.fingerprint(HashType::Sha256))
}
