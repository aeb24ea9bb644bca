//! `remaster-all`: everyone to another master, a canary first, then in waves.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{nothing_matched, open, patience};
use crate::cli::Global;
use crate::error::Result;
use crate::fleet::carry::{End, carry};
use crate::fleet::copy::hand_over;
use crate::fleet::look::{View, look};
use crate::fleet::{Destination, Goal};
use crate::output::Output;
use crate::plan::moves::{Decision, KeyWork, decide};
use crate::plan::waves::{Amount, Wave, may_go_on, waves};
use crate::salt::target::TargetType;
use crate::salt::{Local, Target};

/// Arguments of `remaster-all`.
#[derive(Debug, Args)]
pub struct RemasterAll {
    /// Which minions: a shell pattern, unless an option says otherwise
    #[arg(value_name = "TGT", default_value = "*")]
    target: String,
    #[command(flatten)]
    kind: TargetType,
    #[command(flatten)]
    destination: Destination,
    /// How many go first, alone; if one of them fails nobody follows
    #[arg(long, help_heading = "Waves", value_name = "N", default_value_t = 1)]
    canary: usize,
    /// How many are in a wave: a number, or a part of all
    #[arg(long, help_heading = "Waves", value_name = "N|N%", default_value_t = Amount::Percent(10))]
    wave: Amount,
    /// How many may be on their way at once
    #[arg(long, help_heading = "Waves", value_name = "N", default_value_t = 50)]
    max_in_flight: usize,
    /// Stop when more than this many failed
    #[arg(long, help_heading = "Waves", value_name = "N", default_value_t = 2)]
    max_failures: usize,
    /// Stop after this many waves, the canary included; the same command goes on later
    #[arg(long, help_heading = "Waves", value_name = "N")]
    pause_after: Option<usize>,
}

impl RemasterAll {
    /// Moves everyone.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let config = crate::salt::MasterConfig::read(&global.salt_config)?;
        let journey = Journey {
            target: self.kind.of(&self.target, ":", &config)?,
            destination: self.destination,
            canary: self.canary,
            wave: self.wave,
            max_in_flight: self.max_in_flight,
            max_failures: self.max_failures,
            pause_after: self.pause_after,
        };
        journey.run(global, output).await
    }
}

/// A move of some or all minions.
pub(super) struct Journey {
    pub(super) target: Target,
    pub(super) destination: Destination,
    pub(super) canary: usize,
    pub(super) wave: Amount,
    pub(super) max_in_flight: usize,
    pub(super) max_failures: usize,
    pub(super) pause_after: Option<usize>,
}

impl Journey {
    pub(super) async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut old = open(global).await?;
        let mut goal = self.destination.open().await?;
        let patience = patience(global, &old);
        output.say("looking at both masters and all minions");
        let view = look(&mut old, goal.master.as_mut(), &self.target, patience).await?;
        let decisions: BTreeMap<String, Decision> = view
            .facts
            .iter()
            .map(|facts| (facts.id.clone(), decide(facts)))
            .collect();
        if decisions.is_empty() {
            return Err(nothing_matched("minion"));
        }
        let movers: Vec<String> = decisions
            .iter()
            .filter(|(_, decision)| matches!(decision, Decision::Move(_)))
            .map(|(id, _)| id.clone())
            .collect();
        let all = waves(&movers, self.canary, self.wave, self.max_in_flight);
        let skipped = decisions
            .values()
            .filter(|d| matches!(d, Decision::Skip(..)))
            .count();
        if global.dry_run {
            show_plan(&decisions, &all, &view, &goal, output);
            output.document(&json!({
                "dry_run": true, "to": goal.name, "plan": plan(&decisions, &all, &view),
            }));
            return Ok(ExitCode::SUCCESS);
        }
        if !movers.is_empty() {
            show_plan(&decisions, &all, &view, &goal, output);
            output.consent(&format!("move {} minions to {}", movers.len(), goal.name))?;
        }
        let (ends, stopped) = self
            .carry_all(&mut old, &mut goal, &decisions, &view, &all, global, output)
            .await?;
        report(&decisions, &ends, &goal, stopped.as_deref(), output);
        let moved = ends
            .values()
            .filter(|end| matches!(end, End::Moved { .. }))
            .count();
        Ok(if moved == movers.len() && skipped == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// Wave after wave; what stopped it, if not everyone had a turn.
    #[expect(
        clippy::too_many_arguments,
        reason = "the whole of a journey, in one place"
    )]
    async fn carry_all(
        &self,
        old: &mut Local,
        goal: &mut Goal,
        decisions: &BTreeMap<String, Decision>,
        view: &View,
        all: &[Wave],
        global: &Global,
        output: &Output,
    ) -> Result<(BTreeMap<String, End>, Option<String>)> {
        let patience = patience(global, old);
        let mut ends = BTreeMap::new();
        let mut failed = 0;
        for (number, wave) in all.iter().enumerate() {
            if self.pause_after.is_some_and(|most| number >= most) {
                let why = format!("paused after {number} waves; the same command goes on");
                return Ok((ends, Some(why)));
            }
            let mut failed_here = 0;
            for part in &wave.parts {
                output.say(&format!(
                    "{} ({} of {}): {}",
                    wave.name,
                    number + 1,
                    all.len(),
                    part.join(", ")
                ));
                let mut work = Vec::new();
                for id in part {
                    if let (Some(Decision::Move(key_work)), Some(key)) =
                        (decisions.get(id), view.keys.get(id))
                    {
                        work.push((key, *key_work));
                    }
                }
                if let Some(new) = goal.master.as_mut() {
                    hand_over(new, &work).await?;
                }
                let keep = |failures: usize| {
                    may_go_on(
                        wave,
                        failed_here + failures,
                        failed + failures,
                        self.max_failures,
                    )
                };
                let part_ends = carry(old, goal, part, patience, output, keep).await?;
                let failures = part_ends
                    .values()
                    .filter(|end| matches!(end, End::Failed { .. }))
                    .count();
                failed += failures;
                failed_here += failures;
                ends.extend(part_ends);
                if !may_go_on(wave, failed_here, failed, self.max_failures) {
                    let why = format!("stopped in {}: {failed} failed", wave.name);
                    return Ok((ends, Some(why)));
                }
            }
        }
        Ok((ends, None))
    }
}

fn wave_of<'a>(all: &'a [Wave], id: &str) -> &'a str {
    all.iter()
        .find(|wave| wave.ids().any(|i| i == id))
        .map_or("-", |wave| wave.name.as_str())
}

fn show_plan(
    decisions: &BTreeMap<String, Decision>,
    all: &[Wave],
    view: &View,
    goal: &Goal,
    output: &Output,
) {
    let rows: Vec<_> = decisions
        .iter()
        .map(|(id, decision)| {
            let (what, key) = match decision {
                Decision::Move(work) => (format!("move to {}", goal.name), work.name()),
                Decision::There => ("is there".to_owned(), "-"),
                Decision::Skip(code, text) => (format!("stays: {code}: {text}"), "-"),
            };
            vec![id.clone(), wave_of(all, id).into(), key.into(), what]
        })
        .collect();
    output.table(&["id", "wave", "key", "plan"], &rows);
    let by_hand: Vec<&String> = decisions
        .iter()
        .filter(|(_, d)| **d == Decision::Move(KeyWork::ByHand))
        .map(|(id, _)| id)
        .collect();
    if !by_hand.is_empty() {
        output.say("accept these keys on the new master, if they have these fingerprints:");
        for id in by_hand {
            if let Some(key) = view.keys.get(id) {
                output.say(&format!("  {id} {}", key.shown()));
            }
        }
    }
}

fn plan(
    decisions: &BTreeMap<String, Decision>,
    all: &[Wave],
    view: &View,
) -> Vec<serde_json::Value> {
    let entry = |(id, decision): (&String, &Decision)| {
        let fingerprint = view.keys.get(id).map(|key| key.shown());
        match decision {
            Decision::Move(work) => json!({
                "id": id, "action": "move", "wave": wave_of(all, id), "key": work.name(),
                "fingerprint": fingerprint,
            }),
            Decision::There => json!({"id": id, "action": "none", "reason": "there"}),
            Decision::Skip(code, text) => json!({
                "id": id, "action": "skip", "reason": code, "detail": text,
            }),
        }
    };
    decisions.iter().map(entry).collect()
}

fn report(
    decisions: &BTreeMap<String, Decision>,
    ends: &BTreeMap<String, End>,
    goal: &Goal,
    stopped: Option<&str>,
    output: &Output,
) {
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for (id, decision) in decisions {
        let (word, reason, detail, seconds) = match (decision, ends.get(id)) {
            (_, Some(End::Moved { seconds })) => ("moved", "", String::new(), Some(*seconds)),
            (_, Some(End::Unverified)) => (
                "sent",
                "unverified",
                "confirm on the new master: remaster.confirm".into(),
                None,
            ),
            (_, Some(End::Failed { reason, detail })) => {
                ("failed", reason.as_str(), detail.clone(), None)
            }
            (Decision::There, None) => ("there", "", String::new(), None),
            (Decision::Skip(code, text), None) => ("stays", *code, (*text).to_owned(), None),
            (Decision::Move(_), None) => ("waits", "stopped", String::new(), None),
        };
        let time = seconds.map_or_else(|| "-".into(), |s| format!("{s:.1} s"));
        rows.push(vec![
            id.clone(),
            word.into(),
            time,
            format!("{reason} {detail}").trim().into(),
        ]);
        documents.push(json!({
            "id": id, "result": word, "reason": reason, "detail": detail, "seconds": seconds,
        }));
    }
    output.table(&["id", "result", "time", "reason"], &rows);
    if let Some(why) = stopped {
        output.warn(why);
    }
    output.document(&json!({"to": goal.name, "stopped": stopped, "minions": documents}));
}
