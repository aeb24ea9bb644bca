//! A real salt-minion beside ours: the oracle.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::salt::Running;
use crate::{Finished, Process, Release};

/// A salt-minion (or just its configuration for salt-call).
pub struct Minion {
    /// Its release.
    pub release: Release,
    /// Its minion id.
    pub id: String,
    // Before the directory: it reads its log there when it ends.
    process: Option<Process>,
    /// Its own installation, if it has one.
    copy: Option<PathBuf>,
    dir: TempDir,
}

impl Minion {
    /// Writes the configuration and starts nothing.
    pub fn prepare(release: Release, id: &str, master: &str, config: &str) -> Self {
        let dir = TempDir::with_prefix("sm-").unwrap();
        let root = dir.path().display().to_string();
        let etc = dir.path().join("etc/salt");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(
            etc.join("minion"),
            format!(
                "id: {id}\nmaster: {master}\nroot_dir: {root}\npki_dir: {root}/etc/salt/pki/minion\n\
                 conf_file: {root}/etc/salt/minion\nacceptance_wait_time: 1\n{config}\n"
            ),
        )
        .unwrap();
        Self {
            release,
            id: id.to_owned(),
            dir,
            process: None,
            copy: None,
        }
    }

    /// With an installation of its own, as on a machine where no master runs: the memory of its files is its own, too.
    pub fn apart(mut self) -> Self {
        let copy = self.dir.path().join("venv");
        let mut cp = Command::new("cp");
        Finished::run(cp.arg("--archive").arg(self.release.venv()).arg(&copy)).success();
        self.copy = Some(copy);
        self
    }

    /// Starts `salt-minion`.
    pub fn start(&mut self) {
        let log = self.dir.path().join("minion.out");
        let venv = self.copy.clone().unwrap_or_else(|| self.release.venv());
        self.process = Some(Process::start(
            // What the script names is the interpreter that it was installed with.
            Command::new(venv.join("bin/python"))
                .arg(venv.join("bin/salt-minion"))
                .arg("-c")
                .arg(self.config_dir())
                .args(["-l", "info"]),
            &log,
        ));
    }

    /// What `-c` takes.
    pub fn config_dir(&self) -> PathBuf {
        self.dir.path().join("etc/salt")
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the minion runs")
    }

    /// `salt-call …` on its configuration.
    pub fn call(&self, args: &[&str]) -> Finished {
        Running::start(self.release, "salt-call", &self.config_dir(), args).finish()
    }
}
