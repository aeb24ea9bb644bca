//! A move by signed order, for minions that no master reaches any more: the old master's keys are read from
//! its directory, the order is left where the minions look for it, and whoever arrives is confirmed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use salt_wire::Map;
use salt_wire::order::signed::{METADATA_KEY, SignedOrder, to_metadata};
use salt_wire::order::target::Target as OrderTarget;

use super::orders::{Signer, seal, write};
use super::travel::{Travel, exit, report, show};
use super::{nothing_matched, patience};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::fleet::ends::{End, Outcome, Stop, ends};
use crate::fleet::hand_over::hand_over;
use crate::fleet::look::ask_all;
use crate::fleet::master_finger;
use crate::journal::{Journal, OpState, Operation, StepState};
use crate::output::Output;
use crate::plan::build::{self, Old};
use crate::plan::moves::Facts;
use crate::plan::place::Place;
use crate::plan::{Action, Member};
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
    #[command(flatten)]
    cloud: Selection,
}

/// Where signed orders are left for minions.
enum Carrier {
    /// A file that minions read, or that a web server shows to them.
    File(PathBuf),
    /// The metadata of their servers, which are known before anything is done.
    Metadata(Box<Client>, BTreeMap<String, String>),
}

impl Carrier {
    /// Leaves an order for these minions.
    async fn leave(
        &self,
        ids: &[String],
        seal: impl Fn(Vec<OrderTarget>) -> Result<(SignedOrder, String)>,
    ) -> Result<u64> {
        match self {
            Self::File(path) => {
                let (order, text) = seal(vec![OrderTarget::List(ids.to_vec())])?;
                write(path, &text)?;
                Ok(order.order.expires)
            }
            // One order for each: one for all would not fit into Nova's limits.
            Self::Metadata(cloud, servers) => {
                let mut expires = 0;
                for id in ids {
                    let (order, text) = seal(vec![OrderTarget::List(vec![id.clone()])])?;
                    expires = order.order.expires;
                    if let Some(server) = servers.get(id) {
                        let entries = to_metadata(&text).into_iter().collect();
                        cloud.set_metadata(server, &entries).await?;
                    }
                }
                Ok(expires)
            }
        }
    }

    /// Takes the orders back of those that are where they should be. What stays expires, and is not taken twice.
    async fn tidy(&self, ids: &[String], output: &Output) {
        let Self::Metadata(cloud, servers) = self else {
            return;
        };
        for (id, server) in servers.iter().filter(|(id, _)| ids.contains(id)) {
            if let Err(error) = tidy(cloud, server).await {
                output.say(&format!(
                    "{id}: the order stays in the metadata of {server}: {error}"
                ));
            }
        }
    }
}

async fn tidy(cloud: &Client, server: &str) -> Result<()> {
    let found = cloud.server(server).await?;
    let metadata = found.map(|s| s.metadata).unwrap_or_default();
    for key in metadata.keys().filter(|k| k.starts_with(METADATA_KEY)) {
        cloud.unset_metadata(server, key).await?;
    }
    Ok(())
}

/// What the journal calls such an operation.
pub(super) const COMMAND: &str = "remaster by order";

impl ByOrder {
    /// Where orders for these minions can be left.
    async fn carrier(&self, ids: &[String]) -> Result<Carrier> {
        if self.via == Via::Metadata {
            let cloud = Client::connect(&self.cloud).await?;
            let mut servers = BTreeMap::new();
            for id in ids {
                servers.insert(id.clone(), cloud.server_of(id).await?.id);
            }
            return Ok(Carrier::Metadata(Box::new(cloud), servers));
        }
        match &self.order_out {
            Some(path) => Ok(Carrier::File(path.clone())),
            None => Err(Error::new(Kind::Usage, "--order-out is missing").hint(
                "name the file that minions read (agent: orders), or that your web server shows",
            )),
        }
    }

    fn signer(&self) -> Result<Signer> {
        let Some(key) = self.order_key.clone() else {
            return Err(Error::new(Kind::Usage, "--order-key is missing")
                .hint("`master-bridge orders keygen FILE` makes one; its public half must be in the minions' agent: order_keys"));
        };
        Ok(Signer {
            key,
            passphrase_file: self.passphrase_file.clone(),
        })
    }
}

/// Moves by signed order.
pub(super) async fn run(travel: Travel, global: &Global, output: &Output) -> Result<ExitCode> {
    let key = travel.by_order.signer()?.read()?;
    let config = MasterConfig::read(&global.salt_config)?;
    let goal = travel.destination.open_signed().await?;
    let Some(mut new) = goal.master else {
        return Err(Error::new(Kind::Usage, "--to-config is missing")
            .hint("without sight of the new master nobody sees who arrives: `orders sign` makes the order alone"));
    };
    let patience = patience(global, &new);
    let held = keyfile::by_id(&config.pki_dir)?;
    let ids = meant(&travel.target, held.keys())?;
    let carrier = travel.by_order.carrier(&ids).await?;
    let facts = facts(&mut new, &ids, &held, patience).await?;
    let old = Old {
        finger: master_finger(&config.pki_dir)?.to_string(),
        address: config.local_address(),
        port: config.ret_port,
        publish_port: config.publish_port,
    };
    let mut shape = travel.shape.clone();
    // Minions read the order when they find it: there are no waves to be had.
    shape.canary = 0;
    shape.wave = crate::plan::waves::Amount::Percent(100);
    let plan = build::plan(&facts, &old, goal.terms, true, &shape);
    if plan.waves.is_empty() && plan.stays.is_empty() {
        return Err(nothing_matched("key"));
    }
    travel.rules.agree(&plan)?;
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
    let mut journal = Journal::open(&global.journal())?;
    let op = travel.operation(COMMAND, plan, global);
    let _held = journal.hold(&op.id)?;
    journal.begin(&op)?;
    output.say(&format!("operation {}", op.id));
    let members = &op.plan.waves[0].members;
    let ordered = give_keys(&mut new, &mut journal, &op, members, &held).await?;
    if !ordered.is_empty() {
        let names: Vec<&str> = ordered.iter().map(String::as_str).collect();
        journal.mark(&op.id, 0, &names, Action::Move, StepState::Begun, ("", ""))?;
        fault::point("move.begun");
        let times = (0, travel.by_order.order_valid * 3600, None);
        let seal = |targets| seal(&key, &op.plan.to, &op.order(0), targets, times);
        let expires = carrier.leave(&ordered, seal).await?;
        output.say(&format!(
            "the order is out; it counts until {expires} (Unix time)"
        ));
        fault::point("move.sent");
    }
    let code = follow(&mut journal, &op, new, patience, output).await?;
    let ends = ends(&journal.steps(&op.id)?);
    let arrived = |id: &String| matches!(ends.get(id), Some(End::Moved { .. }));
    let arrived: Vec<String> = ordered.into_iter().filter(arrived).collect();
    carrier.tidy(&arrived, output).await;
    Ok(code)
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

/// Hands keys over; who has one there.
async fn give_keys(
    new: &mut dyn Master,
    journal: &mut Journal,
    op: &Operation,
    members: &[Member],
    held: &BTreeMap<String, Key>,
) -> Result<Vec<String>> {
    let work: Vec<&Member> = members.iter().collect();
    let names: Vec<&str> = members.iter().map(|m| m.id.as_str()).collect();
    journal.mark(
        &op.id,
        0,
        &names,
        Action::HandOver,
        StepState::Begun,
        ("", ""),
    )?;
    fault::point("hand-over.begun");
    let bad = hand_over(new, &work, held).await?;
    for (id, why) in &bad {
        journal.mark(
            &op.id,
            0,
            &[id],
            Action::HandOver,
            StepState::Failed,
            ("no-key", why),
        )?;
        journal.mark(
            &op.id,
            0,
            &[id],
            Action::Move,
            StepState::Failed,
            ("no-key", why),
        )?;
    }
    let good: Vec<&str> = names
        .into_iter()
        .filter(|id| !bad.contains_key(*id))
        .collect();
    journal.mark(
        &op.id,
        0,
        &good,
        Action::HandOver,
        StepState::Done,
        ("", ""),
    )?;
    Ok(good.into_iter().map(str::to_owned).collect())
}

/// Confirms whoever arrives, for as long as the terms wait; those that sleep come when they wake.
pub(super) async fn follow(
    journal: &mut Journal,
    op: &Operation,
    mut new: Local,
    patience: Patience,
    output: &Output,
) -> Result<ExitCode> {
    let quick = Patience {
        timeout: patience.timeout.min(Duration::from_secs(2)),
        gather: Duration::from_secs(1),
        ..patience
    };
    let progress = Progress::new(output, "signed order", op.plan.members().count());
    let limit = Duration::from_secs(op.plan.to.wait);
    let (start, order) = (Instant::now(), op.order(0));
    let mut done = ends(&journal.steps(&op.id)?);
    loop {
        let open: Vec<&str> = op
            .plan
            .members()
            .map(|m| m.id.as_str())
            .filter(|id| !done.contains_key(*id))
            .collect();
        if open.is_empty() || start.elapsed() > limit {
            break;
        }
        let status = ask_all(&mut new, &open, "remaster.status", &[], quick).await?;
        let (mut arrived, mut there) = (Vec::new(), Vec::new());
        for id in open {
            match Place::of(None, status.good(id), &order) {
                Place::Arrived => arrived.push(id),
                Place::New => there.push(id),
                _ => {}
            }
        }
        journal.mark(&op.id, 0, &arrived, Action::Move, StepState::Done, ("", ""))?;
        journal.mark(
            &op.id,
            0,
            &arrived,
            Action::Confirm,
            StepState::Begun,
            ("", ""),
        )?;
        fault::point("confirm.begun");
        let confirmed = ask_all(&mut new, &arrived, "remaster.confirm", &[], patience).await?;
        there.extend(arrived.iter().filter(|id| confirmed.good(id).is_some()));
        journal.mark(&op.id, 0, &there, Action::Move, StepState::Done, ("", ""))?;
        journal.mark(
            &op.id,
            0,
            &there,
            Action::Confirm,
            StepState::Done,
            ("", ""),
        )?;
        let now = ends(&journal.steps(&op.id)?);
        for id in there {
            progress.done(id, "arrived and confirmed");
        }
        done = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    drop(progress);
    let open = op
        .plan
        .members()
        .filter(|m| !done.contains_key(&m.id))
        .count();
    let failed = done.values().any(|end| matches!(end, End::Failed { .. }));
    let stop = (open > 0).then(|| {
        Stop::Paused(format!(
            "{open} have not come yet; `master-bridge ops resume {}` waits for them",
            op.id
        ))
    });
    let state = match (open, failed) {
        (0, false) => OpState::Done,
        (0, true) => OpState::Failed,
        _ => OpState::Paused,
    };
    journal.set_state(
        &op.id,
        state,
        if open > 0 {
            "some have not come yet"
        } else {
            ""
        },
    )?;
    let outcome = Outcome { ends: done, stop };
    report(&op.plan, &outcome, Some(op), output);
    Ok(exit(&op.plan, &outcome))
}
