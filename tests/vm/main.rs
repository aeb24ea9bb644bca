//! `make test-vm`: the whole story in a true VM under QEMU, from power-on. An image with the agent in it boots by a
//! NoCloud disk, is proven by its serial console, highstates, comes back with its key after a reboot, is generalized,
//! switched off and converted; two clones boot from that, one by NoCloud and one by a config drive, and have nothing in
//! common. Says how long a start takes, how much memory the agent has and what it adds to an image, and the same of a
//! salt-minion in the same image.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed unwrap is a failed test, and what it prints is for people"
)]

mod disk;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Finished, Master, Release, until};

use disk::Seed;
use machine::Machine;

/// For a boot without hardware help, on a machine that does other things as well.
const BOOT: u64 = 1800;
/// What a minion says in its log, with the moment before it.
const READY: &str = "Minion is ready to receive requests!";

/// Where everything lies, and who is the master.
struct Lab {
    files: PathBuf,
    work: tempfile::TempDir,
    master: Master,
}

impl Lab {
    fn boot(&self, name: &str, disk: &Path, seed: Seed, data: &str) -> Machine {
        let work = self.work.path();
        let seed = disk::seed(work, name, seed, data);
        Machine::boot(name, &self.files, work, disk, &seed, &self.master)
    }
}

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(files), Some(package)) = (arguments.next(), arguments.next()) else {
        panic!(
            "vm DIR PACKAGE [IMAGE]: the directory of tests/setup/vm.sh, and the .deb; only to make the image, where"
        );
    };
    if let Some(image) = arguments.next() {
        let work = tempfile::tempdir().unwrap();
        let root = disk::unpack(&files, work.path(), "root");
        disk::add_agent(&root, &package);
        let made = disk::image(root, work.path(), "image");
        fs::copy(made, &image).unwrap();
        return;
    }
    let master = Master::of(Release::V3008)
        .file("srv/salt/top.sls", "base:\n  '*':\n    - first\n")
        .file(
            "srv/salt/first.sls",
            "/etc/first-boot:\n  file.managed:\n    - contents: done\n",
        )
        .start();
    let lab = Lab {
        files,
        work: tempfile::tempdir().unwrap(),
        master,
    };
    let work = lab.work.path();
    let root = disk::unpack(&lab.files, work, "root");
    let added = disk::add_agent(&root, &package);
    println!("the agent adds {} to an image", mb(added));
    let image = disk::image(root, work, "image");
    let memory = story(&lab, &image);

    let root = disk::unpack(&lab.files, work, "minion-root");
    let salt = disk::add_minion(&root, Release::V3008);
    let (ready, of_minion) = beside(&lab, root);
    println!(
        "a salt-minion of the same release in the same image, whose Python is there: adds {}, {ready:.1} s from the \
         kernel's start to ready, {of_minion} kB of memory; the agent: {}, {memory} kB",
        mb(salt),
        mb(added),
    );
    assert!(added <= 15_000_000, "the agent adds more than 15 MB");
}

/// First boot, restart, golden image, clones; gives the agent's memory.
fn story(lab: &Lab, image: &Path) -> u64 {
    let master = &lab.master;
    let data = user_data(master, "first");
    let first = lab.boot("first", image, Seed::NoCloud, &data);
    let mut fingers = vec![joined(&first, master, "first")];
    highstate(master, "first");
    first.wait_line(BOOT, "salt-agent: id=first ", " state=succeeded");
    println!("{}", status(master, "first"));
    println!("{}", order(master, "first"));
    let id = says(master, "first", "cat /etc/machine-id");

    // Off and on again: the same machine, and a start for which nobody waits outside.
    master.run("salt", &["--async", "first", "system.reboot"]);
    first.wait_end(BOOT);
    drop(first);
    let first = lab.boot("first", image, Seed::NoCloud, &data);
    let line = first.wait_line(BOOT, "salt-agent: id=first ", " state=ready");
    assert!(
        line.contains(&fingers[0]) && !line.contains("cloned_from"),
        "{line}"
    );
    until(BOOT, "the minion to answer", || {
        says(master, "first", "cat /etc/machine-id") == id
    });
    println!("restarted, {}", status(master, "first"));
    let memory = memory(master, "first", "salt-agent run");

    generalize(&first, master);
    first.wait_end(BOOT);
    drop(first);
    let (golden, bytes) = disk::golden(image, lab.work.path());
    println!("the golden image, converted and compressed: {}", mb(bytes));

    let clones = [("one", Seed::NoCloud), ("two", Seed::ConfigDrive)];
    let clones = clones.map(|(name, seed)| {
        let disk = disk::clone(lab.work.path(), &golden, name);
        (name, lab.boot(name, &disk, seed, &user_data(master, name)))
    });
    for (name, machine) in &clones {
        fingers.push(joined(machine, master, name));
        highstate(master, name);
        println!("{}", status(master, name));
    }
    let ids = clones
        .each_ref()
        .map(|(name, _)| says(master, name, "cat /etc/machine-id"));
    assert!(
        ids[0].len() == 32 && ids[0] != ids[1],
        "two machines with one machine-id: {ids:?}"
    );
    assert!(!ids.contains(&id), "the builder's machine-id: {ids:?}");
    fingers.sort();
    fingers.dedup();
    assert_eq!(fingers.len(), 3, "two machines with one key");
    println!("three machines, three keys: all is well");
    memory
}

/// A salt-minion in the same image; gives the seconds from the kernel's start to ready, and its memory.
fn beside(lab: &Lab, root: PathBuf) -> (f64, u64) {
    let master = &lab.master;
    let config = format!(
        "master: {}\nid: minion\nmaster_finger: '{}'\nlog_level_logfile: info\n\
         log_fmt_logfile: '%(created)f %(message)s'\nacceptance_wait_time: 1\n",
        machine::MASTER,
        master.finger()
    );
    fs::create_dir_all(root.join("etc/salt")).unwrap();
    fs::write(root.join("etc/salt/minion"), config).unwrap();
    let image = disk::image(root, lab.work.path(), "minion");
    let nobody = "#cloud-config\n{}\n";
    // Once for its key, and once more for a start with it.
    let minion = lab.boot("minion", &image, Seed::NoCloud, nobody);
    until(BOOT, "the minion's key", || {
        master.keys("minions_pre").contains(&"minion".to_owned())
    });
    master.accept("minion");
    let up = || says(master, "minion", "cat /proc/uptime");
    until(BOOT, "the minion to answer", || !up().is_empty());
    master.run("salt", &["--async", "minion", "system.reboot"]);
    minion.wait_end(BOOT);
    drop(minion);
    let _minion = lab.boot("minion", &image, Seed::NoCloud, nobody);
    until(BOOT, "the minion to answer", || !up().is_empty());
    let look = format!("grep '{READY}' /var/log/salt/minion | tail -1; grep btime /proc/stat");
    let said = says(master, "minion", &look);
    let mut numbers = said
        .split_whitespace()
        .filter_map(|w| w.parse::<f64>().ok());
    let (ready, booted) = numbers.next().zip(numbers.next()).expect(&said);
    (ready - booted, memory(master, "minion", "salt-minion"))
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The template that users get.
fn user_data(master: &Master, name: &str) -> String {
    include_str!("../../cloud-init/baked-in.yaml")
        // The only address that the VM reaches: QEMU brings it to the master.
        .replace("<MASTER>", machine::MASTER)
        .replace("<FINGER>", &format!("'{}'", master.finger()))
        .replace("<NONCE>", &format!("n-{name}"))
}

/// Proves the key by the serial console and accepts it; its fingerprint.
fn joined(machine: &Machine, master: &Master, name: &str) -> String {
    let line = machine.wait_line(BOOT, &format!("salt-agent: id={name} "), " state=pending");
    Finished::run(
        Command::new(harness::bin("master-bridge"))
            .arg("-c")
            .arg(master.config_dir())
            .arg("--journal")
            .arg(master.dir().join("journal.sqlite"))
            .args(["keys", "accept", name, "--console"])
            .arg(machine.console()),
    )
    .success();
    machine.wait_line(BOOT, &format!("salt-agent: id={name} "), " state=ready");
    let word = |word: &str| word.strip_prefix("fingerprint=").map(str::to_owned);
    line.split_whitespace().find_map(word).unwrap()
}

fn highstate(master: &Master, name: &str) {
    until(BOOT, &format!("the highstate of {name}"), || {
        says(master, name, "cat /etc/first-boot") == "done"
    });
}

fn says(master: &Master, name: &str, command: &str) -> String {
    let ran = master.run(
        "salt",
        &[
            "--out", "json", "--static", "-t", "60", name, "cmd.run", command,
        ],
    );
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    answer[name].as_str().unwrap_or_default().trim().to_owned()
}

/// What a user sees: the time from the kernel's start among it.
fn status(master: &Master, name: &str) -> String {
    let status = says(master, name, "salt-agent status");
    let wanted = |line: &&str| line.contains("ready") || line.contains("highstate");
    let lines: Vec<&str> = status.lines().filter(wanted).collect();
    format!("{name}: {}", lines.join("\n"))
}

/// Memory of all processes of a command line, in kB; what they share counts once.
fn memory(master: &Master, name: &str, line: &str) -> u64 {
    // The shell that looks is not meant.
    let (head, tail) = line.split_at(1);
    let look = format!(
        "for p in $(pgrep -f '[{head}]{tail}'); do grep ^Pss: /proc/$p/smaps_rollup 2>/dev/null; done"
    );
    let said = says(master, name, &look);
    let numbers = said
        .split_whitespace()
        .filter_map(|w| w.parse::<u64>().ok());
    let sum = numbers.sum();
    assert!(sum > 0, "{said}");
    sum
}

/// The order of a first boot: the key was made while the network came up, and the agent started after both.
fn order(master: &Master, name: &str) -> String {
    let moment = |unit: &str, property: &str| {
        let show = format!("systemctl show -P {property}TimestampMonotonic {unit}");
        let said = says(master, name, &show);
        said.parse::<u64>()
            .unwrap_or_else(|_| panic!("{unit}: {said}"))
            / 1000
    };
    let key = moment("salt-agent-key.service", "ExecMainExit");
    let network = moment("systemd-networkd-wait-online.service", "ExecMainExit");
    let data = moment("cloud-init.service", "ExecMainExit");
    let agent = moment("salt-agent.service", "ExecMainStart");
    assert!(
        key < agent && data < agent,
        "key {key}, user-data {data}, agent {agent}"
    );
    format!(
        "{name}: milliseconds after the kernel's start: key made {key}, network up {network}, user-data read {data}, \
         agent started {agent}"
    )
}

/// By a job, whose return comes before the end.
fn generalize(machine: &Machine, master: &Master) {
    let told = master.salt(&["first", "image.generalize", "poweroff=True"]);
    assert_eq!(told["first"]["result"], true, "{told}");
    let line = machine.wait_line(BOOT, "salt-agent: generalized ", "digest=sha256:");
    assert!(line.contains("clean=true"), "{line}");
    assert!(fs::read_to_string(machine.console()).is_ok());
}
