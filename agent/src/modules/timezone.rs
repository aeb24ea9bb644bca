//! `timezone`: the machine's time zone and hardware clock.

use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::timezone;

/// The rows of `timezone`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "timezone.get_hwclock",
        "",
        |ctx, _| {
            let clock = timezone::hwclock(&ctx.programs())?;
            Ok(clock.map_or(Value::Null, Value::from))
        },
        "Return what the hardware clock keeps: UTC or localtime.",
        "salt '*' timezone.get_hwclock"
    ),
    row!(
        "timezone.get_offset",
        "",
        |ctx, _| date(ctx, "+%z"),
        "Return the distance to universal time.",
        "salt '*' timezone.get_offset"
    ),
    row!(
        "timezone.get_zone",
        "",
        |ctx, _| Ok(timezone::zone(&ctx.programs())?.into()),
        "Return the time zone.",
        "salt '*' timezone.get_zone"
    ),
    row!(
        "timezone.get_zonecode",
        "",
        |ctx, _| date(ctx, "+%Z"),
        "Return the short name of the time that is kept, such as CEST.",
        "salt '*' timezone.get_zonecode"
    ),
    row!(
        "timezone.set_hwclock",
        "clock",
        |ctx, args| Ok(timezone::set_hwclock(&ctx.programs(), &args.text("clock")?)?.into()),
        "Set what the hardware clock keeps: UTC or localtime.",
        "salt '*' timezone.set_hwclock UTC"
    ),
    row!(
        "timezone.set_zone",
        "timezone",
        set_zone,
        "Set the time zone.",
        "salt '*' timezone.set_zone 'America/Denver'"
    ),
    row!(
        "timezone.zone_compare",
        "timezone",
        |ctx, args| Ok(timezone::is(&ctx.programs(), &args.text("timezone")?)?.into()),
        "Whether this is the time zone.",
        "salt '*' timezone.zone_compare 'America/Denver'"
    ),
];

fn date(ctx: &Context, form: &str) -> Result {
    let said = ctx.programs().run(&["date", form]);
    Ok(said.map_err(Error::Execution)?.stdout.into())
}

fn set_zone(ctx: &Context, args: &Args) -> Result {
    let set = timezone::set(&ctx.programs(), &args.text("timezone")?);
    Ok(
        match set.map_err(|e| Error::execution(format!("/etc/localtime: {e}")))? {
            Ok(()) => true.into(),
            Err(words) => words.into(),
        },
    )
}
