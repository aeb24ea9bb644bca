//! The key belongs to one instance: `instance.json` beside it says which, and a machine that finds itself to be
//! another one puts its parent's key away before the first packet.
//!
//! The table, first line that fits ([`judge`]):
//!
//! | instance id (cloud) | firmware's uuid | machine-id | this is | such as |
//! |---|---|---|---|---|
//! | (nothing recorded) | | | new here | first start; a salt-minion's key that was adopted |
//! | same uuid | any | any | the same | restart, resize, migration, evacuation, rebuild: Nova keeps the uuid |
//! | same, but a hand-made text | differs | any | a clone | two VMs with one NoCloud seed |
//! | same, but a hand-made text | same | any | the same | |
//! | same, but a hand-made text | unknown | decides | | containers with one NoCloud seed |
//! | differs | shows the recorded instance id | any | the same | somebody else answers as metadata service |
//! | differs | any | any | a clone | a VM from a snapshot of another one |
//! | unknown | same | any | the same | the metadata service is away; a disk put back from a backup |
//! | unknown | differs | any | a clone | a disk copied on a hypervisor without cloud |
//! | unknown | unknown | same | the same | |
//! | unknown | unknown | differs | a clone | a container from another one's files |
//! | unknown | unknown | unknown | the same | nothing speaks against it |
//!
//! A snapshot that is restored, or rebuilt, on the instance that it was made of is that instance: same key.
//! Where ids change without a new machine, the operator says so: `agent: {identity: {instance: NAME}}` binds to a
//! name instead, `agent: {identity: {guard: false}}` to nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::crypto::{HashType, PublicKey};
use serde::{Deserialize, Serialize};

use super::instance::{Evidence, Machine, is_uuid, same_uuid};
use crate::config::Settings;
use crate::host::clock;
use crate::host::fs::{make_dirs, write_atomic};

/// What moves away with a parent's key: below the key directory, and below the cache directory.
const OF_THE_KEY: &[&str] = &["minion.pem", "minion.pub", "remaster/journal.json"];
const OF_THE_CACHE: &[&str] = &[
    "spool",
    "proc",
    "job_queue",
    "state_queue",
    "minion_jobs",
    "grains.cache.p",
    "datastore",
];

/// Whose key this is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Binding {
    /// The machine.
    pub machine: Evidence,
    /// Since when, RFC 3339.
    pub since: String,
    /// The machine that this one's disk was copied from.
    pub cloned_from: Option<Parent>,
    /// A master was told about that.
    pub told: bool,
}

/// A machine before this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parent {
    /// What names it best: its instance id, uuid or machine-id.
    pub instance: String,
    /// The fingerprint of its key, if it had one.
    pub fingerprint: Option<String>,
    /// Where that key is now.
    pub quarantine: PathBuf,
}

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The machine that the key was made on.
    Same,
    /// Another one.
    Clone,
}

/// Compares what was recorded with what is.
pub fn judge(before: &Evidence, now: &Evidence) -> Verdict {
    let of = |same: bool| if same { Verdict::Same } else { Verdict::Clone };
    let both = |a: &Option<String>, b: &Option<String>| a.clone().zip(b.clone());
    let system = both(&before.machine_id, &now.machine_id).is_none_or(|(a, b)| a == b);
    let firmware = both(&before.uuid, &now.uuid).map(|(a, b)| same_uuid(&a, &b));
    if let Some((was, is)) = both(&before.instance, &now.instance) {
        if was.eq_ignore_ascii_case(&is) {
            return of(is_uuid(&is) || firmware.unwrap_or(system));
        }
        // Nova gives both the same uuid; the network cannot forge the firmware's.
        let shown = now.uuid.as_ref().is_some_and(|uuid| same_uuid(uuid, &was));
        return of(shown);
    }
    if let Some(same) = firmware {
        return of(same);
    }
    // One side may know by the firmware what the other knows by the cloud.
    for (a, b) in [(&before.instance, &now.uuid), (&before.uuid, &now.instance)] {
        if both(a, b).is_some_and(|(a, b)| same_uuid(&a, &b)) {
            return Verdict::Same;
        }
    }
    of(system)
}

impl Binding {
    fn file(pki_dir: &Path) -> PathBuf {
        pki_dir.join("instance.json")
    }

    /// The record in a key directory.
    pub fn read(pki_dir: &Path) -> Option<Self> {
        let text = fs::read(Self::file(pki_dir)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(dir = %pki_dir.display(), %error, "instance.json cannot be read."))
            .ok()
    }

    fn write(&self, pki_dir: &Path) -> io::Result<()> {
        if !pki_dir.is_dir() {
            if let Some(above) = pki_dir.parent() {
                fs::create_dir_all(above)?;
            }
            make_dirs(pki_dir, 0o700)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        write_atomic(&Self::file(pki_dir), format!("{text}\n").as_bytes(), 0o600)
    }

    /// The parent, in a word.
    pub fn parent(&self) -> Option<String> {
        self.cloned_from
            .as_ref()
            .map(|parent| parent.instance.clone())
    }

    /// A master was told.
    pub fn told(pki_dir: &Path) -> io::Result<()> {
        match Self::read(pki_dir) {
            Some(mut binding) if !binding.told => {
                binding.told = true;
                binding.write(pki_dir)
            }
            _ => Ok(()),
        }
    }
}

/// Makes sure that the key in the settings' directory is this machine's: before any packet goes out. Gives the
/// parent when this is a clone that has just found out.
pub fn guard(settings: &Settings) -> io::Result<Option<Parent>> {
    if !settings.agent.identity_guard {
        return Ok(None);
    }
    guard_as(settings, &Machine::of(settings).evidence())
}

/// The machine whose key this one must not use, without doing anything about it.
pub fn parent_of(settings: &Settings) -> Option<String> {
    let before = Binding::read(&settings.pki_dir).filter(|_| settings.agent.identity_guard)?;
    let now = Machine::of(settings).evidence();
    (judge(&before.machine, &now) == Verdict::Clone).then(|| name(&before.machine))
}

/// What names a machine best.
fn name(machine: &Evidence) -> String {
    let best = [&machine.instance, &machine.uuid, &machine.machine_id];
    let name = best.into_iter().flatten().next();
    name.cloned().unwrap_or_else(|| "unknown".to_owned())
}

/// [`guard`] for a machine of which this is known.
pub fn guard_as(settings: &Settings, now: &Evidence) -> io::Result<Option<Parent>> {
    let dir = &settings.pki_dir;
    let Some(before) = Binding::read(dir) else {
        let binding = Binding {
            machine: now.clone(),
            since: jiff::Timestamp::now().to_string(),
            ..Binding::default()
        };
        remember(&binding, dir);
        return Ok(None);
    };
    if judge(&before.machine, now) == Verdict::Same {
        let known = merged(&before.machine, now);
        if known != before.machine {
            remember(
                &Binding {
                    machine: known,
                    ..before
                },
                dir,
            );
        }
        return Ok(None);
    }
    let parent = quarantine(settings, &before.machine)?;
    // Last: whatever ends us before, the next start finds a clone again and goes on.
    let binding = Binding {
        machine: now.clone(),
        since: jiff::Timestamp::now().to_string(),
        cloned_from: Some(parent.clone()),
        told: false,
    };
    binding.write(dir)?;
    Ok(Some(parent))
}

/// A full disk keeps nobody from starting.
fn remember(binding: &Binding, dir: &Path) {
    if let Err(error) = binding.write(dir) {
        tracing::warn!(dir = %dir.display(), %error, "Whose key this is could not be recorded (instance.json).");
    }
}

/// What is known now, and what was known and cannot be seen at the moment.
fn merged(before: &Evidence, now: &Evidence) -> Evidence {
    // An id that only the network contradicts stays as it was.
    let same = now.instance.as_deref().map(str::to_ascii_lowercase)
        == before.instance.as_deref().map(str::to_ascii_lowercase);
    let keep = before.instance.is_some() && !same;
    let (instance, source) = if keep {
        (before.instance.clone(), before.source.clone())
    } else {
        (now.instance.clone(), now.source.clone())
    };
    Evidence {
        instance,
        source,
        uuid: now.uuid.clone().or_else(|| before.uuid.clone()),
        machine_id: now.machine_id.clone().or_else(|| before.machine_id.clone()),
    }
}

/// Puts everything away that speaks for the parent. Nothing is destroyed: a verdict may be wrong.
fn quarantine(settings: &Settings, before: &Evidence) -> io::Result<Parent> {
    let stamp = clock::file_stamp();
    let folder = settings.pki_dir.join("quarantine").join(&stamp);
    make_dirs(&folder, 0o700)?;
    let public = fs::read_to_string(settings.pki_dir.join("minion.pub")).ok();
    let key = public.and_then(|pem| PublicKey::from_pem(&pem).ok());
    for name in OF_THE_KEY {
        put_away(&settings.pki_dir.join(name), &folder)?;
    }
    put_away(&super::cache_file(&settings.opts), &folder)?;
    let kept = settings.cachedir.join("quarantine").join(&stamp);
    for name in OF_THE_CACHE {
        let path = settings.cachedir.join(name);
        if path.exists() {
            make_dirs(&kept, 0o700)?;
            put_away(&path, &kept)?;
        }
    }
    for dir in [&settings.pki_dir, &folder] {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(Parent {
        instance: name(before),
        fingerprint: key.map(|key| key.fingerprint(HashType::Sha256).to_string()),
        quarantine: folder,
    })
}

/// Makes room for another pair: the one that is there is kept aside.
pub fn put_key_away(pki_dir: &Path) -> io::Result<()> {
    let folder = pki_dir.join("quarantine").join(clock::file_stamp());
    make_dirs(&folder, 0o700)?;
    for name in ["minion.pem", "minion.pub"] {
        put_away(&pki_dir.join(name), &folder)?;
    }
    fs::File::open(pki_dir)?.sync_all()
}

fn put_away(path: &Path, folder: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Ok(());
    };
    match fs::rename(path, folder.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Another file system; or an overlay, which cannot rename a directory of its image.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            carry(path, &folder.join(name), 16)
        }
        other => other,
    }
}

/// Moves by copying, each file as soon as its copy is there: a second run goes on where a first one ended.
fn carry(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if !kind.is_dir() {
        if kind.is_file() {
            fs::copy(from, to)?;
        }
        // A socket or a link is nothing to keep.
        return fs::remove_file(from);
    }
    if depth == 0 {
        return Err(io::Error::other(format!("{} is too deep", from.display())));
    }
    make_dirs(to, 0o700)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        carry(&entry.path(), &to.join(entry.file_name()), depth - 1)?;
    }
    fs::remove_dir(from)
}

#[cfg(test)]
mod tests;
