//! A sandbox of our own, as a process with a folder.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Api, Finished, bin};

/// A cloud that ends with the test.
pub struct Sandbox {
    dir: TempDir,
    url: String,
}

impl Sandbox {
    /// Starts one; its stages of work take next to no time.
    pub fn start(args: &[&str]) -> Self {
        let mut sandbox = Self {
            dir: TempDir::with_prefix("sandbox-").unwrap(),
            url: String::new(),
        };
        sandbox.up(args);
        sandbox
    }

    /// Starts it again where it was.
    pub fn up(&mut self, args: &[&str]) {
        let mut all = vec!["-o", "json", "sandbox", "up", "--pace", "0.02"];
        all.extend(args);
        let told = self.bridge(&all).success().json();
        self.url = told["url"].as_str().unwrap().to_owned();
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its clouds.yaml.
    pub fn clouds(&self) -> std::path::PathBuf {
        self.folder().join("clouds.yaml")
    }

    /// Runs a `sandbox` command of the bridge on this folder.
    pub fn bridge(&self, args: &[&str]) -> Finished {
        Finished::run(
            Command::new(bin("master-bridge"))
                .args(args)
                .arg("--folder")
                .arg(self.folder()),
        )
    }

    /// Makes trouble.
    pub fn fault(&self, fault: &str) {
        self.bridge(&["sandbox", "fault", fault]).success();
    }

    /// How much there is of everything.
    pub fn holds(&self) -> Value {
        self.bridge(&["sandbox", "status", "-o", "json"])
            .success()
            .json()["holds"]
            .clone()
    }

    /// The way in, for `demo` or `admin`.
    pub fn login(&self, name: &str) -> Api {
        Api::login(&format!("{}/identity/v3", self.url), name, "sandbox")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Its VMs end with it; a test that fails leaves no agents behind.
        self.bridge(&["-q", "sandbox", "down"]);
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
            eprintln!("--- the sandbox\n{log}");
        }
    }
}
