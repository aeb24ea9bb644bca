//! The same functions where netplan is in charge.

use salt_wire::Map;

use crate::context::{Args, Context, Error, Result};
use crate::host::env::which;
use crate::host::netplan;
use crate::modules::clean;

fn told(message: String) -> Error {
    Error::Execution(message)
}

pub(super) fn build_interface(args: &Args) -> Result {
    let (name, settings) = (args.text("iface")?, clean(&args.extra));
    let kind = args.text("iface_type")?.to_lowercase();
    let lines = netplan::build(&name, &kind, &settings).map_err(told)?;
    if !super::is_test(&settings) {
        netplan::write(&name, &lines).map_err(told)?;
    }
    Ok(lines.into())
}

pub(super) fn build_routes(args: &Args) -> Result {
    let settings = clean(&args.extra);
    let routes = settings.get("routes").cloned().unwrap_or_default();
    Ok(netplan::routes(&routes).map_err(told)?.into())
}

pub(super) fn get_interface(args: &Args) -> Result {
    Ok(netplan::read(&args.text("iface")?).into())
}

pub(super) fn get_routes(args: &Args) -> Result {
    let lines = netplan::written_routes(&args.text("iface")?);
    Ok(lines.map_err(told)?.into())
}

/// Brings an interface down, or all as they are written.
pub(super) fn switch(ctx: &Context, args: &Args, up: bool) -> Result {
    if up {
        return apply(ctx, &Map::new());
    }
    let iface = args.text("iface")?;
    let words = vec!["ip", "link", "set", "dev", &iface, "down"];
    ctx.cmd("cmd.run", words, Map::new())
}

pub(super) fn apply(ctx: &Context, settings: &Map) -> Result {
    if super::is_test(settings) {
        return Ok(true.into());
    }
    let program = which("netplan").ok_or_else(|| told("netplan command not found".to_owned()))?;
    let program = program.display().to_string();
    // The first looks at all files together, so that a bad one is told of before anything changes.
    for verb in ["generate", "apply"] {
        let done = ctx.run_all(vec![program.as_str(), verb], Map::new())?;
        if !done.is_fine() {
            let said = [done.stderr(), done.stdout()];
            let said = said.iter().find(|s| !s.is_empty());
            let said = said.map_or("", String::as_str);
            return Err(told(format!("netplan {verb} failed: {said}")));
        }
    }
    Ok(true.into())
}
