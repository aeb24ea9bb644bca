//! `schedule`: the jobs that this minion starts by itself.

mod change;
mod moments;

use salt_wire::{Map, Value, map};

use change::{add, built, delete, modify, purge};
use moments::{job_status, postpone_job, run_job, show_next_fire_time, skip_job};

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::schedule::{self, SERVICE};

/// The rows of `schedule`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "schedule.add",
        "name, **kwargs",
        add,
        "Add a job to the schedule.",
        "salt '*' schedule.add job1 function='test.ping' seconds=3600\n    salt '*' schedule.add job2 function='cmd.run' job_args=\"['date']\" cron='*/15 * * * *'"
    ),
    row!(
        "schedule.build_schedule_item",
        "name, **kwargs",
        |_, args| Ok(built(&args.text("name")?, &clean(&args.extra))?
            .unwrap_or_else(|e| e)
            .into()),
        "Return a job as ``schedule.add`` would write it.",
        "salt '*' schedule.build_schedule_item job1 function='test.ping' seconds=3600"
    ),
    row!(
        "schedule.delete",
        "name, **kwargs",
        delete,
        "Delete a job from the schedule.",
        "salt '*' schedule.delete job1"
    ),
    row!(
        "schedule.disable",
        "**kwargs",
        |ctx, args| switch(ctx, args, false),
        "Disable the whole schedule.",
        "salt '*' schedule.disable"
    ),
    row!(
        "schedule.disable_job",
        "name, **kwargs",
        |ctx, args| switch_job(ctx, args, false),
        "Disable a job.",
        "salt '*' schedule.disable_job job1"
    ),
    row!(
        "schedule.enable",
        "**kwargs",
        |ctx, args| switch(ctx, args, true),
        "Enable the whole schedule.",
        "salt '*' schedule.enable"
    ),
    row!(
        "schedule.enable_job",
        "name, **kwargs",
        |ctx, args| switch_job(ctx, args, true),
        "Enable a job.",
        "salt '*' schedule.enable_job job1"
    ),
    row!(
        "schedule.is_enabled",
        "name=None",
        is_enabled,
        "Whether the schedule is enabled; with a name, that job if it is there.",
        "salt '*' schedule.is_enabled name=job_name"
    ),
    row!(
        "schedule.job_status",
        "name, time_fmt='%Y-%m-%dT%H:%M:%S'",
        job_status,
        "Return a job with what is known of its times.",
        "salt '*' schedule.job_status job_name"
    ),
    row!(
        "schedule.list",
        "show_all=False, show_disabled=True, where=None, return_yaml=True, offline=False",
        list,
        "List the jobs of the schedule.",
        "salt '*' schedule.list\n    salt '*' schedule.list show_all=True"
    ),
    row!(
        "schedule.modify",
        "name, **kwargs",
        modify,
        "Change a job of the schedule.",
        "salt '*' schedule.modify job1 function='test.ping' seconds=3600"
    ),
    row!(
        "schedule.postpone_job",
        "name, current_time, new_time, **kwargs",
        postpone_job,
        "Run a job at another time than the one at which it is due.",
        "salt '*' schedule.postpone_job job1 2030-01-01T10:00:00 2030-01-01T11:00:00"
    ),
    row!(
        "schedule.purge",
        "**kwargs",
        purge,
        "Delete all jobs of the schedule but Salt's own.",
        "salt '*' schedule.purge"
    ),
    row!(
        "schedule.reload",
        "",
        reload,
        "Read ``schedule.conf`` and the pillar's schedule anew.",
        "salt '*' schedule.reload"
    ),
    row!(
        "schedule.run_job",
        "name, force=False",
        run_job,
        "Run a job of the schedule now.",
        "salt '*' schedule.run_job job1\n    salt '*' schedule.run_job job1 force=True"
    ),
    row!(
        "schedule.save",
        "**kwargs",
        save,
        "Write the schedule to the minion's configuration.",
        "salt '*' schedule.save"
    ),
    row!(
        "schedule.skip_job",
        "name, current_time, **kwargs",
        skip_job,
        "Leave out one run of a job.",
        "salt '*' schedule.skip_job job1 2030-01-01T10:00:00"
    ),
    row!(
        "schedule.show_next_fire_time",
        "name, **kwargs",
        show_next_fire_time,
        "Return when a job runs next.",
        "salt '*' schedule.show_next_fire_time job_name"
    ),
];

/// Keys that a listed job shows.
const SHOWN: &[&str] = &[
    "name",
    "maxrunning",
    "function",
    "splay",
    "range",
    "when",
    "once",
    "once_fmt",
    "returner",
    "jid_include",
    "args",
    "kwargs",
    "seconds",
    "minutes",
    "hours",
    "days",
    "enabled",
    "return_job",
    "metadata",
    "cron",
    "until",
    "after",
    "return_config",
    "return_kwargs",
    "run_on_start",
    "skip_during_range",
    "run_after_skip_range",
];
const GLOBAL: &[&str] = &["enabled", "skip_function", "skip_during_range", "splay"];
const INTERVALS: &[&str] = &["seconds", "minutes", "hours", "days"];

fn ask(ctx: &Context, request: Map) -> Result {
    ctx.minion.service(SERVICE, request)
}

/// The jobs, those of the running minion or those in the file.
fn jobs(ctx: &Context, place: &Value, show_all: bool, offline: bool) -> Result<Map> {
    let all = if offline {
        schedule::read(&schedule::file(&ctx.settings)).map_err(Error::execution)?
    } else {
        match ask(ctx, map! {"func" => "list", "where" => place.clone()})? {
            Value::Map(all) => all,
            _ => Map::new(),
        }
    };
    let mut shown = Map::new();
    for (name, job) in all {
        let text = python::text(&name);
        match job {
            job if GLOBAL.contains(&text.as_str()) => {
                shown.insert(name, job);
            }
            _ if text.starts_with("__") && !show_all => {}
            Value::Map(job) => {
                let mut kept: Map = job
                    .into_iter()
                    .filter(|(k, v)| !v.is_null() && k.as_str().is_some_and(|k| SHOWN.contains(&k)))
                    .map(|(k, v)| match v.as_str() {
                        Some("true") => (k, true.into()),
                        Some("false") => (k, false.into()),
                        _ => (k, v),
                    })
                    .collect();
                kept.entry("enabled".into()).or_insert(true.into());
                // As the running minion knows it.
                if !offline {
                    kept.entry("name".into()).or_insert(name.clone());
                }
                shown.insert(name, kept.into());
            }
            _ => {}
        }
    }
    Ok(shown)
}

fn list(ctx: &Context, args: &Args) -> Result {
    let offline = args.flag("offline");
    let mut all = jobs(ctx, args.get("where"), args.flag("show_all"), offline)?;
    if !args.flag("show_disabled") {
        all.retain(|_, job| job.get("enabled").is_none_or(Value::is_truthy));
    }
    if !args.flag("return_yaml") {
        return Ok(all.into());
    }
    let saved = schedule::read(&schedule::file(&ctx.settings)).unwrap_or_default();
    for (name, job) in &mut all {
        if let Value::Map(job) = job {
            job.insert("saved".into(), saved.contains_key(name).into());
        }
    }
    schedule::yaml(&map! {"schedule" => all}.into())
        .map(Value::from)
        .map_err(Error::execution)
}

fn is_enabled(ctx: &Context, args: &Args) -> Result {
    let mut all = jobs(ctx, &Value::Null, false, false)?;
    if !args.flag("name") {
        return Ok(all.shift_remove("enabled").unwrap_or(true.into()));
    }
    let name = args.text("name")?;
    Ok(all
        .shift_remove(name.as_str())
        .unwrap_or_else(|| Map::new().into()))
}

fn answer(comment: impl Into<Value>, result: bool, changes: Map) -> Map {
    map! {"comment" => comment.into(), "result" => result, "changes" => changes}
}

fn flag(kwargs: &Map, key: &str) -> bool {
    kwargs.get(key).is_some_and(Value::is_truthy)
}

fn persist(kwargs: &Map) -> bool {
    kwargs.get("persist").is_none_or(Value::is_truthy)
}

/// Where a job is: the minion's own jobs, or the pillar's.
fn place_of(ctx: &Context, name: &str) -> Result<Option<&'static str>> {
    for place in ["opts", "pillar"] {
        if jobs(ctx, &place.into(), true, false)?.contains_key(name) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn switch_job(ctx: &Context, args: &Args, on: bool) -> Result {
    let (name, kwargs) = (args.text("name")?, clean(&args.extra));
    let (verb, past, done) = if on {
        ("enable", "Enabled", "enabled")
    } else {
        ("disable", "Disabled", "disabled")
    };
    let say = |comment: String, result: bool, changes: Map| {
        Ok(map! {"comment" => comment, "result" => result, "changes" => changes}.into())
    };
    if flag(&kwargs, "test") {
        return say(
            format!("Job: {name} would be {done} in schedule."),
            true,
            Map::new(),
        );
    }
    let Some(place) = place_of(ctx, &name)? else {
        return say(format!("Job {name} does not exist."), false, Map::new());
    };
    let all = ask(
        ctx,
        map! {
            "func" => format!("{verb}_job"), "name" => name.as_str(), "persist" => place == "opts" && persist(&kwargs),
        },
    )?;
    let now = all
        .get(&name)
        .and_then(|job| job.get("enabled"))
        .is_none_or(Value::is_truthy);
    if now == on {
        let changes = map! {name.as_str() => done};
        return say(format!("{past} Job {name} in schedule."), true, changes);
    }
    say(
        format!("Failed to {verb} job {name} in schedule."),
        false,
        Map::new(),
    )
}

fn switch(ctx: &Context, args: &Args, on: bool) -> Result {
    let kwargs = clean(&args.extra);
    let (verb, past, done) = if on {
        ("enable", "Enabled", "enabled")
    } else {
        ("disable", "Disabled", "disabled")
    };
    if flag(&kwargs, "test") {
        return Ok(answer(format!("Schedule would be {done}."), true, Map::new()).into());
    }
    ask(ctx, map! {"func" => verb, "persist" => persist(&kwargs)})?;
    Ok(answer(
        format!("{past} schedule on minion."),
        true,
        map! {"schedule" => done},
    )
    .into())
}

fn save(ctx: &Context, args: &Args) -> Result {
    if flag(&args.extra, "test") {
        return Ok(map! {"comment" => "Schedule would be saved.", "result" => true}.into());
    }
    ask(ctx, map! {"func" => "save_schedule"})?;
    Ok(map! {"comment" => "Schedule (non-pillar items) saved.", "result" => true}.into())
}

fn reload(ctx: &Context, _: &Args) -> Result {
    let mut comment = Vec::new();
    let mut result = true;
    if ctx.facts.pillar().contains_key("schedule") {
        match ctx.minion.refresh_pillar(ctx) {
            Ok(()) => comment.push("Reloaded schedule from pillar on minion."),
            Err(_) => {
                result = false;
                comment.push("Failed to reload schedule from pillar on minion.");
            }
        }
    }
    let path = schedule::file(&ctx.settings).with_file_name("schedule.conf");
    if path.is_file() {
        match schedule::read(&path) {
            Ok(jobs) if !jobs.is_empty() => {
                ask(
                    ctx,
                    map! {"func" => "reload", "schedule" => jobs, "persist" => false},
                )?;
                comment.push("Reloaded schedule on minion from schedule.conf.");
            }
            _ => {
                result = false;
                comment
                    .push("Failed to reload schedule on minion.  Saved file is empty or invalid.");
            }
        }
    }
    Ok(map! {"comment" => comment, "result" => result}.into())
}
