//! `cron`: crontabs.

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::cron::{Crontab, Done, Entry, Wanted, When};

/// The rows of `cron`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "cron.get_entry",
        "user, identifier=None, cmd=None",
        get_entry,
        "Return the job with this identifier, or with this command.",
        "salt '*' cron.get_entry root identifier=task1"
    ),
    row!(
        "cron.list_tab",
        "user",
        list_tab,
        "Return a crontab, taken apart.",
        "salt '*' cron.list_tab root"
    ),
    row!(
        "cron.ls",
        "user",
        list_tab,
        "Other name of ``cron.list_tab``.",
        "salt '*' cron.ls root"
    ),
    row!(
        "cron.raw_cron",
        "user",
        |ctx, args| {
            let user = args.text("user")?;
            let raw = Crontab::new(ctx.programs(), &user).raw();
            Ok(raw.map_err(Error::Execution)?.into())
        },
        "Return the text of a crontab.",
        "salt '*' cron.raw_cron root"
    ),
    row!(
        "cron.rm",
        "user, cmd, minute=None, hour=None, daymonth=None, month=None, dayweek=None, identifier=None",
        rm_job,
        "Other name of ``cron.rm_job``.",
        "salt '*' cron.rm root /usr/local/weekly"
    ),
    row!(
        "cron.rm_env",
        "user, name",
        |ctx, args| {
            let user = args.text("user")?;
            let tab = Crontab::new(ctx.programs(), &user);
            told(tab.remove_variable(&args.text("name")?), "absent")
        },
        "Remove a variable from a crontab.",
        "salt '*' cron.rm_env root MAILTO"
    ),
    row!(
        "cron.rm_job",
        "user, cmd, minute=None, hour=None, daymonth=None, month=None, dayweek=None, identifier=None",
        rm_job,
        "Remove a job from a crontab; times narrow the choice.",
        "salt '*' cron.rm_job root /usr/local/weekly"
    ),
    row!(
        "cron.rm_special",
        "user, cmd, special=None, identifier=None",
        rm_special,
        "Remove a job at ``@…`` from a crontab.",
        "salt '*' cron.rm_special root /usr/bin/foo"
    ),
    row!(
        "cron.set_env",
        "user, name, value=None",
        |ctx, args| {
            let user = args.text("user")?;
            let tab = Crontab::new(ctx.programs(), &user);
            let value = args.opt_text("value")?;
            told(
                tab.set_variable(&args.text("name")?, value.as_deref()),
                "present",
            )
        },
        "Set a variable in a crontab.",
        "salt '*' cron.set_env root MAILTO user@example.com"
    ),
    row!(
        "cron.set_job",
        "user, minute, hour, daymonth, month, dayweek, cmd, commented=False, comment=None, identifier=None",
        set_job,
        "Put a job into a crontab, or change it.",
        "salt '*' cron.set_job root '*' '*' '*' '*' 1 /usr/local/weekly"
    ),
    row!(
        "cron.set_special",
        "user, special, cmd, commented=False, comment=None, identifier=None",
        set_special,
        "Put a job at ``@…`` into a crontab, or change it.",
        "salt '*' cron.set_special root @hourly 'echo foobar'"
    ),
    row!(
        "cron.write_cron_file",
        "user, path",
        |ctx, args| Ok(write(ctx, args)?.is_ok().into()),
        "Replace a crontab by a file's content.",
        "salt '*' cron.write_cron_file root /tmp/new_cron"
    ),
];

fn told(done: std::result::Result<Done, String>, same: &str) -> Result {
    Ok(match done.map_err(Error::Execution)? {
        Done::Same => same.into(),
        Done::New => "new".into(),
        Done::Updated => "updated".into(),
        Done::Removed => "removed".into(),
        Done::Refused(words) => words.into(),
    })
}

fn entry(entry: &Entry) -> Map {
    let mut map = match &entry.when {
        When::Times([minute, hour, daymonth, month, dayweek]) => map! {
            "minute" => minute.as_str(), "hour" => hour.as_str(), "daymonth" => daymonth.as_str(),
            "month" => month.as_str(), "dayweek" => dayweek.as_str(),
        },
        When::Special(spec) => map! { "spec" => spec.as_str() },
    };
    map.extend(map! {
        "identifier" => entry.identifier.clone(), "cmd" => entry.cmd.as_str(),
        "comment" => entry.comment.clone(), "commented" => entry.commented,
    });
    map
}

fn list_tab(ctx: &Context, args: &Args) -> Result {
    let user = args.text("user")?;
    let tab = Crontab::new(ctx.programs(), &user)
        .read()
        .map_err(Error::Execution)?;
    let list = |entries: &[Entry]| -> Value {
        Value::List(entries.iter().map(|e| entry(e).into()).collect())
    };
    let env = tab.env.iter().map(|(name, value)| {
        Value::Map(map! { "name" => name.as_str(), "value" => value.as_str() })
    });
    Ok(Value::Map(map! {
        "pre" => tab.pre.clone(), "crons" => list(&tab.crons), "special" => list(&tab.special),
        "env" => Value::List(env.collect()),
    }))
}

fn get_entry(ctx: &Context, args: &Args) -> Result {
    let user = args.text("user")?;
    let tab = Crontab::new(ctx.programs(), &user)
        .read()
        .map_err(Error::Execution)?;
    let (identifier, cmd) = (args.opt_text("identifier")?, args.opt_text("cmd")?);
    let found = tab
        .crons
        .iter()
        .chain(&tab.special)
        .find(|e| match (&identifier, &cmd) {
            (Some(id), _) => e.identifier.as_ref() == Some(id),
            (None, Some(cmd)) => e.cmd == *cmd,
            (None, None) => false,
        });
    Ok(found.map_or(Value::Bool(false), |e| entry(e).into()))
}

fn wanted(args: &Args, when: When) -> Result<Wanted> {
    Ok(Wanted {
        when,
        cmd: args.text("cmd")?,
        identifier: args.opt_text("identifier")?,
        comment: args.opt_text("comment")?,
        commented: args.flag("commented"),
    })
}

fn set_job(ctx: &Context, args: &Args) -> Result {
    let user = args.text("user")?;
    let time = |key: &str| python::text(args.get(key)).to_lowercase();
    let times = ["minute", "hour", "daymonth", "month", "dayweek"].map(time);
    let wanted = wanted(args, When::Times(times))?;
    told(Crontab::new(ctx.programs(), &user).put(&wanted), "present")
}

fn set_special(ctx: &Context, args: &Args) -> Result {
    let user = args.text("user")?;
    let wanted = wanted(args, When::Special(args.text("special")?))?;
    told(Crontab::new(ctx.programs(), &user).put(&wanted), "present")
}

fn rm_job(ctx: &Context, args: &Args) -> Result {
    let (user, identifier) = (args.text("user")?, args.opt_text("identifier")?);
    let fits = |entry: &Entry| match &entry.when {
        When::Special(_) => false,
        When::Times(times) => ["minute", "hour", "daymonth", "month", "dayweek"]
            .iter()
            .zip(times)
            .all(|(key, now)| match args.get(key) {
                Value::Null => true,
                given => {
                    let given = python::text(given);
                    *now == given || given.eq_ignore_ascii_case("random") && now != "*"
                }
            }),
    };
    let tab = Crontab::new(ctx.programs(), &user);
    told(
        tab.remove(false, &args.text("cmd")?, identifier.as_deref(), fits),
        "absent",
    )
}

fn rm_special(ctx: &Context, args: &Args) -> Result {
    let (user, identifier) = (args.text("user")?, args.opt_text("identifier")?);
    let special = args.opt_text("special")?;
    let fits = |entry: &Entry| match (&entry.when, &special) {
        (When::Special(now), Some(wanted)) => now == wanted,
        _ => true,
    };
    let tab = Crontab::new(ctx.programs(), &user);
    told(
        tab.remove(true, &args.text("cmd")?, identifier.as_deref(), fits),
        "absent",
    )
}

fn write(ctx: &Context, args: &Args) -> Result<std::result::Result<(), String>> {
    let (user, path) = (args.text("user")?, args.text("path")?);
    let text =
        std::fs::read_to_string(&path).map_err(|e| Error::execution(format!("{path}: {e}")))?;
    Crontab::new(ctx.programs(), &user)
        .write(&text)
        .map_err(Error::Execution)
}
