//! `locale`: the machine's locale, and locales that programs can use.

use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::locale;

/// The rows of `locale`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "locale.avail",
        "locale",
        |ctx, args| {
            let found = locale::is_available(&ctx.programs(), &args.text("locale")?);
            Ok(found.map_err(Error::Execution)?.into())
        },
        "Whether a locale can be used.",
        "salt '*' locale.avail 'en_US.UTF-8'"
    ),
    row!(
        "locale.gen_locale",
        "locale, **kwargs",
        generate,
        "Make a locale.",
        "salt '*' locale.gen_locale en_US.UTF-8"
    ),
    row!(
        "locale.get_locale",
        "",
        |ctx, _| Ok(locale::current(&ctx.programs())
            .map_err(Error::Execution)?
            .into()),
        "Return the machine's locale.",
        "salt '*' locale.get_locale"
    ),
    row!(
        "locale.list_avail",
        "",
        |ctx, _| Ok(locale::available(&ctx.programs())
            .map_err(Error::Execution)?
            .into()),
        "List the locales that can be used.",
        "salt '*' locale.list_avail"
    ),
    row!(
        "locale.set_locale",
        "locale",
        set,
        "Set the machine's locale.",
        "salt '*' locale.set_locale 'en_US.UTF-8'"
    ),
];

fn generate(ctx: &Context, args: &Args) -> Result {
    let ubuntu = ctx.facts.grains().get("os").and_then(Value::as_str) == Some("Ubuntu");
    let made = locale::generate(&ctx.programs(), &args.text("locale")?, ubuntu);
    Ok(made.map_err(Error::Execution)?.into())
}

fn set(ctx: &Context, args: &Args) -> Result {
    let grains = ctx.facts.grains();
    let release = grains.get("osmajorrelease").and_then(Value::as_int);
    let release = release.and_then(|r| i64::try_from(r).ok());
    let set = locale::set(&ctx.programs(), &args.text("locale")?, release);
    Ok(set.map_err(Error::Execution)?.into())
}
