//! What all commands that work on VMs have in common: show the plan, agree, ask, write down, do, report; and, if
//! it fails, undo.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::begin::begin;
use super::travel::moved;
use super::{open, patience};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::journal::{Journal, OpState, Operation, StepState};
use crate::output::Output;
use crate::plan::cloud::What;
use crate::plan::thing::Gone;
use crate::plan::{CloudPlan, CloudStep};
use crate::progress::Progress;
use crate::salt::Master;
use crate::salt::job::Patience;
use crate::vms::{Runner, Stopped, World};

/// What an operation that is being undone notes.
pub(super) const ROLLING_BACK: &str = "rolling back";

/// Rules of every operation on VMs.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Plan")]
pub(super) struct Rules {
    /// Do exactly this plan, the document of an earlier `--dry-run -o json`; refused if the world has moved
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Do it only if the plan has this hash, as an earlier --dry-run showed it
    #[arg(long, value_name = "HASH")]
    pub(super) plan_hash: Option<String>,
    /// On failure leave everything as it is, to look at it; `ops resume` goes on and `ops rollback` undoes it
    #[arg(long)]
    pub(super) keep_failed: bool,
}

impl Rules {
    /// Refuses a plan that is not the one that was agreed on.
    fn agree(&self, plan: &CloudPlan) -> Result<()> {
        if let Some(path) = &self.plan {
            let failed = || {
                Error::new(Kind::Usage, format!("{} is no plan", path.display()))
                    .hint("write the one that you agree to into it: --dry-run -o json")
            };
            let before: Value =
                serde_json::from_str(&text_of(path)?).map_err(|e| failed().because(&e))?;
            let hash = before["hash"].as_str().ok_or_else(failed)?;
            if hash != plan.hash() {
                return Err(moved(plan.differences(&before), &plan.hash()));
            }
        }
        match &self.plan_hash {
            Some(hash) if *hash != plan.hash() => Err(moved(Vec::new(), &plan.hash())),
            _ => Ok(()),
        }
    }
}

/// An operation that somebody wants.
pub(super) struct Wish<'a> {
    pub(super) command: &'static str,
    pub(super) plan: CloudPlan,
    pub(super) question: String,
    pub(super) rules: &'a Rules,
}

/// A plan in a cloud.
pub(super) fn plan_of(
    title: String,
    cloud: &Client,
    subjects: Vec<String>,
    steps: Vec<CloudStep>,
) -> CloudPlan {
    CloudPlan {
        title,
        cloud: cloud.name().to_owned(),
        project: cloud.project().map(|(id, _)| id).unwrap_or_default(),
        subjects,
        steps,
        seed: String::new(),
    }
}

/// Plans, shows, asks, begins, does.
pub(super) async fn carry_out(
    wish: Wish<'_>,
    cloud: &Client,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let plan = wish.plan;
    wish.rules.agree(&plan)?;
    show(&plan, output);
    if global.dry_run {
        let mut document = plan.document();
        document["dry_run"] = true.into();
        output.document(&document);
        return Ok(ExitCode::SUCCESS);
    }
    output.consent(&wish.question)?;
    let plan = CloudPlan {
        seed: seed()?,
        ..plan
    };
    let (mut journal, _held, op) = begin(wish.command, plan, None, global, output)?;
    forward(
        &mut journal,
        &op,
        cloud,
        wish.rules.keep_failed,
        global,
        output,
    )
    .await
}

/// Randomness for nonces: nobody else may know them before the console shows them.
fn seed() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        Error::new(Kind::Local, "the kernel gives no randomness")
            .because(&std::io::Error::other(e.to_string()))
    })?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn show(plan: &CloudPlan, output: &Output) {
    let rows: Vec<_> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            let last = if step.what.is_final() { "no" } else { "yes" };
            vec![
                (at + 1).to_string(),
                step.key.clone(),
                step.what.name().to_owned(),
                last.to_owned(),
                step.what.subject(),
            ]
        })
        .collect();
    output.table(&["", "key", "step", "undo", "what"], &rows);
    output.say(&format!("plan {} ({})", plan.hash(), plan.title));
}

/// Whether any step speaks to the master.
fn needs_salt(plan: &CloudPlan) -> bool {
    plan.steps.iter().any(|step| {
        matches!(
            step.what,
            What::Accept { .. }
                | What::Enrol { .. }
                | What::Ping { .. }
                | What::Grains { .. }
                | What::Highstate { .. }
                | What::Health { .. }
                | What::Run { .. }
                | What::Mount { .. }
                | What::Forget { .. }
                | What::Unmake {
                    gone: Gone::MinionKey { .. }
                }
        )
    })
}

/// The master, if the plan needs one, and how long jobs are waited for.
async fn salt(
    op: &Operation<CloudPlan>,
    global: &Global,
) -> Result<(Option<Box<dyn Master>>, Patience)> {
    if !needs_salt(&op.plan) {
        return Ok((None, patience_of(global)));
    }
    let salt = op.old.open().await?;
    let patience = patience(global, &*salt);
    Ok((Some(salt), patience))
}

/// The cloud of an operation: the options' and the environment's, which must be the one it began in.
async fn cloud_of(op: &Operation<CloudPlan>) -> Result<Client> {
    let named = Selection {
        os_cloud: Some(op.plan.cloud.clone()).filter(|name| !name.contains("://")),
        ..Selection::default()
    };
    let cloud = Client::connect(&named).await?;
    cloud.must_be_in(&op.plan.project)?;
    Ok(cloud)
}

/// Takes an operation on; on failure undoes it, unless it may go on later or is to be kept.
async fn forward(
    journal: &mut Journal,
    op: &Operation<CloudPlan>,
    cloud: &Client,
    keep_failed: bool,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let (mut salt, patience) = salt(op, global).await?;
    let progress = Progress::new(output, &op.plan.title, op.plan.steps.len());
    let master = salt.as_mut().map(|salt| &mut **salt as &mut dyn Master);
    let mut runner = Runner {
        journal: &mut *journal,
        op,
        world: World::of(op, cloud, master, patience, &progress),
    };
    let Some(stopped) = runner.forward().await? else {
        drop(progress);
        journal.set_state(&op.id, OpState::Done, "")?;
        crate::fault::point("state.written");
        report(journal, op, "done", None, output)?;
        return Ok(ExitCode::SUCCESS);
    };
    let why = format!("{}: {}", stopped.step, stopped.error);
    let mut finals = op.plan.steps.iter().filter(|s| s.what.is_final());
    let records = runner.journal.steps_named(&op.id)?;
    let past = finals.any(|step| {
        let record = records.iter().find(|r| r.minion == step.key);
        record.is_some_and(|r| r.state != StepState::Planned)
    });
    if stopped.may_go_on() || keep_failed || past {
        drop(progress);
        journal.set_state(&op.id, OpState::Paused, &why)?;
        report(journal, op, "stopped", Some(&stopped), output)?;
        return Err(stopped_error(
            stopped,
            op,
            "goes on from here; `ops rollback` undoes it",
        ));
    }
    progress.note(&format!("error: {why}"));
    progress.note("everything that was made is undone");
    runner
        .journal
        .set_state(&op.id, OpState::Running, ROLLING_BACK)?;
    let trouble = runner.back().await;
    drop(progress);
    let trouble = match trouble {
        Ok(trouble) => trouble,
        Err(error) => {
            journal.set_state(&op.id, OpState::Paused, &format!("{ROLLING_BACK}: {error}"))?;
            return Err(error);
        }
    };
    match trouble {
        None => {
            journal.set_state(&op.id, OpState::RolledBack, &why)?;
            report(journal, op, "rolled-back", Some(&stopped), output)?;
            let mut error = stopped.error;
            error.kind = Kind::Failed;
            Err(error)
        }
        Some(undo) => {
            journal.set_state(
                &op.id,
                OpState::Paused,
                &format!("{ROLLING_BACK}: {}", undo.error),
            )?;
            report(journal, op, "stopped", Some(&undo), output)?;
            let hint = format!("`master-bridge ops rollback {}` goes on undoing", op.id);
            let mut error = stopped.error;
            error
                .causes
                .push(format!("while undoing {}: {}", undo.step, undo.error));
            error.kind = Kind::Failed;
            Err(error.hint(hint))
        }
    }
}

/// The report is printed already, so the error is no document of its own.
fn stopped_error(stopped: Stopped, op: &Operation<CloudPlan>, then: &str) -> Error {
    let mut error = stopped.error;
    let hint = format!("`master-bridge ops resume {}` {then}", op.id);
    let both = error
        .hint
        .take()
        .map_or_else(|| hint.clone(), |h| format!("{h}; {hint}"));
    error.kind = Kind::Failed;
    error.hint(both)
}

/// How long to wait for jobs where there is no master.
fn patience_of(global: &Global) -> crate::salt::job::Patience {
    let second = std::time::Duration::from_secs(5);
    crate::salt::job::Patience {
        timeout: global.timeout.unwrap_or(second),
        gather: global.gather_timeout.unwrap_or(second),
        most: global.max_wait,
    }
}

/// What became of an operation: what each step made, and what it took.
fn report(
    journal: &Journal,
    op: &Operation<CloudPlan>,
    result: &str,
    stopped: Option<&Stopped>,
    output: &Output,
) -> Result<()> {
    let records = journal.steps_named(&op.id)?;
    let (mut rows, mut steps) = (Vec::new(), Vec::new());
    for record in &records {
        let made: Value = serde_json::from_str(&record.detail).unwrap_or_default();
        let seconds = match (record.begun, record.ended) {
            (Some(begun), Some(ended)) => Some(ended.saturating_sub(begun) as f64 / 1000.0),
            _ => None,
        };
        rows.push(vec![
            record.minion.clone(),
            record.action.clone(),
            record.state.name().to_owned(),
            seconds.map_or_else(|| "-".into(), |s| format!("{s:.1} s")),
            words(&made),
        ]);
        steps.push(json!({
            "key": record.minion, "step": record.action, "state": record.state.name(),
            "seconds": seconds, "made": made,
        }));
    }
    output.table(&["key", "step", "state", "took", "result"], &rows);
    output.document(&json!({
        "operation": op.id, "title": op.plan.title, "result": result, "steps": steps,
        "failed": stopped.map(|s| json!({
            "step": s.step, "error": s.error.message, "causes": s.error.causes, "hint": s.error.hint,
        })),
    }));
    Ok(())
}

/// What a step made, in one line.
fn words(made: &Value) -> String {
    let Some(map) = made.as_object() else {
        return match made {
            Value::Null => String::new(),
            other => other.to_string().chars().take(80).collect(),
        };
    };
    let shown = map
        .iter()
        .filter(|(_, value)| !value.is_null() && !value.is_object())
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
    shown.collect::<Vec<_>>().join(" ")
}

/// `ops resume` of an operation on VMs.
pub(super) async fn resume(
    journal: &mut Journal,
    op: Operation<CloudPlan>,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    if !op.state.is_open() {
        let text = format!("operation {} is over: {}", op.id, op.state.name());
        return Err(
            Error::new(Kind::Refused, text).hint("give its command again to begin a new one")
        );
    }
    if op.note.starts_with(ROLLING_BACK) {
        let text = format!("operation {} is being rolled back", op.id);
        let hint = format!("`master-bridge ops rollback {}` goes on with that", op.id);
        return Err(Error::new(Kind::Refused, text).hint(hint));
    }
    if global.dry_run {
        show(&op.plan, output);
        output.document(&op.plan.document());
        return Ok(ExitCode::SUCCESS);
    }
    let cloud = cloud_of(&op).await?;
    let _held = journal.hold(&op.id)?;
    journal.set_state(&op.id, OpState::Running, "")?;
    output.say(&format!("operation {} goes on", op.id));
    forward(journal, &op, &cloud, true, global, output).await
}

/// `ops rollback` of an operation on VMs.
pub(super) async fn rollback(
    journal: &mut Journal,
    op: Operation<CloudPlan>,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    if op.state == OpState::RolledBack {
        output.say("it is rolled back: nothing to do");
        output.document(&json!({"operation": op.id, "result": "rolled-back", "steps": []}));
        return Ok(ExitCode::SUCCESS);
    }
    let records = journal.steps_named(&op.id)?;
    let touched: Vec<&CloudStep> = op
        .plan
        .steps
        .iter()
        .enumerate()
        .filter(|(at, _)| {
            let record = records.iter().find(|r| r.wave == *at);
            record.is_some_and(|r| !matches!(r.state, StepState::Planned | StepState::Undone))
        })
        .map(|(_, step)| step)
        .collect();
    if global.dry_run {
        let rows: Vec<_> = touched
            .iter()
            .rev()
            .map(|step| {
                vec![
                    step.key.clone(),
                    step.what.name().into(),
                    step.what.words()[3].into(),
                ]
            })
            .collect();
        output.table(&["key", "step", "undo"], &rows);
        let keys: Vec<&str> = touched.iter().rev().map(|step| step.key.as_str()).collect();
        output.document(&json!({"operation": op.id, "dry_run": true, "undo": keys}));
        return Ok(ExitCode::SUCCESS);
    }
    output.consent(&format!("undo {} ({} steps)", op.plan.title, touched.len()))?;
    let cloud = cloud_of(&op).await?;
    let _held = journal.hold(&op.id)?;
    journal.retake(&op)?;
    let before = (op.state, op.note.clone());
    journal.set_state(&op.id, OpState::Running, ROLLING_BACK)?;
    let (mut salt, patience) = salt(&op, global).await?;
    let progress = Progress::new(output, "rollback", touched.len());
    let master = salt.as_mut().map(|salt| &mut **salt as &mut dyn Master);
    let mut runner = Runner {
        journal: &mut *journal,
        op: &op,
        world: World::of(&op, &cloud, master, patience, &progress),
    };
    let result = runner.back().await;
    drop(progress);
    match result {
        Ok(None) => {
            journal.set_state(&op.id, OpState::RolledBack, "")?;
            report(journal, &op, "rolled-back", None, output)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Some(stopped)) => {
            journal.set_state(
                &op.id,
                OpState::Paused,
                &format!("{ROLLING_BACK}: {}", stopped.error),
            )?;
            report(journal, &op, "stopped", Some(&stopped), output)?;
            let hint = format!("`master-bridge ops rollback {}` goes on", op.id);
            let mut error = stopped.error;
            error.kind = Kind::Failed;
            Err(error.hint(hint))
        }
        Err(error) => {
            // Refused before anything was undone: it stays what it was.
            let (state, note) = match error.kind {
                Kind::Refused => before,
                _ => (OpState::Paused, format!("{ROLLING_BACK}: {error}")),
            };
            journal.set_state(&op.id, state, &note)?;
            Err(error)
        }
    }
}

/// What a new server must know about the master, from its configuration and key.
pub(super) struct MasterFacts {
    pub(super) address: String,
    pub(super) finger: String,
    pub(super) ret_port: u16,
    pub(super) publish_port: u16,
    pub(super) master: Box<dyn Master>,
}

/// Opens the master for new servers; `address` is how they reach it.
pub(super) async fn master(address: Option<&str>, global: &Global) -> Result<MasterFacts> {
    let mut master = open(global).await?;
    let reach = master.reach().await?;
    let own = reach.address.clone();
    let address = match address {
        Some(address) => address.to_owned(),
        // What is only here leads nowhere from there.
        None if own.starts_with("127.") || own == "::1" || own == "localhost" => {
            return Err(Error::new(Kind::Usage, "how do the VMs reach this master?")
                .hint("name its address with --master; or set `interface` in its configuration"));
        }
        None => own,
    };
    let finger = reach.finger().to_string();
    Ok(MasterFacts {
        address,
        finger,
        ret_port: reach.ret_port,
        publish_port: reach.publish_port,
        master,
    })
}

/// The text of a file that an option names.
pub(super) fn text_of(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|e| Error::new(Kind::Usage, format!("cannot read {}", path.display())).because(&e))
}

/// `NAME=VALUE` as clap reads it.
pub(super) fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}
