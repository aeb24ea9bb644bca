//! `service`: services, over `host::service`.

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Result, python};
use crate::host::service::{Error as ServiceError, Names, Order, Services};

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
        execs,
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
        get_running,
        "Return a list of all services that run.",
        "salt '*' service.get_running"
    ),
    row!(
        "service.get_static",
        "root=None",
        get_static,
        "Return a list of all services that only others can start.",
        "salt '*' service.get_static"
    ),
    row!(
        "service.mask",
        "name, runtime=False, root=None",
        mask,
        "Mask a service: it cannot be started.",
        "salt '*' service.mask foo"
    ),
    row!(
        "service.masked",
        "name, runtime=False, root=None",
        masked,
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
        offline,
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
        show,
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
        systemctl_reload,
        "Have systemd read its units anew.",
        "salt '*' service.systemctl_reload"
    ),
    row!(
        "service.unmask",
        "name, runtime=False, root=None",
        unmask,
        "Unmask a service.",
        "salt '*' service.unmask foo"
    ),
];

type Told<T> = std::result::Result<T, ServiceError>;

/// Asks or acts with the services of the machine, or of a system below `root`; the exit code is the job's.
fn with<T>(
    ctx: &Context,
    args: &Args,
    act: impl FnOnce(&Services<'_>, &str) -> Told<T>,
) -> Result<T> {
    let mut services = Services::new(&*ctx.host.exec, &ctx.job.cancel);
    services.root = args
        .opt_text("root")?
        .filter(|r| !r.is_empty())
        .map(Into::into);
    let name = match args.get("name") {
        Value::Null => String::new(),
        _ => args.text("name")?,
    };
    let done = act(&services, &name);
    if let Some(code) = services.code.get() {
        ctx.job.set_retcode(code);
    }
    Ok(done?)
}

fn order(args: &Args) -> Order {
    Order {
        no_block: match args.get("no_block") {
            Value::Null => None,
            given => Some(given.is_truthy()),
        },
        unmask: args.flag("unmask"),
        unmask_runtime: args.flag("unmask_runtime"),
    }
}

/// Names as a sorted list.
fn list(names: Names) -> Result {
    Ok(names.into_iter().collect::<Vec<_>>().into())
}

macro_rules! asks {
    ($($name:ident => |$services:ident, $service:ident, $args:ident| $code:expr;)*) => {$(
        fn $name(ctx: &Context, $args: &Args) -> Result {
            with(ctx, $args, |$services, $service| $code).map(Value::Bool)
        }
    )*};
}

asks! {
    available => |s, name, args| s.available(name);
    missing => |s, name, args| s.available(name).map(|there| !there);
    enabled => |s, name, args| s.enabled(name);
    disabled => |s, name, args| s.disabled(name);
    enable => |s, name, args| s.enable(name, &order(args));
    disable => |s, name, args| s.disable(name, &order(args));
    start => |s, name, args| s.start(name, &order(args));
    stop => |s, name, args| s.stop(name, &order(args));
    restart => |s, name, args| s.restart(name, &order(args));
    reload => |s, name, args| s.reload(name, &order(args));
    force_reload => |s, name, args| s.force_reload(name, &order(args));
    masked => |s, name, args| s.masked(name, args.flag("runtime"));
    mask => |s, name, args| s.mask(name, args.flag("runtime"));
    unmask => |s, name, args| s.unmask(name, args.flag("runtime"));
    systemctl_reload => |s, _name, args| s.daemon_reload().map(|()| true);
}

fn offline(_: &Context, _: &Args) -> Result {
    if !Services::is_offline() {
        return Ok(false.into());
    }
    // Salt's `and`: its last operand is the answer.
    let systemctl = crate::host::env::which("systemctl").unwrap_or_default();
    Ok(systemctl.display().to_string().into())
}

fn get_all(ctx: &Context, args: &Args) -> Result {
    list(with(ctx, args, |s, _| s.all())?)
}

fn get_enabled(ctx: &Context, args: &Args) -> Result {
    list(with(ctx, args, |s, _| s.all_enabled())?)
}

fn get_disabled(ctx: &Context, args: &Args) -> Result {
    list(with(ctx, args, |s, _| s.all_disabled())?)
}

fn get_running(ctx: &Context, args: &Args) -> Result {
    list(with(ctx, args, |s, _| s.all_running())?)
}

fn get_static(ctx: &Context, args: &Args) -> Result {
    list(with(ctx, args, |s, _| s.all_static())?)
}

fn show(ctx: &Context, args: &Args) -> Result {
    with(ctx, args, |s, name| s.show(name)).map(Value::Map)
}

fn execs(ctx: &Context, args: &Args) -> Result {
    let found = with(ctx, args, |s, _| {
        let mut all = s.units();
        all.extend(s.scripts());
        let mut found = Map::new();
        for name in all {
            if let Some(path) = s.show(&name)?.get("ExecStart").and_then(|e| e.get("path")) {
                found.insert(name.into(), path.clone());
            }
        }
        Ok(found)
    })?;
    Ok(found.into())
}

/// One answer for a name, a map of answers for a pattern.
fn status(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    if Services::knows_signatures() && args.flag("sig") {
        let signature = python::text(args.get("sig"));
        return Ok(crate::host::process::is_running(&signature).into());
    }
    if Services::is_pattern(&name) {
        let found = with(ctx, args, |s, name| s.statuses(name))?;
        return Ok(found
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect::<Map>()
            .into());
    }
    with(ctx, args, |s, name| s.status(name)).map(Value::Bool)
}
