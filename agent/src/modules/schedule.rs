//! `schedule`: the jobs that this minion starts by itself.

use salt_wire::{Map, Value, map};

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::schedule::{self, SERVICE, times};

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
fn built(name: &str, kwargs: &Map) -> Result<std::result::Result<Map, Map>> {
    let wrong = |comment: &str| Ok(Err(map! {"comment" => comment, "result" => false}));
    if name.is_empty() {
        return wrong("Job name is required.");
    }
    let Some(function) = kwargs.get("function") else {
        return Err(Error::Exception {
            kind: "KeyError",
            message: "'function'".into(),
        });
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

fn add(ctx: &Context, args: &Args) -> Result {
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

/// Where a job is: the minion's own jobs, or the pillar's.
fn place_of(ctx: &Context, name: &str) -> Result<Option<&'static str>> {
    for place in ["opts", "pillar"] {
        if jobs(ctx, &place.into(), true, false)?.contains_key(name) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn delete(ctx: &Context, args: &Args) -> Result {
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
            return Err(Error::Exception {
                kind: "KeyError",
                message: python::repr(&name.into()),
            });
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

fn modify(ctx: &Context, args: &Args) -> Result {
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

fn purge(ctx: &Context, args: &Args) -> Result {
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

fn run_job(ctx: &Context, args: &Args) -> Result {
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

fn show_next_fire_time(ctx: &Context, args: &Args) -> Result {
    let request = map! {"func" => "get_next_fire_time", "name" => args.text("name")?};
    Ok(map! {"result" => true, "next_fire_time" => ask(ctx, request)?}.into())
}

fn job_status(ctx: &Context, args: &Args) -> Result {
    ask(
        ctx,
        map! {"func" => "job_status", "name" => args.text("name")?},
    )
}
