//! `make test-vm`: the whole story in a true VM under QEMU, from power-on. An image with the agent in it boots by a
//! NoCloud disk, is proven by its serial console, highstates, is generalized and switched off; two clones boot from
//! it, one by NoCloud and one by a config drive, and have nothing in common. Says how long a first start takes, and
//! what the agent adds to an image.

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
const BOOT: u64 = 600;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(files), Some(package)) = (arguments.next(), arguments.next()) else {
        panic!("vm DIR PACKAGE: the directory of tests/setup/vm.sh, and the .deb");
    };
    let work = tempfile::tempdir().unwrap();
    let master = Master::of(Release::V3008)
        .file("srv/salt/top.sls", "base:\n  '*':\n    - first\n")
        .file(
            "srv/salt/first.sls",
            "/etc/first-boot:\n  file.managed:\n    - contents: done\n",
        )
        .start();
    let (image, added) = disk::image(&files, &package, work.path());
    let minion = disk::used(
        &Release::V3008
            .program("salt-minion")
            .with_file_name("../lib"),
    );
    println!(
        "the agent adds {:.1} MB to an image; Salt from PyPI for a salt-minion, without its Python: {:.1} MB",
        added as f64 / 1e6,
        minion as f64 / 1e6
    );
    assert!(added < 15_000_000, "more than 15 MB");

    let vm = |name: &str, disk: &Path, seed: Seed| {
        let data = user_data(&master, name);
        let seed = disk::seed(work.path(), name, seed, &data);
        Machine::boot(name, &files, work.path(), disk, &seed, &master)
    };
    let first = vm("first", &image, Seed::NoCloud);
    let mut fingers = vec![joined(&first, &master, "first")];
    highstate(&master, "first");
    println!("{}", status(&master, "first"));
    generalize(&first, &master);
    first.wait_end(BOOT);
    drop(first);

    let clones = [("one", Seed::NoCloud), ("two", Seed::ConfigDrive)];
    let clones = clones.map(|(name, seed)| {
        let disk = disk::clone(work.path(), &image, name);
        (name, vm(name, &disk, seed))
    });
    for (name, machine) in &clones {
        fingers.push(joined(machine, &master, name));
        highstate(&master, name);
        println!("{}", status(&master, name));
    }
    let ids = clones
        .each_ref()
        .map(|(name, _)| says(&master, name, "cat /etc/machine-id"));
    assert_ne!(ids[0], ids[1], "two machines with one machine-id");
    fingers.sort();
    fingers.dedup();
    assert_eq!(fingers.len(), 3, "two machines with one key");
    println!("three machines, three keys: all is well");
}

/// The template that users get.
fn user_data(master: &Master, name: &str) -> String {
    include_str!("../../cloud-init/baked-in.yaml")
        // The only address that the VM reaches: QEMU brings it to the master.
        .replace("<MASTER>", machine::MASTER)
        .replace("<FINGER>", &format!("'{}'", master.finger()))
        .replace("<NONCE>", &format!("n-{name}"))
        .replace("/dev/console", "/dev/ttyS0")
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

/// What a user sees, with the time from the kernel's start and the memory.
fn status(master: &Master, name: &str) -> String {
    let memory = "grep VmRSS /proc/$(systemctl show -P MainPID salt-agent)/status";
    let status = says(master, name, "salt-agent status");
    let wanted = |line: &&str| line.contains("ready") || line.contains("highstate");
    let lines: Vec<&str> = status.lines().filter(wanted).collect();
    format!(
        "{name}: {}\n{}",
        says(master, name, memory),
        lines.join("\n")
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
