//! A sandbox, and the bridge that works on it.

#![allow(dead_code, reason = "each suite uses its part")]

use std::process::Command;

use harness::{Finished, Sandbox, bin};
use serde_json::Value;
use tempfile::TempDir;

/// A project in a sandbox.
pub(crate) struct Project {
    pub(crate) sandbox: Sandbox,
    pub(crate) home: TempDir,
    /// What each command is told besides.
    more: Vec<String>,
}

impl Project {
    pub(crate) fn start() -> Self {
        Self::with(&[], Vec::new())
    }

    /// In a sandbox that is started so, with commands that are told more.
    pub(crate) fn with(sandbox: &[&str], more: Vec<String>) -> Self {
        // The VMs are agents of this build.
        bin("salt-agent");
        let sandbox = Sandbox::start(sandbox);
        // Whoever looks at security groups has one.
        sandbox
            .login("demo")
            .get("network", "/security-groups")
            .is(200);
        Self {
            sandbox,
            home: TempDir::new().unwrap(),
            more,
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.table(&["-o", "json"]);
        command.args(args);
        command
    }

    /// Prints for people.
    pub(crate) fn table(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_master-bridge"));
        command
            .env("HOME", self.home.path())
            .env("OS_CLIENT_CONFIG_FILE", self.sandbox.clouds())
            .env("OS_CLOUD", "sandbox")
            .arg("--journal")
            .arg(self.home.path().join("journal"))
            .arg("-y")
            .args(&self.more)
            .args(args);
        command
    }

    pub(crate) fn bridge(&self, args: &[&str]) -> Finished {
        Finished::run(&mut self.command(args))
    }

    /// What a command prints that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        self.bridge(args).success().json()
    }

    /// The bridge is killed at this point of its work.
    #[track_caller]
    pub(crate) fn killed(&self, at: &str, args: &[&str]) {
        let killed = Finished::run(self.command(args).env("MASTER_BRIDGE_FAULT", at));
        assert_ne!(killed.code, 0, "{at}: {killed:?}");
    }

    /// A file of the operator's.
    pub(crate) fn file(&self, name: &str, text: &[u8]) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
