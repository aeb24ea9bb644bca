//! `make demo`: the main job on real input. Two real salt-masters of different releases, three VMs that start
//! from user-data, keys proven and accepted, a highstate, and a remaster of all of them; each step checked with
//! Salt's own command line. Leaves nothing running.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people at a terminal; a failed step ends it"
)]

mod bridge;
mod tree;
mod vm;

use std::time::Instant;

use harness::{Master, Release};

use crate::bridge::Bridge;
use crate::vm::Vm;

const OLD: Release = Release::V3006;
const NEW: Release = Release::V3008;
const NAMES: [&str; 3] = ["db1", "web1", "web2"];

fn main() {
    let start = Instant::now();
    for release in [OLD, NEW] {
        assert!(release.is_installed(), "run `make venvs`");
    }

    step("Two salt-masters, as PyPI has them");
    let old = tree::grow(Master::of(OLD));
    let new = tree::grow(Master::of(NEW));
    say(&format!(
        "{OLD} at {}: where everybody is today",
        old.address
    ));
    say(&format!(
        "{NEW} at {}: where everybody shall go",
        new.address
    ));

    step("Three VMs boot from user-data");
    say("cloud-init/baked-in.yaml names the master, its fingerprint, and a nonce for each boot");
    let mut vms: Vec<_> = NAMES.iter().map(|name| Vm::boot(name, &old)).collect();
    for vm in &mut vms {
        vm.agent.wait_state(60, "pending", "pending");
        say(&format!("the console says: {}", vm.console_line()));
    }

    step("Their keys are proven, then accepted");
    let bridge = Bridge::of(&old);
    let refusal = bridge.accept_forged(&vms[0]);
    say(&format!(
        "a console with another fingerprint is not believed: {refusal}"
    ));
    bridge.accept(&vms);
    assert_eq!(old.keys("minions"), NAMES);
    for vm in &mut vms {
        vm.agent.wait_state(60, "ready", "");
    }
    say("proven by their consoles, all three are accepted on the old master");
    let pings = old.salt(&["*", "test.ping"]);
    say(&format!("salt '*' test.ping: {pings}"));
    assert_everyone(&pings);

    step("A highstate of Salt's own trees, without Python on the VM");
    let highstate = old.run(
        "salt",
        &["-t", "60", "--state-output=terse", "*", "state.highstate"],
    );
    print!("{}", indent(&highstate.success().stdout));
    for vm in &vms {
        vm.check_highstate();
    }
    say("the files are there, each with its grains and pillar in it");

    step("All of them move to the new master, in waves");
    say(
        "each tries the new master beside its old session; its public key is carried over, compared three ways",
    );
    print!("{}", indent(&bridge.remaster_all(&new)));
    let pings = new.salt(&["*", "test.ping"]);
    say(&format!("on {NEW}, salt '*' test.ping: {pings}"));
    assert_everyone(&pings);
    for vm in &mut vms {
        vm.agent.wait_state(30, "ready", "");
        assert_eq!(vm.master(), new.address.to_string());
    }
    let left = old.run(
        "salt-run",
        &[
            "--out",
            "json",
            "manage.up",
            "timeout=3",
            "gather_job_timeout=3",
        ],
    );
    assert_eq!(left.json(), serde_json::json!([]), "somebody stayed behind");
    say(&format!(
        "on {OLD}, salt-run manage.up: nobody. Nobody was lost on the way."
    ));

    step("The new master works with them");
    let highstate = new.run(
        "salt",
        &[
            "-t",
            "60",
            "--state-output=terse",
            "*",
            "state.highstate",
            "test=True",
        ],
    );
    assert_eq!(highstate.code, 0, "{highstate:?}");
    assert!(!highstate.stdout.contains("changed="), "{highstate:?}");
    say("state.highstate test=True: nothing to change");

    drop(vms);
    drop((old, new));
    println!(
        "\nDone in {} s. Nothing is left running; all files were in temporary directories and are gone.",
        start.elapsed().as_secs()
    );
}

fn step(text: &str) {
    println!("\n== {text}");
}

fn say(text: &str) {
    println!("   {text}");
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("   {l}\n")).collect()
}

fn assert_everyone(pings: &serde_json::Value) {
    for name in NAMES {
        assert_eq!(pings[name], true, "{name} did not answer: {pings}");
    }
}
