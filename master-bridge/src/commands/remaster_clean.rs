//! `remaster clean`: what a move leaves on the old master. Keys of minions that are on the new master for
//! good are deleted there, in one run: a deletion rotates the master's AES key, and everyone who is left
//! authenticates anew.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::begin::begin;
use super::vm_work::ROLLING_BACK;
use super::{open, patience, short};
use crate::cli::Global;
use crate::error::{Error, Kind, Result};
use crate::fleet::leftovers::{Cleaning, gone_for_good, herd};
use crate::fleet::master_finger;
use crate::journal::{Journal, OpState, Operation};
use crate::output::Output;
use crate::plan::CleanPlan;
use crate::plan::cleaning::{OldKey, Window};
use crate::salt::keys::Key;
use crate::salt::{Local, MasterConfig};

/// What the journal calls it.
const COMMAND: &str = "remaster clean";

/// Arguments of `remaster clean`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  master-bridge remaster clean --to-config /etc/salt-new --dry-run\n  master-bridge remaster clean --to-config /etc/salt-new --now\n\nWhat was interrupted goes on with `master-bridge ops resume last`; `ops rollback last` puts the keys back."
)]
pub struct Clean {
    /// Only these ids
    ids: Vec<String>,
    /// The new master's configuration directory
    #[arg(long, visible_alias = "to", value_name = "DIR", required = true)]
    to_config: PathBuf,
    /// When the minions that are left may all authenticate anew, in local time
    #[arg(long, value_name = "HH:MM-HH:MM", default_value = "01:00-05:00")]
    window: Window,
    /// Do it at once, whatever the time
    #[arg(long)]
    now: bool,
    /// Do not watch how the minions that are left come back
    #[arg(long)]
    no_watch: bool,
}

impl Clean {
    /// Looks who is gone for good, asks, deletes, and watches the rest.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut old = open(global).await?;
        let config = MasterConfig::read(&self.to_config)?;
        let fingers = (
            master_finger(&MasterConfig::read(&global.salt_config)?.pki_dir)?,
            master_finger(&config.pki_dir)?,
        );
        let mut new = Local::open(config).await?;
        let patience = short(patience(global, &old));
        let (gone, left) = gone_for_good(&mut old, &mut new, &self.ids, patience).await?;
        if gone.is_empty() {
            output.say("no key on the old master belongs to a minion that has moved for good");
            output.document(&json!({"deleted": [], "left": left, "dry_run": global.dry_run}));
            return Ok(ExitCode::SUCCESS);
        }
        let plan = CleanPlan {
            old: fingers.0.to_string(),
            new: fingers.1.to_string(),
            keys: gone.iter().filter_map(old_key).collect(),
            left,
            window: (!self.now).then_some(self.window),
        };
        let rows: Vec<_> = gone.iter().map(|k| vec![k.id.clone(), k.shown()]).collect();
        output.table(&["id", "fingerprint"], &rows);
        output.say(&format!(
            "{left} minions are left; the master rotates its key within a minute, and they authenticate anew with their next job, {:.1} a second if that reaches all within 10 s",
            left as f64 / 10.0
        ));
        if global.dry_run {
            output.document(&json!({
                "would_delete": plan.ids(), "left": left, "dry_run": true, "hash": plan.hash(),
            }));
            return Ok(ExitCode::SUCCESS);
        }
        in_time(&plan)?;
        let count = plan.keys.len();
        output.consent(&format!("delete {count} keys on the old master"))?;
        let (mut journal, _held, op) = begin(COMMAND, plan, Some(&self.to_config), global, output)?;
        carry_out(&mut journal, &op, &mut old, &gone, !self.no_watch, output).await
    }
}

fn old_key(key: &Key) -> Option<OldKey> {
    Some(OldKey {
        id: key.id.clone(),
        fingerprint: key.shown(),
        pem: key.key.as_ref()?.wire_pem().to_owned(),
    })
}

/// Goes on with such an operation: what is there of its keys goes, if its minions still are where they should be.
pub(super) async fn resume(
    journal: &mut Journal,
    op: &Operation<CleanPlan>,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let mut old = Local::open(MasterConfig::read(&op.old_config)?).await?;
    let patience = short(patience(global, &old));
    let ids: Vec<String> = op.plan.keys.iter().map(|k| k.id.clone()).collect();
    let mut new = match &op.new_config {
        Some(dir) => Local::open(MasterConfig::read(dir)?).await?,
        None => return Err(Error::new(Kind::Local, "the plan needs the new master")),
    };
    let (gone, _) = gone_for_good(&mut old, &mut new, &ids, patience).await?;
    if !gone.is_empty() {
        in_time(&op.plan)?;
    }
    output.say(&format!("operation {} goes on", op.id));
    carry_out(journal, op, &mut old, &gone, true, output).await
}

/// Puts the keys back.
pub(super) async fn rollback(
    journal: &mut Journal,
    op: &Operation<CleanPlan>,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let ids = op.plan.ids();
    if global.dry_run {
        output.data(&format!(
            "would put {} keys back on the old master",
            ids.len()
        ));
        output.document(&json!({"operation": op.id, "dry_run": true, "back": ids.len()}));
        return Ok(ExitCode::SUCCESS);
    }
    output.consent(&format!("put {} keys back on the old master", ids.len()))?;
    let mut old = Local::open(MasterConfig::read(&op.old_config)?).await?;
    let _held = journal.hold(&op.id)?;
    journal.retake(op)?;
    journal.set_state(&op.id, OpState::Running, ROLLING_BACK)?;
    let cleaning = Cleaning {
        old: &mut old,
        journal,
        op,
    };
    let back = match { cleaning }.put_back().await {
        Ok(back) => back,
        Err(error) => {
            journal.set_state(&op.id, OpState::Paused, &format!("{ROLLING_BACK}: {error}"))?;
            let hint = format!("`master-bridge ops rollback {}` goes on", op.id);
            return Err(error.hint(hint));
        }
    };
    let (state, note) = match back.stay.len() {
        0 => (OpState::RolledBack, String::new()),
        count => (OpState::Failed, format!("{count} ids have other keys now")),
    };
    journal.set_state(&op.id, state, &note)?;
    output.data(&format!(
        "{} keys are back on the old master",
        back.done.len()
    ));
    output.document(&json!({
        "operation": op.id, "back": back.done.len(), "not_back": back.stay,
    }));
    Ok(exit(back.stay.is_empty()))
}

fn exit(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn carry_out(
    journal: &mut Journal,
    op: &Operation<CleanPlan>,
    old: &mut Local,
    gone: &[Key],
    watch: bool,
    output: &Output,
) -> Result<ExitCode> {
    journal.set_state(&op.id, OpState::Running, "")?;
    let cleaning = Cleaning {
        old: &mut *old,
        journal: &mut *journal,
        op,
    };
    let cleaned = match { cleaning }.delete(gone).await {
        Ok(cleaned) => cleaned,
        Err(error) => {
            journal.set_state(&op.id, OpState::Paused, &error.to_string())?;
            let hint = format!("`master-bridge ops resume {}` goes on from here", op.id);
            return Err(error.hint(hint));
        }
    };
    let (state, note) = match cleaned.stay.len() {
        0 => (OpState::Done, String::new()),
        count => (OpState::Failed, format!("{count} keys stay")),
    };
    journal.set_state(&op.id, state, &note)?;
    output.say(&format!("{} keys deleted", cleaned.done.len()));
    for (id, why) in &cleaned.stay {
        output.say(&format!("{id} stays: {why}"));
    }
    // What it was made for is done: who looks away now misses the numbers only.
    let herd = match op.plan.left {
        left if left > 0 && watch && cleaned.rotates => Some(herd(old, left, output).await?),
        _ => None,
    };
    output.document(&json!({
        "operation": op.id, "deleted": cleaned.done, "stay": cleaned.stay, "left": op.plan.left,
        "dry_run": false,
        "rotated": herd.as_ref().map(|h| h.rotated),
        "authentications": herd.as_ref().map(|h| h.count),
        "peak_per_second": herd.as_ref().map(|h| h.peak),
    }));
    Ok(exit(cleaned.stay.is_empty()))
}

/// Refuses what does not belong into this hour.
fn in_time(plan: &CleanPlan) -> Result<()> {
    let now = jiff::Zoned::now();
    let minute = u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
    let Some(window) = plan.window.filter(|_| !plan.may_begin(minute)) else {
        return Ok(());
    };
    let text = format!("it is {}: not within {window}", now.strftime("%H:%M"));
    Err(Error::new(Kind::Refused, text)
        .hint("everyone who is left authenticates anew: do it then, or say --now"))
}
