//! The files of a move: the drop-in that names the new masters, their pinned keys, and the way back.
//!
//! Each write is atomic, and each function may run again after any of them: what is there already is left.
//! A file that holds neither what was there before nor what we write is somebody else's: it is named, and
//! neither obeyed nor overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::crypto::PublicKey;
use salt_wire::order::Order;

use crate::config::{MasterAddress, Settings};
use crate::host::{digest, fs as host_fs};
use crate::keys::Masters;
use crate::remaster::{Cause, Journey, Previous, SavedFile};

const DROP_IN: &str = "90-remaster.conf";
/// Options that the drop-in sets: a later file that sets one too would win over it.
const OURS: [&str; 5] = [
    "master",
    "master_type",
    "master_port",
    "publish_port",
    "master_finger",
];

/// What changes the disk; a test lets the power fail between two writes.
pub(super) trait Disk {
    /// Replaces a file as a whole.
    fn write(&self, path: &Path, text: &str) -> io::Result<()>;
    /// Removes a file, if it is there.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The real one.
pub(super) struct Real;

impl Disk for Real {
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        host_fs::write_atomic(path, text.as_bytes(), 0o644)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        host_fs::remove_if_there(path)
    }
}

/// Where the journal and the candidates' keys are: beside the keys, since caches are cleared by command.
pub(super) fn folder(pki_dir: &Path) -> PathBuf {
    pki_dir.join("remaster")
}

/// Where a candidate's key is kept until the switch.
pub(super) fn candidate(pki_dir: &Path, address: &MasterAddress) -> PathBuf {
    key_file(pki_dir, "candidate", address)
}

/// Where the key of a master that is left is kept while it gets its last returns.
pub(super) fn parting(pki_dir: &Path, address: &MasterAddress) -> PathBuf {
    key_file(pki_dir, "candidate-parting", address)
}

fn key_file(pki_dir: &Path, role: &str, address: &MasterAddress) -> PathBuf {
    let host = address.host.replace(':', "-");
    folder(pki_dir).join(format!("{role}-{host}_{}.pub", address.port))
}

fn drop_in(settings: &Settings) -> PathBuf {
    settings.config_dir.join("minion.d").join(DROP_IN)
}

/// The addresses of an order, each with its fingerprint.
pub(super) fn addresses(order: &Order) -> Result<Vec<(MasterAddress, String)>, Cause> {
    let address = |(host, port, finger): (&str, u16, &str)| {
        let parsed = MasterAddress::parse(host, port);
        let parsed = parsed.map_err(|e| Cause::new("bad-order", e))?;
        Ok((MasterAddress { port, ..parsed }, finger.to_owned()))
    };
    order.masters().map(address).collect()
}

/// What the switch will change, as it is now, and what else there is.
pub(super) fn previous(settings: &Settings, order: &Order) -> Result<Previous, Cause> {
    let masters = Masters::of(settings);
    let mut paths = vec![drop_in(settings), masters.common_file()];
    for (address, _) in addresses(order)? {
        paths.push(masters.own_file(&address));
    }
    let mut files = Vec::new();
    for path in paths {
        let text = read(&path)?;
        files.push(SavedFile { path, text });
    }
    let addresses = settings.master.addresses.iter();
    let master = addresses
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    Ok(Previous {
        master,
        publish_port: settings.master.publish_port,
        files,
        others: others(settings),
    })
}

/// Every configuration file but ours, with its digest. Files that Salt itself writes begin with `_`.
pub(super) fn others(settings: &Settings) -> BTreeMap<PathBuf, String> {
    let dir = settings.config_dir.join("minion.d");
    let mut paths = vec![settings.config_dir.join("minion")];
    for path in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = path.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.ends_with(".conf") && name != DROP_IN && !name.starts_with(['_', '.']) {
            paths.push(path);
        }
    }
    let digest = |path: PathBuf| {
        let digest = digest::file(&path, "sha256").ok()?;
        Some((path, digest))
    };
    paths.into_iter().filter_map(digest).collect()
}

/// The configuration files that are not what they were when the order came.
pub(super) fn edited(settings: &Settings, before: &BTreeMap<PathBuf, String>) -> Vec<PathBuf> {
    let now = others(settings);
    let mut paths: Vec<PathBuf> = now
        .iter()
        .filter(|(path, digest)| before.get(*path) != Some(digest))
        .map(|(path, _)| path.clone())
        .collect();
    paths.extend(before.keys().filter(|p| !now.contains_key(*p)).cloned());
    paths
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
        host_fs::write_atomic(&probe, b"", 0o600)
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

/// The new masters' keys are pinned, and the configuration names them.
pub(super) fn switch(settings: &Settings, journey: &Journey, disk: &dyn Disk) -> Result<(), Cause> {
    let foreign = foreign(settings, journey)?;
    if !foreign.is_empty() {
        return Err(changed(&foreign));
    }
    let masters = Masters::of(settings);
    let list = addresses(&journey.order)?;
    let common = masters.common_file();
    // The further ones first: the key of one may still be the common one.
    for (at, (address, finger)) in list.iter().enumerate().rev() {
        let key = key(settings, &masters, address, finger)?;
        let own = masters.own_file(address);
        let file = if at == 0 { &common } else { &own };
        put(disk, file, key.wire_pem())?;
        if at == 0 {
            disk.remove(&own).map_err(|e| unusable(&own, &e))?;
        }
    }
    put(disk, &drop_in(settings), &text(&journey.order))
}

/// The key with this fingerprint: of the trial, or the one that was believed before.
fn key(
    settings: &Settings,
    masters: &Masters,
    address: &MasterAddress,
    finger: &str,
) -> Result<PublicKey, Cause> {
    let unusable = |e: String| Cause::new("keys-unusable", e);
    let file = candidate(&settings.pki_dir, address);
    let found = match read(&file)? {
        Some(text) => {
            let key = PublicKey::from_pem(&text);
            Some(key.map_err(|e| unusable(format!("{}: {e}", file.display())))?)
        }
        // It was ours already, or was tidied away in an earlier try.
        None => masters
            .stored(address)
            .map_err(|e| unusable(e.to_string()))?,
    };
    let finger = finger
        .parse()
        .map_err(|_| Cause::new("bad-order", "the fingerprint cannot be read"))?;
    found.filter(|key| key.matches(&finger)).ok_or_else(|| {
        unusable(format!(
            "no key with the fingerprint {finger} was proven for {address}"
        ))
    })
}

fn put(disk: &dyn Disk, path: &Path, text: &str) -> Result<(), Cause> {
    if read(path)?.as_deref() == Some(text) {
        return Ok(());
    }
    disk.write(path, text).map_err(|e| unusable(path, &e))
}

/// The drop-in, as salt-minion reads it too.
fn text(order: &Order) -> String {
    let mut masters = format!("'{}'", order.master);
    if !order.others.is_empty() {
        let name = |(host, port, _): (&str, u16, &str)| {
            if port == order.master_port {
                format!("\n- '{host}'")
            } else {
                format!("\n- '{host}:{port}'")
            }
        };
        masters = order.masters().map(name).collect();
    }
    // One fingerprint is of all masters: where they differ, the stored keys speak.
    let same = order.masters().all(|(_, _, finger)| finger == order.finger);
    format!(
        "# Written by salt-agent for the remaster order {id}. It overrides the master of the files before it;\n\
         # without it the agent goes back to that one at its next start.\n\
         master: {masters}\nmaster_type: {kind}\nmaster_port: {port}\npublish_port: {publish}\nmaster_finger: '{finger}'\n",
        id = order.id,
        kind = if order.failover { "failover" } else { "str" },
        port = order.master_port,
        publish = order.publish_port,
        finger = if same { order.finger.as_str() } else { "" },
    )
}

/// Everything as it was. The configuration first: it decides who the master is. Gives the files that somebody
/// else has changed, which stay as they are.
pub(super) fn restore(
    settings: &Settings,
    journey: &Journey,
    disk: &dyn Disk,
) -> Result<Vec<PathBuf>, Cause> {
    let foreign = foreign(settings, journey)?;
    for file in &journey.previous.files {
        if foreign.contains(&file.path) {
            continue;
        }
        match &file.text {
            Some(text) => put(disk, &file.path, text)?,
            None => disk
                .remove(&file.path)
                .map_err(|e| unusable(&file.path, &e))?,
        }
    }
    Ok(foreign)
}

/// Our files that hold neither what was there before nor what the order puts there.
pub(super) fn foreign(settings: &Settings, journey: &Journey) -> Result<Vec<PathBuf>, Cause> {
    let order = &journey.order;
    let drop_in = drop_in(settings);
    let mut foreign = Vec::new();
    for file in &journey.previous.files {
        let now = read(&file.path)?;
        let ordered = if file.path == drop_in {
            now.as_ref() == Some(&text(order))
        } else {
            now.as_ref().is_none_or(|text| {
                let key = PublicKey::from_pem(text);
                key.is_ok_and(|key| {
                    let finger = |f: &str| f.parse().is_ok_and(|f| key.matches(&f));
                    order.masters().any(|(_, _, f)| finger(f))
                })
            })
        };
        if !ordered && now != file.text {
            foreign.push(file.path.clone());
        }
    }
    Ok(foreign)
}

/// Somebody else has written there.
pub(super) fn changed(paths: &[PathBuf]) -> Cause {
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    let detail = format!(
        "{} was changed by somebody else during the move; it was neither obeyed nor overwritten",
        names.join(", ")
    );
    Cause::new(Cause::FOREIGN, detail)
}

/// No trace of a trial.
pub(super) fn tidy(settings: &Settings) -> Result<(), Cause> {
    let folder = folder(&settings.pki_dir);
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| unusable(&folder, &e))?,
    };
    for path in entries.filter_map(|e| Some(e.ok()?.path())) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.starts_with("candidate") {
            Real.remove(&path).map_err(|e| unusable(&path, &e))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<String>, Cause> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unusable(path, &e)),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Cause {
    Cause::new("disk", format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use salt_wire::crypto::{HashType, OsRandom, PrivateKey};
    use salt_wire::map;

    use super::*;

    fn settings(dir: &Path) -> Settings {
        let pki = dir.join("pki");
        fs::create_dir_all(&pki).unwrap();
        let opts = map! {"pki_dir" => pki.to_str().unwrap(), "master" => vec!["old"]};
        Settings::from_overrides(dir, "m1", opts).unwrap()
    }

    fn key() -> PublicKey {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        key.public().clone()
    }

    fn journey(settings: &Settings, fields: salt_wire::Map) -> Journey {
        let order = Order::from_map(&fields, 0, "o1").unwrap();
        Journey {
            previous: previous(settings, &order).unwrap(),
            order,
            marks: Vec::new(),
            restarts: 0,
            trouble: None,
            rounds: 0,
        }
    }

    /// An old master with a stored key, and an order to a new one that has proven its own.
    fn ready(dir: &Path) -> (Settings, Journey, PublicKey, PublicKey) {
        let settings = settings(dir);
        let (old, new) = (key(), key());
        let common = Masters::of(&settings).common_file();
        fs::write(&common, old.wire_pem()).unwrap();
        let finger = new.fingerprint(HashType::default()).to_string();
        let journey = journey(&settings, map! {"master" => "new", "finger" => finger});
        let address = MasterAddress::parse("new", 4506).unwrap();
        Real.write(&candidate(&settings.pki_dir, &address), new.wire_pem())
            .unwrap();
        (settings, journey, old, new)
    }

    /// What configuration and pins say: both of the same master, or the test fails.
    fn master(settings: &Settings, old: &PublicKey, new: &PublicKey) -> &'static str {
        let pinned = fs::read_to_string(Masters::of(settings).common_file()).unwrap();
        let named = drop_in(settings).exists();
        match (pinned == new.wire_pem(), pinned == old.wire_pem(), named) {
            (true, false, true) => "new",
            (false, true, false) => "old",
            other => panic!("configuration and pins do not agree: {other:?}"),
        }
    }

    /// The power fails at the write with this number.
    struct Failing(Cell<usize>);

    impl Failing {
        fn step(&self) -> io::Result<()> {
            let left = self.0.get();
            self.0.set(left.saturating_sub(1));
            if left == 0 {
                return Err(io::Error::other("the power failed"));
            }
            Ok(())
        }
    }

    impl Disk for Failing {
        fn write(&self, path: &Path, text: &str) -> io::Result<()> {
            self.step()?;
            Real.write(path, text)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step()?;
            Real.remove(path)
        }
    }

    #[test]
    fn there_and_back_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let (settings, journey, old, new) = ready(dir.path());
        usable(&settings).unwrap();
        assert_eq!(journey.previous.master, "old:4506");
        for _ in 0..2 {
            switch(&settings, &journey, &Real).unwrap();
        }
        assert_eq!(master(&settings, &old, &new), "new");
        let written = fs::read_to_string(drop_in(&settings)).unwrap();
        let options = salt_yaml::load_plain(&written).unwrap();
        for key in OURS {
            assert!(options.get(key).is_some(), "{key}");
        }
        for _ in 0..2 {
            assert!(restore(&settings, &journey, &Real).unwrap().is_empty());
            tidy(&settings).unwrap();
        }
        assert_eq!(master(&settings, &old, &new), "old");
        assert_eq!(fs::read_dir(folder(&settings.pki_dir)).unwrap().count(), 0);
    }

    #[test]
    fn the_power_may_fail_between_any_two_writes() {
        let mut cuts = 0;
        for ahead in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let (settings, journey, old, new) = ready(dir.path());
            let cut = switch(&settings, &journey, &Failing(Cell::new(ahead)));
            // Forward: the machine was committing.
            switch(&settings, &journey, &Real).unwrap();
            assert_eq!(master(&settings, &old, &new), "new", "after {ahead}");
            for back in 0.. {
                let cut = restore(&settings, &journey, &Failing(Cell::new(back)));
                restore(&settings, &journey, &Real).unwrap();
                assert_eq!(master(&settings, &old, &new), "old", "after {back}");
                cuts += 1;
                if cut.is_ok() {
                    break;
                }
                switch(&settings, &journey, &Real).unwrap();
            }
            // And back from the half of it: somebody else wrote a file, so the machine returns.
            let half = switch(&settings, &journey, &Failing(Cell::new(ahead)));
            assert_eq!(half.is_ok(), cut.is_ok());
            restore(&settings, &journey, &Real).unwrap();
            assert_eq!(master(&settings, &old, &new), "old", "half of {ahead}");
            if cut.is_ok() {
                break;
            }
        }
        assert!(cuts >= 9, "only {cuts} cuts were tried");
    }

    #[test]
    fn what_somebody_else_wrote_is_named_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (settings, journey, _, _) = ready(dir.path());
        let conf = drop_in(&settings);
        Real.write(&conf, "master: third\n").unwrap();
        let cause = switch(&settings, &journey, &Real).unwrap_err();
        assert!(
            cause.is_foreign() && cause.detail.contains("90-remaster.conf"),
            "{cause}"
        );
        let left = restore(&settings, &journey, &Real).unwrap();
        assert_eq!(left, std::slice::from_ref(&conf));
        assert_eq!(fs::read_to_string(&conf).unwrap(), "master: third\n");
        // And a pin.
        let common = Masters::of(&settings).common_file();
        fs::write(&common, key().wire_pem()).unwrap();
        assert_eq!(foreign(&settings, &journey).unwrap(), [conf, common]);
        // And a file that is not ours to write.
        assert!(edited(&settings, &journey.previous.others).is_empty());
        fs::write(dir.path().join("minion"), "master: third\n").unwrap();
        assert_eq!(
            edited(&settings, &journey.previous.others),
            [dir.path().join("minion")]
        );
    }

    #[test]
    fn a_list_keeps_each_masters_own_key() {
        let dir = tempfile::tempdir().unwrap();
        let (settings, single, old, new) = ready(dir.path());
        let finger = |key: &PublicKey| key.fingerprint(HashType::default()).to_string();
        let other = map! {"master" => "old", "finger" => finger(&old)};
        let mut fields = single.order.to_map();
        fields.insert("others".into(), vec![salt_wire::Value::Map(other)].into());
        fields.insert("failover".into(), true.into());
        let journey = journey(&settings, fields);
        for cut in 0.. {
            let done = switch(&settings, &journey, &Failing(Cell::new(cut)));
            switch(&settings, &journey, &Real).unwrap();
            let masters = Masters::of(&settings);
            let stored = |host| {
                let address = MasterAddress::parse(host, 4506).unwrap();
                masters.stored(&address).unwrap().unwrap()
            };
            assert_eq!((stored("new"), stored("old")), (new.clone(), old.clone()));
            let conf = fs::read_to_string(drop_in(&settings)).unwrap();
            assert!(
                conf.contains("master: \n- 'new'\n- 'old'\nmaster_type: failover"),
                "{conf}"
            );
            assert!(conf.contains("master_finger: ''"), "{conf}");
            restore(&settings, &journey, &Real).unwrap();
            assert_eq!(master(&settings, &old, &new), "old");
            if done.is_ok() {
                break;
            }
        }
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
