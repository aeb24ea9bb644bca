//! Whether this machine is in service, and how its minions are stopped: one that runs would write its key and its
//! caches again behind our back.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::Settings;
use crate::control;
use crate::host::Cancel;
use crate::host::exec::{Command, Exec};
use crate::host::process;

/// The units that are stopped.
const UNITS: [&str; 2] = ["salt-agent.service", "salt-minion.service"];
/// For one answer of systemd.
const PATIENCE: Duration = Duration::from_secs(60);
/// For an answer of the daemon.
const ANSWER: Duration = Duration::from_secs(2);
/// For jobs to end and their returns to leave.
const RETURNS: Duration = Duration::from_secs(10);
/// Until what started us with --detach has ended.
const ORPHANED: Duration = Duration::from_secs(5);
/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// What says that the machine is in service, in words; nothing if nothing does.
pub(super) fn in_service(
    settings: Option<&Settings>,
    live: bool,
    exec: &dyn Exec,
) -> Option<String> {
    if let Some(settings) = settings
        && let Ok(report) = control::status(&settings.control_socket(), ANSWER)
    {
        let master = report.masters.iter().find(|m| m.state == "ready");
        return Some(match master {
            Some(master) => format!("{} is a minion of {}", report.id, master.address),
            None => format!("the agent runs (process {})", report.pid),
        });
    }
    // The units are those of the running system.
    let active = UNITS.iter().find(|unit| live && is_active(exec, unit));
    active.map(|unit| format!("{unit} is active"))
}

/// Stops what runs. Refuses where that would end ourselves.
pub(super) fn stop(settings: Option<&Settings>, live: bool, exec: &dyn Exec) -> anyhow::Result<()> {
    refuse_as_job(live)?;
    let Some(settings) = settings else {
        return stop_units(live, exec);
    };
    rest(settings);
    stop_units(live, exec)?;
    let Ok(report) = control::status(&settings.control_socket(), ANSWER) else {
        return Ok(());
    };
    if live {
        bail!(
            "the agent still runs (process {}) and would write its key again: stop it first",
            report.pid
        );
    }
    end(report.pid)
}

/// A job of an agent would end itself; and an agent whose disk is a directory, as in a sandbox, lives on a machine
/// that is not its own.
fn refuse_as_job(live: bool) -> anyhow::Result<()> {
    if !live {
        return Ok(());
    }
    let own = std::process::id();
    let end = Instant::now() + ORPHANED;
    loop {
        let daemon = process::ancestors()
            .into_iter()
            .find(|pid| *pid != own && is_daemon(*pid));
        let Some(daemon) = daemon else { return Ok(()) };
        // With --detach, what started us is about to end.
        if Instant::now() > end {
            bail!(
                "this is a job of an agent (process {daemon}), which has to be stopped: \
                 `salt ID image.generalize`, or `salt-agent generalize --yes --detach` on the machine itself"
            );
        }
        thread::sleep(STEP);
    }
}

/// Whether this process is an agent's daemon, of whatever root.
fn is_daemon(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let name = words.first().map(|w| Path::new(OsStr::from_bytes(w)));
    match name.and_then(Path::file_name).and_then(OsStr::to_str) {
        Some("salt-minion") => true,
        Some(name) if name.starts_with("salt-agent") => words[1..].contains(&&b"run"[..]),
        _ => false,
    }
}

/// Gives returns the time to leave: what waits is forgotten.
fn rest(settings: &Settings) {
    let end = Instant::now() + RETURNS;
    while let Ok(report) = control::status(&settings.control_socket(), ANSWER)
        && (!report.jobs.is_empty() || report.spool.entries > 0)
        && Instant::now() < end
    {
        thread::sleep(STEP);
    }
}

/// Ends a daemon that no service manager knows of.
fn end(daemon: u32) -> anyhow::Result<()> {
    let pid = i32::try_from(daemon).context("a process id out of range")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)
        .with_context(|| format!("cannot end the agent (process {daemon})"))?;
    let end = Instant::now() + PATIENCE;
    // Not until the socket is closed: it writes its last after that.
    while process::is_alive(daemon) {
        if Instant::now() > end {
            bail!("the agent (process {daemon}) does not end: nothing was removed");
        }
        thread::sleep(STEP);
    }
    Ok(())
}

fn stop_units(live: bool, exec: &dyn Exec) -> anyhow::Result<()> {
    for unit in UNITS.iter().filter(|unit| live && is_active(exec, unit)) {
        let output =
            systemctl(exec, &["stop", unit]).with_context(|| format!("cannot stop {unit}"))?;
        if output != 0 {
            bail!("{unit} could not be stopped: nothing was removed");
        }
    }
    Ok(())
}

fn is_active(exec: &dyn Exec, unit: &str) -> bool {
    systemctl(exec, &["is-active", "--quiet", unit]).is_ok_and(|code| code == 0)
}

fn systemctl(exec: &dyn Exec, words: &[&str]) -> anyhow::Result<i32> {
    if !std::path::Path::new("/run/systemd/system").is_dir() {
        return Ok(-1);
    }
    let argv = std::iter::once("systemctl").chain(words.iter().copied());
    let mut command = Command::new(argv);
    command.timeout = Some(PATIENCE);
    let output = exec.run(&command, &Cancel::new())?;
    if output.timed_out {
        bail!("systemctl {} did not end", words.join(" "));
    }
    Ok(output.retcode)
}
