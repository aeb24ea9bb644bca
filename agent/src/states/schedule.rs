//! `schedule`: jobs that this minion starts by itself. The running minion keeps the schedule, so it is asked.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};

/// The rows of `schedule`.
pub const STATES: &[State] = &[
    State {
        name: "schedule.present",
        signature: "name, **kwargs",
        doc: "Ensure that a job is in the schedule, as it should be.",
        run: present,
    },
    State {
        name: "schedule.absent",
        signature: "name, **kwargs",
        doc: "Ensure that a job is not in the schedule.",
        run: absent,
    },
    State {
        name: "schedule.disabled",
        signature: "name, **kwargs",
        doc: "Ensure that a job of the schedule is disabled.",
        run: |ctx, run| switched(ctx, run, false),
    },
    State {
        name: "schedule.enabled",
        signature: "name, **kwargs",
        doc: "Ensure that a job of the schedule is enabled.",
        run: |ctx, run| switched(ctx, run, true),
    },
];

type Done = Result<Outcome, Error>;

/// Asks the schedule about this job, with the state's own arguments.
fn ask(ctx: &Context, run: &Run<'_>, function: &str) -> Result<Map, Error> {
    let mut kwargs = run.args.extra.clone();
    if run.test {
        kwargs.insert("test".into(), true.into());
    }
    let name = run.args.text("name")?;
    let told = ctx.call(function, &[name.into()], &kwargs)?;
    Ok(told.as_map().cloned().unwrap_or_default())
}

/// The jobs as they are.
fn jobs(ctx: &Context, run: &Run<'_>) -> Result<Map, Error> {
    let mut kwargs = map! { "show_all" => true, "return_yaml" => false };
    if run.args.get("offline").is_truthy() {
        kwargs.insert("offline".into(), true.into());
    }
    let told = ctx.call("schedule.list", &[], &kwargs)?;
    Ok(told.as_map().cloned().unwrap_or_default())
}

fn changes(told: &Map) -> Map {
    let changes = told.get("changes").and_then(Value::as_map);
    changes.cloned().unwrap_or_default()
}

fn comment(told: &Map) -> String {
    told.get("comment").map(python::text).unwrap_or_default()
}

/// The answer of a function that did, or would do, what is `said`.
fn done(run: &Run<'_>, told: &Map, said: String) -> Outcome {
    let fine = told.get("result").is_some_and(Value::is_truthy);
    if !run.test && !fine {
        return Outcome::failed(comment(told));
    }
    let said = if run.test { comment(told) } else { said };
    Outcome::changed(changes(told), said)
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    let jobs = jobs(ctx, run)?;
    let Some(now) = jobs.get(name.as_str()) else {
        let told = ask(ctx, run, "schedule.add")?;
        let mut out = done(run, &told, format!("Adding new job {name} to schedule"));
        if run.test {
            out.changes = map! { name => "added" };
        }
        return Ok(out);
    };
    let item = ctx.call(
        "schedule.build_schedule_item",
        &[name.as_str().into()],
        &run.args.extra,
    )?;
    let mut item = item.as_map().cloned().unwrap_or_default();
    if item.get("result").is_some_and(|r| !r.is_truthy()) {
        return Ok(Outcome::failed(comment(&item)));
    }
    item.entry("enabled".into()).or_insert(true.into());
    let same = now.as_map().is_some_and(|now| {
        now.len() == item.len() && item.iter().all(|(key, value)| now.get(key) == Some(value))
    });
    if same {
        return Ok(Outcome::unchanged(format!("Job {name} in correct state")));
    }
    let told = ask(ctx, run, "schedule.modify")?;
    Ok(done(
        run,
        &told,
        format!("Modifying job {name} in schedule"),
    ))
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    if !jobs(ctx, run)?.contains_key(name.as_str()) {
        let text = format!("Job {name} not present in schedule");
        return Ok(Outcome::unchanged(text));
    }
    let told = ask(ctx, run, "schedule.delete")?;
    let mut out = done(run, &told, format!("Removed job {name} from schedule"));
    if run.test {
        out.changes.clear();
    }
    Ok(out)
}

fn switched(ctx: &Context, run: &Run<'_>, on: bool) -> Done {
    let name = run.args.text("name")?;
    if !jobs(ctx, run)?.contains_key(name.as_str()) {
        let text = format!("Job {name} not present in schedule");
        return Ok(Outcome::unchanged(text));
    }
    let (function, past) = if on {
        ("schedule.enable_job", "Enabled")
    } else {
        ("schedule.disable_job", "Disabled")
    };
    let told = ask(ctx, run, function)?;
    let mut out = done(run, &told, format!("{past} job {name} from schedule"));
    // Salt reports no changes of a switch.
    out.changes.clear();
    Ok(out)
}
