//! The unit that we ship, under a real systemd: ready, reload, watchdog, stop, journal, adopt; the package that
//! brings it; and first boots by cloud-init, golden images and their clones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test"
)]

mod dist;
mod image;
mod install;
mod machine;
mod packages;
mod rpm;

use std::fs;
use std::path::Path;

use harness::{Master, Release, bin, until};
use machine::Machine;

/// One release is enough: it is systemd that is tried here.
const RELEASE: Release = Release::V3008;
const AGENT: &str = "salt-agent.service";
const MINION: &str = "salt-minion.service";

/// The shipped unit, with a watchdog that a test can wait for and a way to hang.
const DROP_IN: &str = "[Service]\nWatchdogSec=2s\nRestartSec=200ms\nEnvironment=SALT_AGENT_FAULT_HANG=/etc/salt/hang\n";

/// salt-minion's own unit, around a virtual environment.
fn minion_unit() -> String {
    format!(
        "[Unit]\nDescription=The Salt Minion\nAfter=network.target\n[Service]\nKillMode=process\nType=notify\n\
         NotifyAccess=all\nLimitNOFILE=8192\nExecStart={}\n[Install]\nWantedBy=multi-user.target\n",
        RELEASE.program("salt-minion").display()
    )
}

fn install(root: &Path, config: &str) {
    let units = root.join("etc/systemd/system");
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd/salt-agent.service");
    fs::copy(shipped, units.join(AGENT)).unwrap();
    let drop_in = units.join("salt-agent.service.d");
    fs::create_dir_all(&drop_in).unwrap();
    fs::write(drop_in.join("test.conf"), DROP_IN).unwrap();
    fs::write(units.join(MINION), minion_unit()).unwrap();
    fs::copy(bin("salt-agent"), root.join("usr/bin/salt-agent")).unwrap();
    fs::create_dir_all(root.join("etc/salt/minion.d")).unwrap();
    fs::write(root.join("etc/salt/minion"), config).unwrap();
}

fn answers(master: &Master) {
    until(90, "the minion to answer", || {
        let ran = master.run("salt", &["-t", "3", "machine", "test.ping"]);
        ran.stdout.contains("True")
    });
}

#[test]
fn the_unit_does_what_it_promises() {
    if !RELEASE.is_installed() {
        return;
    }
    let master = Master::of(RELEASE).auto_accept().start();
    let config = format!(
        "id: machine\nmaster: {}\nlog_level: info\nkeysize: 2048\nrecon_default: 200\nrecon_max: 1000\n\
         agent: {{trust: first-use}}\n",
        master.address
    );
    let Some(machine) = Machine::boot(|root| install(root, &config)) else {
        return;
    };
    ready(&machine, &master);
    told_to_the_journal(&machine, &master);
    reload(&machine, &config);
    watchdog(&machine, &master);
    stop(&machine, &master);
    adopted_and_given_back(&machine, &master);
}

/// `systemctl start` comes back when the agent says that it is ready; its status line follows the session.
fn ready(machine: &Machine, master: &Master) {
    machine.run(&["systemctl", "start", AGENT]).success();
    assert_eq!(machine.property(AGENT, "ActiveState"), "active");
    assert_eq!(machine.property(AGENT, "SubState"), "running");
    answers(master);
    let line = format!("{}:4506 ready", master.address);
    assert_eq!(machine.property(AGENT, "StatusText"), line);
    assert_eq!(machine.property(AGENT, "WatchdogUSec"), "2s");
}

/// The journal has job and master in fields of their own.
fn told_to_the_journal(machine: &Machine, master: &Master) {
    let ran = master.salt(&["machine", "test.echo", "journal", "--show-jid"]);
    assert_eq!(ran["machine"], "journal");
    until(10, "an entry with its job and one with its master", || {
        let entries = machine.journal(AGENT);
        let jid = entries
            .iter()
            .any(|e| e["JID"].as_str().is_some_and(|jid| jid.len() == 20));
        let name = format!("{}:4506", master.address);
        jid && entries
            .iter()
            .any(|e| e.to_string().contains(&name) && master_field(e) == Some(&name))
    });
}

/// The field MASTER: of the entry itself, or of the session that it belongs to.
fn master_field(entry: &serde_json::Value) -> Option<&str> {
    match &entry["MASTER"] {
        serde_json::Value::String(name) => Some(name),
        serde_json::Value::Array(names) => names.first()?.as_str(),
        _ => None,
    }
}

/// `systemctl reload` reads the configuration again, and refuses one that is broken.
fn reload(machine: &Machine, config: &str) {
    let pid = machine.property(AGENT, "MainPID");
    let file = machine.path("/etc/salt/minion");
    fs::write(&file, format!("{config}grains: {{fresh: true}}\n")).unwrap();
    machine.run(&["systemctl", "reload", AGENT]).success();
    let read_again = || {
        let entries = machine.journal(AGENT);
        entries
            .iter()
            .filter(|e| e["MESSAGE"] == "Configuration read again.")
            .count()
    };
    until(20, "the configuration to be read again", || {
        read_again() == 1
    });
    fs::write(&file, "id: [broken\n").unwrap();
    let refused = machine.run(&["systemctl", "reload", AGENT]);
    assert_ne!(refused.code, 0, "{refused:?}");
    fs::write(&file, config).unwrap();
    assert_eq!(machine.property(AGENT, "MainPID"), pid);
    assert_eq!(machine.property(AGENT, "ActiveState"), "active");
    assert_eq!(read_again(), 1);
}

/// An agent that hangs, as a whole or in one session alone, is killed and started anew.
fn watchdog(machine: &Machine, master: &Master) {
    let restarted = |times: &str| {
        until(30, "systemd to start it anew", || {
            machine.property(AGENT, "NRestarts") == times
                && machine.property(AGENT, "ActiveState") == "active"
        });
        answers(master);
    };
    let pid = machine.property(AGENT, "MainPID");
    machine.run(&["kill", "-STOP", &pid]).success();
    restarted("1");
    // All other threads live on, and would feed a watchdog that knows no better.
    machine.run(&["touch", "/etc/salt/hang"]).success();
    restarted("2");
    let entries = machine.journal(AGENT);
    let named = |e: &&serde_json::Value| {
        e["MESSAGE"]
            .as_str()
            .is_some_and(|m| m.contains("watchdog is not fed"))
    };
    let session = format!("session {}:4506", master.address);
    let parts: Vec<_> = entries.iter().filter(named).map(|e| &e["PART"]).collect();
    let told = |part: &&serde_json::Value| part.as_str().is_some_and(|p| p.contains(&session));
    assert!(parts.iter().any(told), "{session} in none of {parts:?}");
}

/// SIGTERM ends it at once, in the middle of a job, whose return is not lost.
fn stop(machine: &Machine, master: &Master) {
    let mut client = harness::Client::of(master);
    let sleeper = serde_json::json!(["sleep 60"]);
    let jid = client.publish("machine", "cmd.run", sleeper, 1).remove(0);
    until(20, "the job to run", || {
        machine
            .path("/var/cache/salt/minion/proc")
            .join(&jid)
            .exists()
    });
    machine.run(&["systemctl", "stop", AGENT]).success();
    let moment = |name: &str| machine.property(AGENT, name).parse::<u64>().unwrap();
    let took = moment("ExecMainExitTimestampMonotonic") - moment("ActiveExitTimestampMonotonic");
    assert!(took < 300_000, "it took {took} µs");
    assert_eq!(machine.property(AGENT, "Result"), "success");
    machine.run(&["systemctl", "start", AGENT]).success();
    until(60, "the return of the job that was ended", || {
        !client.returns("machine", std::slice::from_ref(&jid))[0].is_null()
    });
    machine.run(&["systemctl", "stop", AGENT]).success();
}

/// `adopt` takes a running salt-minion's place, with its key, and `adopt --undo` gives it back.
fn adopted_and_given_back(machine: &Machine, master: &Master) {
    let unit = |name: &str| {
        (
            machine.says(&["systemctl", "is-enabled", name]),
            machine.says(&["systemctl", "is-active", name]),
        )
    };
    let pair = |enabled: &str, active: &str| (enabled.to_owned(), active.to_owned());
    machine
        .run(&["systemctl", "enable", "--now", MINION])
        .success();
    answers(master);
    let key = fs::read(machine.path("/etc/salt/pki/minion/minion.pem")).unwrap();

    machine.run(&["salt-agent", "adopt"]).success();
    assert_eq!(unit(MINION), pair("disabled", "inactive"));
    assert_eq!(unit(AGENT), pair("enabled", "active"));
    answers(master);
    let status = machine
        .run(&["salt-agent", "status", "-o", "json"])
        .success()
        .json();
    assert_eq!(status["masters"][0]["state"], "ready", "{status}");

    machine.run(&["salt-agent", "adopt", "--undo"]).success();
    assert_eq!(unit(AGENT), pair("disabled", "inactive"));
    assert_eq!(unit(MINION), pair("enabled", "active"));
    answers(master);
    assert_eq!(
        fs::read(machine.path("/etc/salt/pki/minion/minion.pem")).unwrap(),
        key
    );
    assert_eq!(master.keys("minions"), ["machine"]);
}
