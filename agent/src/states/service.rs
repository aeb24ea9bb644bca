//! `service`: services running or not, started at boot or not.

use std::time::Duration;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::process;
use crate::host::service::{Order, Services};

/// The rows of `service`.
pub const STATES: &[State] = &[
    State {
        name: "service.running",
        signature: "name, enable=None, sig=None, init_delay=None, **kwargs",
        doc: "Ensure that a service runs; with ``enable`` also whether it starts at boot.",
        run: running,
    },
    State {
        name: "service.dead",
        signature: "name, enable=None, sig=None, init_delay=None, **kwargs",
        doc: "Ensure that a service does not run; with ``enable`` also whether it starts at boot.",
        run: dead,
    },
    State {
        name: "service.enabled",
        signature: "name, **kwargs",
        doc: "Ensure that a service starts at boot.",
        run: enabled,
    },
    State {
        name: "service.disabled",
        signature: "name, **kwargs",
        doc: "Ensure that a service does not start at boot.",
        run: disabled,
    },
    State {
        name: "service.masked",
        signature: "name, runtime=False",
        doc: "Ensure that a service is masked, on wish until the next start of the machine only.",
        run: |ctx, run| mask(ctx, run, true),
    },
    State {
        name: "service.unmasked",
        signature: "name, runtime=False",
        doc: "Ensure that a service is not masked.",
        run: |ctx, run| mask(ctx, run, false),
    },
    State {
        name: "service.mod_watch",
        signature: "name, sfun=None, sig=None, reload=False, full_restart=False, init_delay=None, force=False, **kwargs",
        doc: "Restart, reload or start a service whose watched state changed.",
        run: mod_watch,
    },
];

type Done = Result<Outcome, Error>;

fn mask(ctx: &Context, run: &Run<'_>, on: bool) -> Done {
    let (name, runtime) = (run.args.text("name")?, run.args.flag("runtime"));
    if !Services::has_masks() {
        return Ok(Outcome::failed(
            "Service masking not available on this minion",
        ));
    }
    let services = Services::new(&*ctx.host.exec, &ctx.job.cancel);
    let kind = if runtime { "runtime masked" } else { "masked" };
    let state = match (on, runtime) {
        (true, _) => kind,
        (false, true) => "runtime unmasked",
        (false, false) => "unmasked",
    };
    let changes = map! { kind => map! { "old" => !on, "new" => on } };
    if services.masked(&name, runtime)? == on {
        return Ok(Outcome::unchanged(if on {
            format!("Service {name} is already {state}")
        } else {
            format!("Service {name} was already {state}")
        }));
    }
    if run.test {
        return Ok(Outcome::would(
            changes,
            format!("Service {name} would be {state}"),
        ));
    }
    let told = if on {
        services.mask(&name, runtime)
    } else {
        services.unmask(&name, runtime)
    };
    if let Err(error) = told {
        return Ok(Outcome::failed(error.0));
    }
    Ok(if services.masked(&name, runtime)? == on {
        Outcome::changed(changes, format!("Service {name} was {state}"))
    } else {
        let verb = if on { "mask" } else { "unmask" };
        Outcome::unchanged(format!("Failed to {verb} service {name}"))
    })
}

struct Service<'a> {
    services: Services<'a>,
    name: String,
    test: bool,
    order: Order,
    sig: Option<String>,
}

impl<'a> Service<'a> {
    fn of(ctx: &'a Context, run: &Run<'_>) -> Result<Self, Error> {
        let extra = |key: &str| run.args.extra.get(key);
        let flag = |key: &str| extra(key).is_some_and(Value::is_truthy);
        let sig = run.args.get("sig");
        Ok(Self {
            services: Services::new(&*ctx.host.exec, &ctx.job.cancel),
            name: run.args.text("name")?,
            test: run.test,
            order: Order {
                no_block: extra("no_block")
                    .filter(|v| !v.is_null())
                    .map(Value::is_truthy),
                unmask: flag("unmask"),
                unmask_runtime: flag("unmask_runtime"),
            },
            sig: sig.is_truthy().then(|| python::text(sig)),
        })
    }

    fn is_running(&self) -> Result<bool, Error> {
        if let Some(sig) = self.sig.as_deref().filter(|_| Services::knows_signatures()) {
            return Ok(process::is_running(sig));
        }
        Ok(self.services.status(&self.name)?)
    }

    fn is_enabled(&self) -> Result<bool, Error> {
        Ok(self.services.enabled(&self.name)?)
    }

    /// The refusal of a service that is not there.
    fn missing(&self) -> Result<Option<Outcome>, Error> {
        Ok((!self.services.available(&self.name)?)
            .then(|| Outcome::failed(format!("The named service {} is not available", self.name))))
    }

    /// Turns the start at boot on or off, and words it together with whether the service runs.
    fn toggle(&self, on: bool, started: Option<bool>, mut out: Outcome) -> Done {
        let name = &self.name;
        if let Some(mut missing) = self.missing()? {
            if !on {
                missing.result = Some(true);
            }
            return Ok(missing);
        }
        let done = if on { "enabled" } else { "disabled" };
        let state = match started {
            Some(true) => "running",
            None => "in the desired state",
            Some(false) => "dead",
        };
        let is_done = || {
            if on {
                self.services.enabled(name)
            } else {
                self.services.disabled(name)
            }
        };
        let before = is_done()?;
        if before {
            if started.is_none() {
                out.changes = Map::new();
            }
            out.comment = format!("Service {name} is already {done}, and is {state}");
            return Ok(out);
        }
        if self.test {
            out.result = None;
            out.comment = format!("Service {name} set to be {done}");
            return Ok(out);
        }
        let told = if on {
            self.services.enable(name, &self.order)
        } else {
            self.services.disable(name, &self.order)
        };
        let error = match told {
            Ok(true) => {
                out.changes = Map::new();
                if is_done()? {
                    out.changes.insert(name.as_str().into(), true.into());
                }
                out.comment = format!("Service {name} has been {done}, and is {state}");
                return Ok(out);
            }
            Ok(false) => None,
            Err(error) if on => Some(error.0),
            Err(error) => return Err(error.into()),
        };
        out.result = Some(false);
        let not = if on { "to start" } else { "to not start" };
        let how = match (started, on) {
            (Some(true), true) => "but the service is running",
            (Some(true), false) => "and is running",
            (None, _) => "but the service was already running",
            (Some(false), _) => "and the service is dead",
        };
        out.comment = format!("Failed when setting service {name} {not} at boot, {how}");
        if let Some(error) = error {
            out.comment += &format!(". Additional information follows:\n\n{error}");
        }
        Ok(out)
    }
}

fn enable(run: &Run<'_>) -> Option<bool> {
    match run.args.get("enable") {
        Value::Bool(b) => Some(*b),
        Value::Str(text) => Some(text.eq_ignore_ascii_case("true") || text == "1"),
        _ => None,
    }
}

fn misspelt(run: &Run<'_>, name: &str) -> Option<Outcome> {
    run.args.extra.contains_key("enabled").then(|| {
        Outcome::failed(format!(
            "Service {name} uses non-existent option \"enabled\".  Perhaps \"enable\" option was intended?"
        ))
    })
}

fn delay(ctx: &Context, run: &Run<'_>) -> Option<String> {
    let seconds = run.args.get("init_delay").as_float().filter(|s| *s > 0.0)?;
    ctx.job
        .cancel
        .sleep(Duration::from_secs_f64(seconds.min(86_400.0)));
    Some(python::text(run.args.get("init_delay")))
}

fn failure(error: Error) -> Done {
    match error {
        Error::Execution(text) => Ok(Outcome::failed(text)),
        other => Err(other),
    }
}

fn running(ctx: &Context, run: &Run<'_>) -> Done {
    let service = Service::of(ctx, run)?;
    let name = &service.name;
    if let Some(refused) = misspelt(run, name) {
        return Ok(refused);
    }
    match service.missing() {
        Ok(None) => {}
        Ok(Some(_)) if run.test => {
            return Ok(Outcome::would(
                Map::new(),
                format!(
                    "Service {name} not present; if created in this state run, it would have been started"
                ),
            ));
        }
        Ok(Some(missing)) => return Ok(missing),
        Err(error) => return failure(error),
    }
    let before = service.is_running()?;
    let at_boot = service.is_enabled()?;
    let wish = enable(run);
    let runtime = service.order.unmask_runtime;
    let mut unmask = String::new();
    if Services::has_masks()
        && run.args.extra.get("unmask").is_some_and(Value::is_truthy)
        && service.services.masked(name, runtime)?
    {
        if !run.test {
            service.services.unmask(name, runtime)?;
        }
        unmask = if run.test {
            format!("Service {name} would be masked")
        } else {
            format!("Service {name} was unmasked")
        };
    }
    let with_unmask = |text: String| {
        if unmask.is_empty() {
            text
        } else {
            format!("{text}\n{unmask}")
        }
    };
    if before {
        let out = Outcome::unchanged(with_unmask(format!(
            "The service {name} is already running"
        )));
        return match wish {
            Some(true) if !at_boot => service.toggle(true, None, out),
            Some(false) if at_boot => service.toggle(false, None, out),
            _ => Ok(out),
        };
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            with_unmask(format!("Service {name} is set to start")),
        ));
    }
    match service.services.start(name, &service.order) {
        Ok(true) => {}
        Ok(false) => {
            let out = Outcome::failed(format!("Service {name} failed to start"));
            return match wish {
                Some(on) => service.toggle(on, Some(false), out),
                None => Ok(out),
            };
        }
        Err(error) => return Ok(Outcome::failed(error.0)),
    }
    let delayed = delay(ctx, run);
    let after = service.is_running()?;
    let mut out = if after {
        Outcome::unchanged(format!("Started service {name}"))
    } else {
        Outcome::failed(format!("Service {name} failed to start"))
    };
    if after || at_boot != service.is_enabled()? {
        out.changes = map! { name.as_str() => after };
    }
    if let Some(on) = wish {
        out = keep_changes(service.toggle(on, Some(after), out.clone())?, &out);
    }
    if let Some(seconds) = delayed {
        out.comment += &format!("\nDelayed return for {seconds} seconds");
    }
    Ok(out)
}

/// What the start changed stays in the report when switching the boot behaviour changed nothing.
fn keep_changes(mut out: Outcome, before: &Outcome) -> Outcome {
    if out.changes.is_empty() {
        out.changes.clone_from(&before.changes);
    }
    out
}

fn dead(ctx: &Context, run: &Run<'_>) -> Done {
    let service = Service::of(ctx, run)?;
    let name = &service.name;
    if let Some(refused) = misspelt(run, name) {
        return Ok(refused);
    }
    match service.missing() {
        Ok(None) => {}
        Ok(Some(_)) if run.test => {
            return Ok(Outcome::would(
                Map::new(),
                format!(
                    "Service {name} not present; if created in this state run, it would have been stopped"
                ),
            ));
        }
        Ok(Some(missing)) => return Ok(Outcome::unchanged(missing.comment)),
        Err(error) => return failure(error),
    }
    let before = service.is_running()?;
    let at_boot = service.is_enabled()?;
    let wish = enable(run);
    if !before {
        let out = Outcome::unchanged(format!("The service {name} is already dead"));
        return match wish {
            Some(true) if !at_boot => service.toggle(true, None, out),
            Some(false) if at_boot => service.toggle(false, None, out),
            _ => Ok(out),
        };
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Service {name} is set to be killed"),
        ));
    }
    if !service.services.stop(name, &service.order)? {
        let out = Outcome::failed(format!("Service {name} failed to die"));
        return match wish {
            Some(on) => service.toggle(on, Some(true), out),
            None => Ok(out),
        };
    }
    delay(ctx, run);
    let after = service.is_running()?;
    let mut out = if after {
        Outcome::failed(format!("Service {name} failed to die"))
    } else {
        Outcome::unchanged(format!("Service {name} was killed"))
    };
    if !after || at_boot != service.is_enabled()? {
        out.changes = map! { name.as_str() => after };
    }
    if let Some(on) = wish {
        out = keep_changes(service.toggle(on, Some(after), out.clone())?, &out);
    }
    Ok(out)
}

fn enabled(ctx: &Context, run: &Run<'_>) -> Done {
    let service = Service::of(ctx, run)?;
    let mut out = service.toggle(true, None, Outcome::unchanged(""))?;
    if run.test && out.comment == format!("The named service {} is not available", service.name) {
        out.result = None;
        out.comment = format!(
            "Service {} not present; if created in this state run, it would have been enabled",
            service.name
        );
    }
    Ok(out)
}

fn disabled(ctx: &Context, run: &Run<'_>) -> Done {
    Service::of(ctx, run)?.toggle(false, None, Outcome::unchanged(""))
}

fn mod_watch(ctx: &Context, run: &Run<'_>) -> Done {
    let service = Service::of(ctx, run)?;
    let (name, order) = (&service.name, &service.order);
    let (act, verb, past) = match python::text(run.args.get("sfun")).as_str() {
        "dead" if service.is_running()? => (Act::Stop, "stop", "stopped"),
        "dead" => return Ok(Outcome::unchanged("Service is already stopped")),
        "running" if !service.is_running()? => (Act::Start, "start", "started"),
        "running" if run.args.flag("reload") && run.args.flag("force") => {
            (Act::ForceReload, "forcefully reload", "forcefully reloaded")
        }
        "running" if run.args.flag("reload") => (Act::Reload, "reload", "reloaded"),
        "running" => (Act::Restart, "restart", "restarted"),
        other => {
            return Ok(Outcome::failed(format!(
                "Unable to trigger watch for service.{other}"
            )));
        }
    };
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Service is set to be {past}"),
        ));
    }
    let services = &service.services;
    let told = match act {
        Act::Stop => services.stop(name, order),
        Act::Start => {
            // What is left of one that died, it takes along.
            services.stop(name, order)?;
            services.start(name, order)
        }
        Act::Reload => services.reload(name, order),
        Act::ForceReload => services.force_reload(name, order),
        Act::Restart => services.restart(name, order),
    };
    let result = match told {
        Ok(result) => result,
        Err(error) => return Ok(Outcome::failed(error.0)),
    };
    delay(ctx, run);
    Ok(Outcome {
        result: Some(result),
        changes: map! { name.as_str() => result },
        comment: if result {
            format!("Service {past}")
        } else {
            format!("Failed to {verb} the service")
        },
        extra: Map::new(),
    })
}

/// What a watch function does.
enum Act {
    Stop,
    Start,
    Reload,
    ForceReload,
    Restart,
}
