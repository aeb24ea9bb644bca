//! `system`: power, clock and the machine's own description.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::exec::Command;
use crate::host::{env, fs::write_atomic};

/// The rows of `system`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "system.get_computer_desc",
        "",
        get_computer_desc,
        "Return the description of this machine (PRETTY_HOSTNAME), or False.",
        "salt '*' system.get_computer_desc"
    ),
    row!(
        "system.get_computer_name",
        "",
        get_computer_name,
        "Return the name of this machine.",
        "salt '*' system.get_computer_name"
    ),
    row!(
        "system.get_system_date",
        "utc_offset=None",
        get_system_date,
        "Return the date of the machine's clock.",
        "salt '*' system.get_system_date"
    ),
    row!(
        "system.get_system_date_time",
        "utc_offset=None",
        get_system_date_time,
        "Return date and time of the machine's clock.",
        "salt '*' system.get_system_date_time"
    ),
    row!(
        "system.get_system_time",
        "utc_offset=None",
        get_system_time,
        "Return the time of the machine's clock.",
        "salt '*' system.get_system_time"
    ),
    row!(
        "system.halt",
        "",
        halt,
        "Halt a running system.",
        "salt '*' system.halt"
    ),
    row!(
        "system.init",
        "runlevel",
        init,
        "Change the runlevel.",
        "salt '*' system.init 3"
    ),
    row!(
        "system.poweroff",
        "",
        poweroff,
        "Power off a running system.",
        "salt '*' system.poweroff"
    ),
    row!(
        "system.reboot",
        "at_time=None",
        reboot,
        "Reboot the system, now or in some minutes.",
        "salt '*' system.reboot"
    ),
    row!(
        "system.set_computer_desc",
        "desc",
        set_computer_desc,
        "Set the description of this machine.",
        "salt '*' system.set_computer_desc \"Michael's laptop\""
    ),
    row!(
        "system.set_computer_name",
        "hostname",
        set_computer_name,
        "Set the name of this machine.",
        "salt '*' system.set_computer_name master.saltstack.com"
    ),
    row!(
        "system.shutdown",
        "at_time=None",
        shutdown,
        "Shut a running system down, now or in some minutes.",
        "salt '*' system.shutdown 5"
    ),
];

const MACHINE_INFO: &str = "/etc/machine-info";

/// Runs a command; its output is the answer and its exit code the job's.
fn run(ctx: &Context, words: &[&str]) -> Result {
    let mut kwargs = Map::new();
    kwargs.insert("python_shell".into(), false.into());
    let words: Vec<&str> = words.to_vec();
    ctx.functions.call(ctx, "cmd.run", &[words.into()], &kwargs)
}

fn halt(ctx: &Context, _: &Args) -> Result {
    run(ctx, &["halt"])
}

fn poweroff(ctx: &Context, _: &Args) -> Result {
    run(ctx, &["poweroff"])
}

fn init(ctx: &Context, args: &Args) -> Result {
    run(ctx, &["init", &args.text("runlevel")?])
}

fn at_time(args: &Args) -> Result<String> {
    if args.flag("at_time") {
        args.text("at_time")
    } else {
        Ok("now".to_owned())
    }
}

fn reboot(ctx: &Context, args: &Args) -> Result {
    run(ctx, &["shutdown", "-r", &at_time(args)?])
}

fn shutdown(ctx: &Context, args: &Args) -> Result {
    run(ctx, &["shutdown", "-h", &at_time(args)?])
}

/// The time now, here or at an offset like `+0200`.
fn now(args: &Args, format: &str) -> Result {
    let zone = match args.opt_text("utc_offset")?.filter(|o| !o.is_empty()) {
        None => jiff::tz::TimeZone::system(),
        Some(text) => {
            let offset =
                parse_offset(&text).ok_or_else(|| Error::invocation("Invalid UTC offset"))?;
            jiff::tz::TimeZone::fixed(offset)
        }
    };
    let now = jiff::Timestamp::now().to_zoned(zone);
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

fn get_system_time(_: &Context, args: &Args) -> Result {
    now(args, "%I:%M:%S %p")
}

fn get_system_date(_: &Context, args: &Args) -> Result {
    now(args, "%a %m/%d/%Y")
}

fn get_system_date_time(_: &Context, args: &Args) -> Result {
    now(args, "%Y-%m-%d %H:%M:%S")
}

fn get_computer_name(_: &Context, _: &Args) -> Result {
    Ok(env::hostname().into())
}

fn set_computer_name(ctx: &Context, args: &Args) -> Result {
    let name = [args.get("hostname").clone()];
    ctx.functions
        .call(ctx, "network.mod_hostname", &name, &Map::new())
}

fn description() -> Option<String> {
    let text = fs::read_to_string(MACHINE_INFO).ok()?;
    let mut lines = text.lines();
    let value = lines.find_map(|l| l.trim().strip_prefix("PRETTY_HOSTNAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).replace("\\\"", "\""))
}

fn get_computer_desc(_: &Context, _: &Args) -> Result {
    // What hostnamectl says of a machine without one is nothing, not False.
    let none = || match env::which("hostnamectl") {
        Some(_) => Value::from(""),
        None => false.into(),
    };
    Ok(description().map_or_else(none, Value::from))
}

fn set_computer_desc(ctx: &Context, args: &Args) -> Result {
    let text = args.text("desc")?.replace('\n', " ");
    if env::which("hostnamectl").is_some() && crate::host::service::booted() {
        let words = ["hostnamectl", "set-hostname", "--pretty", &text];
        let done = ctx.host.exec.run(&Command::new(words), &ctx.job.cancel);
        return Ok(done.is_ok_and(|d| d.retcode == 0).into());
    }
    let line = format!("PRETTY_HOSTNAME=\"{}\"", text.replace('"', "\\\""));
    let old = fs::read_to_string(MACHINE_INFO).unwrap_or_default();
    let kept = old
        .lines()
        .filter(|l| !l.trim().starts_with("PRETTY_HOSTNAME="));
    let mut lines: Vec<&str> = kept.collect();
    lines.push(&line);
    let file = lines.join("\n") + "\n";
    let written = write_atomic(Path::new(MACHINE_INFO), file.as_bytes(), 0o644);
    Ok(written.is_ok().into())
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
