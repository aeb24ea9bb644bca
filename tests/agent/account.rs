//! `user`: the daemon gives root up for the account that the configuration names, with all that it writes.

use std::os::unix::fs::MetadataExt;

use harness::{Agent, Master, Release};
use nix::unistd::{User, geteuid};

/// One release is enough: whose process it is, is ours to decide.
const RELEASE: Release = Release::V3008;

#[test]
fn the_daemon_runs_as_the_account_that_is_named() {
    if !RELEASE.is_installed() {
        return;
    }
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "not root");
        eprintln!("skipped: only root can give its rights up");
        return;
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let master = Master::of(RELEASE).auto_accept().start();
    let address = master.address.to_string();
    // Keys and caches that root made stay usable.
    let mut agent = Agent::start("humble", &address, "keysize: 2048");
    agent.wait_ready();
    agent.process().stop(10);
    open(agent.dir());
    agent.configure(&format!(
        "master: {address}\nuser: nobody\nagent: {{trust: first-use}}"
    ));
    agent.run();
    agent.wait_state(30, "ready", "");
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", agent.process().pid())).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|l| l.starts_with(key)).unwrap();
        line.split_whitespace()
            .skip(1)
            .map(|n| n.parse().unwrap())
            .collect::<Vec<u32>>()
    };
    assert_eq!(of("Uid:"), [nobody.uid.as_raw(); 4], "{status}");
    assert_eq!(of("Gid:"), [nobody.gid.as_raw(); 4], "{status}");
    assert!(!of("Groups:").contains(&0), "{status}");
    let answer = master.salt(&["humble", "cmd.run", "id -un", "shell=/bin/sh"]);
    assert_eq!(answer["humble"], "nobody");
    let key = agent.dir().join("etc/salt/pki/minion/minion.pem");
    let key = key.metadata().unwrap();
    assert_eq!(
        (key.uid(), key.mode() & 0o777),
        (nobody.uid.as_raw(), 0o400)
    );
    agent.process().stop(10);

    agent.configure(&format!("master: {address}\nuser: no-such-account"));
    agent.run();
    harness::until(20, "the daemon to refuse", || {
        agent.process().ended().is_some()
    });
    assert!(agent.log().contains("no-such-account"), "{}", agent.log());
}

/// Temporary directories are closed to others; a real `/etc` and `/var` are not.
fn open(dir: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    for path in [
        dir.to_owned(),
        dir.join("etc"),
        dir.join("etc/salt"),
        dir.join("var"),
        dir.join("var/cache"),
    ] {
        if path.is_dir() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
