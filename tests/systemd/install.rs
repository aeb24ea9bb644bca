//! The templates that install the agent at a first boot, with real cloud-init: from an address, with a checksum. What
//! has another one is not installed, and the console says so.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use harness::{Finished, Master, until};

use crate::image::{CONSOLE, Signals, accept, cloud_init, said, seed};
use crate::machine::Machine;
use crate::{RELEASE, packages};

const STATIC: &str = include_str!("../../cloud-init/install-static.yaml");
const DEB: &str = include_str!("../../cloud-init/install-deb.yaml");

/// Gives one file to whoever asks.
struct Download {
    url: String,
    sum: String,
}

impl Download {
    fn of(file: &Path) -> Self {
        let sum = Finished::run(std::process::Command::new("sha256sum").arg(file)).success();
        let sum = sum.stdout.split_whitespace().next().unwrap().to_owned();
        let bytes = Arc::new(fs::read(file).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, bytes) = (stream.unwrap(), bytes.clone());
                std::thread::spawn(move || {
                    let mut some = [0; 4096];
                    let mut asked = Vec::new();
                    while !asked.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut some) {
                            Ok(0) | Err(_) => return,
                            Ok(read) => asked.extend(&some[..read]),
                        }
                    }
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        bytes.len()
                    );
                    stream.write_all(head.as_bytes()).ok();
                    stream.write_all(&bytes).ok();
                });
            }
        });
        Self { url, sum }
    }
}

/// A template, filled in, with what makes a test short.
fn user_data(template: &str, url: &str, sum: &str, master: &Master) -> String {
    let short = "      keysize: 2048\n      acceptance_wait_time: 1\n      agent:\n        report: REPORT\n";
    let filled = template
        .replace("<URL>", url)
        .replace("<SHA256>", sum)
        .replace("<MASTER>", &master.address.to_string())
        .replace("<FINGER>", &format!("'{}'", master.finger()))
        .replace("<NONCE>", "n-1")
        .replace("/dev/console", CONSOLE)
        .replace("      agent:\n", short);
    assert!(filled.contains(short), "{filled}");
    filled
}

#[test]
fn user_data_installs_what_has_the_right_checksum() {
    if !RELEASE.is_installed() {
        return;
    }
    let Some(with_cloud_init) = cloud_init() else {
        return;
    };
    let Some(package) = packages::build("0.1.0") else {
        return;
    };
    let master = Master::of(RELEASE)
        .file(
            "srv/salt/top.sls",
            "base:\n  single:\n    - good\n  package:\n    - bad\n",
        )
        .file(
            "srv/salt/good.sls",
            "/etc/first-boot:\n  file.managed:\n    - contents: done\n",
        )
        .file(
            "srv/salt/bad.sls",
            "/etc/first-boot:\n  file.managed:\n    - source: salt://not-there\n",
        )
        .start();
    let layer = with_cloud_init.written();
    let boot = |name: &str, data: &str| {
        let disk = Machine::disk(&[&layer])?;
        disk.without_salt();
        for stale in [
            "usr/bin/salt-agent",
            "etc/systemd/system/salt-agent.service",
        ] {
            fs::remove_file(disk.root().join(stale)).ok();
        }
        seed(&disk, name, data);
        let machine = Machine::start(disk);
        let start = ["systemctl", "--no-block", "start", "cloud-init.target"];
        machine.run(&start).success();
        Some(machine)
    };
    let program = packages::lean(&package);
    let (program, package) = (Download::of(&program), Download::of(&package));

    let [well, badly] = [Signals::listen(), Signals::listen()];
    let report = |data: &str, signals: &Signals| {
        data.replace(
            "REPORT",
            &format!("{{url: '{}', token: t0ken}}", signals.url),
        )
    };
    let data = report(
        &user_data(STATIC, &program.url, &program.sum, &master),
        &well,
    );
    let Some(single) = boot("single", &data) else {
        return;
    };
    let data = report(&user_data(DEB, &package.url, &package.sum, &master), &badly);
    let packaged = boot("package", &data).unwrap();
    // Somebody put another file there.
    let data = user_data(DEB, &package.url, &program.sum, &master);
    let refused = boot("refused", &data).unwrap();

    let first = accept(&single, &master, "single");
    let second = accept(&packaged, &master, "package");
    assert_ne!(first, second);
    let line = said(&single, "succeeded");
    assert!(line.contains(&first), "{line}");
    assert!(single.path("/etc/first-boot").exists());
    assert_eq!(well.first().1["status"], "SUCCESS");
    let roles = master.salt(&["single", "grains.get", "roles"]);
    assert_eq!(roles["single"], serde_json::json!(["web"]));
    // A highstate that fails is told where Nova shows it and where Heat waits, with its reason.
    let (_, told) = badly.first();
    assert_eq!(told["status"], "FAILURE", "{told}");
    assert_eq!(told["data"], "states-failed");
    let reason = told["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("salt-agent: states-failed: "),
        "{reason}"
    );
    let line = said(&packaged, "failed");
    assert!(line.contains(&second), "{line}");
    assert!(line.ends_with(" reason=states-failed"), "{line}");
    let enabled = |machine: &Machine| machine.says(&["systemctl", "is-enabled", crate::AGENT]);
    assert_eq!([enabled(&single), enabled(&packaged)], ["enabled"; 2]);

    until(120, "cloud-init to end", || {
        refused.path("/var/lib/cloud/data/result.json").exists()
    });
    let console = fs::read_to_string(refused.path(CONSOLE)).unwrap();
    assert_eq!(console.trim(), "salt-agent: state=failed reason=checksum");
    assert!(!refused.path("/usr/bin/salt-agent").exists());
}
