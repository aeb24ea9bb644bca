//! Handing minions' public keys over to the new master, before they come: no race, and an impostor under
//! the same id is denied.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use salt_wire::ids::MinionId;

use crate::error::{Error, Kind, Result};
use crate::plan::moves::KeyWork;
use crate::salt::Local;
use crate::salt::keys::{Action, Key, KeyState, act, all};

/// Does the key work of these minions and looks whether the new master has them.
pub async fn hand_over(new: &mut Local, work: &[(&Key, KeyWork)]) -> Result<()> {
    let folder = new.config().pki_dir.clone();
    for (key, _) in work.iter().filter(|(_, work)| *work == KeyWork::Copy) {
        write(&folder, key).map_err(|e| {
            let text = format!(
                "cannot write the key of {} into {}",
                key.id,
                folder.join("minions").display()
            );
            Error::new(Kind::Permission, text).because(&e)
        })?;
    }
    let pending: Vec<&str> = work
        .iter()
        .filter(|(_, work)| *work == KeyWork::Accept)
        .map(|(key, _)| key.id.as_str())
        .collect();
    let there = all(new).await?;
    let accept: Vec<&Key> = there
        .iter()
        .filter(|k| k.state == KeyState::Pending && pending.contains(&k.id.as_str()))
        .collect();
    if !accept.is_empty() {
        act(new, Action::Accept, &accept).await?;
    }
    let there = all(new).await?;
    for (key, work) in work.iter().filter(|(_, work)| *work != KeyWork::ByHand) {
        let same = there.iter().any(|k| {
            k.id == key.id && k.state == KeyState::Accepted && k.fingerprint() == key.fingerprint()
        });
        if !same {
            let text = format!(
                "the new master does not show the key of {} ({})",
                key.id,
                work.name()
            );
            return Err(Error::new(Kind::Failed, text)
                .hint("accept it there by hand: `master-bridge -c DIR keys accept`"));
        }
    }
    Ok(())
}

/// Writes a public key as the master keeps it: outside first, then in by one rename.
fn write(pki_dir: &Path, key: &Key) -> io::Result<()> {
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
