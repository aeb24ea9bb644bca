//! A move by signed order, for minions that no master reaches any more: the old master's keys are read from
//! its directory, the order is left where the minions look for it, and whoever arrives is confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use salt_wire::Map;
use salt_wire::crypto::OrderKey;
use salt_wire::order::target::Target as OrderTarget;

use super::begin::begin;
use super::orders::{Signer, seal};
use super::travel::{Travel, absolute, exit, report, show};
use super::{nothing_matched, patience};
use crate::cli::Global;
use crate::cloud::Selection;
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::fleet::carrier::{Carrier, Lost};
use crate::fleet::ends::{End, Outcome, Stop, ends};
use crate::fleet::hand_over::hand_over;
use crate::fleet::look::ask_all;
use crate::journal::{Journal, OpState, Operation, Record, StepState, millis};
use crate::output::Output;
use crate::plan::build::{self, Old};
use crate::plan::moves::Facts;
use crate::plan::place::Place;
use crate::plan::{Action, Carriage, Member, Way};
use crate::progress::Progress;
use crate::salt::job::Patience;
use crate::salt::keys::{self, Key};
use crate::salt::{Local, Master, MasterConfig, Target, keyfile};

/// How an order reaches the minions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Via {
    /// As a job of the old master
    Job,
    /// Signed, in a file that minions read or fetch
    File,
    /// Signed, in the metadata of the servers that have the minions' ids as their names
    Metadata,
}

/// Options of a signed order.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Signed orders")]
pub(super) struct ByOrder {
    /// How the order reaches the minions; a dead master carries no jobs
    #[arg(long, value_enum, default_value_t = Via::Job)]
    pub(super) via: Via,
    /// The key that signs, as `orders keygen` made it
    #[arg(long, value_name = "FILE")]
    order_key: Option<PathBuf>,
    /// The passphrase of the key; without it you are asked
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The file to write the order to
    #[arg(long, value_name = "FILE")]
    order_out: Option<PathBuf>,
    /// Hours until the order counts no more
    #[arg(long, value_name = "HOURS", default_value_t = 168)]
    order_valid: u64,
}

/// What the journal calls such an operation.
pub(super) const COMMAND: &str = "remaster by order";

impl ByOrder {
    /// What of it a resumed operation must know.
    fn carriage(&self, cloud: &Selection) -> Result<Carriage> {
        let Some(key) = &self.order_key else {
            return Err(Error::new(Kind::Usage, "--order-key is missing")
                .hint("`master-bridge orders keygen FILE` makes one; its public half must be in the minions' agent: order_keys"));
        };
        let way = match (self.via, &self.order_out) {
            (Via::Metadata, _) => Way::Metadata(cloud.clone()),
            (_, Some(path)) => Way::File(absolute(path)),
            (_, None) => {
                return Err(Error::new(Kind::Usage, "--order-out is missing").hint(
                    "name the file that minions read (agent: orders), or that your web server shows",
                ));
            }
        };
        Ok(Carriage {
            way,
            key: absolute(key),
            passphrase_file: self.passphrase_file.as_deref().map(absolute),
            valid: self.order_valid * 3600,
            project: None,
        })
    }
}

/// The key that signs.
fn read_key(carriage: &Carriage) -> Result<OrderKey> {
    let signer = Signer {
        key: carriage.key.clone(),
        passphrase_file: carriage.passphrase_file.clone(),
    };
    signer.read()
}

/// Moves by signed order.
pub(super) async fn run(travel: Travel, global: &Global, output: &Output) -> Result<ExitCode> {
    let mut carriage = travel.by_order.carriage(&travel.rules.cloud)?;
    let key = read_key(&carriage)?;
    let config = MasterConfig::read(&global.dir("a move by signed order")?)?;
    let goal = travel.destination.open_signed().await?;
    let Some(mut new) = goal.master else {
        return Err(Error::new(Kind::Usage, "--to-config is missing")
            .hint("without sight of the new master nobody sees who arrives: `orders sign` makes the order alone"));
    };
    let patience = patience(global, &new);
    let held = keyfile::by_id(&config.pki_dir)?;
    let ids = meant(&travel.target, held.keys())?;
    let carrier = Carrier::of(&carriage.way, &ids).await?;
    carriage.project = carrier.project();
    let mut facts = facts(&mut new, &ids, &held, patience).await?;
    let servers = travel.rules.servers(&mut facts).await?;
    let old = Old {
        finger: keyfile::finger_of_master(&config.pki_dir)?.to_string(),
        address: config.local_address(),
        port: config.ret_port,
        publish_port: config.publish_port,
    };
    let mut shape = travel.shape.clone();
    // Minions read the order when they find it: there are no waves to be had.
    shape.canary = 0;
    shape.wave = crate::plan::waves::Amount::Percent(100);
    let mut plan = build::plan(&facts, &old, goal.terms, true, &shape);
    plan.by = Some(Box::new(carriage));
    if plan.waves.is_empty() && plan.stays.is_empty() {
        return Err(nothing_matched("key"));
    }
    travel.rules.agree(&plan)?;
    if let Some(servers) = servers {
        servers.tell(held.keys().map(String::as_str), output);
    }
    show(&plan, output);
    output.say("the minions' own fingerprints cannot be asked for: two of three are compared");
    if global.dry_run {
        output.document(&plan.document());
        return Ok(ExitCode::SUCCESS);
    }
    if plan.waves.is_empty() {
        report(&plan, &Outcome::default(), None, output);
        return Ok(exit(&plan, &Outcome::default()));
    }
    output.consent(&format!(
        "order {} minions to {}",
        plan.members().count(),
        plan.to.master
    ))?;
    let new_config = travel.destination.to_config.as_deref();
    let (mut journal, _held, op) = begin(COMMAND, plan, new_config, global, output)?;
    let ordering = Ordering {
        journal: &mut journal,
        op: &op,
        new,
        patience,
        output,
        lost: BTreeMap::new(),
    };
    ordering.run(&carrier, &held, || Ok(key)).await
}

/// Goes on with such an operation: whoever has no order yet, or one that counts no more, gets one.
pub(super) async fn resume(
    journal: &mut Journal,
    op: &Operation,
    new: Local,
    patience: Patience,
    output: &Output,
) -> Result<ExitCode> {
    let ordering = Ordering {
        journal,
        op,
        new,
        patience,
        output,
        lost: BTreeMap::new(),
    };
    let config = MasterConfig::read(op.old.dir("a move by signed order")?)?;
    let held = keyfile::by_id(&config.pki_dir)?;
    let done = ends(&ordering.journal.steps(&op.id)?);
    // Whoever is there needs no place for an order, nor the server that it had.
    let members = op.plan.members().map(|m| m.id.clone());
    let (others, open): (Vec<_>, Vec<_>) = members.partition(|id| done.contains_key(id));
    let (Some(carriage), false) = (&op.plan.by, open.is_empty()) else {
        return ordering.follow_alone().await;
    };
    let (carrier, lost) = Carrier::again(carriage, &open, &others).await?;
    for (id, error) in &lost {
        output.warn(&format!("{id} can get no order: {error}"));
    }
    let ordering = Ordering { lost, ..ordering };
    ordering.run(&carrier, &held, || read_key(carriage)).await
}

/// An operation by signed order, and what it works with.
struct Ordering<'a> {
    journal: &'a mut Journal,
    op: &'a Operation,
    new: Local,
    patience: Patience,
    output: &'a Output,
    /// Those for whom no order can be left (any more), and why.
    lost: Lost,
}

/// The reason of a move that has begun: its order is out, until the time in the detail.
const ORDERED: &str = "ordered";

impl Ordering<'_> {
    async fn run(
        mut self,
        carrier: &Carrier,
        held: &BTreeMap<String, Key>,
        key: impl FnOnce() -> Result<OrderKey>,
    ) -> Result<ExitCode> {
        let ordered = self.give_keys(held).await?;
        if !ordered.is_empty() {
            self.order(carrier, &key()?, &ordered).await?;
        }
        let before = ends(&self.journal.steps(&self.op.id)?);
        let after = self.follow().await?;
        let arrived = after
            .iter()
            .filter(|(id, end)| matches!(end, End::Moved { .. }) && !before.contains_key(*id));
        let arrived: Vec<String> = arrived.map(|(id, _)| id.clone()).collect();
        carrier.tidy(&arrived, self.output).await;
        self.end(after)
    }

    async fn order(&mut self, carrier: &Carrier, key: &OrderKey, ids: &[String]) -> Result<()> {
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.mark(&names, Action::Move, StepState::Begun, ("", ""))?;
        fault::point("move.begun");
        let (op, valid) = (self.op, self.op.plan.by.as_ref().map_or(0, |by| by.valid));
        let seal = |targets| seal(key, &op.plan.to, &op.order(0), targets, (0, valid, None));
        let expires = carrier.leave(ids, seal).await?;
        fault::point("move.sent");
        let until = expires.to_string();
        self.mark(&names, Action::Move, StepState::Begun, (ORDERED, &until))?;
        self.output.say(&format!(
            "the order is out; it counts until {expires} (Unix time)"
        ));
        fault::point("move.ordered");
        Ok(())
    }

    /// Hands keys over to whoever has neither arrived nor an order; who has a key there.
    async fn give_keys(&mut self, held: &BTreeMap<String, Key>) -> Result<Vec<String>> {
        let steps = self.journal.steps(&self.op.id)?;
        let done = ends(&steps);
        let now = millis() / 1000;
        let counts = |step: &Record| {
            step.reason == ORDERED && step.detail.parse().is_ok_and(|until: u64| until > now)
        };
        let of = |wanted: &dyn Fn(&Record) -> bool| -> BTreeSet<&str> {
            let moves = steps.iter().filter(|step| step.action == Action::Move);
            let wanted = moves.filter(|step| wanted(step));
            wanted.map(|step| step.minion.as_str()).collect()
        };
        let (there, ordered) = (of(&|step| step.state == StepState::Done), of(&counts));
        let members = self.op.plan.members();
        let open = members.filter(|m| !done.contains_key(&m.id) && !there.contains(m.id.as_str()));
        let (lost, open): (Vec<&Member>, Vec<&Member>) =
            open.partition(|m| self.lost.contains_key(&m.id));
        let lost: Vec<&str> = lost.iter().map(|m| m.id.as_str()).collect();
        self.give_up(&lost).await?;
        let work = open
            .into_iter()
            .filter(|m| !ordered.contains(m.id.as_str()));
        let work: Vec<&Member> = work.collect();
        if work.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = work.iter().map(|m| m.id.as_str()).collect();
        self.mark(&names, Action::HandOver, StepState::Begun, ("", ""))?;
        fault::point("hand-over.begun");
        let due: Vec<_> = work.iter().map(|m| m.due()).collect();
        let bad = hand_over(&mut self.new, &due, held).await?;
        for (id, why) in &bad {
            for action in [Action::HandOver, Action::Move] {
                self.mark(&[id], action, StepState::Failed, ("no-key", why))?;
            }
        }
        let good: Vec<&str> = names
            .into_iter()
            .filter(|id| !bad.contains_key(*id))
            .collect();
        self.mark(&good, Action::HandOver, StepState::Done, ("", ""))?;
        Ok(good.into_iter().map(str::to_owned).collect())
    }

    /// Nobody will read an order where there is no server, whether it is out or not; who has read it answers.
    async fn give_up(&mut self, lost: &[&str]) -> Result<()> {
        let status = "remaster.status";
        let answers = ask_all(&mut self.new, lost, status, &[], self.patience).await?;
        for id in lost.iter().filter(|id| answers.of(id).is_none()) {
            let why = self.lost.get(*id).map(ToString::to_string);
            let why = ("no-server", why.as_deref().unwrap_or_default());
            self.mark(&[id], Action::Move, StepState::Failed, why)?;
        }
        Ok(())
    }

    fn mark(
        &mut self,
        ids: &[&str],
        action: Action,
        state: StepState,
        why: (&str, &str),
    ) -> Result<()> {
        self.journal.mark(&self.op.id, 0, ids, action, state, why)
    }

    /// Without anything to be left or taken back.
    async fn follow_alone(mut self) -> Result<ExitCode> {
        let after = self.follow().await?;
        self.end(after)
    }

    /// Confirms whoever arrives, for as long as the terms wait; those that sleep come when they wake.
    async fn follow(&mut self) -> Result<BTreeMap<String, End>> {
        let (op, patience) = (self.op, self.patience);
        let quick = Patience {
            timeout: patience.timeout.min(Duration::from_secs(2)),
            gather: Duration::from_secs(1),
            ..patience
        };
        let progress = Progress::new(self.output, "signed order", op.plan.members().count());
        let limit = Duration::from_secs(op.plan.to.wait);
        let (start, order) = (Instant::now(), op.order(0));
        let mut done = ends(&self.journal.steps(&op.id)?);
        let open = |done: &BTreeMap<String, End>| -> Vec<&str> {
            let ids = op.plan.members().map(|m| m.id.as_str());
            ids.filter(|id| !done.contains_key(*id)).collect()
        };
        loop {
            let open = open(&done);
            if open.is_empty() || start.elapsed() > limit {
                break;
            }
            let status = ask_all(&mut self.new, &open, "remaster.status", &[], quick).await?;
            let (mut arrived, mut there) = (Vec::new(), Vec::new());
            for id in open {
                match Place::of(None, status.good(id), &order) {
                    Place::Arrived => arrived.push(id),
                    Place::New => there.push(id),
                    _ => {}
                }
            }
            self.mark(&arrived, Action::Move, StepState::Done, ("", ""))?;
            self.mark(&arrived, Action::Confirm, StepState::Begun, ("", ""))?;
            if !arrived.is_empty() {
                fault::point("confirm.begun");
            }
            let confirm = "remaster.confirm";
            let confirmed = ask_all(&mut self.new, &arrived, confirm, &[], patience).await?;
            there.extend(arrived.iter().filter(|id| confirmed.good(id).is_some()));
            self.mark(&there, Action::Move, StepState::Done, ("", ""))?;
            self.mark(&there, Action::Confirm, StepState::Done, ("", ""))?;
            for id in there {
                progress.done(id, "arrived and confirmed");
            }
            done = ends(&self.journal.steps(&op.id)?);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        drop(progress);
        Ok(done)
    }

    /// Writes down how it ended, and reports it.
    fn end(self, done: BTreeMap<String, End>) -> Result<ExitCode> {
        let op = self.op;
        let members = op.plan.members();
        let open = members.filter(|m| !done.contains_key(&m.id)).count();
        let failed = done.values().any(|end| matches!(end, End::Failed { .. }));
        let stop = (open > 0).then(|| {
            Stop::Paused(format!(
                "{open} have not come yet; `master-bridge ops resume {}` waits for them",
                op.id
            ))
        });
        let (state, note) = match (open, failed) {
            (0, false) => (OpState::Done, ""),
            (0, true) => (OpState::Failed, ""),
            _ => (OpState::Paused, "some have not come yet"),
        };
        self.journal.set_state(&op.id, state, note)?;
        fault::point("state.written");
        let outcome = Outcome { ends: done, stop };
        report(&op.plan, &outcome, Some(op), self.output);
        Ok(exit(&op.plan, &outcome))
    }
}

/// Which of these ids a target means.
fn meant<'a>(target: &Target, ids: impl Iterator<Item = &'a String>) -> Result<Vec<String>> {
    let wanted = match target.tgt_type {
        "glob" => OrderTarget::Glob(target.tgt.clone()),
        "list" => OrderTarget::parse(&format!("L@{}", target.tgt)),
        other => {
            let text = format!("a target of type {other} needs minions that answer");
            return Err(Error::new(Kind::Usage, text)
                .hint("with signed orders name ids, or a pattern of ids"));
        }
    };
    Ok(ids
        .filter(|id| wanted.fits(id, &Map::new()))
        .cloned()
        .collect())
}

async fn facts(
    new: &mut dyn Master,
    ids: &[String],
    held: &BTreeMap<String, Key>,
    patience: Patience,
) -> Result<Vec<Facts>> {
    let there = keys::all(new).await?;
    let known: Vec<&str> = ids
        .iter()
        .map(String::as_str)
        .filter(|id| {
            there
                .iter()
                .any(|k| k.id == **id && k.state == keys::KeyState::Accepted)
        })
        .collect();
    let alive = ask_all(new, &known, "test.ping", &[], patience).await?;
    Ok(ids
        .iter()
        .map(|id| {
            let finger = held.get(id).and_then(Key::fingerprint);
            let answers = alive.good(id).is_some();
            Facts {
                id: id.clone(),
                own: finger.clone().filter(|_| !answers),
                old: finger,
                new: there
                    .iter()
                    .filter(|k| k.id == *id)
                    .map(|k| (k.state, k.fingerprint()))
                    .collect(),
                new_is_known: true,
                answers_on_new: answers,
                machine: Some("steady".into()),
                ..Facts::default()
            }
        })
        .collect())
}
