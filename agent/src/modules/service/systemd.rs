//! The functions where systemd runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use salt_wire::{Map, Value};

use super::{flag, list, services, text, unrun};
use crate::context::{Args, Context, Error, Result};
use crate::host::env;
use crate::host::exec::Output;
use crate::host::service::{Services, booted, canonical, listed};

/// Services that would end the job that stops them: it does not wait for them.
const OURS: [&str; 2] = ["salt-minion.service", "salt-agent.service"];

pub(super) fn offline(_: &Context, _: &Args) -> Result {
    if !is_offline() {
        return flag(false);
    }
    // Salt's `and`: its last operand is the answer.
    let systemctl = env::which("systemctl").unwrap_or_default();
    Ok(systemctl.display().to_string().into())
}

fn is_offline() -> bool {
    !booted() && env::which("systemctl").is_some()
}

fn unit_status(services: &Services<'_>, name: &str) -> Result<Output> {
    let unit = canonical(name);
    services
        .systemctl(&["status", &unit, "-n", "0"])
        .map_err(|e| unrun(&e))
}

fn is_available(services: &Services<'_>, name: &str) -> Result<bool> {
    if is_offline() {
        return Err(Error::execution(format!(
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

fn daemon_reload(services: &Services<'_>) -> Result<()> {
    let done = services
        .systemctl(&["--system", "daemon-reload"])
        .map_err(|e| unrun(&e))?;
    if done.retcode == 0 {
        return Ok(());
    }
    let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
    Err(Error::execution(format!(
        "Problem performing systemctl daemon-reload: {said}"
    )))
}

pub(super) fn systemctl_reload(ctx: &Context, args: &Args) -> Result {
    daemon_reload(&services(ctx, args)?)?;
    flag(true)
}

pub(super) fn available(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    flag(is_available(&services, &name)?)
}

pub(super) fn missing(ctx: &Context, args: &Args) -> Result {
    flag(!available(ctx, args)?.is_truthy())
}

pub(super) fn is_active(ctx: &Context, args: &Args, name: &str) -> Result {
    let services = services(ctx, args)?;
    check_for_changes(&services, name)?;
    let done = services.systemctl(&["is-active", &canonical(name)]);
    flag(done.map_err(|e| unrun(&e))?.retcode == 0)
}

/// Runs an action on a unit in a scope of its own; the exit code is the job's.
fn act(
    ctx: &Context,
    services: &Services<'_>,
    action: &[&str],
    name: &str,
    no_block: bool,
) -> Result<Output> {
    let unit = canonical(name);
    let mut words = Vec::new();
    if no_block {
        words.push("--no-block");
    }
    words.extend(action);
    words.push(&unit);
    let done = services.scoped(&words).map_err(|e| unrun(&e))?;
    ctx.job.set_retcode(done.retcode.into());
    Ok(done)
}

/// True, or systemd's words without what it says of our scope.
fn or_words(done: &Output) -> Result {
    if done.retcode == 0 {
        return flag(true);
    }
    let said = text(&done.stderr);
    let lines: Vec<&str> = said.lines().filter(|l| !l.ends_with(".scope")).collect();
    Err(Error::execution(lines.join("\n").trim()))
}

fn waits_not(args: &Args, name: &str) -> bool {
    match args.get("no_block") {
        Value::Null => OURS.contains(&canonical(name).as_str()),
        given => given.is_truthy(),
    }
}

fn change(ctx: &Context, args: &Args, action: &str) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    for (wanted, runtime) in [("unmask", false), ("unmask_runtime", true)] {
        if args.flag(wanted) {
            lift_mask(ctx, &services, &name, runtime)?;
        }
    }
    let done = act(ctx, &services, &[action], &name, waits_not(args, &name))?;
    or_words(&done)
}

pub(super) fn start(ctx: &Context, args: &Args) -> Result {
    change(ctx, args, "start")
}

pub(super) fn restart(ctx: &Context, args: &Args) -> Result {
    change(ctx, args, "restart")
}

pub(super) fn reload(ctx: &Context, args: &Args) -> Result {
    change(ctx, args, "reload")
}

pub(super) fn force_reload(ctx: &Context, args: &Args) -> Result {
    change(ctx, args, "force-reload")
}

pub(super) fn stop(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    let done = act(ctx, &services, &["stop"], &name, waits_not(args, &name))?;
    flag(done.retcode == 0)
}

fn is_masked(services: &Services<'_>, name: &str, runtime: bool) -> bool {
    let top = if runtime { "/run" } else { "/etc" };
    let link = services.path(&format!("{top}/systemd/system/{}", canonical(name)));
    fs::read_link(link).is_ok_and(|target| target == Path::new("/dev/null"))
}

pub(super) fn masked(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    flag(is_masked(&services, &name, args.flag("runtime")))
}

pub(super) fn mask(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    let action: &[&str] = if args.flag("runtime") {
        &["mask", "--runtime"]
    } else {
        &["mask"]
    };
    let done = act(ctx, &services, action, &name, false)?;
    if done.retcode == 0 {
        return flag(true);
    }
    Err(Error::execution(format!("Failed to mask service '{name}'")))
}

fn lift_mask(ctx: &Context, services: &Services<'_>, name: &str, runtime: bool) -> Result<()> {
    if !is_masked(services, name, runtime) {
        return Ok(());
    }
    let action: &[&str] = if runtime {
        &["unmask", "--runtime"]
    } else {
        &["unmask"]
    };
    if act(ctx, services, action, name, false)?.retcode == 0 {
        return Ok(());
    }
    Err(Error::execution(format!(
        "Failed to unmask service '{name}'"
    )))
}

pub(super) fn unmask(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    lift_mask(ctx, &services, &name, args.flag("runtime"))?;
    flag(true)
}

/// Turns the start at boot of an init script on or off.
fn switch_script(services: &Services<'_>, name: &str, on: bool) -> Result {
    let words: Vec<&str> = if env::which("update-rc.d").is_some() {
        match on {
            true => vec!["update-rc.d", "-f", name, "defaults", "99"],
            false => vec!["update-rc.d", "-f", name, "remove"],
        }
    } else if env::which("chkconfig").is_some() {
        vec!["chkconfig", name, if on { "on" } else { "off" }]
    } else {
        return Err(Error::execution(
            "Unable to find sysv service manager (tried update-rc.d, chkconfig)",
        ));
    };
    flag(services.run(&words).map_err(|e| unrun(&e))?.retcode == 0)
}

pub(super) fn enable(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    for (wanted, runtime) in [("unmask", false), ("unmask_runtime", true)] {
        if args.flag(wanted) {
            lift_mask(ctx, &services, &name, runtime)?;
        }
    }
    if services.scripts().contains(&name) {
        return switch_script(&services, &name, true);
    }
    let done = act(ctx, &services, &["enable"], &name, args.flag("no_block"))?;
    ctx.job.set_retcode(0);
    or_words(&done)
}

pub(super) fn disable(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    check_for_changes(&services, &name)?;
    if services.scripts().contains(&name) {
        return switch_script(&services, &name, false);
    }
    let done = act(ctx, &services, &["disable"], &name, args.flag("no_block"))?;
    ctx.job.set_retcode(0);
    flag(done.retcode == 0)
}

pub(super) fn enabled(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    let ask = |unit: &str| -> Result<(bool, String)> {
        let done = services.systemctl(&["is-enabled", &canonical(unit)]);
        let done = done.map_err(|e| unrun(&e))?;
        Ok((done.retcode == 0, text(&done.stdout)))
    };
    let (yes, word) = ask(&name)?;
    if yes && word != "alias" {
        return flag(true);
    }
    if word == "alias" {
        let unit = canonical(&name);
        let shown = services.systemctl(&["show", &unit, "-P", "Id"]);
        let real = text(&shown.map_err(|e| unrun(&e))?.stdout);
        return flag(ask(&real)?.0);
    }
    if name.contains('@') {
        // An instance is enabled by a link somewhere below.
        return flag(has_link(Path::new("/etc/systemd/system"), &name, 4));
    }
    if services.scripts().contains(&name) {
        return flag(services.script_enabled(&name, &services.runlevel()));
    }
    flag(false)
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

pub(super) fn disabled(ctx: &Context, args: &Args) -> Result {
    flag(!enabled(ctx, args)?.is_truthy())
}

/// Services whose unit file is in this state.
fn in_state(services: &Services<'_>, state: &str) -> Result<BTreeSet<String>> {
    let words = ["--full", "--no-legend", "--no-pager", "list-unit-files"];
    let done = services.systemctl(&words).map_err(|e| unrun(&e))?;
    Ok(text(&done.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (unit, found) = (words.next()?, words.next()?);
            (found == state).then(|| listed(unit).map(str::to_owned))?
        })
        .collect())
}

pub(super) fn get_enabled(ctx: &Context, args: &Args) -> Result {
    let services = services(ctx, args)?;
    let mut found = in_state(&services, "enabled")?;
    let level = services.runlevel();
    let scripts = services.scripts();
    found.extend(
        scripts
            .into_iter()
            .filter(|s| services.script_enabled(s, &level)),
    );
    list(found)
}

pub(super) fn get_disabled(ctx: &Context, args: &Args) -> Result {
    let services = services(ctx, args)?;
    let mut found = in_state(&services, "disabled")?;
    let level = services.runlevel();
    let scripts = services.scripts();
    found.extend(
        scripts
            .into_iter()
            .filter(|s| !services.script_enabled(s, &level)),
    );
    list(found)
}

pub(super) fn get_static(ctx: &Context, args: &Args) -> Result {
    list(in_state(&services(ctx, args)?, "static")?)
}

pub(super) fn get_running(ctx: &Context, args: &Args) -> Result {
    let services = services(ctx, args)?;
    let words = ["--full", "--no-legend", "--no-pager"];
    let done = services.systemctl(&words).map_err(|e| unrun(&e))?;
    list(
        text(&done.stdout)
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                (words.get(3) == Some(&"running")).then(|| listed(words[0]).map(str::to_owned))?
            })
            .collect(),
    )
}

pub(super) fn get_all(ctx: &Context, args: &Args) -> Result {
    let services = services(ctx, args)?;
    let mut all = services.units();
    all.extend(services.scripts());
    list(all)
}

fn properties(services: &Services<'_>, name: &str) -> Result<Map> {
    let done = services.systemctl(&["show", &canonical(name)]);
    Ok(parse_show(&text(&done.map_err(|e| unrun(&e))?.stdout)))
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

pub(super) fn show(ctx: &Context, args: &Args) -> Result {
    let (services, name) = (services(ctx, args)?, args.text("name")?);
    Ok(properties(&services, &name)?.into())
}

pub(super) fn execs(ctx: &Context, args: &Args) -> Result {
    let services = services(ctx, args)?;
    let mut all = services.units();
    all.extend(services.scripts());
    let mut found = Map::new();
    for name in all {
        let data = properties(&services, &name)?;
        if let Some(path) = data.get("ExecStart").and_then(|e| e.get("path")) {
            found.insert(name.into(), path.clone());
        }
    }
    Ok(found.into())
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
