//! `ops`: the operations of the journal: list, show, resume, roll back.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::patience;
use super::remaster_clean;
use super::travel::{Work, new_master};
use super::vm_work::{self, ROLLING_BACK};
use crate::cli::Global;
use crate::error::{Error, Kind, Result};
use crate::fleet::undo::Undo;
use crate::journal::{ByKind, Journal, OpState, Operation, Record, StepState};
use crate::output::Output;
use crate::plan::AnyPlan;
use crate::plan::cloud::What;
use crate::progress::Progress;
use crate::salt::MasterConfig;
use crate::salt::autosign::Autosign;

/// The commands about operations.
#[derive(Debug, Subcommand)]
pub enum Ops {
    /// List all operations, the latest first
    #[command(after_help = "Example:\n  master-bridge ops list")]
    List,
    /// Show an operation and each of its steps
    #[command(after_help = "Example:\n  master-bridge ops show last")]
    Show(One),
    /// Go on with an operation that was interrupted or paused
    #[command(after_help = "Example:\n  master-bridge ops resume last")]
    Resume(Resume),
    /// Undo an operation, or one wave of a move: everyone goes back to the old master
    #[command(
        after_help = "Examples:\n  master-bridge ops rollback last\n  master-bridge ops rollback op-20261121-101500-c0ffee --wave 'wave 2'"
    )]
    Rollback(Rollback),
    /// Give an open operation up: nothing of it is undone, and whom it holds is free for another
    #[command(after_help = "Example:\n  master-bridge ops end last")]
    End(One),
}

/// Which operation.
#[derive(Debug, Args)]
pub struct One {
    /// Its id; `last` is the latest
    #[arg(value_name = "OPERATION", default_value = "last")]
    id: String,
}

/// Arguments of `ops resume`.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    one: One,
    /// Without sight of the new master: do not wait to see whether the minions stay there
    #[arg(long)]
    no_follow: bool,
}

/// Arguments of `ops rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    one: One,
    /// Only this wave, by its name (`canary`, `wave 2`)
    #[arg(long, value_name = "NAME")]
    wave: Option<String>,
}

impl Ops {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut journal = Journal::open(&global.journal())?;
        match self {
            Self::List => list(&journal, output),
            Self::Show(one) => show(&journal, &one.id, output),
            Self::Resume(args) => resume(&mut journal, &args, global, output).await,
            Self::Rollback(args) => rollback(&mut journal, &args, global, output).await,
            Self::End(one) => end(&mut journal, &one.id, global, output),
        }
    }
}

/// The state for people: a running operation that nobody works on was interrupted.
fn state<P>(journal: &Journal, op: &Operation<P>) -> &'static str {
    if op.state == OpState::Running && !journal.is_held(&op.id) {
        "interrupted"
    } else {
        op.state.name()
    }
}

fn list(journal: &Journal, output: &Output) -> Result<ExitCode> {
    let operations = journal.operations()?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for op in &operations {
        rows.push(vec![
            op.id.clone(),
            op.command.clone(),
            state(journal, op).into(),
            op.plan.subject(),
            time(op.begun),
            op.operator.clone(),
            op.note.clone(),
        ]);
        documents.push(summary(journal, op));
    }
    let heading = [
        "operation",
        "command",
        "state",
        "what",
        "begun",
        "by",
        "note",
    ];
    let none = format!("no operations in {}", journal.path().display());
    output.list(&none, &heading, &rows);
    output.document(&json!({"operations": documents}));
    Ok(ExitCode::SUCCESS)
}

fn summary(journal: &Journal, op: &Operation<AnyPlan>) -> serde_json::Value {
    let mut summary = json!({
        "id": op.id, "command": op.command, "state": state(journal, op), "note": op.note,
        "hash": op.plan.hash(), "begun": op.begun, "ended": op.ended, "operator": op.operator,
    });
    match &op.plan {
        AnyPlan::Move(plan) => {
            summary["to"] = plan.to.master.as_str().into();
            summary["minions"] = plan.members().count().into();
        }
        AnyPlan::Clean(plan) => {
            summary["keys"] = plan.keys.len().into();
        }
        AnyPlan::Cloud(plan) => {
            summary["title"] = plan.title.as_str().into();
            summary["cloud"] = plan.cloud.as_str().into();
        }
    }
    summary
}

fn show(journal: &Journal, id: &str, output: &Output) -> Result<ExitCode> {
    let op = journal.operation(id)?;
    let steps = journal.steps_named(&op.id)?;
    let note = if op.note.is_empty() { "" } else { ", " };
    output.data(&format!(
        "{} ({}), {}: {}{note}{}",
        op.id,
        op.command,
        op.plan.subject(),
        state(journal, &op),
        op.note
    ));
    // A move has waves; in a cloud each step stands for itself.
    let wave = |record: &Record<String>| match &op.plan {
        AnyPlan::Move(plan) => {
            let wave = plan.waves.get(record.wave);
            wave.map_or_else(|| "-".to_owned(), |w| w.name.clone())
        }
        AnyPlan::Clean(_) => "-".to_owned(),
        AnyPlan::Cloud(_) => (record.wave + 1).to_string(),
    };
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            let why = format!("{} {}", step.reason, step.detail);
            let id = if step.minion.is_empty() {
                "-"
            } else {
                &step.minion
            };
            let took = match (step.begun, step.ended) {
                (Some(begun), Some(ended)) => {
                    format!("{:.1} s", ended.saturating_sub(begun) as f64 / 1000.0)
                }
                _ => "-".into(),
            };
            vec![
                wave(step),
                id.to_owned(),
                step.action.clone(),
                step.state.name().into(),
                took,
                why.trim().to_owned(),
            ]
        })
        .collect();
    output.table(&["wave", "id", "step", "state", "took", "reason"], &rows);
    let mut document = summary(journal, &op);
    let steps: Vec<_> = steps
        .iter()
        .map(|step| {
            json!({
                "wave": wave(step), "id": step.minion, "step": step.action,
                "state": step.state.name(), "reason": step.reason, "detail": step.detail,
                "begun": step.begun, "ended": step.ended,
            })
        })
        .collect();
    document["plan"] = match &op.plan {
        AnyPlan::Move(plan) => serde_json::to_value(plan).unwrap_or_default(),
        AnyPlan::Clean(plan) => serde_json::to_value(plan).unwrap_or_default(),
        // Without user-data.
        AnyPlan::Cloud(plan) => plan.document(),
    };
    document["steps"] = steps.into();
    output.document(&document);
    Ok(ExitCode::SUCCESS)
}

fn end(journal: &mut Journal, id: &str, global: &Global, output: &Output) -> Result<ExitCode> {
    let op = journal.operation(id)?;
    if global.dry_run {
        return show(journal, &op.id, output);
    }
    if op.state.is_open() {
        let subject = op.plan.subject();
        output.consent(&format!(
            "give {} ({subject}) up as it is, with nothing undone",
            op.id
        ))?;
        let _held = journal.hold(&op.id)?;
        if let Err(error) = burn(&op) {
            output.warn(&format!("its enrolment token may still be good: {error}"));
        }
        journal.set_state(&op.id, OpState::Failed, "given up by an operator")?;
    }
    let op = journal.operation(&op.id)?;
    output.say(&format!("operation {} is over: {}", op.id, op.state.name()));
    output.document(&summary(journal, &op));
    Ok(ExitCode::SUCCESS)
}

/// No enrolment token outlives its operation.
fn burn(op: &Operation<AnyPlan>) -> Result<()> {
    let AnyPlan::Cloud(plan) = &op.plan else {
        return Ok(());
    };
    for step in &plan.steps {
        if let What::Enrol { server, .. } = &step.what {
            let config = MasterConfig::read(op.old.dir("an enrolment token")?)?;
            Autosign::of(&config)?.burn(&plan.token(server))?;
        }
    }
    Ok(())
}

async fn resume(
    journal: &mut Journal,
    args: &Resume,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let op = match journal.operation(&args.one.id)?.by_kind() {
        ByKind::Move(op) => op,
        ByKind::Cloud(op) => return vm_work::resume(journal, op, global, output).await,
        ByKind::Clean(op) => {
            let hint = "give the command again: it looks anew who has moved for good";
            may_go_on(&op, hint)?;
            if global.dry_run {
                return show(journal, &op.id, output);
            }
            let _held = journal.hold(&op.id)?;
            return remaster_clean::resume(journal, &op, global, output).await;
        }
    };
    may_go_on(
        &op,
        "give the command of the move again: whoever is there is left alone",
    )?;
    if global.dry_run {
        return show(journal, &op.id, output);
    }
    let _held = journal.hold(&op.id)?;
    if op.command == super::by_order::COMMAND
        && let Some(new) = new_master(&op).await?
    {
        let patience = patience(global, &new);
        return super::by_order::resume(journal, &op, new, patience, output).await;
    }
    let old = op.old.open().await?;
    let new = new_master(&op).await?;
    journal.set_state(&op.id, OpState::Running, "")?;
    output.say(&format!("operation {} goes on", op.id));
    let work = Work {
        global,
        output,
        follow: !args.no_follow,
    };
    work.carry_out(journal, &op, old, new).await
}

/// Refuses to go on with what is over, or on its way back.
fn may_go_on<P>(op: &Operation<P>, hint: &str) -> Result<()> {
    if !op.state.is_open() {
        let text = format!("operation {} is over: {}", op.id, op.state.name());
        return Err(Error::new(Kind::Refused, text).hint(hint));
    }
    if op.note.starts_with(ROLLING_BACK) {
        let text = format!("operation {} is being rolled back", op.id);
        let hint = format!("`master-bridge ops rollback {}` goes on with that", op.id);
        return Err(Error::new(Kind::Refused, text).hint(hint));
    }
    Ok(())
}

async fn rollback(
    journal: &mut Journal,
    args: &Rollback,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let op = match journal.operation(&args.one.id)?.by_kind() {
        ByKind::Move(op) => op,
        ByKind::Clean(Operation { id, .. }) | ByKind::Cloud(Operation { id, .. })
            if args.wave.is_some() =>
        {
            let text = format!("operation {id} has no waves");
            return Err(Error::new(Kind::Usage, text).hint("without --wave all of it is undone"));
        }
        ByKind::Clean(op) => return remaster_clean::rollback(journal, &op, global, output).await,
        ByKind::Cloud(op) => return vm_work::rollback(journal, op, global, output).await,
    };
    let waves: Vec<usize> = match &args.wave {
        None => (0..op.plan.waves.len()).collect(),
        Some(name) => {
            let found = op.plan.waves.iter().position(|w| w.name == *name);
            let Some(at) = found else {
                let names: Vec<&str> = op.plan.waves.iter().map(|w| w.name.as_str()).collect();
                let text = format!("operation {} has no wave \"{name}\"", op.id);
                let hint = format!("it has {}", names.join(", "));
                return Err(Error::new(Kind::NothingMatched, text).hint(hint));
            };
            vec![at]
        }
    };
    let steps = journal.steps(&op.id)?;
    let count = steps
        .iter()
        .filter(|s| waves.contains(&s.wave))
        .filter(|s| s.action == crate::plan::Action::Move)
        .filter(|s| matches!(s.state, StepState::Begun | StepState::Done))
        .count();
    if count == 0 && op.state == OpState::RolledBack {
        output.say("it is rolled back: nothing to do");
        output.document(&json!({"operation": op.id, "back": 0, "not_back": {}}));
        return Ok(ExitCode::SUCCESS);
    }
    if global.dry_run {
        output.data(&format!(
            "would bring {count} minions back to the old master"
        ));
        output.document(&json!({"operation": op.id, "dry_run": true, "back": count}));
        return Ok(ExitCode::SUCCESS);
    }
    output.consent(&format!("bring {count} minions back to the old master"))?;
    let mut old = op.old.open().await?;
    let Some(mut new) = new_master(&op).await? else {
        let text = "this operation never saw the new master";
        return Err(Error::new(Kind::Usage, text)
            .hint("on the new master: `master-bridge remaster-all --to OLD --finger …`, or remaster.rollback for those on probation"));
    };
    let _held = journal.hold(&op.id)?;
    journal.retake(&op)?;
    journal.set_state(&op.id, OpState::Running, ROLLING_BACK)?;
    let patience = patience(global, &*old);
    let progress = Progress::new(output, "rollback", count);
    let undo = Undo {
        old: &mut *old,
        new: &mut new,
        journal,
        op: &op,
        patience,
        progress: &progress,
    };
    let result = { undo }.run(&waves).await;
    drop(progress);
    let bad = match result {
        Ok(bad) => bad,
        Err(error) => {
            journal.set_state(&op.id, OpState::Paused, &format!("{ROLLING_BACK}: {error}"))?;
            let hint = format!("`master-bridge ops rollback {}` goes on", op.id);
            return Err(error.hint(hint));
        }
    };
    let (state, note) = match (bad.is_empty(), &args.wave) {
        (false, _) => (OpState::Failed, "not everyone came back".to_owned()),
        (true, None) => (OpState::RolledBack, String::new()),
        (true, Some(name)) => (OpState::Failed, format!("{name} was rolled back")),
    };
    journal.set_state(&op.id, state, &note)?;
    let rows: Vec<_> = bad
        .iter()
        .map(|(id, (reason, detail))| {
            vec![id.clone(), "not back".into(), format!("{reason} {detail}")]
        })
        .collect();
    if rows.is_empty() {
        output.data(&format!("{} are back on the old master", count));
    } else {
        output.table(&["id", "result", "reason"], &rows);
    }
    let not_back: serde_json::Map<_, _> = bad
        .iter()
        .map(|(id, (reason, detail))| (id.clone(), json!({"reason": reason, "detail": detail})))
        .collect();
    output.document(&json!({
        "operation": op.id, "back": count.saturating_sub(bad.len()), "not_back": not_back,
    }));
    Ok(if bad.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Unix seconds as local time.
fn time(seconds: u64) -> String {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    stamp.map_or_else(
        || "-".into(),
        |stamp| {
            let local = stamp.to_zoned(jiff::tz::TimeZone::system());
            local.strftime("%Y-%m-%d %H:%M:%S").to_string()
        },
    )
}
