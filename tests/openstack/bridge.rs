//! The bridge as an operator has it: with a clouds.yaml and a journal of its own.

use std::process::Command;
use std::time::Duration;

use harness::{Api, Finished, bin};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The bridge, with a project of a cloud.
pub(crate) struct Bridge<'a> {
    pub(crate) api: &'a Api,
    pub(crate) home: TempDir,
    /// Global options of every command.
    pub(crate) more: Vec<String>,
    /// The longest that a command may take.
    pub(crate) limit: Duration,
}

impl<'a> Bridge<'a> {
    /// For the project that has its user's name.
    pub(crate) fn of(auth: &str, user: &str, password: &str, api: &'a Api) -> Self {
        let home = TempDir::new().unwrap();
        let clouds = format!(
            "clouds:\n  it:\n    region_name: RegionOne\n    auth: {{auth_url: '{auth}', username: {user}, password: {password}, \
             project_name: {user}, user_domain_name: Default, project_domain_name: Default}}\n"
        );
        std::fs::write(home.path().join("clouds.yaml"), clouds).unwrap();
        Self {
            api,
            home,
            more: Vec::new(),
            limit: Duration::from_secs(120),
        }
    }

    /// A command line of it, with JSON as its answer.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("master-bridge"));
        self.at_home(&mut command)
            .arg("--journal")
            .arg(self.home.path().join("journal"))
            .args(["-y", "-o", "json"])
            .args(&self.more)
            .args(args);
        command
    }

    /// Lets a command find this cloud, and nothing of whoever runs the tests.
    pub(crate) fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let clouds = self.home.path().join("clouds.yaml");
        command
            .env("HOME", self.home.path())
            .env("OS_CLIENT_CONFIG_FILE", clouds)
            .env("OS_CLOUD", "it")
    }

    /// What it says when it has done it.
    #[track_caller]
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        Finished::within(self.limit, &mut self.command(args))
            .success()
            .json()
    }

    /// The names of everything, as the services list them.
    pub(crate) fn census(&self) -> Value {
        let names = |service: &str, path: &str, key: &str| -> Vec<Value> {
            let found = self.api.get(service, path).is(200).body;
            let all = found[key].as_array().unwrap().iter();
            let mut names: Vec<Value> = all
                .map(|one| one.get("keypair").unwrap_or(one))
                .map(|one| {
                    [&one["name"], &one["stack_name"], &one["id"]]
                        .into_iter()
                        .find(|w| w.is_string())
                        .unwrap()
                        .clone()
                })
                .collect();
            names.sort_by_key(Value::to_string);
            names
        };
        json!({
            "servers": names("compute", "/servers", "servers"),
            "keypairs": names("compute", "/os-keypairs", "keypairs"),
            "groups": names("compute", "/os-server-groups", "server_groups"),
            "networks": names("network", "/networks", "networks"),
            "ports": names("network", "/ports", "ports").len(),
            "routers": names("network", "/routers", "routers"),
            "security groups": names("network", "/security-groups", "security_groups"),
            "floating ips": names("network", "/floatingips", "floatingips").len(),
            "volumes": names("volumev3", "/volumes", "volumes"),
            "snapshots": names("volumev3", "/snapshots", "snapshots"),
            "images": names("image", "/images", "images"),
            "stacks": names("orchestration", "/stacks", "stacks"),
        })
    }

    /// A file for it to read.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
