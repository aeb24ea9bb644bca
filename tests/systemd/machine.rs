//! A machine with systemd as its first process: systemd-nspawn on this machine's own files, which it cannot change.
//!
//! It shares our loopback, so that a master of the harness can be its master, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{Finished, Process, until, until_some};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// What would go looking for hardware or for the network, or wake up now and then.
const MASKED: [&str; 6] = [
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
    "timers.target",
];

/// The machine; it ends with the test.
pub(crate) struct Machine {
    // Before its files: it uses them until it is gone.
    process: Option<Process>,
    inside: i32,
    disk: Disk,
}

/// Its disk: an overlay on `/`, in memory. Without its machine it is an image, which others can be started from.
pub(crate) struct Disk {
    dir: TempDir,
}

impl Disk {
    /// A new one on top of others, the topmost first, and on the files of this machine.
    pub(crate) fn on(layers: &[&Path]) -> nix::Result<Self> {
        let dir = TempDir::with_prefix("sd-").unwrap();
        let none = MsFlags::empty();
        let mounts = Self { dir };
        mount(
            Some("tmpfs"),
            mounts.dir.path(),
            Some("tmpfs"),
            none,
            Some("size=2g"),
        )?;
        for part in ["upper", "work", "root"] {
            fs::create_dir(mounts.dir.path().join(part)).unwrap();
        }
        let part = |name: &str| mounts.dir.path().join(name).display().to_string();
        let lower: String = layers.iter().map(|l| format!("{}:", l.display())).collect();
        let options = format!(
            "lowerdir={lower}/,upperdir={},workdir={}",
            part("upper"),
            part("work")
        );
        let root = mounts.dir.path().join("root");
        mount(
            Some("overlay"),
            &root,
            Some("overlay"),
            none,
            Some(options.as_str()),
        )?;
        Ok(mounts)
    }

    /// A directory's content as a layer for others. It is copied, since a layer cannot lie below another one, and
    /// everything lies below `/`.
    pub(crate) fn of(layer: &Path) -> Self {
        let dir = TempDir::with_prefix("sd-").unwrap();
        let options = Some("size=1g");
        mount(
            Some("tmpfs"),
            dir.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            options,
        )
        .unwrap();
        let disk = Self { dir };
        fs::create_dir(disk.written()).unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(layer.join(".")).arg(disk.written());
        Finished::run(&mut copy).success();
        disk
    }

    /// Forgets what the machine that the test runs on has of Salt.
    pub(crate) fn without_salt(&self) {
        for stale in ["etc/salt", "var/cache/salt", "var/log/salt", "run/salt"] {
            fs::remove_dir_all(self.root().join(stale)).ok();
        }
    }

    /// Its files, while it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// What was written to it: a layer for other disks, once its machine has ended.
    pub(crate) fn written(&self) -> PathBuf {
        self.dir.path().join("upper")
    }

    /// Runs a program on it, as whoever builds an image does.
    pub(crate) fn chroot(&self, argv: &[&str]) -> Finished {
        let mut command = Command::new("chroot");
        command
            .arg(self.root())
            .args(argv)
            .env("DEBIAN_FRONTEND", "noninteractive");
        Finished::run(&mut command)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        umount2(&self.root(), MntFlags::MNT_DETACH).ok();
        umount2(self.dir.path(), MntFlags::MNT_DETACH).ok();
    }
}

impl Machine {
    /// Prepares the files with `prepare` and boots. Where that cannot be, says why and gives nothing; fails in CI.
    pub(crate) fn boot(prepare: impl FnOnce(&Path)) -> Option<Self> {
        let disk = Self::disk(&[])?;
        disk.without_salt();
        prepare(&disk.root());
        Some(Self::start(disk))
    }

    /// A disk for a machine. Where there cannot be one, says why and gives nothing; fails in CI.
    pub(crate) fn disk(layers: &[&Path]) -> Option<Disk> {
        let missing = |why: String| {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            println!("skipped: {why}");
        };
        for program in [
            "/usr/bin/systemd-nspawn",
            "/lib/systemd/systemd",
            "/usr/bin/nsenter",
        ] {
            if !Path::new(program).exists() {
                missing(format!("{program} is not installed: run `make packages`"));
                return None;
            }
        }
        let disk = match Disk::on(layers) {
            Ok(disk) => disk,
            Err(error) => {
                missing(format!("an overlay of / cannot be mounted: {error}"));
                return None;
            }
        };
        let root = disk.root();
        fs::write(root.join("etc/machine-id"), "").unwrap();
        for unit in MASKED {
            let link = root.join("etc/systemd/system").join(unit);
            fs::remove_file(&link).ok();
            symlink("/dev/null", link).unwrap();
        }
        // In a sandbox this keeps packages from starting what they bring; this machine is to live.
        fs::remove_file(root.join("usr/sbin/policy-rc.d")).ok();
        Some(disk)
    }

    /// Boots a disk.
    pub(crate) fn start(disk: Disk) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let root = disk.root();
        // On a directory of its own: the one above is hidden by the overlay's files.
        let log = disk.dir.path().join("console");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sa-test-{}-{number}", std::process::id());
        let process = Process::start(
            Command::new("systemd-nspawn")
                // No daemon of the host is asked for anything; cgroups of version 2, whatever the host mixes.
                .args([
                    "--quiet",
                    "--register=no",
                    "--keep-unit",
                    "--boot",
                    "--console=pipe",
                ])
                .args([
                    "--resolv-conf=off",
                    "--timezone=off",
                    "--kill-signal=SIGRTMIN+3",
                ])
                .arg("-D")
                .arg(&root)
                .arg(format!("--machine={name}"))
                .arg("systemd.unit=basic.target")
                .env("UNIFIED_CGROUP_HIERARCHY", "1"),
            &log,
        );
        let inside = until_some(20, "systemd to be started", || child(process.pid()));
        let machine = Self {
            process: Some(process),
            inside,
            disk,
        };
        until(60, "systemd to be up", || {
            machine.says(&["systemctl", "is-active", "basic.target"]) == "active"
        });
        machine
    }

    /// Switches it off as a power cut would and keeps its disk, ready to be a layer.
    pub(crate) fn halt(mut self) -> Disk {
        self.end();
        let empty = TempDir::with_prefix("sd-").unwrap();
        let disk = std::mem::replace(&mut self.disk, Disk { dir: empty });
        umount2(&disk.root(), MntFlags::MNT_DETACH).ok();
        disk
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGTERM);
            let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while process.ended().is_none() && std::time::Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }

    /// Runs a program inside.
    pub(crate) fn run(&self, argv: &[&str]) -> Finished {
        let inside = self.inside.to_string();
        Finished::run(
            Command::new("nsenter")
                .args([
                    "-t", &inside, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
                ])
                .args([
                    "env",
                    "-i",
                    "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG=C.UTF-8",
                ])
                .args(argv),
        )
    }

    /// What a program inside prints, whatever its exit code.
    pub(crate) fn says(&self, argv: &[&str]) -> String {
        self.run(argv).stdout.trim().to_owned()
    }

    /// One property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.says(&["systemctl", "show", "-P", name, unit])
    }

    /// A path inside, as it is seen from outside. Only for what lies on its disk, not below `/run` or `/tmp`.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.disk.root().join(inside.trim_start_matches('/'))
    }

    /// The journal of a unit, a JSON document for each entry.
    pub(crate) fn journal(&self, unit: &str) -> Vec<serde_json::Value> {
        let text = self.says(&["journalctl", "--no-pager", "-o", "json", "-u", unit]);
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.process.is_some() && std::thread::panicking() {
            let log = self.says(&["journalctl", "--no-pager", "-n", "80"]);
            eprintln!("--- journal (last lines)\n{log}");
        }
        self.end();
    }
}

/// The first process inside: systemd, a child of systemd-nspawn.
fn child(nspawn: i32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .find(|pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "systemd")
        })
}
