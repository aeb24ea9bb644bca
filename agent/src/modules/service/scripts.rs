//! The functions where init scripts start the services: a container, or a Debian without systemd.

use std::collections::BTreeSet;
use std::path::Path;

use super::{flag, list, services, unrun};
use crate::context::{Args, Context, Result};
use crate::host::service::{names, started};

/// Runs `service NAME ACTION`; whether it went well. The exit code is the job's.
fn act(ctx: &Context, args: &Args, action: &str) -> Result {
    let name = args.text("name")?;
    command(ctx, args, &["service", &name, action])
}

fn command(ctx: &Context, args: &Args, words: &[&str]) -> Result {
    let done = services(ctx, args)?.run(words).map_err(|e| unrun(&e))?;
    ctx.job.set_retcode(done.retcode.into());
    flag(done.retcode == 0)
}

pub(super) fn is_active(ctx: &Context, args: &Args, name: &str) -> Result {
    let done = services(ctx, args)?.run(&["service", name, "status"]);
    flag(done.map_err(|e| unrun(&e))?.retcode == 0)
}

pub(super) fn start(ctx: &Context, args: &Args) -> Result {
    act(ctx, args, "start")
}

pub(super) fn stop(ctx: &Context, args: &Args) -> Result {
    act(ctx, args, "stop")
}

pub(super) fn restart(ctx: &Context, args: &Args) -> Result {
    act(ctx, args, "restart")
}

pub(super) fn reload(ctx: &Context, args: &Args) -> Result {
    act(ctx, args, "reload")
}

pub(super) fn force_reload(ctx: &Context, args: &Args) -> Result {
    act(ctx, args, "force-reload")
}

fn starting(ctx: &Context, args: &Args) -> Result<BTreeSet<String>> {
    let services = services(ctx, args)?;
    // Salt asks through `cmd.run`, whose exit code is the job's: 1 where there is no runlevel.
    if let Ok(told) = services.run(&["runlevel"]) {
        ctx.job.set_retcode(told.retcode.into());
    }
    let level = services.runlevel();
    let of = |level: &str| names(Path::new(&format!("/etc/rc{level}.d")));
    let links = of("S").into_iter().chain(of(&level));
    // Salt cuts behind the last number of the whole name.
    Ok(links
        .filter(|link| started(link).is_some())
        .map(|link| {
            let cut = link
                .rfind(|c: char| c.is_ascii_digit())
                .map_or(0, |at| at + 1);
            link[cut..].to_owned()
        })
        .collect())
}

fn all(ctx: &Context, args: &Args) -> Result<BTreeSet<String>> {
    let mut all = starting(ctx, args)?;
    let scripts = names(Path::new("/etc/init.d"));
    all.extend(
        scripts
            .into_iter()
            .filter(|n| n != "README" && !n.starts_with('.')),
    );
    Ok(all)
}

pub(super) fn get_all(ctx: &Context, args: &Args) -> Result {
    list(all(ctx, args)?)
}

pub(super) fn get_enabled(ctx: &Context, args: &Args) -> Result {
    list(starting(ctx, args)?)
}

pub(super) fn get_disabled(ctx: &Context, args: &Args) -> Result {
    let starting = starting(ctx, args)?;
    list(all(ctx, args)?.difference(&starting).cloned().collect())
}

pub(super) fn available(ctx: &Context, args: &Args) -> Result {
    flag(all(ctx, args)?.contains(&args.text("name")?))
}

pub(super) fn missing(ctx: &Context, args: &Args) -> Result {
    flag(!all(ctx, args)?.contains(&args.text("name")?))
}

pub(super) fn enabled(ctx: &Context, args: &Args) -> Result {
    flag(starting(ctx, args)?.contains(&args.text("name")?))
}

pub(super) fn disabled(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let known = all(ctx, args)?.contains(&name);
    flag(known && !starting(ctx, args)?.contains(&name))
}

pub(super) fn enable(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    // As Salt: both, and the first may be missing on systems that no longer have it.
    let done = services(ctx, args)?.run(&["insserv", &name]);
    match done {
        Ok(done) if done.retcode == 0 => command(ctx, args, &["update-rc.d", &name, "enable"]),
        Ok(done) => {
            ctx.job.set_retcode(done.retcode.into());
            flag(false)
        }
        Err(_) => {
            ctx.job.set_retcode(127);
            flag(false)
        }
    }
}

pub(super) fn disable(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    command(ctx, args, &["update-rc.d", &name, "disable"])
}
