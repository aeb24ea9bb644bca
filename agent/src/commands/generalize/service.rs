//! Whether this machine is in service, and how its minions are stopped: one that runs would write its key and its
//! caches again behind our back.

use std::time::Duration;

use anyhow::{Context as _, bail};

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

/// What says that the machine is in service, in words; nothing if nothing does.
pub(super) fn in_service(settings: Option<&Settings>, exec: &dyn Exec) -> Option<String> {
    if let Some(settings) = settings
        && let Ok(report) = control::status(&settings.control_socket(), ANSWER)
    {
        let master = report.masters.iter().find(|m| m.state == "ready");
        return Some(match master {
            Some(master) => format!("{} is a minion of {}", report.id, master.address),
            None => format!("the agent runs (process {})", report.pid),
        });
    }
    let active = UNITS.iter().find(|unit| is_active(exec, unit));
    active.map(|unit| format!("{unit} is active"))
}

/// Stops what runs. Refuses where that would end ourselves.
pub(super) fn stop(settings: Option<&Settings>, exec: &dyn Exec) -> anyhow::Result<()> {
    let daemon = settings
        .and_then(|s| control::status(&s.control_socket(), ANSWER).ok())
        .map(|report| report.pid);
    if let Some(daemon) = daemon
        && process::ancestors().contains(&daemon)
    {
        bail!(
            "this is a job of the agent that has to be stopped: start it beside it with \
             `systemd-run --collect salt-agent generalize --yes --receipt FILE`"
        );
    }
    for unit in UNITS.iter().filter(|unit| is_active(exec, unit)) {
        let output =
            systemctl(exec, &["stop", unit]).with_context(|| format!("cannot stop {unit}"))?;
        if output != 0 {
            bail!("{unit} could not be stopped: nothing was removed");
        }
    }
    if let Some(settings) = settings
        && let Ok(report) = control::status(&settings.control_socket(), ANSWER)
    {
        bail!(
            "the agent still runs (process {}) and would write its key again: stop it first",
            report.pid
        );
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
