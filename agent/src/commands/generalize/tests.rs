use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command as Sub};

/// A disk that was in service.
struct Disk(tempfile::TempDir);

/// Path and content of what must go, or become something else.
const USED: &[(&str, &str)] = &[
    ("etc/salt/pki/minion/minion.pem", "secret"),
    ("etc/salt/pki/minion/minion.pub", "public"),
    ("etc/salt/pki/minion/minion_master.pub", "master"),
    ("etc/salt/pki/minion/remaster/journal.json", "{}"),
    ("etc/salt/minion_id", "builder\n"),
    ("etc/salt/minion.d/_schedule.conf", "schedule: {}\n"),
    ("var/cache/salt/minion/spool/1", "return"),
    ("var/lib/salt-agent/instance.json", "{}"),
    ("var/log/salt/minion", "log"),
    ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("var/lib/systemd/random-seed", "seed"),
    ("etc/hostname", "builder\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost\n127.0.1.1 builder.example.org builder\n10.0.0.9 builder\n10.0.0.8 db\n",
    ),
    (
        "etc/fstab",
        "/dev/vda1 / ext4\n/dev/vdb /mnt auto defaults,comment=cloudconfig 0 2\n",
    ),
    ("var/lib/cloud/data/instance-id", "i-1\n"),
    ("var/lib/cloud/sem/x", ""),
    ("var/lib/cloud/seed/nocloud/user-data", "#cloud-config\n"),
    ("etc/netplan/50-cloud-init.yaml", "network: {}\n"),
    (
        "etc/sysconfig/network-scripts/ifcfg-eth0",
        "# Created by cloud-init\n",
    ),
    ("etc/ssh/ssh_host_ed25519_key", "k"),
    ("etc/ssh/ssh_host_ed25519_key.pub", "k"),
    ("root/.ssh/authorized_keys", "k"),
    ("home/u/.ssh/known_hosts", "k"),
    ("home/u/.bash_history", "history"),
    ("var/lib/dhcp/dhclient.eth0.leases", "lease"),
    ("var/log/syslog", "lines"),
    ("var/log/syslog.1", "lines"),
    ("var/log/apt/history.log", "lines"),
    ("var/log/journal/0123/system.journal", "lines"),
    ("var/spool/cron/crontabs/root", "* * * * * x"),
    ("tmp/x/y", ""),
    ("var/cache/apt/archives/a.deb", "deb"),
    ("var/lib/apt/lists/deb.debian.org_dists", "list"),
    ("home/u/.local/share/fish/fish_history", "- cmd: x\n"),
    ("var/lib/puppet/ssl/k.pem", "x"),
    ("etc/krb5.keytab", "x"),
    ("var/lib/sss/db/cache_example.ldb", "x"),
    ("var/lib/samba/private/secrets.tdb", "x"),
];

/// What must stay as it is.
const KEPT: &[(&str, &str)] = &[
    ("etc/salt/minion", "master: salt\n"),
    ("etc/salt/minion.d/90-remaster.conf", "master: other\n"),
    ("etc/ssh/sshd_config", "x"),
    (
        "etc/sysconfig/network-scripts/ifcfg-eth1",
        "BOOTPROTO=dhcp\n",
    ),
    ("etc/cloud/cloud.cfg", "x"),
    ("var/lib/apt/lists/lock", ""),
    ("var/lib/dpkg/status", "x"),
    ("srv/app/data", "x"),
];

impl Disk {
    fn used() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        for (path, text) in USED.iter().chain(KEPT) {
            disk.put(path, text);
        }
        disk
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("root").join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// The exit code and the receipt.
    fn run(&self, words: &[&str]) -> (Code, Value) {
        let root = self.path("").display().to_string();
        let receipt = self.0.path().join("receipt").display().to_string();
        let fixed = [
            "salt-agent",
            "generalize",
            "--root",
            &root,
            "--receipt",
            &receipt,
        ];
        let cli = Cli::try_parse_from(fixed.iter().chain(words)).unwrap();
        let Sub::Generalize(args) = &cli.command else {
            panic!("generalize");
        };
        let code = run(&cli.global, args).unwrap();
        let text = fs::read_to_string(receipt).unwrap();
        (code, serde_json::from_str(&text).unwrap())
    }
}

#[test]
fn all_that_is_one_machines_goes_and_the_rest_stays() {
    let disk = Disk::used();
    let (code, before) = disk.run(&["--check"]);
    assert_eq!(code, Code::FAILED);
    assert_eq!(
        before["left"].as_array().unwrap().len(),
        USED.len(),
        "{before:#}"
    );
    let (code, receipt) = disk.run(&[]);
    assert_eq!(code, Code::OK, "{receipt:#}");
    assert_eq!(receipt["clean"], true);
    for (path, _) in USED {
        let now = disk.text(path);
        let want = match *path {
            "etc/machine-id" | "var/log/syslog" | "var/log/apt/history.log" => Some(""),
            "etc/hostname" => Some("localhost\n"),
            "etc/hosts" => Some("127.0.0.1 localhost\n10.0.0.8 db\n"),
            "etc/fstab" => Some("/dev/vda1 / ext4\n"),
            _ => None,
        };
        assert_eq!(now.as_deref(), want, "{path}");
    }
    for (path, text) in KEPT {
        assert_eq!(disk.text(path).as_deref(), Some(*text), "{path}");
    }
    let kept: Value = serde_json::from_str(&disk.text(list::RECEIPT).unwrap()).unwrap();
    assert_eq!(kept, receipt, "the image has its receipt");
    assert_eq!(disk.run(&["--check"]).0, Code::OK);
    assert_eq!(
        disk.run(&[]).1["done"],
        serde_json::json!([]),
        "twice is once"
    );
}

#[test]
fn the_digest_is_over_all_the_rest() {
    let disk = Disk::used();
    let (_, mut receipt) = disk.run(&[]);
    let map = receipt.as_object_mut().unwrap();
    let digest = map.remove("digest").unwrap();
    let sum = crate::host::digest::bytes(receipt.to_string().as_bytes(), "sha256").unwrap();
    assert_eq!(digest, format!("sha256:{sum}"));
    assert!(receipt["looked_for"].as_array().unwrap().len() > 80);
}

#[test]
fn a_dry_run_and_a_check_change_nothing() {
    let disk = Disk::used();
    let (code, receipt) = disk.run(&["--dry-run"]);
    assert_eq!(code, Code::OK);
    assert_eq!(receipt["done"].as_array().unwrap().len(), USED.len());
    disk.run(&["--check"]);
    for (path, text) in USED.iter().chain(KEPT) {
        assert_eq!(disk.text(path).as_deref(), Some(*text), "{path}");
    }
    assert_eq!(disk.text(list::RECEIPT), None);
}

#[test]
fn nothing_is_removed_when_the_receipt_has_no_place() {
    let disk = Disk::used();
    let root = disk.path("").display().to_string();
    let nowhere = disk.0.path().join("nowhere/receipt").display().to_string();
    let words = [
        "salt-agent",
        "generalize",
        "--root",
        &root,
        "--receipt",
        &nowhere,
    ];
    let cli = Cli::try_parse_from(words).unwrap();
    let Sub::Generalize(args) = &cli.command else {
        panic!("generalize");
    };
    let error = run(&cli.global, args).unwrap_err().to_string();
    assert!(error.contains("nothing was changed"), "{error}");
    for (path, text) in USED.iter().chain(KEPT) {
        assert_eq!(disk.text(path).as_deref(), Some(*text), "{path}");
    }
}

#[test]
fn sections_and_trust_are_chosen() {
    let disk = Disk::used();
    let (code, _) = disk.run(&["--only", "salt", "--keep-trust"]);
    assert_eq!(code, Code::OK);
    assert_eq!(disk.text("etc/salt/pki/minion/minion.pem"), None);
    assert!(disk.text("etc/salt/pki/minion/minion_master.pub").is_some());
    assert!(disk.text("etc/hostname").unwrap().contains("builder"));
    disk.run(&["--skip", "cron,secrets"]);
    assert!(disk.text("var/spool/cron/crontabs/root").is_some());
    assert_eq!(disk.text("etc/salt/pki/minion/minion_master.pub"), None);
}

#[test]
fn secrets_are_named_left_alone_and_may_be_meant() {
    let disk = Disk::used();
    disk.put(
        "etc/certificates/k.pem",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n",
    );
    let (code, receipt) = disk.run(&[]);
    assert_eq!(code, Code::FAILED);
    assert_eq!(receipt["secrets"][0]["path"], "etc/certificates/k.pem");
    assert!(disk.text("etc/certificates/k.pem").is_some());
    let (code, _) = disk.run(&["--allow", "/etc/certificates/*"]);
    assert_eq!(code, Code::OK);
}

#[test]
fn links_that_lead_out_of_the_image_are_not_followed() {
    let disk = Disk::used();
    let out = disk.0.path().join("out");
    fs::create_dir_all(out.join("minion")).unwrap();
    for file in ["minion/minion.pem", "hosts", "syslog", "authorized_keys"] {
        fs::write(out.join(file), "127.0.1.1 theirs\n").unwrap();
    }
    for (inside, target) in [
        ("etc/salt/pki/minion", "minion"),
        ("etc/hosts", "hosts"),
        ("var/log/syslog", "syslog"),
        ("root/.ssh", ""),
        ("home/u", ""),
    ] {
        let link = disk.path(inside);
        if link.is_dir() {
            fs::remove_dir_all(&link).unwrap();
        } else {
            fs::remove_file(&link).unwrap();
        }
        symlink(out.join(target), link).unwrap();
    }
    disk.run(&[]);
    for file in ["minion/minion.pem", "hosts", "syslog", "authorized_keys"] {
        assert_eq!(
            fs::read_to_string(out.join(file)).unwrap(),
            "127.0.1.1 theirs\n",
            "{file}"
        );
    }
    // The image's own absolute link is meant inside of the image.
    let disk = Disk::used();
    fs::rename(disk.path("var/log"), disk.path("srv/log")).unwrap();
    symlink("/srv/log", disk.path("var/log")).unwrap();
    disk.run(&[]);
    assert_eq!(disk.text("srv/log/syslog").as_deref(), Some(""));
}

#[test]
fn the_running_system_is_only_forgotten_with_yes() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("etc/salt/pki/minion")).unwrap();
    fs::write(dir.path().join("etc/salt/pki/minion/minion.pem"), "k").unwrap();
    fs::write(
        dir.path().join("minion"),
        format!("id: m1\nroot_dir: {}\n", dir.path().display()),
    )
    .unwrap();
    let config = dir.path().display().to_string();
    let cli = Cli::try_parse_from(["salt-agent", "generalize", "-c", &config]).unwrap();
    let Sub::Generalize(args) = &cli.command else {
        panic!("generalize");
    };
    // Never `run`: a mistake would forget the machine that the test runs on.
    let tree = Tree::open(Path::new("/")).unwrap();
    let loaded = load(&source(&cli.global), Cache::Read).unwrap();
    let refused = allow(Some(&loaded.settings), args, &tree);
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("--yes"), "{error}");
    assert!(dir.path().join("etc/salt/pki/minion/minion.pem").exists());
}
