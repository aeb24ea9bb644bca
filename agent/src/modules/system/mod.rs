//! `system`: power, clock and the machine's own description.

mod clock;

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Result};
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
        "system.has_settable_hwclock",
        "",
        |ctx, _| Ok(clock::has_settable_hwclock(ctx).into()),
        "Whether this machine has a hardware clock that can be set.",
        "salt '*' system.has_settable_hwclock"
    ),
    row!(
        "system.set_system_date",
        "newdate, utc_offset=None",
        clock::set_system_date,
        "Set the date of the machine's clock.",
        "salt '*' system.set_system_date '03-28-13'"
    ),
    row!(
        "system.set_system_date_time",
        "years=None, months=None, days=None, hours=None, minutes=None, seconds=None, utc_offset=None",
        clock::set_system_date_time,
        "Set date and time of the machine's clock; what is not given stays.",
        "salt '*' system.set_system_date_time 2015 5 12 11 37 53 \"'-0500'\""
    ),
    row!(
        "system.set_system_time",
        "newtime, utc_offset=None",
        clock::set_system_time,
        "Set the time of the machine's clock.",
        "salt '*' system.set_system_time \"'11:20'\""
    ),
    row!(
        "system.get_system_date",
        "utc_offset=None",
        clock::get_system_date,
        "Return the date of the machine's clock.",
        "salt '*' system.get_system_date"
    ),
    row!(
        "system.get_system_date_time",
        "utc_offset=None",
        clock::get_system_date_time,
        "Return date and time of the machine's clock.",
        "salt '*' system.get_system_date_time"
    ),
    row!(
        "system.get_system_time",
        "utc_offset=None",
        clock::get_system_time,
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
    ctx.cmd("cmd.run", words.to_vec(), Map::new())
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

fn get_computer_name(_: &Context, _: &Args) -> Result {
    Ok(env::hostname().into())
}

fn set_computer_name(ctx: &Context, args: &Args) -> Result {
    let name = [args.get("hostname").clone()];
    ctx.call("network.mod_hostname", &name, &Map::new())
}

fn description() -> Option<String> {
    let text = fs::read_to_string(MACHINE_INFO).ok()?;
    let mut lines = text.lines();
    let value = lines.find_map(|l| l.trim().strip_prefix("PRETTY_HOSTNAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn get_computer_desc(ctx: &Context, _: &Args) -> Result {
    let Some(hostnamectl) = env::which("hostnamectl") else {
        return Ok(description().map_or(Value::Bool(false), |text| unescaped(&text).into()));
    };
    let words = [&hostnamectl.to_string_lossy(), "status", "--pretty"];
    let told = run(ctx, &words)?;
    Ok(told.as_str().map(unescaped).unwrap_or_default().into())
}

fn unescaped(text: &str) -> String {
    let text = text.replace("\\\\", "\\").replace("\\\"", "\"");
    text.replace("\\n", "\n").replace("\\t", "\t")
}

fn set_computer_desc(ctx: &Context, args: &Args) -> Result {
    let text = args.text("desc")?.replace('"', "\\\"");
    let text = text.replace('\n', "\\n").replace('\t', "\\t");
    if let Some(hostnamectl) = env::which("hostnamectl") {
        let program = hostnamectl.to_string_lossy();
        let words: Vec<&str> = vec![&program, "set-hostname", "--pretty", &text];
        let code = ctx.cmd("cmd.retcode", words, Map::new())?;
        return Ok((code == Value::Int(0)).into());
    }
    let line = format!("PRETTY_HOSTNAME=\"{text}\"");
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
