//! When a job runs: now, later, not this time.

use salt_wire::{Value, map};

use super::{ask, jobs, place_of};
use crate::context::{Args, Context, Result, python};
use crate::modules::clean;
use crate::schedule::times;

pub(super) fn run_job(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let say =
        |comment: String, result: bool| Ok(map! {"comment" => comment, "result" => result}.into());
    let all = jobs(ctx, &Value::Null, true, false)?;
    let Some(job) = all.get(name.as_str()) else {
        return say(format!("Job {name} does not exist."), false);
    };
    if !job.get("enabled").is_none_or(Value::is_truthy) && !args.flag("force") {
        return say(format!("Job {name} is disabled."), true);
    }
    ask(ctx, map! {"func" => "run_job", "name" => name.as_str()})?;
    say(format!("Scheduling Job {name} on minion."), true)
}

pub(super) fn show_next_fire_time(ctx: &Context, args: &Args) -> Result {
    let request = map! {"func" => "get_next_fire_time", "name" => args.text("name")?};
    Ok(map! {"result" => true, "next_fire_time" => ask(ctx, request)?}.into())
}

pub(super) fn job_status(ctx: &Context, args: &Args) -> Result {
    ask(
        ctx,
        map! {"func" => "job_status", "name" => args.text("name")?},
    )
}

fn said(comment: impl Into<String>, result: bool) -> Result {
    Ok(map! {"comment" => comment.into(), "result" => result}.into())
}

pub(super) fn postpone_job(ctx: &Context, args: &Args) -> Result {
    moment(ctx, args, true)
}

pub(super) fn skip_job(ctx: &Context, args: &Args) -> Result {
    moment(ctx, args, false)
}

/// Takes one run out of the schedule; postponed, it comes at another time.
fn moment(ctx: &Context, args: &Args, postpone: bool) -> Result {
    let (name, kwargs) = (args.text("name")?, clean(&args.extra));
    let (func, doing, past) = if postpone {
        ("postpone_job", "postpone", "Postponed")
    } else {
        ("skip_job", "skip", "Added Skip")
    };
    let format = kwargs.get("time_fmt").filter(|f| f.is_truthy());
    let format = format.map_or("%Y-%m-%dT%H:%M:%S".to_owned(), python::text);
    if name.is_empty() {
        return said("Job name is required.", false);
    }
    let mut request = map! {"func" => func, "name" => name.as_str(), "time_fmt" => format.as_str()};
    let points: &[(&str, &str, &str)] = if postpone {
        &[
            ("current_time", "time", "Job current time is required."),
            ("new_time", "new_time", "Job new_time is required."),
        ]
    } else {
        &[("current_time", "time", "Job time is required.")]
    };
    for (argument, key, missing) in points {
        if !args.flag(argument) {
            return said(*missing, false);
        }
        let text = args.get(argument).as_str();
        if text.and_then(|t| times::parse_as(t, &format)).is_none() {
            return said("Date string could not be parsed.", false);
        }
        request.insert((*key).into(), args.get(argument).clone());
    }
    if place_of(ctx, &name)?.is_none() {
        return said(format!("Job {name} does not exist."), false);
    }
    let all = ask(ctx, request)?;
    let job = all.get(&name);
    if job
        .and_then(|j| j.get("enabled"))
        .is_some_and(Value::is_truthy)
    {
        said(format!("{past} Job {name} in schedule."), true)
    } else {
        said(format!("Failed to {doing} job {name} in schedule."), false)
    }
}
