//! `make test-rpm`: what `make dist` made for the RHEL family, on a machine that lives: installed by rpm with its
//! scripts, upgraded in the middle of a job and back, removed. The machine is a Debian; rpm's own part is the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Client, Finished, Master};

use crate::machine::Machine;
use crate::packages::{self, upgrade_by_a_job};
use crate::{AGENT, MINION, RELEASE};

const CONFIG: &str = "id: machine\nlog_level: info\nkeysize: 2048\nagent: {trust: first-use}\n";

/// The one package of `make dist` whose name begins so.
fn made(begin: &str) -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist");
    let files = fs::read_dir(&dist).expect("run `make dist`");
    let mut files = files.map(|f| f.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(begin) && name.ends_with(".rpm")
    });
    files.next().expect("an rpm in target/dist")
}

/// The next release, of the program that the tests run.
fn next(package: &Path) -> PathBuf {
    let stage = package.parent().unwrap();
    let file = stage.join("salt-agent-2.rpm");
    let mut command = Command::new("cargo");
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent"))
        // Whoever packs it here is not optimised.
        .args([
            "generate-rpm",
            "--auto-req",
            "builtin",
            "--payload-compress",
            "none",
        ])
        .arg("--target-dir")
        .arg(stage)
        .args(["--set-metadata", "release = \"2\"", "--output"])
        .arg(&file);
    Finished::run(&mut command).success();
    file
}

#[test]
#[ignore = "of what `make dist` made: `make test-rpm`"]
fn an_rpm_is_installed_upgraded_by_a_job_and_removed() {
    let disk = Machine::disk(&[]).expect("a machine");
    let package = packages::build("0.1.0").expect("cargo-deb");
    let master = Master::of(RELEASE).auto_accept().start();
    disk.without_salt();
    fs::create_dir_all(disk.root().join("etc/salt")).unwrap();
    let config = format!("master: {}\n{CONFIG}", master.address);
    fs::write(disk.root().join("etc/salt/minion"), &config).unwrap();
    let root = disk.root().join("root");
    fs::remove_dir_all(root.join(".rpmdb")).ok();
    for (name, file) in [
        ("1.rpm", made("salt-agent-0")),
        ("2.rpm", next(&package)),
        ("compat.rpm", made("salt-agent-compat")),
    ] {
        fs::copy(file, root.join(name)).unwrap();
    }
    let machine = Machine::start(disk);
    // Nothing that rpm knows of is on a Debian, and Debian asks whether that is meant.
    let rpm = |words: &[&str]| {
        let argv = [&["rpm", "--force-debian", "--nodeps"], words].concat();
        machine.run(&argv).success()
    };
    let release = || machine.says(&["rpm", "-q", "--qf", "%{RELEASE}", "salt-agent"]);
    let edited = "/etc/salt/minion.d/00-agent.conf";

    rpm(&["-i", "/root/1.rpm"]);
    assert_eq!(machine.says(&["systemctl", "is-enabled", AGENT]), "enabled");
    assert_eq!(machine.property(AGENT, "ActiveState"), "active");
    crate::answers(&master);
    let key = || fs::read(machine.path("/etc/salt/pki/minion/minion.pem")).unwrap();
    let before = key();
    fs::write(machine.path(edited), "# mine\n").unwrap();
    // Every file has the mode, the owner and the bytes that the package says, but the one that was edited.
    let verified = machine.says(&["rpm", "-V", "--nodeps", "salt-agent"]);
    let verified: Vec<&str> = verified.lines().collect();
    assert!(
        verified.len() == 1 && verified[0].ends_with(edited),
        "{verified:?}"
    );

    let mut client = Client::of(&master);
    let upgrade = "rpm --force-debian --nodeps -Uv --oldpackage /root/";
    let words = "Preparing packages";
    upgrade_by_a_job(&machine, &mut client, &format!("{upgrade}2.rpm"), words);
    assert_eq!(release(), "2");
    upgrade_by_a_job(&machine, &mut client, &format!("{upgrade}1.rpm"), words);
    assert_eq!(release(), "1", "back again");
    assert_eq!(key(), before);
    let config = || fs::read_to_string(machine.path(edited)).unwrap_or_default();
    assert_eq!(config(), "# mine\n");

    rpm(&["-i", "/root/compat.rpm"]);
    let pong = machine.run(&["salt-call", "--local", "--out=json", "test.ping"]);
    assert_eq!(pong.success().json()["local"], true);
    assert_eq!(machine.property(MINION, "Id"), AGENT);
    let conflicts = machine.says(&["rpm", "-q", "--conflicts", "salt-agent-compat"]);
    assert_eq!(conflicts, "salt-minion");

    rpm(&["-e", "salt-agent-compat", "salt-agent"]);
    assert_eq!(machine.property(AGENT, "ActiveState"), "inactive");
    assert!(!machine.path("/usr/bin/salt-agent").exists());
    assert!(
        !machine
            .path("/etc/systemd/system/multi-user.target.wants/salt-agent.service")
            .exists()
    );
    assert_eq!(key(), before, "a removed package leaves keys");
    assert!(machine.path("/etc/salt/minion").exists());
    // As rpm does it with every configuration that was edited.
    assert!(machine.path(&format!("{edited}.rpmsave")).exists());
}
