//! A sandbox, a real master, and the bridge between them.

#![allow(dead_code, reason = "each suite uses its part")]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::{Finished, Master, RELEASES, until};
use serde_json::{Value, json};

use crate::project::Project;

/// All that a test works on.
pub(crate) struct World {
    pub(crate) master: Master,
    project: Project,
    /// How the VMs reach the master.
    pub(crate) address: String,
}

impl Deref for World {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

/// The step of this key in an operation's report.
#[track_caller]
pub(crate) fn step<'a>(report: &'a Value, key: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    let found = steps.iter().find(|s| s["key"] == key);
    found.unwrap_or_else(|| panic!("no step {key} in {report:#}"))
}

impl World {
    pub(crate) fn start() -> Option<Self> {
        let release = RELEASES[0];
        if !release.is_installed() {
            return None;
        }
        let master = Master::of(release)
            .file("srv/salt/top.sls", "base: {'*': [app]}\n")
            .file("srv/salt/app.sls", "here:\n  test.nop: []\n")
            .start();
        let config = master.config_dir().display().to_string();
        Some(Self::of(master, &["-c".to_owned(), config]))
    }

    /// With this master, which the bridge is told to reach so.
    pub(crate) fn of(master: Master, way: &[String]) -> Self {
        let program = master.release.program("salt-master");
        let patience = ["-t", "2", "--gather-timeout", "1"].map(str::to_owned);
        let sandbox = ["--salt-master", program.to_str().unwrap()];
        Self {
            address: master.address.to_string(),
            project: Project::with(&sandbox, [way, &patience].concat()),
            master,
        }
    }

    pub(crate) fn boot_command(&self, name: &str, more: &[&str]) -> Command {
        let words = [
            "boot",
            name,
            "--image",
            "tiny",
            "--flavor",
            "m1.nano",
            "--network",
            "private",
            "--master",
            &self.address,
            "--boot-within",
            "60",
        ];
        self.command(&[&words[..], more].concat())
    }

    pub(crate) fn boot(&self, name: &str, more: &[&str]) -> Finished {
        Finished::run(&mut self.boot_command(name, more))
    }

    /// What there is: in the cloud, and of keys on the master.
    pub(crate) fn holds(&self) -> Value {
        let mut holds = self.sandbox.holds();
        for state in [
            "minions",
            "minions_pre",
            "minions_denied",
            "minions_rejected",
        ] {
            holds[state] = json!(self.master.keys(state));
        }
        holds
    }

    /// The accepted key of a minion.
    pub(crate) fn key(&self, minion: &str) -> String {
        std::fs::read_to_string(self.master.pki_dir().join("minions").join(minion)).unwrap()
    }

    /// Salt's own tools reach it.
    pub(crate) fn answers(&self, minion: &str) {
        until(60, &format!("{minion} to answer"), || {
            self.master.salt(&[minion, "test.ping"])[minion] == true
        });
    }

    /// A server's own address.
    pub(crate) fn fixed(&self, server: &str) -> String {
        let shown = self.bridge(&["server", "show", server]).success().json();
        shown["ports"][0]["fixed_ips"][0]["ip_address"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Opens a port of all servers to everybody.
    pub(crate) fn open(&self, port: u16) {
        let api = self.sandbox.login("demo");
        let groups = api
            .get("network", "/security-groups?name=default")
            .is(200)
            .body;
        let rule = json!({"security_group_rule": {
            "security_group_id": groups["security_groups"][0]["id"], "direction": "ingress", "protocol": "tcp",
            "port_range_min": port, "port_range_max": port, "remote_ip_prefix": "0.0.0.0/0"}});
        api.post("network", "/security-group-rules", &rule).is(201);
    }

    /// Removes a server and its key, as nobody of the bridge would.
    pub(crate) fn remove(&self, server: &str) {
        let shown = self.bridge(&["server", "show", server]).success().json();
        let path = format!("/servers/{}", shown["server"]["id"].as_str().unwrap());
        let api = self.sandbox.login("demo");
        api.delete("compute", &path).is(204);
        until(20, "the server to be gone", || {
            api.get("compute", &path).status == 404
        });
        self.bridge(&["keys", "delete", server]).success();
    }

    /// Gives a floating address back.
    pub(crate) fn release(&self, ip: &str) {
        let api = self.sandbox.login("demo");
        let path = format!("/floatingips?floating_ip_address={ip}");
        let found = api.get("network", &path).is(200).body;
        let id = found["floatingips"][0]["id"].as_str().unwrap();
        api.delete("network", &format!("/floatingips/{id}")).is(204);
    }
}

/// A page at the same port of every address that a VM may get; it says which one it is.
pub(crate) struct Web {
    pub(crate) port: u16,
    muted: Arc<Mutex<HashSet<String>>>,
}

impl Web {
    pub(crate) fn start(port: u16) -> Self {
        let muted = Arc::new(Mutex::new(HashSet::new()));
        let mut port = port;
        for last in 2..=60 {
            let ip = format!("127.77.0.{last}");
            let listener = TcpListener::bind((ip.as_str(), port)).unwrap();
            port = listener.local_addr().unwrap().port();
            let muted = muted.clone();
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    if muted.lock().unwrap().contains(&ip) {
                        continue;
                    }
                    let mut request = [0; 1024];
                    let read = stream.read(&mut request);
                    let page = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ip}",
                        ip.len()
                    );
                    // Who has gone meanwhile needs no answer.
                    drop(read.and_then(|_| stream.write_all(page.as_bytes())));
                }
            });
        }
        Self { port, muted }
    }

    /// Connections to this address are closed without an answer.
    pub(crate) fn mute(&self, ip: &str) {
        self.muted.lock().unwrap().insert(ip.to_owned());
    }

    pub(crate) fn unmute(&self) {
        self.muted.lock().unwrap().clear();
    }

    /// Who answers behind a floating address.
    pub(crate) fn asked(&self, ip: &str) -> String {
        let mut stream = TcpStream::connect((ip, self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.rsplit("\r\n").next().unwrap().to_owned()
    }
}
