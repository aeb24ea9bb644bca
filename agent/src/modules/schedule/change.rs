//! Jobs written, changed and deleted.

use salt_wire::{Map, Value, map};

use super::{INTERVALS, answer, ask, flag, jobs, persist, place_of};
use crate::context::{Args, Context, Error, Result, python};
use crate::modules::clean;
use crate::schedule::{self, times};

/// Times that cannot be given together.
fn conflict(kwargs: &Map) -> Option<&'static str> {
    let has = |key: &str| kwargs.contains_key(key);
    let interval = INTERVALS.iter().any(|k| has(k));
    if interval && (has("when") || has("cron")) {
        return Some("interval");
    }
    (has("when") && has("cron"))
        .then_some("Unable to use \"when\" and \"cron\" options together.  Ignoring.")
}

/// A job out of keyword arguments; else the answer that says what is wrong with them.
pub(super) fn built(name: &str, kwargs: &Map) -> Result<std::result::Result<Map, Map>> {
    let wrong = |comment: &str| Ok(Err(map! {"comment" => comment, "result" => false}));
    if name.is_empty() {
        return wrong("Job name is required.");
    }
    let Some(function) = kwargs.get("function") else {
        return Err(Error::key("function"));
    };
    match conflict(kwargs) {
        Some("interval") => {
            return wrong(
                "Unable to use \"seconds\", \"minutes\", \"hours\", or \"days\" with \"when\" or \"cron\" options.",
            );
        }
        Some(other) => return wrong(other),
        None => {}
    }
    let mut job = map! {"function" => function.clone()};
    let take = |job: &mut Map, key: &str| {
        if let Some(value) = kwargs.get(key) {
            job.insert(key.into(), value.clone());
        }
    };
    for key in INTERVALS.iter().chain(&["return_job", "metadata"]) {
        take(&mut job, key);
    }
    match kwargs.get("job_args") {
        Some(list @ Value::List(_)) => drop(job.insert("args".into(), list.clone())),
        Some(_) => return wrong("job_args is not a list. please correct and try again."),
        None => {}
    }
    match kwargs.get("job_kwargs") {
        Some(named @ Value::Map(_)) => drop(job.insert("kwargs".into(), named.clone())),
        Some(_) => return wrong("job_kwargs is not a dict. please correct and try again."),
        None => {}
    }
    let or = |key: &str, default: Value| kwargs.get(key).cloned().unwrap_or(default);
    for (key, default) in [
        ("maxrunning", 1.into()),
        ("name", name.into()),
        ("enabled", true.into()),
        ("jid_include", true.into()),
    ] {
        job.insert(key.into(), or(key, default));
    }
    take(&mut job, "splay");
    let when = match kwargs.get("when") {
        Some(Value::List(several)) => several.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    for point in when {
        let text = python::text(&point);
        if times::parse(&text, times::now().date()).is_none() {
            return wrong(&format!("Schedule item {text} for \"when\" in invalid."));
        }
    }
    for key in [
        "range",
        "when",
        "once",
        "once_fmt",
        "cron",
        "returner",
        "after",
        "return_config",
        "return_kwargs",
        "until",
        "run_on_start",
        "skip_during_range",
    ] {
        take(&mut job, key);
    }
    Ok(Ok(job))
}

/// Writes the file of a minion that does not run.
fn write(ctx: &Context, jobs: &Map) -> Result<()> {
    schedule::write(&schedule::file(&ctx.settings), jobs).map_err(Error::execution)
}

pub(super) fn add(ctx: &Context, args: &Args) -> Result {
    let (name, kwargs) = (args.text("name")?, clean(&args.extra));
    let offline = flag(&kwargs, "offline");
    let failed = |comment: String| Ok(answer(comment, false, Map::new()).into());
    let mut current = jobs(ctx, &Value::Null, true, offline)?;
    if current.contains_key(name.as_str()) {
        return failed(format!("Job {name} already exists in schedule."));
    }
    match conflict(&kwargs) {
        Some("interval") => {
            return failed("Error: Unable to use \"seconds\", \"minutes\", \"hours\", or \"days\" with \"when\" or \"cron\" options.".into());
        }
        Some(other) => return failed(other.into()),
        None => {}
    }
    let job = match built(&name, &kwargs)? {
        Ok(job) => job,
        Err(wrong) => return Ok(wrong.into()),
    };
    if flag(&kwargs, "test") {
        return Ok(answer(
            format!("Job: {name} would be added to schedule."),
            true,
            Map::new(),
        )
        .into());
    }
    let done = || {
        answer(
            format!("Added job: {name} to schedule."),
            true,
            map! {name.as_str() => "added"},
        )
    };
    if offline {
        current.insert(name.as_str().into(), job.into());
        write(ctx, &current)?;
        return Ok(done().into());
    }
    let request = map! {
        "func" => "add", "name" => name.as_str(), "schedule" => map!{name.as_str() => job},
        "persist" => persist(&kwargs),
    };
    if ask(ctx, request)?.get(&name).is_some() {
        return Ok(done().into());
    }
    failed(format!("Failed to add job {name} to schedule."))
}

pub(super) fn delete(ctx: &Context, args: &Args) -> Result {
    let (name, kwargs) = (args.text("name")?, clean(&args.extra));
    if flag(&kwargs, "test") {
        let comment = format!("Job: {name} would be deleted from schedule.");
        return Ok(answer(comment, true, Map::new()).into());
    }
    let done = || {
        answer(
            format!("Deleted Job {name} from schedule."),
            true,
            map! {name.as_str() => "removed"},
        )
    };
    if flag(&kwargs, "offline") {
        let mut current = jobs(ctx, &"opts".into(), true, true)?;
        if current.shift_remove(name.as_str()).is_none() {
            return Err(Error::key(name));
        }
        write(ctx, &current)?;
        return Ok(done().into());
    }
    let Some(place) = place_of(ctx, &name)? else {
        return Ok(answer(format!("Job {name} does not exist."), false, Map::new()).into());
    };
    let request = map! {
        "func" => "delete", "name" => name.as_str(), "persist" => place == "opts" && persist(&kwargs),
    };
    if ask(ctx, request)?.get(&name).is_none() {
        return Ok(done().into());
    }
    Ok(answer(
        format!("Failed to delete job {name} from schedule."),
        false,
        Map::new(),
    )
    .into())
}

pub(super) fn modify(ctx: &Context, args: &Args) -> Result {
    let (name, mut kwargs) = (args.text("name")?, clean(&args.extra));
    let offline = flag(&kwargs, "offline");
    let failed = |comment: String| Ok(answer(comment, false, Map::new()).into());
    match conflict(&kwargs) {
        Some("interval") => {
            return failed("Error: Unable to use \"seconds\", \"minutes\", \"hours\", or \"days\" with \"when\" option.".into());
        }
        Some(other) => return failed(other.into()),
        None => {}
    }
    let mut current = jobs(ctx, &Value::Null, true, offline)?;
    let Some(Value::Map(old)) = current.get(name.as_str()).cloned() else {
        return failed(format!("Job {name} does not exist in schedule."));
    };
    if !kwargs.contains_key("function") {
        kwargs.insert(
            "function".into(),
            old.get("function").cloned().unwrap_or_default(),
        );
    }
    let new = match built(&name, &kwargs)? {
        Ok(job) => job,
        Err(wrong) => return Ok(wrong.into()),
    };
    // As Python compares maps: whatever their order.
    let same = new.len() == old.len() && new.iter().all(|(k, v)| old.get(k) == Some(v));
    if same {
        return Ok(answer(format!("Job {name} in correct state"), true, Map::new()).into());
    }
    let changes = map! {name.as_str() => map!{"old" => old, "new" => new.clone()}};
    if flag(&kwargs, "test") {
        return Ok(answer(
            format!("Job: {name} would be modified in schedule."),
            true,
            changes,
        )
        .into());
    }
    if offline {
        current.insert(name.as_str().into(), new.into());
        write(ctx, &current)?;
    } else {
        let own = place_of(ctx, &name)? == Some("opts");
        ask(
            ctx,
            map! {
                "func" => "modify", "name" => name.as_str(), "schedule" => new, "persist" => own && persist(&kwargs),
            },
        )?;
    }
    Ok(answer(format!("Modified job: {name} in schedule."), true, changes).into())
}

pub(super) fn purge(ctx: &Context, args: &Args) -> Result {
    let kwargs = clean(&args.extra);
    let offline = flag(&kwargs, "offline");
    let current = jobs(ctx, &Value::Null, true, offline)?;
    let (mut comment, mut changes, mut left) = (Vec::new(), Map::new(), Map::new());
    for (key, job) in current {
        let name = python::text(&key);
        if name == "enabled" || name.starts_with("__") {
            left.insert(key, job);
            continue;
        }
        if flag(&kwargs, "test") {
            comment.push(format!("Job: {name} would be deleted from schedule."));
            continue;
        }
        if !offline {
            let request =
                map! {"func" => "delete", "name" => name.as_str(), "persist" => persist(&kwargs)};
            if ask(ctx, request)?.get(&name).is_some() {
                comment.push(format!("Failed to delete job {name} from schedule."));
                continue;
            }
        }
        changes.insert(key, "removed".into());
        comment.push(format!("Deleted job: {name} from schedule."));
    }
    if offline && !flag(&kwargs, "test") {
        write(ctx, &left)?;
    }
    Ok(map! {"comment" => comment, "changes" => changes, "result" => true}.into())
}
