//! The package on a machine that lives: installed, upgraded in the middle of a job, downgraded, removed, purged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use harness::{Client, Finished, Master, bin, until};
use serde_json::json;

use crate::machine::{Disk, Machine};
use crate::{AGENT, RELEASE};

/// The packages of the program that the tests run, as this version; made once for all tests.
pub(crate) fn build(version: &str) -> Option<PathBuf> {
    static STAGE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut made = STAGE.lock().unwrap();
    let there = Command::new("cargo").args(["deb", "--version"]).output();
    if !there.is_ok_and(|ran| ran.status.success()) {
        let why =
            "cargo-deb is not installed: run `make $HOME/.cache/salt-agent/tools/bin/cargo-deb`";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        println!("skipped: {why}");
        return None;
    }
    let stage = made.get_or_insert_with(stage);
    let file = stage.join(format!("salt-agent_{version}.deb"));
    if !file.exists() {
        package(stage, version, "", &file);
        package(stage, version, "compat", &compat(&file));
    }
    Some(file)
}

/// The package with Salt's names that goes with one.
pub(crate) fn compat(package: &Path) -> PathBuf {
    package.with_extension("compat.deb")
}

/// Where cargo-deb looks for a release: the program that was tested, without what makes it ten times as big.
fn stage() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = bin("salt-agent");
    let mut extras = Command::new(root.join("packaging/dist.sh"));
    Finished::run(extras.arg("extras").arg(&program)).success();
    let stage = program.with_file_name("test-packages");
    fs::remove_dir_all(&stage).ok();
    fs::create_dir_all(stage.join("release")).unwrap();
    let lean = stage.join("release/salt-agent");
    Finished::run(Command::new("strip").arg("-o").arg(&lean).arg(&program)).success();
    stage
}

/// The program that was tested, as it is in a package.
pub(crate) fn lean(package: &Path) -> PathBuf {
    package.with_file_name("release").join("salt-agent")
}

fn package(stage: &Path, version: &str, variant: &str, file: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("cargo");
    command
        .current_dir(root.join("agent"))
        .env("CARGO_TARGET_DIR", stage)
        .args(["deb", "--quiet", "--no-build", "--no-strip", "--fast"])
        .args(["--deb-version", version, "--output"])
        .arg(file);
    if !variant.is_empty() {
        command.args(["--variant", variant]);
    }
    Finished::run(&mut command).success();
}

/// Into an image, as whoever builds one does.
pub(crate) fn install(disk: &Disk, package: &Path) {
    fs::copy(package, disk.root().join("root/agent.deb")).unwrap();
    disk.chroot(&["dpkg", "--install", "/root/agent.deb"])
        .success();
}

const CONFIG: &str = "id: machine\nlog_level: info\nkeysize: 2048\nagent: {trust: first-use}\n";

#[test]
fn a_job_outlives_the_upgrade_that_it_does() {
    if !RELEASE.is_installed() {
        return;
    }
    let Some(disk) = Machine::disk(&[]) else {
        return;
    };
    let (Some(old), Some(new)) = (build("0.1.0"), build("0.2.0")) else {
        return;
    };
    let master = Master::of(RELEASE).auto_accept().start();
    disk.without_salt();
    fs::create_dir_all(disk.root().join("etc/salt")).unwrap();
    let config = format!("master: {}\n{CONFIG}", master.address);
    fs::write(disk.root().join("etc/salt/minion"), &config).unwrap();
    for (name, file) in [
        ("old.deb", &old),
        ("new.deb", &new),
        ("compat.deb", &compat(&new)),
    ] {
        fs::copy(file, disk.root().join("root").join(name)).unwrap();
    }
    let machine = Machine::start(disk);
    let dpkg = |words: &[&str]| {
        let argv = [&["env", "DEBIAN_FRONTEND=noninteractive", "dpkg"], words].concat();
        machine.run(&argv).success()
    };
    let version = || machine.says(&["dpkg-query", "-f", "${Version}", "-W", "salt-agent"]);
    // A conffile that its operator changed, and what the package itself never touches.
    let edited = "/etc/salt/minion.d/00-agent.conf";

    dpkg(&["--install", "/root/old.deb"]);
    assert_eq!(machine.says(&["systemctl", "is-enabled", AGENT]), "enabled");
    assert_eq!(machine.property(AGENT, "ActiveState"), "active");
    crate::answers(&master);
    let key = || fs::read(machine.path("/etc/salt/pki/minion/minion.pem")).unwrap();
    let before = key();
    fs::write(machine.path(edited), "# mine\n").unwrap();

    let mut client = Client::of(&master);
    let upgrade = "dpkg --force-confold --install /root/";
    let words = "Setting up salt-agent";
    upgrade_by_a_job(&machine, &mut client, &format!("{upgrade}new.deb"), words);
    assert_eq!(version(), "0.2.0");
    upgrade_by_a_job(&machine, &mut client, &format!("{upgrade}old.deb"), words);
    assert_eq!(version(), "0.1.0", "back again");
    assert_eq!(key(), before);
    assert_eq!(
        fs::read_to_string(machine.path(edited)).unwrap(),
        "# mine\n"
    );

    a_program_that_does_not_work_is_not_started(&machine);
    what_was_edited_is_asked_about(&machine, edited);

    beside_another_program_of_salt(&machine);
    assert_eq!(key(), before, "another program of Salt may want it");
    dpkg(&["--install", "/root/old.deb"]);
    crate::answers(&master);
    fs::write(machine.path(edited), "# mine\n").unwrap();

    dpkg(&["--remove", "salt-agent"]);
    assert_eq!(machine.property(AGENT, "ActiveState"), "inactive");
    assert_eq!(key(), before, "a removed package leaves keys");
    assert!(machine.path(edited).exists() && machine.path("/etc/salt/minion").exists());
    // Salt's names are ours now; that it was here before is no upgrade.
    dpkg(&["--install", "/root/new.deb", "/root/compat.deb"]);
    crate::answers(&master);
    assert_eq!(
        machine.says(&["systemctl", "is-active", crate::MINION]),
        "active"
    );
    assert_eq!(machine.property(crate::MINION, "Id"), AGENT);
    let pong = machine.run(&["salt-call", "--local", "--out=json", "test.ping"]);
    assert_eq!(pong.success().json()["local"], true);
    dpkg(&["--purge", "salt-agent-compat", "salt-agent"]);
    // Without another program of Salt its keys go as well; a file that no package brought stays.
    for gone in ["/etc/salt/pki/minion", edited, "/var/lib/salt-agent"] {
        assert!(!machine.path(gone).exists(), "{gone}");
    }
    assert!(machine.path("/etc/salt/minion").exists());
}

/// A release with another default: dpkg asks, and what the operator wrote stays.
fn what_was_edited_is_asked_about(machine: &Machine, edited: &str) {
    let repack = format!(
        "cd /root && dpkg-deb -R old.deb changed && echo '# other' >>changed{edited} && \
         sed -i 's/^Version:.*/Version: 0.3.0/' changed/DEBIAN/control && dpkg-deb -Znone -b changed changed.deb"
    );
    machine.run(&["sh", "-c", &repack]).success();
    let install = "DEBIAN_FRONTEND=noninteractive dpkg --install /root/changed.deb </dev/null 2>&1";
    let asked = machine.run(&["sh", "-c", install]);
    assert_ne!(asked.code, 0, "{asked:?}");
    assert!(
        asked
            .stdout
            .contains(&format!("Configuration file '{edited}'")),
        "{asked:?}"
    );
    machine
        .run(&["dpkg", "--force-confold", "--configure", "salt-agent"])
        .success();
    let text = |path: &str| fs::read_to_string(machine.path(path)).unwrap_or_default();
    assert_eq!(text(edited), "# mine\n");
    assert!(text(&format!("{edited}.dpkg-dist")).ends_with("# other\n"));
}

/// With a salt-minion's package, Salt's names are not for us to take, and purging leaves its keys.
fn beside_another_program_of_salt(machine: &Machine) {
    let make = "cd /root && mkdir -p salt/DEBIAN salt/usr/bin && ln -s /bin/true salt/usr/bin/salt-minion && \
                printf 'Package: salt-minion\nVersion: 3008.3\nArchitecture: all\nMaintainer: x <x@example.org>\n\
                Description: x\n' | sed 's/^ *//' >salt/DEBIAN/control && dpkg-deb -Znone -b salt salt.deb && dpkg -i salt.deb";
    machine.run(&["sh", "-c", make]).success();
    let refused = machine.run(&["dpkg", "--install", "/root/compat.deb"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("conflict"), "{refused:?}");
    machine.run(&["dpkg", "--purge", "salt-agent"]).success();
    assert!(!machine.path("/var/lib/salt-agent").exists());
    machine.run(&["dpkg", "--purge", "salt-minion"]).success();
}

/// The job returns, another one beside it does, too; the process stays and its program is the new one.
pub(crate) fn upgrade_by_a_job(machine: &Machine, client: &mut Client, upgrade: &str, words: &str) {
    let pid = machine.property(AGENT, "MainPID");
    let sleeper = json!(["sleep 6; echo slept"]);
    let slept = client.publish("machine", "cmd.run", sleeper, 1);
    let (said, _) = client.call("machine", "cmd.run", json!([upgrade]), json!({}));
    assert!(said.as_str().is_some_and(|s| s.contains(words)), "{said}");
    until(60, "the return of the job beside it", || {
        client.returns("machine", &slept)[0] == "slept"
    });
    until(60, "the new program", || {
        let entries = machine.journal(AGENT);
        let becoming = entries
            .iter()
            .rposition(|e| says(e, "Making room for a new program."));
        let ready = entries.iter().rposition(|e| says(e, "Minion is ready."));
        becoming.is_some() && ready > becoming
    });
    let link = machine.says(&["readlink", &format!("/proc/{pid}/exe")]);
    assert_eq!(link, "/usr/bin/salt-agent", "the file that is there now");
    assert_eq!(machine.property(AGENT, "MainPID"), pid);
    assert_eq!(machine.property(AGENT, "NRestarts"), "0");
    let (pong, _) = client.call("machine", "test.ping", json!([]), json!({}));
    assert_eq!(pong, true);
    // For the next time.
    machine.run(&["journalctl", "--rotate", "--vacuum-time=1us"]);
}

fn says(entry: &serde_json::Value, words: &str) -> bool {
    entry["MESSAGE"].as_str().is_some_and(|m| m.contains(words))
}

fn a_program_that_does_not_work_is_not_started(machine: &Machine) {
    let pid = machine.property(AGENT, "MainPID");
    // A running program keeps its file, whose name goes to another one, as in an upgrade.
    machine
        .run(&["cp", "/usr/bin/salt-agent", "/usr/bin/salt-agent.kept"])
        .success();
    machine
        .run(&["cp", "/bin/false", "/usr/bin/salt-agent.new"])
        .success();
    let swap = ["mv", "/usr/bin/salt-agent.new", "/usr/bin/salt-agent"];
    machine.run(&swap).success();
    machine.run(&["salt-agent.kept", "restart"]).success();
    until(30, "the status to say why", || {
        let status = machine.says(&["salt-agent.kept", "status"]);
        status.contains("the new program is not used")
    });
    assert_eq!(machine.property(AGENT, "MainPID"), pid);
    machine
        .run(&["mv", "/usr/bin/salt-agent.kept", "/usr/bin/salt-agent"])
        .success();
}
