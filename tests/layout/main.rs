//! `make layout`: which functions an agent runs from its start to its rest, as a linker script that lays them side by
//! side.
//!
//! The kernel maps a program 16 pages at a time around each that is touched. What an idle agent needs is a fifth of the
//! program, but scattered it is on nearly every 16 pages. `agent/layout.ld` says how the names are written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people at a terminal; a failed step ends it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Agent, Client, Events, Master, Release, bin};
use regex::{Captures, Regex};
use serde_json::json;

/// Under valgrind a start takes fifty times as long.
const SLOW: u64 = 300;
/// The timers of an agent at rest: heartbeats, the watchdog, the look at its files.
const REST: Duration = Duration::from_secs(40);

fn main() {
    let target = std::env::args().nth(1).expect("the file to write");
    let master = Master::of(Release::V3008).auto_accept().start();
    let events = Events::of(&master);
    let mut client = Client::of(&master);
    let first_use = "agent: {trust: first-use}";
    let mut agent = Agent::prepare("layout", &master.address.to_string(), first_use);
    let profile = agent.dir().join("profile");
    let valgrind = Command::new("valgrind").arg("--version").output();
    assert!(
        valgrind.is_ok(),
        "valgrind is missing: apt-get install valgrind"
    );
    // A key is made once in the life of a machine: not what a start runs.
    let first = Instant::now();
    agent.run();
    events.wait(60, "salt/minion/layout/start", first);
    agent.process().stop(SLOW);
    println!("starting an agent under valgrind; this takes a minute");
    let since = Instant::now();
    agent.run_by(
        Command::new("valgrind")
            .args([
                "--quiet",
                "--tool=callgrind",
                "--demangle=no",
                "--dump-line=no",
            ])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(bin("salt-agent")),
    );
    events.wait(SLOW, "salt/minion/layout/start", since);
    for fun in [
        "test.ping",
        "grains.items",
        "pillar.items",
        "saltutil.refresh_pillar",
    ] {
        client.call("layout", fun, json!([]), json!({}));
    }
    client.ping(&json!("*"), "glob");
    std::thread::sleep(REST);
    agent.process().stop(SLOW);
    let names = executed(&fs::read_to_string(&profile).unwrap());
    fs::write(&target, script(&names)).unwrap();
    println!("{target}: {} functions", names.len());
}

/// The functions of the agent's own program that ran.
fn executed(profile: &str) -> BTreeSet<String> {
    let program = bin("salt-agent").display().to_string();
    let line = Regex::new(r"^(c?)(ob|fn)=\((\d+)\)(?: (.*))?$").unwrap();
    // Each name is written once, and then meant by its number.
    let mut named: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let (mut ours, mut ran) = (false, BTreeSet::new());
    for captures in profile.lines().filter_map(|l| line.captures(l)) {
        let [is_callee, kind, number] = [1, 2, 3].map(|n| captures.get(n).unwrap().as_str());
        if let Some(name) = captures.get(4) {
            named.insert((kind, number), name.as_str());
        }
        if !is_callee.is_empty() {
            continue;
        }
        if kind == "ob" {
            ours = named
                .get(&(kind, number))
                .is_some_and(|name| *name == program);
        } else if ours {
            ran.insert(number);
        }
    }
    let recursion = Regex::new(r"'\d+$").unwrap();
    ran.into_iter()
        .filter_map(|number| named.get(&("fn", number)))
        .map(|name| recursion.replace(name, "").into_owned())
        // Not what valgrind made up for a place without a name.
        .filter(|name| {
            let usual = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
            !name.starts_with("0x") && name.chars().all(usual)
        })
        .collect()
}

/// The script. The hash of a crate, the number of an implementation in its module, and how far back a name refers in
/// itself change with each version, but hardly ever their lengths; what the compiler numbers at the end does. What it
/// holds for unlikely is in `.text.unlikely.…`.
fn script(names: &BTreeSet<String>) -> String {
    let changes =
        Regex::new(r"(Cs|B|[MX]s)([0-9A-Za-z]{1,12})_|ring_core_[0-9_]+__|\.\d+$").unwrap();
    let patterns: BTreeSet<_> = names
        .iter()
        .map(|name| {
            let stable = changes.replace_all(name, |found: &Captures<'_>| match found.get(1) {
                Some(kind) => format!("{}{}_", kind.as_str(), "?".repeat(found[2].len())),
                None if found[0].starts_with('.') => ".*".to_owned(),
                None => "ring_core_*__".to_owned(),
            });
            format!("    *(.text*.{stable})\n")
        })
        .collect();
    format!(
        "/* Made by `make layout`: what an agent runs from its start to its rest lies side by side, so that the rest of\n   \
         the program needs no memory. A function that is not here is merely elsewhere. */\n\
         SECTIONS {{\n  .text.used : {{\n{}  }}\n}} INSERT BEFORE .text;\n",
        patterns.into_iter().collect::<String>()
    )
}
