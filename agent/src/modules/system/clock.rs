//! The machine's clock: read, and set through `date` and `hwclock`.

use jiff::civil;
use salt_wire::{Map, Value};

use super::run;
use crate::context::{Args, Context, Error, Result};
use crate::host::env;
use crate::host::exec::Command;
use crate::modules::python_int;

/// Forms in which a time may be given.
const TIMES: &[&str] = &["%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M"];

/// Forms in which a date may be given.
const DATES: &[&str] = &[
    "%Y-%m-%d", "%m-%d-%Y", "%m-%d-%y", "%m/%d/%Y", "%m/%d/%y", "%Y/%m/%d",
];

/// The time zone of an offset like `+0200`, or the machine's own.
fn zone(args: &Args) -> Result<jiff::tz::TimeZone> {
    Ok(
        match args.opt_text("utc_offset")?.filter(|o| !o.is_empty()) {
            None => jiff::tz::TimeZone::system(),
            Some(text) => {
                let offset =
                    parse_offset(&text).ok_or_else(|| Error::invocation("Invalid UTC offset"))?;
                jiff::tz::TimeZone::fixed(offset)
            }
        },
    )
}

/// The time now in that zone.
fn now(args: &Args, format: &str) -> Result {
    let now = jiff::Timestamp::now().to_zoned(zone(args)?);
    Ok(now.strftime(format).to_string().into())
}

fn parse_offset(text: &str) -> Option<jiff::tz::Offset> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.len() != 4 {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..)?.parse().ok()?;
    jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

pub(super) fn get_system_time(_: &Context, args: &Args) -> Result {
    now(args, "%I:%M:%S %p")
}

pub(super) fn get_system_date(_: &Context, args: &Args) -> Result {
    now(args, "%a %m/%d/%Y")
}

pub(super) fn get_system_date_time(_: &Context, args: &Args) -> Result {
    now(args, "%Y-%m-%d %H:%M:%S")
}

pub(super) fn has_settable_hwclock(ctx: &Context) -> bool {
    let test = || Command::new(["hwclock", "--test", "--systohc"]);
    env::which("hwclock").is_some()
        && ctx
            .host
            .exec
            .run(&test(), &ctx.job.cancel)
            .is_ok_and(|done| done.retcode == 0)
}

pub(super) fn set_system_date(ctx: &Context, args: &Args) -> Result {
    let text = args.text("newdate")?;
    let date = DATES
        .iter()
        .find_map(|f| civil::Date::strptime(f, &text).ok());
    let date = date.ok_or_else(|| Error::invocation("Invalid date format"))?;
    let now = jiff::Timestamp::now().to_zoned(zone(args)?);
    set(ctx, args, date.to_datetime(now.time()))
}

pub(super) fn set_system_time(ctx: &Context, args: &Args) -> Result {
    let text = args.text("newtime")?;
    let time = TIMES
        .iter()
        .find_map(|f| civil::Time::strptime(f, &text).ok());
    let Some(time) = time else {
        return Ok(false.into());
    };
    let now = jiff::Timestamp::now().to_zoned(zone(args)?);
    set(ctx, args, now.date().to_datetime(time))
}

pub(super) fn set_system_date_time(ctx: &Context, args: &Args) -> Result {
    let now = jiff::Timestamp::now().to_zoned(zone(args)?).datetime();
    let part = |name: &str, now: i16| -> Result<i16> {
        match args.get(name) {
            Value::Null => Ok(now),
            given => i16::try_from(python_int(given)?)
                .map_err(|_| Error::invocation(format!("{name} is out of range"))),
        }
    };
    let small = |name: &str, now: i8| -> Result<i8> {
        i8::try_from(part(name, now.into())?)
            .map_err(|_| Error::invocation(format!("{name} is out of range")))
    };
    let date = civil::DateTime::new(
        part("years", now.year())?,
        small("months", now.month())?,
        small("days", now.day())?,
        small("hours", now.hour())?,
        small("minutes", now.minute())?,
        small("seconds", now.second())?,
        0,
    );
    let date = date.map_err(|e| Error::invocation(e.to_string()))?;
    set(ctx, args, date)
}

/// Sets the clock; the hardware clock follows, so that the time survives a reboot.
fn set(ctx: &Context, args: &Args, when: civil::DateTime) -> Result {
    let mut words = vec!["date"];
    let when = if args.get("utc_offset").is_truthy() {
        words.push("-u");
        let there = when.to_zoned(zone(args)?);
        let there = there.map_err(|e| Error::invocation(e.to_string()))?;
        there.with_time_zone(jiff::tz::TimeZone::UTC).datetime()
    } else {
        when
    };
    let text = when.strftime("%m%d%H%M%Y.%S").to_string();
    words.push(&text);
    let done = ctx.run_all(words, Map::new())?;
    if !done.is_fine() {
        let told = done.stderr();
        return Err(Error::execution(format!("date failed: {told}")));
    }
    if has_settable_hwclock(ctx) {
        run(ctx, &["hwclock", "--systohc"])?;
    }
    Ok(true.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_signed_hours_and_minutes() {
        let seconds = |t| parse_offset(t).map(jiff::tz::Offset::seconds);
        assert_eq!(seconds("+0230"), Some(9000));
        assert_eq!(seconds("-0100"), Some(-3600));
        assert_eq!(seconds("0100"), Some(3600));
        assert_eq!(seconds("1"), None);
    }
}
