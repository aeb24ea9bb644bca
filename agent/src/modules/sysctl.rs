//! `sysctl`: kernel parameters.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::sysctl;

/// The rows of `sysctl`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "sysctl.assign",
        "name, value",
        |ctx, args| {
            let value = python::text(args.get("value"));
            let set = sysctl::assign(&ctx.programs(), &args.text("name")?, &value);
            let (name, value) = set.map_err(Error::Execution)?;
            Ok(Value::Map(Map::from_iter([(name.into(), value.into())])))
        },
        "Set a kernel parameter until the next restart.",
        "salt '*' sysctl.assign net.ipv4.ip_forward 1"
    ),
    row!(
        "sysctl.default_config",
        "",
        |_, _| Ok(sysctl::default_config().into()),
        "Return the file in which Salt keeps kernel parameters.",
        "salt -G 'kernel:Linux' sysctl.default_config"
    ),
    row!(
        "sysctl.get",
        "name",
        |ctx, args| {
            let now = sysctl::get(&ctx.programs(), &args.text("name")?);
            Ok(now.map_err(Error::Execution)?.into())
        },
        "Return a kernel parameter.",
        "salt '*' sysctl.get net.ipv4.ip_forward"
    ),
    row!(
        "sysctl.persist",
        "name, value, config=None",
        persist,
        "Set a kernel parameter now and for all restarts.",
        "salt '*' sysctl.persist net.ipv4.ip_forward 1"
    ),
    row!(
        "sysctl.show",
        "config_file=False",
        show,
        "Return all kernel parameters, or those that a file sets.",
        "salt '*' sysctl.show"
    ),
];

fn persist(ctx: &Context, args: &Args) -> Result {
    let config = args.opt_text("config")?;
    let config = PathBuf::from(config.unwrap_or_else(|| sysctl::default_config().to_owned()));
    let value = python::text(args.get("value"));
    let changed = sysctl::persist(&ctx.programs(), &args.text("name")?, &value, &config);
    Ok(if changed.map_err(Error::Execution)? {
        "Updated".into()
    } else {
        "Already set".into()
    })
}

fn show(ctx: &Context, args: &Args) -> Result {
    let pairs = if args.flag("config_file") {
        let file = PathBuf::from(args.text("config_file")?);
        if !file.exists() {
            return Ok(Value::List(Vec::new()));
        }
        match sysctl::configured(&file) {
            Some(pairs) => pairs,
            None => return Ok(Value::Null),
        }
    } else {
        sysctl::all(&ctx.programs()).map_err(Error::Execution)?
    };
    let pairs = pairs.into_iter().map(|(k, v)| (k.into(), v.into()));
    Ok(Value::Map(pairs.collect()))
}
