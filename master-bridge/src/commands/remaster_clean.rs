//! `remaster clean`: what a move leaves on the old master. Keys of minions that are on the new master for
//! good are deleted there, in one run: a deletion rotates the master's AES key, and everyone who is left
//! authenticates anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::begin::begin;
use super::travel::moved;
use super::vm_work::ROLLING_BACK;
use super::{patience, short};
use crate::cli::Global;
use crate::error::{Error, Kind, Result};
use crate::fleet::herd::{self, Herd};
use crate::fleet::leftovers::{Cleaning, Found, begun, find};
use crate::journal::{Journal, OpState, Operation, StepState};
use crate::output::Output;
use crate::plan::CleanPlan;
use crate::plan::cleaning::{OldKey, Window};
use crate::salt::job::Patience;
use crate::salt::keys::Key;
use crate::salt::{Local, MasterConfig, Way, keyfile};

/// What the journal calls it.
const COMMAND: &str = "remaster clean";
/// Its minions are elsewhere by then: only the files of a master can take their keys back.
const CLEANING: &str = "cleaning up after a move";

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
    /// Looks who is gone for good, asks, looks again, deletes, and watches the rest.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut masters = Masters::open(&global.way()?, &self.to_config).await?;
        let patience = short(patience(global, &masters.old));
        let found = masters.find(&self.ids, patience).await?;
        let left = found.left.len();
        for (id, why) in &found.keep {
            output.say(&format!("{id} keeps its key: {why}"));
        }
        if found.gone.is_empty() {
            output.say("no key on the old master belongs to a minion that has moved for good");
            output.document(&json!({
                "deleted": [], "left": left, "keep": found.keep, "dry_run": global.dry_run,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        let plan = self.plan(&masters, &found);
        let rows = found.gone.iter().map(|k| vec![k.id.clone(), k.shown()]);
        output.table(&["id", "fingerprint"], &rows.collect::<Vec<_>>());
        output.say(&format!(
            "{left} minions are left; the master rotates its key within a minute, and they authenticate anew with their next job, {:.1} a second if that reaches all within 10 s",
            left as f64 / 10.0
        ));
        if global.dry_run {
            output.document(&json!({
                "would_delete": plan.ids(), "left": left, "keep": found.keep, "dry_run": true,
                "hash": plan.hash(),
            }));
            return Ok(ExitCode::SUCCESS);
        }
        let now = "say --now";
        in_time(&plan, left, now)?;
        let count = plan.keys.len();
        let mut gone = found.gone;
        if output.consent(&format!("delete {count} keys on the old master"))? {
            // Whoever was asked may have taken his time.
            let again = masters.find(&self.ids, patience).await?;
            let then = self.plan(&masters, &again);
            if then.hash() != plan.hash() {
                return Err(moved(then.differences(&plan), &then.hash()));
            }
            in_time(&plan, left, now)?;
            gone = again.gone;
        }
        let (mut journal, _held, op) = begin(COMMAND, plan, Some(&self.to_config), global, output)?;
        let left = found.left;
        carry_out(&mut journal, &op, &mut masters.old, (&gone, &left), output).await
    }

    fn plan(&self, masters: &Masters, found: &Found) -> CleanPlan {
        CleanPlan {
            old: masters.fingers.0.clone(),
            new: masters.fingers.1.clone(),
            keys: found.gone.iter().filter_map(old_key).collect(),
            left: found.left.iter().cloned().collect(),
            window: (!self.now).then_some(self.window),
            watch: !self.no_watch,
        }
    }
}

/// The two masters of a move, which are two.
struct Masters {
    old: Local,
    new: Local,
    /// Of their keys.
    fingers: (String, String),
}

impl Masters {
    async fn open(old: &Way, new: &Path) -> Result<Self> {
        let (old, new) = (
            MasterConfig::read(old.dir(CLEANING)?)?,
            MasterConfig::read(new)?,
        );
        let fingers = (
            keyfile::finger_of_master(&old.pki_dir)?.to_string(),
            keyfile::finger_of_master(&new.pki_dir)?.to_string(),
        );
        if old.pki_dir == new.pki_dir || fingers.0 == fingers.1 {
            let text = format!(
                "both masters have one key, {}: they are the same",
                fingers.0
            );
            return Err(Error::new(Kind::Usage, text).hint(
                "-c names the configuration directory of the old master, --to-config that of the new one",
            ));
        }
        Ok(Self {
            old: Local::open(old).await?,
            new: Local::open(new).await?,
            fingers,
        })
    }

    async fn find(&mut self, only: &[String], patience: Patience) -> Result<Found> {
        find(&mut self.old, &mut self.new, only, patience).await
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
    let Some(new) = &op.new_config else {
        return Err(Error::new(Kind::Local, "the plan needs the new master"));
    };
    let mut masters = Masters::open(&op.old, new).await?;
    if (&masters.fingers.0, &masters.fingers.1) != (&op.plan.old, &op.plan.new) {
        let text = "one of the two masters has another key than when this began";
        let hint = format!("`master-bridge ops end {}` gives it up", op.id);
        return Err(Error::new(Kind::Refused, text).hint(hint));
    }
    let patience = short(patience(global, &masters.old));
    let ids: Vec<String> = op.plan.keys.iter().map(|k| k.id.clone()).collect();
    let found = masters.find(&ids, patience).await?;
    if !found.gone.is_empty() {
        let hint = format!("`ops end {}` it and give `remaster clean --now`", op.id);
        in_time(&op.plan, found.left.len(), &hint)?;
    }
    output.say(&format!("operation {} goes on", op.id));
    let found = (&found.gone[..], &found.left);
    carry_out(journal, op, &mut masters.old, found, output).await
}

/// Puts the keys back.
pub(super) async fn rollback(
    journal: &mut Journal,
    op: &Operation<CleanPlan>,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    if op.state == OpState::RolledBack {
        output.say("it is rolled back: nothing to do");
        output.document(&json!({"operation": op.id, "back": 0, "not_back": {}}));
        return Ok(ExitCode::SUCCESS);
    }
    let count = begun(journal, op, &[StepState::Begun, StepState::Done])?.len();
    if global.dry_run {
        output.data(&format!("would put {count} keys back on the old master"));
        output.document(&json!({"operation": op.id, "dry_run": true, "back": count}));
        return Ok(ExitCode::SUCCESS);
    }
    output.consent(&format!("put {count} keys back on the old master"))?;
    let config = MasterConfig::read(op.old.dir(CLEANING)?)?;
    if keyfile::finger_of_master(&config.pki_dir)?.to_string() != op.plan.old {
        let text = format!(
            "the master of {} has another key than the one whose keys these are",
            op.old.text()
        );
        return Err(Error::new(Kind::Refused, text).hint(
            "give the old master its configuration back; its keys are in the journal until then",
        ));
    }
    let mut old = Local::open(config).await?;
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
        count => (OpState::Failed, format!("{count} keys are not back")),
    };
    journal.set_state(&op.id, state, &note)?;
    output.data(&format!(
        "{} keys are back on the old master",
        back.done.len()
    ));
    for (id, why) in &back.stay {
        output.say(&format!("{id} is not back: {why}"));
    }
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
    (gone, left): (&[Key], &BTreeSet<String>),
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
        count => (
            OpState::Failed,
            format!("{count} keys are not as they should be"),
        ),
    };
    journal.set_state(&op.id, state, &note)?;
    output.say(&format!("{} keys deleted", cleaned.done.len()));
    for (id, why) in &cleaned.stay {
        output.say(&format!("{id}: {why}"));
    }
    // What it was made for is done: who looks away now misses the numbers only.
    let herd = match !left.is_empty() && op.plan.watch && cleaned.rotates {
        true => herd::watch(old, left, output)
            .await
            .inspect_err(|error| output.warn(&format!("nobody counts who comes back: {error}")))
            .ok(),
        false => None,
    };
    output.document(&json!({
        "operation": op.id, "deleted": cleaned.done, "absent": cleaned.absent, "stay": cleaned.stay,
        "left": left.len(), "dry_run": false,
        "rotated": herd.as_ref().map(Herd::rotated),
        "authentications": herd.as_ref().map(Herd::count),
        "peak_per_second": herd.as_ref().map(Herd::peak),
    }));
    Ok(exit(cleaned.stay.is_empty()))
}

/// Refuses what does not belong into this hour; `or_else` is what can be done besides.
fn in_time(plan: &CleanPlan, left: usize, or_else: &str) -> Result<()> {
    let now = jiff::Zoned::now();
    let minute = u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
    let Some(window) = plan.window.filter(|_| !plan.may_begin(minute, left)) else {
        return Ok(());
    };
    let text = format!("it is {}: not within {window}", now.strftime("%H:%M"));
    Err(Error::new(Kind::Refused, text).hint(format!(
        "everyone who is left authenticates anew: do it then, or {or_else}"
    )))
}
