//! `master-bridge` beside a master.

use std::fs;
use std::process::Command;

use harness::{Finished, Master, bin};

use crate::vm::Vm;

/// The bridge of one master.
pub(crate) struct Bridge<'a> {
    master: &'a Master,
}

impl<'a> Bridge<'a> {
    /// The bridge of this master.
    pub(crate) fn of(master: &'a Master) -> Self {
        Self { master }
    }

    /// Accepts the keys that the VMs' consoles prove.
    pub(crate) fn accept(&self, vms: &[Vm]) {
        let mut command = self.command(&["keys", "accept", "-o", "json"]);
        for vm in vms {
            command.arg("--console").arg(vm.console());
        }
        Finished::run(&mut command).success();
    }

    /// Tries to accept a key by the console of a machine that has another one; the refusal.
    pub(crate) fn accept_forged(&self, vm: &Vm) -> String {
        let line = vm.console_line();
        let finger = line
            .split_whitespace()
            .find_map(|w| w.strip_prefix("fingerprint="))
            .unwrap();
        let other: String = finger.chars().rev().collect();
        let path = vm.agent.dir().join("forged-console");
        fs::write(&path, line.replace(finger, &other)).unwrap();
        let mut command = self.command(&["keys", "accept"]);
        let refused = Finished::run(command.arg("--console").arg(path));
        assert_ne!(
            refused.code, 0,
            "a forged console was believed: {refused:?}"
        );
        refused.stderr.lines().next().unwrap_or_default().to_owned()
    }

    /// Moves everybody to another master on this machine; the progress that it told.
    pub(crate) fn remaster_all(&self, new: &Master) -> String {
        let mut command = self.command(&["remaster-all", "--yes", "-o", "json"]);
        command
            .args(["--to", &new.address.to_string(), "--finger", &new.finger()])
            .arg("--to-config")
            .arg(new.config_dir())
            .args(["--canary", "1", "--wave", "50%"]);
        Finished::run(&mut command).success().stderr
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("master-bridge"));
        command.arg("-c").arg(self.master.config_dir());
        command
            .arg("--journal")
            .arg(self.master.dir().join("journal.sqlite"));
        command.args(args);
        command
    }
}
