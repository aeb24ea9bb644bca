//! What both commands that move have in common: look, plan, ask, write down, do, report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::begin::begin;
use super::by_order::{self, ByOrder, Via};
use super::{nothing_matched, open, patience};
use crate::cli::Global;
use crate::cloud::Selection;
use crate::error::{Error, Kind, Result};
use crate::fleet::ends::{End, Outcome, Stop};
use crate::fleet::journey::Journey;
use crate::fleet::look::{View, look};
use crate::fleet::servers::Servers;
use crate::fleet::{Destination, Goal};
use crate::journal::{Journal, OpState, Operation};
use crate::output::Output;
use crate::plan::build::{self, Old, Shape};
use crate::plan::moves::{Facts, KeyWork};
use crate::plan::order::OrderBy;
use crate::plan::{Plan, place};
use crate::progress::{Progress, short};
use crate::salt::{Local, Master, MasterConfig, Reach, Target};

/// Rules of a move that are no terms of the order.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Plan")]
pub(super) struct Rules {
    /// Do exactly this plan, the document of an earlier `--dry-run -o json`; refused if the world has moved
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Do it only if the plan has this hash, as an earlier --dry-run showed it
    #[arg(long, value_name = "HASH")]
    plan_hash: Option<String>,
    /// Without sight of the new master: do not wait to see whether the minions stay there
    #[arg(long)]
    no_follow: bool,
    /// Ask the cloud, too, for the servers of minions that do not answer, and for servers without a minion
    #[arg(long, help_heading = "Cloud")]
    nova: bool,
    #[command(flatten)]
    pub(super) cloud: Selection,
}

/// A move that somebody wants.
pub(super) struct Travel {
    pub(super) command: &'static str,
    pub(super) target: Target,
    pub(super) destination: Destination,
    pub(super) rules: Rules,
    pub(super) by_order: ByOrder,
    pub(super) order_by: Option<OrderBy>,
    pub(super) shape: Shape,
}

impl Travel {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        if self.by_order.via != Via::Job {
            return by_order::run(self, global, output).await;
        }
        let mut old = open(global).await?;
        let mut goal = self.destination.open().await?;
        let patience = patience(global, &*old);
        output.say("looking at both masters and all minions");
        let new = goal.master.as_mut().map(|new| new as &mut dyn Master);
        let mut view = look(
            &mut *old,
            new,
            &self.target,
            self.order_by.as_ref(),
            patience,
        )
        .await?;
        let servers = self.rules.servers(&mut view.facts).await?;
        let plan = self.plan(&view, &old.reach().await?, &goal)?;
        if plan.waves.is_empty() && plan.stays.is_empty() {
            return Err(nothing_matched("minion"));
        }
        self.rules.agree(&plan)?;
        let known = view.known.iter().map(String::as_str);
        let told = servers.map_or_else(BTreeMap::new, |servers| servers.tell(known, output));
        if global.dry_run {
            show(&plan, output);
            let mut document = plan.document();
            document["dry_run"] = true.into();
            document["to"] = plan.to.master.as_str().into();
            for (field, value) in told {
                document[field] = value;
            }
            output.document(&document);
            return Ok(ExitCode::SUCCESS);
        }
        let movers = plan.members().count();
        if movers == 0 {
            let outcome = Outcome::default();
            report(&plan, &outcome, None, output);
            return Ok(exit(&plan, &outcome));
        }
        show(&plan, output);
        output.consent(&format!("move {movers} minions to {}", plan.to.master))?;
        let new_config = self.destination.to_config.as_deref();
        let (mut journal, _held, op) = begin(self.command, plan, new_config, global, output)?;
        let work = Work {
            global,
            output,
            follow: !self.rules.no_follow,
        };
        work.carry_out(&mut journal, &op, old, goal.master).await
    }

    fn plan(&self, view: &View, reach: &Reach, goal: &Goal) -> Result<Plan> {
        let old = Old {
            finger: reach.finger().to_string(),
            address: reach.address.clone(),
            port: reach.ret_port,
            publish_port: reach.publish_port,
        };
        let plan = build::plan(
            &view.facts,
            &old,
            goal.terms.clone(),
            goal.master.is_some(),
            &self.shape,
        );
        // A wave is settled as a whole: its first must still be on probation when its last arrives.
        let longest = plan
            .waves
            .iter()
            .map(|w| w.members.len())
            .max()
            .unwrap_or(0);
        let seconds = longest as f64 / plan.limits.auth_rate;
        if plan.sees_new && plan.to.confirm > 0 && seconds * 2.0 > plan.to.confirm as f64 {
            let text = format!(
                "a wave of {longest} at {} a second takes {}, too long for a probation of {} s",
                plan.limits.auth_rate,
                short(Duration::from_secs_f64(seconds)),
                plan.to.confirm
            );
            return Err(Error::new(Kind::Usage, text)
                .hint("make waves smaller (--wave), or --auth-rate or --confirm greater"));
        }
        Ok(plan)
    }
}

impl Rules {
    /// The servers of the cloud, if it is to be asked; each minion's is noted.
    pub(super) async fn servers(&self, facts: &mut [Facts]) -> Result<Option<Servers>> {
        if !self.nova {
            return Ok(None);
        }
        let servers = Servers::of(&self.cloud).await?;
        for fact in facts {
            fact.server = Some(servers.story(&fact.id));
        }
        Ok(Some(servers))
    }

    /// Refuses a plan that is not the one that was agreed on.
    pub(super) fn agree(&self, plan: &Plan) -> Result<()> {
        if let Some(path) = &self.plan {
            let failed = || Error::new(Kind::Usage, format!("{} is no plan", path.display()));
            let text = std::fs::read_to_string(path).map_err(|e| failed().because(&e))?;
            let document: serde_json::Value =
                serde_json::from_str(&text).map_err(|e| failed().because(&e))?;
            let before: Plan = serde_json::from_value(document["plan"].clone())
                .map_err(|e| failed().because(&e))?;
            if before.hash() != plan.hash() {
                return Err(moved(plan.differences(&before), &plan.hash()));
            }
        }
        match &self.plan_hash {
            Some(hash) if *hash != plan.hash() => Err(moved(Vec::new(), &plan.hash())),
            _ => Ok(()),
        }
    }
}

/// The world is not the one that somebody agreed on; what differs, as far as it can be told.
pub(super) fn moved(mut causes: Vec<String>, hash: &str) -> Error {
    if causes.is_empty() {
        causes.push(format!("the plan's hash is {hash} now"));
    }
    let mut error = Error::new(Kind::Refused, "the world has moved since the plan was made");
    error.causes = causes;
    error.hint("look at a new --dry-run, and agree to that")
}

/// How an operation is worked on.
pub(super) struct Work<'a> {
    pub(super) global: &'a Global,
    pub(super) output: &'a Output,
    pub(super) follow: bool,
}

impl Work<'_> {
    /// Takes an operation to its end, or to where it stops.
    pub(super) async fn carry_out(
        &self,
        journal: &mut Journal,
        op: &Operation,
        mut old: Box<dyn Master>,
        mut new: Option<Local>,
    ) -> Result<ExitCode> {
        let patience = patience(self.global, &*old);
        let what = format!("{} to {}", op.command, op.plan.to.master);
        let progress = Progress::new(self.output, &what, op.plan.members().count());
        let result = Journey {
            old: &mut *old,
            new: new.as_mut().map(|new| new as &mut dyn Master),
            journal,
            op,
            patience,
            progress: &progress,
            follow: self.follow,
        }
        .run()
        .await;
        drop(progress);
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                // What was done until here is told all the same.
                let ends = crate::fleet::ends::ends(&journal.steps(&op.id)?);
                let stop = Some(Stop::Paused(format!("interrupted: {error}")));
                report(&op.plan, &Outcome { ends, stop }, Some(op), self.output);
                journal.set_state(&op.id, OpState::Paused, &error.to_string())?;
                let hint = format!("`master-bridge ops resume {}` goes on from here", op.id);
                let mut error = error;
                let both = error
                    .hint
                    .take()
                    .map_or_else(|| hint.clone(), |h| format!("{h}; {hint}"));
                error.kind = match error.kind {
                    // The document is printed already.
                    Kind::Failed | Kind::Unreachable => Kind::Failed,
                    other => other,
                };
                return Err(error.hint(both));
            }
        };
        let (state, note) = match &outcome.stop {
            Some(Stop::Paused(why)) => (OpState::Paused, why.as_str()),
            Some(Stop::Failed(why)) => (OpState::Failed, why.as_str()),
            None if all_well(&outcome) => (OpState::Done, ""),
            None => (OpState::Failed, "not everyone moved"),
        };
        journal.set_state(&op.id, state, note)?;
        crate::fault::point("state.written");
        report(&op.plan, &outcome, Some(op), self.output);
        Ok(exit(&op.plan, &outcome))
    }
}

/// The new master of an operation, if it could be seen when it began.
pub(super) async fn new_master(op: &Operation) -> Result<Option<Local>> {
    match &op.new_config {
        Some(dir) => Ok(Some(Local::open(MasterConfig::read(dir)?).await?)),
        None => Ok(None),
    }
}

pub(super) fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn all_well(outcome: &Outcome) -> bool {
    outcome
        .ends
        .values()
        .all(|end| !matches!(end, End::Failed { .. }))
}

/// Good only if everyone who was meant is there.
pub(super) fn exit(plan: &Plan, outcome: &Outcome) -> ExitCode {
    let moved = |end: &End| matches!(end, End::Moved { .. });
    let all = plan
        .members()
        .all(|m| outcome.ends.get(&m.id).is_some_and(moved));
    if all && plan.stays.iter().all(|s| s.reason == "there") {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

pub(super) fn show(plan: &Plan, output: &Output) {
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let to = &plan.to.master;
    for wave in &plan.waves {
        for member in &wave.members {
            let row = [
                member.id.as_str(),
                &wave.name,
                member.key.name(),
                &format!("move to {to}"),
            ];
            rows.insert(&member.id, row.map(str::to_owned).into());
        }
    }
    for stay in &plan.stays {
        let mut what = format!("stays: {}: {}", stay.reason, stay.detail);
        if let Some(server) = &stay.server {
            what += &format!("; {server}");
        }
        let row = [stay.id.as_str(), "-", "-", &what];
        rows.insert(&stay.id, row.map(str::to_owned).into());
    }
    let rows: Vec<_> = rows.into_values().collect();
    output.table(&["id", "wave", "key", "plan"], &rows);
    output.say(&format!("plan {}", plan.hash()));
    let by_hand: Vec<_> = plan
        .members()
        .filter(|m| m.key == KeyWork::ByHand)
        .collect();
    if !by_hand.is_empty() {
        output.say("accept these keys on the new master, if they have these fingerprints:");
        for member in by_hand {
            output.say(&format!("  {} {}", member.id, member.fingerprint));
        }
    }
}

pub(super) fn report(plan: &Plan, outcome: &Outcome, op: Option<&Operation>, output: &Output) {
    let (mut rows, mut documents) = (BTreeMap::new(), BTreeMap::new());
    let mut add = |id: &str,
                   wave: Option<&str>,
                   word: &str,
                   reason: &str,
                   detail: &str,
                   seconds: Option<f64>| {
        let time = seconds.map_or_else(|| "-".into(), |s| format!("{s:.1} s"));
        let why = format!("{reason} {detail}").trim().to_owned();
        let row = vec![
            id.to_owned(),
            wave.unwrap_or("-").to_owned(),
            word.to_owned(),
            time,
            why,
        ];
        rows.insert(id.to_owned(), row);
        let document = json!({
            "id": id, "wave": wave, "result": word, "reason": reason, "detail": detail, "seconds": seconds,
        });
        documents.insert(id.to_owned(), document);
    };
    for wave in &plan.waves {
        let name = Some(wave.name.as_str());
        for member in &wave.members {
            let id = &member.id;
            match outcome.ends.get(id) {
                Some(End::Moved { seconds }) => add(id, name, "moved", "", "", Some(*seconds)),
                Some(End::Sent { missing }) => add(id, name, "sent", "unverified", missing, None),
                Some(End::Failed { reason, detail }) => {
                    add(id, name, "failed", reason, detail, None)
                }
                None => add(id, name, "waits", "stopped", "", None),
            }
        }
    }
    for stay in &plan.stays {
        if stay.reason == place::THERE {
            add(&stay.id, None, "there", "", "", None);
        } else {
            add(&stay.id, None, "stays", &stay.reason, &stay.detail, None);
        }
    }
    let rows: Vec<_> = rows.into_values().collect();
    output.table(&["id", "wave", "result", "time", "reason"], &rows);
    let stopped = outcome.stop.as_ref().map(|stop| match stop {
        Stop::Paused(why) | Stop::Failed(why) => why.as_str(),
    });
    if let Some(why) = stopped {
        output.warn(why);
    }
    output.document(&json!({
        "operation": op.map(|op| op.id.as_str()),
        "to": plan.to.master,
        "stopped": stopped,
        "minions": documents.into_values().collect::<Vec<_>>(),
    }));
}
