//! Services where systemd runs.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value};

use super::{Error, Names, Order, Result, Services, booted, canonical, listed, text};
use crate::host::env;
use crate::host::exec::Output;

/// Services that would end the job that stops them: it does not wait for them.
const OURS: [&str; 2] = ["salt-minion.service", "salt-agent.service"];

/// Whether systemd is installed and does not run.
pub(super) fn is_offline() -> bool {
    !booted() && env::which("systemctl").is_some()
}

fn unit_status(services: &Services<'_>, name: &str) -> Result<Output> {
    let unit = canonical(name);
    services
        .systemctl(&["status", &unit, "-n", "0"])
        .map_err(Error::from)
}

fn is_available(services: &Services<'_>, name: &str) -> Result<bool> {
    if is_offline() {
        return Err(Error(format!(
            "Cannot run in offline mode. Failed to get information on unit '{name}'"
        )));
    }
    let status = unit_status(services, name)?;
    // Old releases have no exit code of their own for a unit that is not there.
    let said = format!("{}{}", text(&status.stdout), text(&status.stderr)).to_lowercase();
    let unknown = said.contains("could not be found")
        || said
            .lines()
            .filter_map(|l| l.trim().strip_prefix("loaded:"))
            .any(|l| l.trim().starts_with("not-found"));
    Ok((0..4).contains(&status.retcode) && !unknown)
}

/// Has systemd read units anew that changed behind its back.
fn check_for_changes(services: &Services<'_>, name: &str) -> Result<()> {
    let custom = Path::new("/etc/systemd/system").join(canonical(name));
    let changed = (fs::File::open(&custom).is_ok() && !is_available(services, name)?) || {
        let status = unit_status(services, name)?;
        let said = format!("{}{}", text(&status.stdout), text(&status.stderr));
        said.contains("'systemctl daemon-reload'")
    };
    if changed {
        daemon_reload(services)?;
    }
    Ok(())
}

pub(super) fn daemon_reload(services: &Services<'_>) -> Result<()> {
    let done = services.systemctl(&["--system", "daemon-reload"])?;
    if done.retcode == 0 {
        return Ok(());
    }
    let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
    Err(Error(format!(
        "Problem performing systemctl daemon-reload: {said}"
    )))
}

pub(super) fn available(services: &Services<'_>, name: &str) -> Result<bool> {
    check_for_changes(services, name)?;
    is_available(services, name)
}

pub(super) fn is_active(services: &Services<'_>, name: &str) -> Result<bool> {
    check_for_changes(services, name)?;
    let done = services.systemctl(&["is-active", &canonical(name)]);
    Ok(done?.retcode == 0)
}

/// Runs an action on a unit in a scope of its own; the exit code is the job's.
fn act(services: &Services<'_>, action: &[&str], name: &str, no_block: bool) -> Result<Output> {
    let unit = canonical(name);
    let mut words = Vec::new();
    if no_block {
        words.push("--no-block");
    }
    words.extend(action);
    words.push(&unit);
    let done = services.scoped(&words)?;
    services.code.set(Some(done.retcode.into()));
    Ok(done)
}

/// True, or systemd's words without what it says of our scope.
fn or_words(done: &Output) -> Result<bool> {
    if done.retcode == 0 {
        return Ok(true);
    }
    let said = text(&done.stderr);
    let lines: Vec<&str> = said.lines().filter(|l| !l.ends_with(".scope")).collect();
    Err(Error(lines.join("\n").trim().to_owned()))
}

fn waits_not(order: &Order, name: &str) -> bool {
    order
        .no_block
        .unwrap_or_else(|| OURS.contains(&canonical(name).as_str()))
}

/// Starts, restarts or reloads.
pub(super) fn change(
    services: &Services<'_>,
    action: &str,
    name: &str,
    order: &Order,
) -> Result<bool> {
    check_for_changes(services, name)?;
    for (wanted, runtime) in [(order.unmask, false), (order.unmask_runtime, true)] {
        if wanted {
            lift_mask(services, name, runtime)?;
        }
    }
    let done = act(services, &[action], name, waits_not(order, name))?;
    or_words(&done)
}

pub(super) fn stop(services: &Services<'_>, name: &str, order: &Order) -> Result<bool> {
    check_for_changes(services, name)?;
    let done = act(services, &["stop"], name, waits_not(order, name))?;
    Ok(done.retcode == 0)
}

fn is_masked(services: &Services<'_>, name: &str, runtime: bool) -> bool {
    let top = if runtime { "/run" } else { "/etc" };
    let link = services.path(&format!("{top}/systemd/system/{}", canonical(name)));
    fs::read_link(link).is_ok_and(|target| target == Path::new("/dev/null"))
}

pub(super) fn masked(services: &Services<'_>, name: &str, runtime: bool) -> Result<bool> {
    check_for_changes(services, name)?;
    Ok(is_masked(services, name, runtime))
}

pub(super) fn mask(services: &Services<'_>, name: &str, runtime: bool) -> Result<bool> {
    check_for_changes(services, name)?;
    let action: &[&str] = if runtime {
        &["mask", "--runtime"]
    } else {
        &["mask"]
    };
    let done = act(services, action, name, false)?;
    if done.retcode == 0 {
        return Ok(true);
    }
    Err(Error(format!("Failed to mask service '{name}'")))
}

fn lift_mask(services: &Services<'_>, name: &str, runtime: bool) -> Result<()> {
    if !is_masked(services, name, runtime) {
        return Ok(());
    }
    let action: &[&str] = if runtime {
        &["unmask", "--runtime"]
    } else {
        &["unmask"]
    };
    if act(services, action, name, false)?.retcode == 0 {
        return Ok(());
    }
    Err(Error(format!("Failed to unmask service '{name}'")))
}

pub(super) fn unmask(services: &Services<'_>, name: &str, runtime: bool) -> Result<bool> {
    check_for_changes(services, name)?;
    lift_mask(services, name, runtime)?;
    Ok(true)
}

/// Turns the start at boot of an init script on or off.
fn switch_script(services: &Services<'_>, name: &str, on: bool) -> Result<bool> {
    let words: Vec<&str> = if env::which("update-rc.d").is_some() {
        match on {
            true => vec!["update-rc.d", "-f", name, "defaults", "99"],
            false => vec!["update-rc.d", "-f", name, "remove"],
        }
    } else if env::which("chkconfig").is_some() {
        vec!["chkconfig", name, if on { "on" } else { "off" }]
    } else {
        return Err(Error(
            "Unable to find sysv service manager (tried update-rc.d, chkconfig)".to_owned(),
        ));
    };
    Ok(services.run(&words)?.retcode == 0)
}

pub(super) fn enable(services: &Services<'_>, name: &str, order: &Order) -> Result<bool> {
    check_for_changes(services, name)?;
    for (wanted, runtime) in [(order.unmask, false), (order.unmask_runtime, true)] {
        if wanted {
            lift_mask(services, name, runtime)?;
        }
    }
    if services.scripts().contains(&name.to_owned()) {
        return switch_script(services, name, true);
    }
    let done = act(services, &["enable"], name, order.no_block == Some(true))?;
    services.code.set(Some(0));
    or_words(&done)
}

pub(super) fn disable(services: &Services<'_>, name: &str, order: &Order) -> Result<bool> {
    check_for_changes(services, name)?;
    if services.scripts().contains(&name.to_owned()) {
        return switch_script(services, name, false);
    }
    let done = act(services, &["disable"], name, order.no_block == Some(true))?;
    services.code.set(Some(0));
    Ok(done.retcode == 0)
}

pub(super) fn enabled(services: &Services<'_>, name: &str) -> Result<bool> {
    let ask = |unit: &str| -> Result<(bool, String)> {
        let done = services.systemctl(&["is-enabled", &canonical(unit)]);
        let done = done?;
        Ok((done.retcode == 0, text(&done.stdout)))
    };
    let (yes, word) = ask(name)?;
    if yes && word != "alias" {
        return Ok(true);
    }
    if word == "alias" {
        let unit = canonical(name);
        let shown = services.systemctl(&["show", &unit, "-P", "Id"]);
        let real = text(&shown?.stdout);
        return Ok(ask(&real)?.0);
    }
    if name.contains('@') {
        // An instance is enabled by a link somewhere below.
        return Ok(has_link(Path::new("/etc/systemd/system"), name, 4));
    }
    if services.scripts().contains(&name.to_owned()) {
        return Ok(services.script_enabled(name, &services.runlevel()));
    }
    Ok(false)
}

fn has_link(dir: &Path, name: &str, depth: u8) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        (entry.file_name() == *name && path.is_symlink())
            || (depth > 0
                && !path.is_symlink()
                && path.is_dir()
                && has_link(&path, name, depth - 1))
    })
}

/// Services whose unit file is in this state.
fn in_state(services: &Services<'_>, state: &str) -> Result<Names> {
    let words = ["--full", "--no-legend", "--no-pager", "list-unit-files"];
    let done = services.systemctl(&words)?;
    Ok(text(&done.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (unit, found) = (words.next()?, words.next()?);
            (found == state).then(|| listed(unit).map(str::to_owned))?
        })
        .collect())
}

pub(super) fn get_enabled(services: &Services<'_>) -> Result<Names> {
    let mut found = in_state(services, "enabled")?;
    let level = services.runlevel();
    let scripts = services.scripts();
    found.extend(
        scripts
            .into_iter()
            .filter(|s| services.script_enabled(s, &level)),
    );
    Ok(found)
}

pub(super) fn get_disabled(services: &Services<'_>) -> Result<Names> {
    let mut found = in_state(services, "disabled")?;
    let level = services.runlevel();
    let scripts = services.scripts();
    found.extend(
        scripts
            .into_iter()
            .filter(|s| !services.script_enabled(s, &level)),
    );
    Ok(found)
}

pub(super) fn get_static(services: &Services<'_>) -> Result<Names> {
    in_state(services, "static")
}

pub(super) fn get_running(services: &Services<'_>) -> Result<Names> {
    let words = ["--full", "--no-legend", "--no-pager"];
    let done = services.systemctl(&words)?;
    Ok(text(&done.stdout)
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.get(3) == Some(&"running")).then(|| listed(words[0]).map(str::to_owned))?
        })
        .collect())
}

pub(super) fn get_all(services: &Services<'_>) -> Result<Names> {
    let mut all = services.units();
    all.extend(services.scripts());
    Ok(all)
}

fn parse_show(output: &str) -> Map {
    let mut found = Map::new();
    for line in output.lines() {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let value: Value = if value.starts_with('{') {
            let inner = value.replace(['{', '}'], "");
            let pairs = inner.split(" ; ").filter_map(|pair| {
                let mut parts = pair.split('=');
                Some((parts.next()?.trim().into(), parts.next()?.trim().into()))
            });
            Value::Map(pairs.collect())
        } else if matches!(key, "Before" | "After" | "Wants") {
            value.split_whitespace().collect::<Vec<_>>().into()
        } else {
            value.into()
        };
        found.insert(key.into(), value);
    }
    found
}

/// The properties of a unit.
pub(super) fn show(services: &Services<'_>, name: &str) -> Result<Map> {
    let done = services.systemctl(&["show", &canonical(name)])?;
    Ok(parse_show(&text(&done.stdout)))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn properties_as_salt_reads_them() {
        let shown = "Id=ssh.service\nAfter=a.target b.target\nExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D ; pid=7 }\nEmpty=";
        let expected = map! {
            "Id" => "ssh.service",
            "After" => vec!["a.target", "b.target"],
            "ExecStart" => map! {"path" => "/usr/sbin/sshd", "argv[]" => "/usr/sbin/sshd -D", "pid" => "7"},
            "Empty" => "",
        };
        assert_eq!(parse_show(shown), expected);
    }
}
