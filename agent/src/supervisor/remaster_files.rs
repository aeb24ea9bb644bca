//! The files of a move: the drop-in that names the new master, its pinned key, and the way back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::crypto::PublicKey;
use salt_wire::order::Order;

use crate::config::{MasterAddress, Settings};
use crate::host::fs::write_atomic;
use crate::keys::Masters;
use crate::remaster::{Cause, Previous, SavedFile};

const DROP_IN: &str = "90-remaster.conf";
/// Options that the drop-in sets: a later file that sets one too would win over it.
const OURS: [&str; 5] = [
    "master",
    "master_type",
    "master_port",
    "publish_port",
    "master_finger",
];

/// Where the journal and the candidate's key are: beside the keys, since caches are cleared by command.
pub(super) fn folder(pki_dir: &Path) -> PathBuf {
    pki_dir.join("remaster")
}

/// Where the candidate's key is kept until the switch.
pub(super) fn candidate(pki_dir: &Path) -> PathBuf {
    folder(pki_dir).join("candidate.pub")
}

fn drop_in(settings: &Settings) -> PathBuf {
    settings.config_dir.join("minion.d").join(DROP_IN)
}

/// What the switch will change, as it is now.
pub(super) fn previous(settings: &Settings, new: &MasterAddress) -> Result<Previous, Cause> {
    let masters = Masters::of(settings);
    let mut files = Vec::new();
    for path in [
        drop_in(settings),
        masters.common_file(),
        masters.own_file(new),
    ] {
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(unusable(&path, &e)),
        };
        files.push(SavedFile { path, text });
    }
    let addresses = settings.master.addresses.iter();
    let master = addresses
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    Ok(Previous { master, files })
}

/// Whether everything can be written, and nothing would win over it.
pub(super) fn usable(settings: &Settings) -> Result<(), Cause> {
    let include = settings
        .opts
        .get("default_include")
        .and_then(|v| v.as_str());
    if include.is_some_and(|i| i != "minion.d/*.conf") {
        let detail = format!(
            "default_include is {}, so minion.d/{DROP_IN} would not be read",
            include.unwrap_or("")
        );
        return Err(Cause::new("config-not-included", detail));
    }
    let conf = drop_in(settings);
    let parent = conf.parent().unwrap_or(&settings.config_dir);
    fs::create_dir_all(parent).map_err(|e| unusable(parent, &e))?;
    for folder in [parent, &settings.pki_dir] {
        let probe = folder.join(".remaster-probe");
        write_atomic(&probe, b"", 0o600)
            .and_then(|()| fs::remove_file(&probe))
            .map_err(|e| unusable(folder, &e))?;
    }
    let entries = fs::read_dir(parent).map_err(|e| unusable(parent, &e))?;
    for path in entries.filter_map(|e| Some(e.ok()?.path())) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name <= DROP_IN || !name.ends_with(".conf") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| unusable(&path, &e))?;
        let options = salt_yaml::load_plain(&text).unwrap_or_default();
        if let Some(key) = OURS.iter().find(|key| options.get(key).is_some()) {
            let detail = format!("{} sets {key} and is read after {DROP_IN}", path.display());
            return Err(Cause::new("config-overridden", detail));
        }
    }
    Ok(())
}

/// The new master's key is pinned, and the configuration names it.
pub(super) fn switch(settings: &Settings, order: &Order) -> Result<(), Cause> {
    let masters = Masters::of(settings);
    let file = candidate(&settings.pki_dir);
    match fs::read_to_string(&file) {
        Ok(text) => {
            let key = PublicKey::from_pem(&text)
                .map_err(|e| Cause::new("keys-unusable", format!("{}: {e}", file.display())))?;
            masters
                .replace_common(&key)
                .map_err(|e| Cause::new("keys-unusable", e.to_string()))?;
        }
        // Nothing new to pin: the key was stored before, or was tidied away in an earlier try.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(unusable(&file, &e)),
    }
    if let Ok(address) = MasterAddress::parse(&order.master, order.master_port) {
        remove(&masters.own_file(&address))?;
    }
    let path = drop_in(settings);
    write_atomic(&path, text(order).as_bytes(), 0o644).map_err(|e| unusable(&path, &e))
}

/// The drop-in, as salt-minion reads it too.
fn text(order: &Order) -> String {
    format!(
        "# Written by salt-agent for the remaster order {id}. It overrides the master of the files before it;\n\
         # without it the agent goes back to that one at its next start.\n\
         master: '{master}'\nmaster_type: str\nmaster_port: {port}\npublish_port: {publish}\nmaster_finger: '{finger}'\n",
        id = order.id,
        master = order.master,
        port = order.master_port,
        publish = order.publish_port,
        finger = order.finger,
    )
}

/// Everything as it was. The configuration first: it decides who the master is.
pub(super) fn restore(previous: &Previous) -> Result<(), Cause> {
    for file in &previous.files {
        match &file.text {
            Some(text) => write_atomic(&file.path, text.as_bytes(), 0o644)
                .map_err(|e| unusable(&file.path, &e))?,
            None => remove(&file.path)?,
        }
    }
    Ok(())
}

/// No trace of a trial.
pub(super) fn tidy(settings: &Settings) -> Result<(), Cause> {
    remove(&candidate(&settings.pki_dir))
}

fn remove(path: &Path) -> Result<(), Cause> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(unusable(path, &e)),
        _ => Ok(()),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Cause {
    Cause::new("disk", format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn settings(dir: &Path) -> Settings {
        let pki = dir.join("pki");
        fs::create_dir_all(&pki).unwrap();
        let opts = map! {"pki_dir" => pki.to_str().unwrap(), "master" => "old"};
        Settings::from_overrides(dir, "m1", opts).unwrap()
    }

    fn order() -> Order {
        let fields = map! {"master" => "new", "finger" => "ab".repeat(32)};
        Order::from_map(&fields, 0, "o1").unwrap()
    }

    #[test]
    fn there_and_back_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        usable(&settings).unwrap();
        let address = MasterAddress::parse("new", 4506).unwrap();
        let before = previous(&settings, &address).unwrap();
        assert_eq!(before.master, "old:4506");
        for _ in 0..2 {
            switch(&settings, &order()).unwrap();
        }
        let written = fs::read_to_string(drop_in(&settings)).unwrap();
        let options = salt_yaml::load_plain(&written).unwrap();
        for key in OURS {
            assert!(options.get(key).is_some(), "{key}");
        }
        for _ in 0..2 {
            restore(&before).unwrap();
            tidy(&settings).unwrap();
        }
        assert!(!drop_in(&settings).exists());
    }

    #[test]
    fn a_file_that_would_win_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        let folder = dir.path().join("minion.d");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("95-x.conf"), "master: other\n").unwrap();
        fs::write(folder.join("10-x.conf"), "master: other\n").unwrap();
        let cause = usable(&settings).unwrap_err();
        assert_eq!(cause.code, "config-overridden");
        assert!(cause.detail.contains("95-x.conf"), "{cause}");
    }
}
