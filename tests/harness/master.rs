//! A real salt-master in a directory of its own.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use salt_wire::crypto::{HashType, PublicKey};
use tempfile::TempDir;

use crate::ready::answers;
use crate::salt::Running;
use crate::{Address, Finished, Process, Release, next_address, until};

/// A salt-master that runs.
pub struct Master {
    /// Its release.
    pub release: Release,
    /// The address that it listens on, at Salt's own ports.
    pub address: Address,
    // Before the directory: it reads its log there when it ends.
    process: Option<Process>,
    dir: TempDir,
}

/// What a master is started with.
pub struct MasterBuilder {
    release: Release,
    address: Address,
    config: String,
    files: Vec<(String, String)>,
}

impl Master {
    /// A master of this release, to be configured and started.
    pub fn of(release: Release) -> MasterBuilder {
        MasterBuilder {
            release,
            address: next_address(),
            config: String::new(),
            files: Vec::new(),
        }
    }

    /// The directory with its configuration, keys, caches and trees.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its configuration directory: what `-c` takes.
    pub fn config_dir(&self) -> PathBuf {
        self.dir().join("etc/salt")
    }

    /// Its key directory.
    pub fn pki_dir(&self) -> PathBuf {
        self.dir().join("etc/salt/pki/master")
    }

    /// The fingerprint that a minion's `master_finger` takes: of the file, without its armour, on every release.
    pub fn finger(&self) -> String {
        let pem = fs::read_to_string(self.pki_dir().join("master.pub")).unwrap();
        let key = PublicKey::from_pem(&pem).unwrap();
        key.fingerprint(HashType::Sha256).to_string()
    }

    /// Runs one of Salt's programs against this master.
    pub fn run(&self, program: &str, args: &[&str]) -> Finished {
        Running::start(self.release, program, &self.config_dir(), args).finish()
    }

    /// `salt TGT FUN …` with JSON output, one document.
    pub fn salt(&self, args: &[&str]) -> serde_json::Value {
        let mut all = vec!["--out", "json", "--static", "-t", "20"];
        all.extend(args);
        self.run("salt", &all).json()
    }

    /// `salt-key …`.
    pub fn salt_key(&self, args: &[&str]) -> Finished {
        self.run("salt-key", args)
    }

    /// The ids in one of the key folders: `minions`, `minions_pre`, `minions_rejected`, `minions_denied`.
    pub fn keys(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.pki_dir().join(folder)) else {
            return Vec::new();
        };
        let mut ids: Vec<_> = entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .collect();
        ids.sort();
        ids
    }

    /// Accepts a pending key.
    pub fn accept(&self, id: &str) {
        until(60, &format!("{id} to be pending"), || {
            self.keys("minions_pre").iter().any(|k| k == id)
        });
        // The master writes a pending key while `salt-key` reads it: what it could not read is no key to it.
        until(60, &format!("{id} to be accepted"), || {
            self.salt_key(&["-y", "-a", id]).success();
            self.keys("minions").iter().any(|k| k == id)
        });
    }

    /// Writes a file below its directory, such as `srv/salt/top.sls`.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Shows it another time from its next start on: this many seconds ahead of ours.
    pub fn set_clock_ahead(&mut self, seconds: u32) {
        // Python imports this module at its start, wherever it finds it first.
        let shift =
            format!("import time\n_time = time.time\ntime.time = lambda: _time() + {seconds}\n");
        self.write("clock/sitecustomize.py", &shift);
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the master runs")
    }

    /// Ends it at once, children included, as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops all its processes in their tracks: connections stay, nothing answers.
    pub fn freeze(&self) {
        self.process().signal_all(Signal::SIGSTOP);
    }

    /// Lets a frozen master go on.
    pub fn thaw(&self) {
        self.process().signal_all(Signal::SIGCONT);
    }

    /// Starts it (again) and waits until it answers on both ports.
    pub fn start(&mut self) {
        let log = self.dir().join("master.out");
        self.process = Some(Process::start(
            Command::new(self.release.program("salt-master"))
                .arg("-c")
                .arg(self.config_dir())
                .args(["-l", "info"])
                .env("PYTHONPATH", self.dir().join("clock")),
            &log,
        ));
        let address = self.address.to_string();
        until(120, &format!("a worker of {address}"), || answers(&address));
        let publisher = (address.as_str(), 4505);
        until(60, &format!("the publisher of {address}"), || {
            TcpStream::connect(publisher).is_ok()
        });
    }
}

impl MasterBuilder {
    /// Adds configuration lines (YAML).
    pub fn config(mut self, yaml: &str) -> Self {
        self.config.push_str(yaml);
        self.config.push('\n');
        self
    }

    /// Accepts every key at once: for tests that are not about keys.
    pub fn auto_accept(self) -> Self {
        self.config("auto_accept: true")
    }

    /// Listens on this address, such as that of a master that is gone.
    pub fn at(mut self, address: &Address) -> Self {
        self.address = address.clone();
        self
    }

    /// Adds a file below its directory, such as `srv/salt/top.sls`.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.into(), text.into()));
        self
    }

    /// With the key pair of another one, as masters of one list share it.
    pub fn with_key_of(self, other: &Master) -> Self {
        ["master.pem", "master.pub"].iter().fold(self, |new, name| {
            let key = fs::read_to_string(other.pki_dir().join(name)).unwrap();
            new.file(&format!("etc/salt/pki/master/{name}"), &key)
        })
    }

    /// Writes everything and starts the master.
    pub fn start(self) -> Master {
        let mut master = self.prepare();
        master.start();
        master
    }

    /// Writes everything and starts nothing.
    pub fn prepare(self) -> Master {
        // Unix sockets below it must stay under 108 characters.
        let dir = TempDir::with_prefix("sm-").unwrap();
        let root = dir.path().display().to_string();
        let master = Master {
            release: self.release,
            address: self.address,
            dir,
            process: None,
        };
        master.write(
            "etc/salt/master",
            &format!(
                "root_dir: {root}\ninterface: {address}\nid: {id}_master\nworker_threads: 3\nkeysize: 2048\n\
                 file_roots: {{base: [{root}/srv/salt]}}\npillar_roots: {{base: [{root}/srv/pillar]}}\n\
                 conf_file: {root}/etc/salt/master\npki_dir: {root}/etc/salt/pki/master\nloop_interval: 5\n{more}",
                address = master.address,
                id = master.release.version().replace('.', "-"),
                more = self.config,
            ),
        );
        for dir in ["srv/salt", "srv/pillar"] {
            fs::create_dir_all(master.dir().join(dir)).unwrap();
        }
        for (path, text) in &self.files {
            master.write(path, text);
        }
        master
    }
}
