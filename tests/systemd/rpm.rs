//! `make test-rpm`: what `make dist` made for the RHEL family, on a machine that lives: installed by dnf with all that it
//! needs, upgraded in the middle of a job and back, removed. The machine is a Debian with dnf and rpm; a package without
//! files stands for RHEL 9's own, with exactly what that offers, so nothing newer can be needed.

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

/// What RHEL 9's glibc, libgcc and bash provide, as far as programs ask for it.
fn base(stage: &Path) -> PathBuf {
    // The rest of a name, and the newest of glibc 2.34 and gcc 11.
    let glibc = ["2.2.5", "2.2.6", "2.3", "2.3.2", "2.3.3", "2.3.4"].map(str::to_owned);
    let glibc: Vec<String> = glibc
        .into_iter()
        .chain((4..=34).map(|minor| format!("2.{minor}")))
        .map(|version| format!("GLIBC_{version}"))
        .collect();
    let gcc = ["3.0", "3.3", "3.3.1", "3.4", "4.2.0", "4.3.0", "7.0.0"].map(|v| format!("GCC_{v}"));
    let mut provides = vec!["/bin/sh".to_owned(), "rtld(GNU_HASH)".to_owned()];
    for library in [
        "libc.so.6",
        "libm.so.6",
        "ld-linux-x86-64.so.2",
        "libgcc_s.so.1",
    ] {
        let versions = if library == "libgcc_s.so.1" {
            &gcc[..]
        } else {
            &glibc
        };
        provides.push(format!("{library}()(64bit)"));
        provides.extend(versions.iter().map(|v| format!("{library}({v})(64bit)")));
    }
    let spec = stage.join("base.spec");
    let provides: String = provides
        .iter()
        .map(|p| format!("Provides: {p}\n"))
        .collect();
    let head =
        "Name: rhel-base\nVersion: 9\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n";
    fs::write(&spec, format!("{head}{provides}%description\nx\n%files\n")).unwrap();
    let mut build = Command::new("rpmbuild");
    build
        .args(["-bb", "--quiet", "--define"])
        .arg(format!("_topdir {}", stage.join("rpmbuild").display()))
        .arg(&spec);
    Finished::run(&mut build).success();
    stage.join("rpmbuild/RPMS/noarch/rhel-base-9-1.noarch.rpm")
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
        ("base.rpm", base(package.parent().unwrap())),
    ] {
        fs::copy(file, root.join(name)).unwrap();
    }
    let machine = Machine::start(disk);
    // Debian asks whether that is meant.
    let base = ["rpm", "--force-debian", "-i", "/root/base.rpm"];
    machine.run(&base).success();
    let dnf = |words: &[&str]| {
        let argv = [&["dnf", "--assumeyes", "--quiet"], words].concat();
        machine.run(&argv).success()
    };
    let release = || machine.says(&["rpm", "-q", "--qf", "%{RELEASE}", "salt-agent"]);
    let edited = "/etc/salt/minion.d/00-agent.conf";

    dnf(&["install", "/root/1.rpm"]);
    assert_eq!(machine.says(&["systemctl", "is-enabled", AGENT]), "enabled");
    assert_eq!(machine.property(AGENT, "ActiveState"), "active");
    crate::answers(&master);
    let key = || fs::read(machine.path("/etc/salt/pki/minion/minion.pem")).unwrap();
    let before = key();
    fs::write(machine.path(edited), "# mine\n").unwrap();
    // Every file has the mode, the owner and the bytes that the package says, but the one that was edited.
    let verified = machine.says(&["rpm", "-V", "salt-agent"]);
    let verified: Vec<&str> = verified.lines().collect();
    assert!(
        verified.len() == 1 && verified[0].ends_with(edited),
        "{verified:?}"
    );

    let mut client = Client::of(&master);
    let (upgrade, words) = ("dnf --assumeyes upgrade /root/2.rpm", "Upgraded:");
    upgrade_by_a_job(&machine, &mut client, upgrade, words);
    assert_eq!(release(), "2");
    let (downgrade, words) = ("dnf --assumeyes downgrade /root/1.rpm", "Downgraded:");
    upgrade_by_a_job(&machine, &mut client, downgrade, words);
    assert_eq!(release(), "1", "back again");
    assert_eq!(key(), before);
    let config = || fs::read_to_string(machine.path(edited)).unwrap_or_default();
    assert_eq!(config(), "# mine\n");

    dnf(&["install", "/root/compat.rpm"]);
    let pong = machine.run(&["salt-call", "--local", "--out=json", "test.ping"]);
    assert_eq!(pong.success().json()["local"], true);
    assert_eq!(machine.property(MINION, "Id"), AGENT);
    let conflicts = machine.says(&["rpm", "-q", "--conflicts", "salt-agent-compat"]);
    assert_eq!(conflicts, "salt-minion");

    dnf(&["remove", "salt-agent-compat", "salt-agent"]);
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
