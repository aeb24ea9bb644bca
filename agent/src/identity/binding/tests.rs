use std::os::unix::fs::PermissionsExt;

use salt_wire::crypto::{OsRandom, PrivateKey};
use salt_wire::{Map, map};

use super::*;

const A: &str = "8b1f1a3e-4f00-4000-8000-00000000000a";
/// The same, as older firmware writes it.
const A_SWAPPED: &str = "3E1A1F8B-004F-0040-8000-00000000000A";
const B: &str = "8b1f1a3e-4f00-4000-8000-00000000000b";
const M: &str = "0123456789abcdef0123456789abcdef";
const N: &str = "f123456789abcdef0123456789abcdef";

fn evidence(instance: &str, uuid: &str, machine_id: &str) -> Evidence {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Evidence {
        instance: some(instance),
        source: some(instance).map(|_| "test".to_owned()),
        uuid: some(uuid),
        machine_id: some(machine_id),
    }
}

/// The table of the module's documentation, line by line, with the cases that operators know.
#[test]
fn the_table() {
    use Verdict::{Clone, Same};
    let cases = [
        ("restarted", (A, A, M), (A, A, M), Same),
        ("resized, migrated, evacuated", (A, A, M), (A, A, M), Same),
        ("rebuilt: the disk is new", (A, A, M), (A, A, N), Same),
        (
            "rebuilt from a snapshot of itself",
            (A, A, M),
            (A, A, M),
            Same,
        ),
        (
            "restored from a backup, in place",
            (A, A, M),
            (A, A, M),
            Same,
        ),
        ("the metadata service is away", (A, A, M), ("", A, M), Same),
        (
            "firmware writes its uuid the other way round",
            (A, A, M),
            ("", A_SWAPPED, M),
            Same,
        ),
        ("bare metal with another board", (A, B, M), (A, A, M), Same),
        (
            "a VM from a snapshot of another one",
            (A, A, M),
            (B, B, M),
            Clone,
        ),
        (
            "the same, metadata service away",
            (A, A, M),
            ("", B, M),
            Clone,
        ),
        (
            "the same, generalized but for the key",
            (A, A, M),
            (B, B, N),
            Clone,
        ),
        (
            "somebody else answers as metadata service",
            (A, A, M),
            (B, A, M),
            Same,
        ),
        (
            "bound before the cloud was known",
            ("", A, M),
            (A, "", M),
            Same,
        ),
        (
            "known by the cloud, now only by firmware",
            (A, "", M),
            ("", A, M),
            Same,
        ),
        (
            "a disk copied on a plain hypervisor",
            ("", A, M),
            ("", B, M),
            Clone,
        ),
        (
            "two VMs with one NoCloud seed",
            ("iid-1", A, M),
            ("iid-1", B, M),
            Clone,
        ),
        (
            "a container with a NoCloud seed",
            ("iid-1", "", M),
            ("iid-1", "", M),
            Same,
        ),
        (
            "two containers with one NoCloud seed",
            ("iid-1", "", M),
            ("iid-1", "", N),
            Clone,
        ),
        (
            "another NoCloud seed",
            ("iid-1", "", M),
            ("iid-2", "", M),
            Clone,
        ),
        (
            "another NoCloud seed on the same VM",
            ("iid-1", A, M),
            ("iid-2", A, M),
            Clone,
        ),
        (
            "a container from another one's files",
            ("", "", M),
            ("", "", N),
            Clone,
        ),
        ("a container, restarted", ("", "", M), ("", "", M), Same),
        ("nothing is known", ("", "", ""), ("", "", ""), Same),
        ("nothing was known", ("", "", ""), (A, A, M), Same),
        ("nothing is known any more", (A, A, M), ("", "", ""), Same),
    ];
    for (name, before, now, want) in cases {
        let before = evidence(before.0, before.1, before.2);
        let now = evidence(now.0, now.1, now.2);
        assert_eq!(judge(&before, &now), want, "{name}");
    }
}

struct Disk {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Disk {
    fn new(agent: Map) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let opts = map! {
            "root_dir" => path(""), "pki_dir" => path("pki"), "cachedir" => path("cache"), "agent" => agent,
        };
        let settings = Settings::from_overrides(dir.path(), "m1", opts).unwrap();
        Self { dir, settings }
    }

    fn put(&self, path: &str, text: &str) {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn has(&self, path: &str) -> bool {
        self.dir.path().join(path).exists()
    }

    fn in_use(&self) -> PrivateKey {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        self.put("pki/minion.pem", &key.to_pem().unwrap());
        self.put("pki/minion.pub", &key.public().file_pem());
        self.put("pki/minion_master.pub", "trusted");
        self.put("pki/remaster/journal.json", "{}");
        self.put("pki/remaster/sequence.json", "{}");
        self.put("cache/spool/1", "a return");
        self.put("cache/files/x", "cached");
        self.put("etc/salt/minion_id", "parent\n");
        key
    }
}

#[test]
fn a_clone_puts_its_parent_away_before_anything_else() {
    let disk = Disk::new(Map::new());
    let parents = disk.in_use();
    assert_eq!(guard_as(&disk.settings, &evidence(A, A, M)).unwrap(), None);
    assert!(disk.has("pki/minion.pem"));
    let parent = guard_as(&disk.settings, &evidence(B, B, M))
        .unwrap()
        .unwrap();
    assert_eq!(parent.instance, A);
    let finger = parents.public().fingerprint(HashType::Sha256).to_string();
    assert_eq!(parent.fingerprint, Some(finger));
    for gone in [
        "pki/minion.pem",
        "pki/minion.pub",
        "pki/remaster/journal.json",
        "etc/salt/minion_id",
        "cache/spool",
    ] {
        assert!(!disk.has(gone), "{gone}");
    }
    for kept in [
        "pki/minion_master.pub",
        "pki/remaster/sequence.json",
        "cache/files/x",
    ] {
        assert!(disk.has(kept), "{kept}");
    }
    let kept = fs::read_to_string(parent.quarantine.join("minion.pem")).unwrap();
    assert_eq!(kept, *parents.to_pem().unwrap());
    let mode = fs::metadata(&parent.quarantine)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    // From now on it is itself.
    disk.put("pki/minion.pem", "mine");
    assert_eq!(guard_as(&disk.settings, &evidence(B, B, M)).unwrap(), None);
    assert!(disk.has("pki/minion.pem"));
    let binding = Binding::read(&disk.settings.pki_dir).unwrap();
    assert_eq!(binding.parent().as_deref(), Some(A));
    assert!(!binding.told);
    Binding::told(&disk.settings.pki_dir).unwrap();
    assert!(Binding::read(&disk.settings.pki_dir).unwrap().told);
}

#[test]
fn what_was_known_is_not_forgotten() {
    let disk = Disk::new(Map::new());
    let known = || Binding::read(&disk.settings.pki_dir).unwrap().machine;
    guard_as(&disk.settings, &evidence("", A, M)).unwrap();
    guard_as(&disk.settings, &evidence(A, A, M)).unwrap();
    assert_eq!(known(), evidence(A, A, M));
    guard_as(&disk.settings, &evidence("", "", M)).unwrap();
    assert_eq!(known(), evidence(A, A, M));
    // What only the network says does not change it.
    guard_as(&disk.settings, &evidence(B, A, M)).unwrap();
    assert_eq!(known(), evidence(A, A, M));
}

#[test]
fn an_interrupted_quarantine_is_finished_by_the_next_start() {
    let disk = Disk::new(Map::new());
    disk.in_use();
    guard_as(&disk.settings, &evidence(A, A, M)).unwrap();
    // The power went after the first rename.
    fs::remove_file(disk.dir.path().join("pki/minion.pem")).unwrap();
    let parent = guard_as(&disk.settings, &evidence(B, B, M)).unwrap();
    assert_eq!(parent.unwrap().instance, A);
    assert!(!disk.has("pki/minion.pub") && !disk.has("etc/salt/minion_id"));
}

#[test]
fn an_operator_may_bind_to_a_name_or_to_nothing() {
    let disk = Disk::new(map! {"identity" => map! {"instance" => "rack-7"}});
    let machine = Machine::of(&disk.settings);
    assert_eq!(machine.evidence().instance.as_deref(), Some("rack-7"));
    let disk = Disk::new(map! {"identity" => map! {"guard" => false}});
    disk.in_use();
    assert_eq!(guard(&disk.settings).unwrap(), None);
    assert!(!disk.has("pki/instance.json"));
}

#[test]
fn a_record_that_is_broken_is_made_anew() {
    let disk = Disk::new(Map::new());
    disk.put("pki/instance.json", "{");
    assert_eq!(guard_as(&disk.settings, &evidence(A, A, M)).unwrap(), None);
    assert!(Binding::read(&disk.settings.pki_dir).is_some());
}

#[test]
fn what_cannot_be_renamed_is_carried() {
    let disk = Disk::new(Map::new());
    disk.put("cache/spool/deep/1", "a return");
    disk.put("cache/spool/2", "another");
    std::os::unix::fs::symlink("nowhere", disk.dir.path().join("cache/spool/link")).unwrap();
    let to = disk.dir.path().join("kept/spool");
    carry(&disk.dir.path().join("cache/spool"), &to, 16).unwrap();
    assert!(!disk.has("cache/spool"));
    assert_eq!(fs::read_to_string(to.join("deep/1")).unwrap(), "a return");
    assert!(disk.has("kept/spool/2") && !disk.has("kept/spool/link"));
}
