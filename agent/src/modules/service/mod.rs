//! `service`: services under systemd (`systemd.rs`); where systemd does not run, under init scripts
//! (`scripts.rs`), as Salt chooses between its modules of that name.

mod scripts;
mod systemd;

use std::collections::BTreeSet;
use std::io;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::fnmatch::fnmatch;
use crate::host::service::{Services, booted};

/// The rows of `service`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "service.available",
        "name",
        available,
        "Whether there is a service of this name.",
        "salt '*' service.available sshd"
    ),
    row!(
        "service.disable",
        "name, no_block=False, root=None, **kwargs",
        disable,
        "Keep a service from starting at boot.",
        "salt '*' service.disable <service name>"
    ),
    row!(
        "service.disabled",
        "name, root=None",
        disabled,
        "Whether a service does not start at boot.",
        "salt '*' service.disabled <service name>"
    ),
    row!(
        "service.enable",
        "name, no_block=False, unmask=False, unmask_runtime=False, root=None, **kwargs",
        enable,
        "Have a service start at boot.",
        "salt '*' service.enable <service name>"
    ),
    row!(
        "service.enabled",
        "name, root=None, **kwargs",
        enabled,
        "Whether a service starts at boot.",
        "salt '*' service.enabled <service name>"
    ),
    row!(
        "service.execs",
        "root=None",
        systemd::execs,
        "Return the programs that services start.",
        "salt '*' service.execs"
    ),
    row!(
        "service.force_reload",
        "name, no_block=True, unmask=False, unmask_runtime=False",
        force_reload,
        "Have a service read its configuration anew, or restart it.",
        "salt '*' service.force_reload <service name>"
    ),
    row!(
        "service.get_all",
        "root=None",
        get_all,
        "Return a list of all services.",
        "salt '*' service.get_all"
    ),
    row!(
        "service.get_disabled",
        "root=None",
        get_disabled,
        "Return a list of all services that do not start at boot.",
        "salt '*' service.get_disabled"
    ),
    row!(
        "service.get_enabled",
        "root=None",
        get_enabled,
        "Return a list of all services that start at boot.",
        "salt '*' service.get_enabled"
    ),
    row!(
        "service.get_running",
        "",
        systemd::get_running,
        "Return a list of all services that run.",
        "salt '*' service.get_running"
    ),
    row!(
        "service.get_static",
        "root=None",
        systemd::get_static,
        "Return a list of all services that only others can start.",
        "salt '*' service.get_static"
    ),
    row!(
        "service.mask",
        "name, runtime=False, root=None",
        systemd::mask,
        "Mask a service: it cannot be started.",
        "salt '*' service.mask foo"
    ),
    row!(
        "service.masked",
        "name, runtime=False, root=None",
        systemd::masked,
        "Whether a service is masked.",
        "salt '*' service.masked foo"
    ),
    row!(
        "service.missing",
        "name",
        missing,
        "Whether there is no service of this name.",
        "salt '*' service.missing sshd"
    ),
    row!(
        "service.offline",
        "",
        systemd::offline,
        "Whether systemd is installed and does not run.",
        "salt '*' service.offline"
    ),
    row!(
        "service.reload",
        "name, no_block=False, unmask=False, unmask_runtime=False",
        reload,
        "Have a service read its configuration anew.",
        "salt '*' service.reload <service name>"
    ),
    row!(
        "service.restart",
        "name, no_block=None, unmask=False, unmask_runtime=False",
        restart,
        "Restart a service.",
        "salt '*' service.restart <service name>"
    ),
    row!(
        "service.show",
        "name, root=None",
        systemd::show,
        "Return the properties of a unit.",
        "salt '*' service.show <service name>"
    ),
    row!(
        "service.start",
        "name, no_block=False, unmask=False, unmask_runtime=False",
        start,
        "Start a service.",
        "salt '*' service.start <service name>"
    ),
    row!(
        "service.status",
        "name, sig=None",
        status,
        "Whether a service runs; for a pattern, each service that fits.",
        "salt '*' service.status <service name>"
    ),
    row!(
        "service.stop",
        "name, no_block=None",
        stop,
        "Stop a service.",
        "salt '*' service.stop <service name>"
    ),
    row!(
        "service.systemctl_reload",
        "",
        systemd::systemctl_reload,
        "Have systemd read its units anew.",
        "salt '*' service.systemctl_reload"
    ),
    row!(
        "service.unmask",
        "name, runtime=False, root=None",
        systemd::unmask,
        "Unmask a service.",
        "salt '*' service.unmask foo"
    ),
];

/// What manages the services of the machine, or of a system below `root`.
fn services<'a>(ctx: &'a Context, args: &Args) -> Result<Services<'a>> {
    Ok(Services {
        exec: &*ctx.host.exec,
        cancel: &ctx.job.cancel,
        root: args
            .opt_text("root")?
            .filter(|r| !r.is_empty())
            .map(Into::into),
    })
}

/// Whether systemd answers; else init scripts do.
pub(super) fn is_systemd() -> bool {
    booted() || crate::host::env::which("service").is_none()
}

macro_rules! either {
    ($($name:ident),*) => {$(
        fn $name(ctx: &Context, args: &Args) -> Result {
            if is_systemd() {
                systemd::$name(ctx, args)
            } else {
                scripts::$name(ctx, args)
            }
        }
    )*};
}

either!(
    available,
    disable,
    disabled,
    enable,
    enabled,
    force_reload,
    get_all,
    get_disabled,
    get_enabled,
    missing,
    reload,
    restart,
    start,
    stop
);

/// One answer for a name, a map of answers for a pattern.
fn status(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let one = |name: &str| {
        if is_systemd() {
            systemd::is_active(ctx, args, name)
        } else {
            scripts::is_active(ctx, args, name)
        }
    };
    let pattern = name.contains(['*', '?'])
        || name
            .split_once('[')
            .is_some_and(|(_, rest)| rest.find(']').is_some_and(|at| at > 0));
    if !is_systemd() && args.flag("sig") {
        let found =
            ctx.functions
                .call(ctx, "status.pid", &[args.get("sig").clone()], &Map::new())?;
        return Ok(found.is_truthy().into());
    }
    if !pattern {
        return one(&name);
    }
    let all = get_all(ctx, args)?;
    let mut found = Map::new();
    for service in all.as_list().unwrap_or_default() {
        if let Some(service) = service.as_str().filter(|s| fnmatch(s, &name)) {
            found.insert(service.into(), one(service)?);
        }
    }
    Ok(found.into())
}

/// Names as a sorted list.
fn list(names: BTreeSet<String>) -> Result {
    Ok(names.into_iter().collect::<Vec<_>>().into())
}

/// A program that could not be run.
fn unrun(error: &io::Error) -> Error {
    Error::execution(error.to_string())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn flag(value: bool) -> Result {
    Ok(Value::Bool(value))
}
