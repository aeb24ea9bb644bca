//! An operation under way: wave after wave, each handed over, moved, and then kept or called back by
//! itself. Every step is in the journal before its effect and after its check; what the journal leaves
//! open is answered by the minions, so that a killed bridge goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::cross::Crossing;
use super::ends::{End, Outcome, Stop, ends, failed, failed_with, seconds, state};
use super::hand_over::hand_over;
use super::look::{ask_all, places};
use super::watch::{farewell, wait_for};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::journal::{Journal, Operation, Record, StepState};
use crate::plan::bucket::Bucket;
use crate::plan::moves::KeyWork;
use crate::plan::place::Place;
use crate::plan::waves::may_go_on;
use crate::plan::{Action, Member};
use crate::progress::Progress;
use crate::salt::job::Patience;
use crate::salt::{Master, job};

/// A minion that was called back is there again within this time.
const BACK: Duration = Duration::from_secs(120);

/// An operation and what it works with.
pub struct Journey<'a> {
    /// The master that everyone is on.
    pub old: &'a mut dyn Master,
    /// The master that everyone goes to, if it can be seen from here.
    pub new: Option<&'a mut dyn Master>,
    /// Where every step is written.
    pub journal: &'a mut Journal,
    /// The operation.
    pub op: &'a Operation,
    /// How long to wait for answers.
    pub patience: Patience,
    /// Who watches.
    pub progress: &'a Progress<'a>,
    /// Whether to wait until the probation of minions is over that nobody here can confirm.
    pub follow: bool,
}

impl Journey<'_> {
    /// Goes on from where the journal says that it is.
    pub async fn run(&mut self) -> Result<Outcome> {
        let outcome = self.waves().await?;
        let moved: Vec<&str> = outcome
            .ends
            .iter()
            .filter(|(_, end)| matches!(end, End::Moved { .. }))
            .map(|(id, _)| id.as_str())
            .collect();
        let here = farewell(self.old, &moved, self.patience).await?;
        if !here.is_empty() {
            let who = here.into_iter().collect::<Vec<_>>().join(", ");
            let note = format!("still ending jobs of the old master: {who}");
            self.progress.note(&note);
        }
        Ok(outcome)
    }

    async fn waves(&mut self) -> Result<Outcome> {
        let mut bucket = Bucket::new(self.op.plan.limits.auth_rate, Instant::now());
        let mut ends = ends(&self.journal.steps(&self.op.id)?);
        let (mut waves, all) = (0, self.op.plan.waves.len());
        for at in 0..all {
            let wave = &self.op.plan.waves[at];
            let open: Vec<Member> = wave
                .members
                .iter()
                .filter(|m| !ends.contains_key(&m.id))
                .cloned()
                .collect();
            if open.is_empty() {
                // It ended before this process began; what it decided counts all the same.
                if let Some(stop) = self.stops(at, &ends) {
                    return Ok(Outcome {
                        ends,
                        stop: Some(stop),
                    });
                }
                continue;
            }
            if self
                .op
                .plan
                .limits
                .pause_after
                .is_some_and(|most| waves >= most)
            {
                let why = format!(
                    "paused after {waves} waves; `master-bridge ops resume {}` goes on",
                    self.op.id
                );
                return Ok(Outcome {
                    ends,
                    stop: Some(Stop::Paused(why)),
                });
            }
            waves += 1;
            let (name, n) = (&wave.name, at + 1);
            self.progress
                .phase(&format!("{name} ({n} of {all}): {} minions", open.len()));
            if self.op.plan.sees_new {
                self.wave(at, &open, &mut ends, &mut bucket).await?;
            } else {
                self.blind_wave(at, &open, &mut ends, &mut bucket).await?;
            }
            self.progress.sum_up();
            if let Some(stop) = self.stops(at, &ends) {
                return Ok(Outcome {
                    ends,
                    stop: Some(stop),
                });
            }
        }
        Ok(Outcome { ends, stop: None })
    }

    /// Whether what happened until the end of this wave is too much to go on.
    fn stops(&self, at: usize, ends: &BTreeMap<String, End>) -> Option<Stop> {
        let wave = &self.op.plan.waves[at];
        let here = wave.members.iter().filter(|m| failed(ends, &m.id)).count();
        let failures = self.failures(at, ends);
        let most = self.op.plan.limits.max_failures;
        (!may_go_on(&wave.name, here, failures, most))
            .then(|| Stop::Failed(format!("stopped in {}: {failures} failed", wave.name)))
    }

    /// How many failed until the end of this wave.
    fn failures(&self, at: usize, ends: &BTreeMap<String, End>) -> usize {
        let waves = self.op.plan.waves.iter().take(at + 1);
        let members = waves.flat_map(|wave| &wave.members);
        members.filter(|m| failed(ends, &m.id)).count()
    }

    /// One wave, both masters at hand.
    async fn wave(
        &mut self,
        at: usize,
        open: &[Member],
        ends: &mut BTreeMap<String, End>,
        bucket: &mut Bucket,
    ) -> Result<()> {
        let order = self.op.order(at);
        let records = self.records(at)?;
        let ids: Vec<&str> = open.iter().map(|m| m.id.as_str()).collect();
        let Some(new) = self.new.as_deref_mut() else {
            return Err(Error::new(Kind::Local, "the plan needs the new master"));
        };
        let quick = Patience {
            timeout: self.patience.timeout.min(Duration::from_secs(3)),
            gather: self.patience.gather.min(Duration::from_secs(2)),
            ..self.patience
        };
        let found = places(self.old, new, &ids, &order, quick).await?;
        let (mut go, mut under_way, mut arrived) = (Vec::new(), Vec::new(), BTreeSet::new());
        for member in open {
            let id = member.id.clone();
            let begun = state(&records, &id, Action::Move).is_some_and(|s| s != StepState::Planned);
            match found.get(&id).cloned().unwrap_or(Place::Silent) {
                Place::Old => go.push(member.clone()),
                Place::UnderWay => under_way.push(id),
                // In the middle of its switch it may answer nowhere for a moment.
                Place::Silent if begun => under_way.push(id),
                Place::Arrived => drop(arrived.insert(id)),
                Place::New => self.moved(at, &id, ends)?,
                Place::GaveUp { reason, detail } => self.fail(at, &id, &reason, &detail, ends)?,
                Place::Busy => {
                    self.fail(at, &id, "busy", "another move is under way", ends)?;
                }
                Place::Silent => {
                    let detail = "it answers on neither master any more";
                    self.fail(at, &id, "no-answer", detail, ends)?;
                }
            }
        }
        let decided = records
            .iter()
            .find(|r| r.action == Action::Settle && r.state == StepState::Done)
            .map(|r| r.reason == KEEP);
        if decided.is_none() {
            let go = self.hand_over(at, go, ends).await?;
            let come = self.cross(at, go, under_way, ends, bucket).await?;
            arrived.extend(come);
        }
        // The word of a minion is not enough: each must answer over the new master.
        let arrived: Vec<String> = arrived.into_iter().collect();
        let names: Vec<&str> = arrived.iter().map(String::as_str).collect();
        let pong = self.ask_new(&names, "test.ping").await?;
        let (alive, dead): (Vec<&str>, Vec<&str>) = names
            .iter()
            .partition(|id| pong.good(id) == Some(&salt_wire::Value::Bool(true)));
        self.mark(at, &alive, Action::Move, StepState::Done, ("", ""))?;
        fault::point("move.done");
        for id in &dead {
            self.fail(
                at,
                id,
                "no-answer",
                "it does not answer on the new master",
                ends,
            )?;
        }
        let keep = match decided {
            Some(keep) => keep,
            None => self.settle(at, ends)?,
        };
        if keep {
            self.confirm(at, &alive, ends).await
        } else {
            self.call_back(at, &names, ends).await
        }
    }

    /// Puts the public keys of those who go on the new master; who has none there stays.
    async fn hand_over(
        &mut self,
        at: usize,
        go: Vec<Member>,
        ends: &mut BTreeMap<String, End>,
    ) -> Result<Vec<String>> {
        let Some(new) = self.new.as_deref_mut() else {
            return Ok(go.into_iter().map(|m| m.id).collect());
        };
        let work: Vec<&Member> = go
            .iter()
            .filter(|m| matches!(m.key, KeyWork::Copy | KeyWork::Accept))
            .collect();
        let names: Vec<&str> = work.iter().map(|m| m.id.as_str()).collect();
        let mut bad: BTreeMap<String, String> = BTreeMap::new();
        if !work.is_empty() {
            self.journal.mark(
                &self.op.id,
                at,
                &names,
                Action::HandOver,
                StepState::Begun,
                ("", ""),
            )?;
            fault::point("hand-over.begun");
            let held = super::look::accepted(self.old).await?;
            let due: Vec<_> = work.iter().map(|m| m.due()).collect();
            bad = hand_over(new, &due, &held).await?;
            fault::point("hand-over.effect");
        }
        let good: Vec<&str> = names
            .iter()
            .filter(|id| !bad.contains_key(**id))
            .copied()
            .collect();
        self.mark(at, &good, Action::HandOver, StepState::Done, ("", ""))?;
        fault::point("hand-over.done");
        for (id, why) in &bad {
            self.mark(
                at,
                &[id],
                Action::HandOver,
                StepState::Failed,
                ("no-key", why),
            )?;
            self.fail(at, id, "no-key", why, ends)?;
        }
        Ok(go
            .into_iter()
            .map(|m| m.id)
            .filter(|id| !bad.contains_key(id))
            .collect())
    }

    /// Moves them, and follows those that are on their way.
    pub(super) async fn cross(
        &mut self,
        at: usize,
        go: Vec<String>,
        under_way: Vec<String>,
        ends: &mut BTreeMap<String, End>,
        bucket: &mut Bucket,
    ) -> Result<BTreeSet<String>> {
        let (op, journal) = (&self.op.id, std::cell::RefCell::new(&mut *self.journal));
        let progress = self.progress;
        let mut crossing = Crossing {
            from: &mut *self.old,
            to: self.new.as_deref_mut().map(|new| new as &mut dyn Master),
            order: self.op.plan.to.order(&self.op.order(at)),
            in_flight: self.op.plan.limits.max_in_flight,
            bucket,
            patience: self.patience,
            progress,
        };
        let mut before = |ids: &[&str]| {
            let mut journal = journal.borrow_mut();
            journal.mark(op, at, ids, Action::Move, StepState::Begun, ("", ""))
        };
        let mut gave_up = |id: &str, reason: &str, detail: &str| {
            let mut journal = journal.borrow_mut();
            journal.mark(
                op,
                at,
                &[id],
                Action::Move,
                StepState::Failed,
                (reason, detail),
            )?;
            progress.done(id, &format!("not moved: {reason}: {detail}"));
            ends.insert(id.to_owned(), failed_with(reason, detail));
            Ok(())
        };
        crossing.run(go, under_way, &mut before, &mut gave_up).await
    }

    /// Decides whether the wave is kept, and writes it down before it is acted on.
    fn settle(&mut self, at: usize, ends: &BTreeMap<String, End>) -> Result<bool> {
        let wave = &self.op.plan.waves[at];
        let here = wave.members.iter().filter(|m| failed(ends, &m.id)).count();
        let failures = self.failures(at, ends);
        let keep = may_go_on(&wave.name, here, failures, self.op.plan.limits.max_failures);
        let word = if keep { KEEP } else { CALL_BACK };
        self.mark(at, &[""], Action::Settle, StepState::Done, (word, ""))?;
        fault::point("settle.done");
        if !keep {
            let name = &wave.name;
            self.progress.note(&format!(
                "{name}: {here} of it failed: the others are called back"
            ));
        }
        Ok(keep)
    }

    async fn confirm(
        &mut self,
        at: usize,
        ids: &[&str],
        ends: &mut BTreeMap<String, End>,
    ) -> Result<()> {
        self.mark(at, ids, Action::Confirm, StepState::Begun, ("", ""))?;
        fault::point("confirm.begun");
        let answers = self.ask_new(ids, "remaster.confirm").await?;
        fault::point("confirm.sent");
        for id in ids {
            match answers.of(id) {
                Some(answer) if answer.is_good() => self.moved(at, id, ends)?,
                answer => {
                    let detail = answer.and_then(|a| a.value.as_str()).unwrap_or("no answer");
                    self.mark(
                        at,
                        &[id],
                        Action::Confirm,
                        StepState::Failed,
                        ("unconfirmed", detail),
                    )?;
                    self.fail(at, id, "unconfirmed", detail, ends)?;
                }
            }
        }
        fault::point("confirm.done");
        Ok(())
    }

    /// Calls everyone of a wave back, and waits until they answer on the old master.
    async fn call_back(
        &mut self,
        at: usize,
        ids: &[&str],
        ends: &mut BTreeMap<String, End>,
    ) -> Result<()> {
        self.mark(at, ids, Action::Return, StepState::Begun, ("", ""))?;
        fault::point("return.begun");
        self.ask_new(ids, "remaster.rollback").await?;
        fault::point("return.sent");
        let back = wait_for(self.old, ids, self.patience, BACK).await?;
        for id in ids {
            let (state, reason) = if back.contains(*id) {
                (StepState::Done, "called-back")
            } else {
                (StepState::Failed, "not-back-yet")
            };
            let detail = "too many of its wave failed";
            self.mark(at, &[id], Action::Return, state, (reason, detail))?;
            if !ends.contains_key(*id) {
                self.fail(at, id, reason, detail, ends)?;
            }
        }
        fault::point("return.done");
        Ok(())
    }

    async fn ask_new(&mut self, ids: &[&str], fun: &str) -> Result<job::Outcome> {
        match self.new.as_deref_mut() {
            Some(new) => ask_all(new, ids, fun, &[], self.patience).await,
            None => Ok(job::Outcome::default()),
        }
    }

    pub(super) fn records(&self, at: usize) -> Result<Vec<Record>> {
        self.journal.steps_of_wave(&self.op.id, at)
    }

    pub(super) fn mark(
        &mut self,
        at: usize,
        ids: &[&str],
        action: Action,
        state: StepState,
        words: (&str, &str),
    ) -> Result<()> {
        self.journal
            .mark(&self.op.id, at, ids, action, state, words)
    }

    pub(super) fn moved(
        &mut self,
        at: usize,
        id: &str,
        ends: &mut BTreeMap<String, End>,
    ) -> Result<()> {
        if state(&self.records(at)?, id, Action::Move) != Some(StepState::Done) {
            self.mark(at, &[id], Action::Move, StepState::Done, ("", ""))?;
        }
        self.mark(at, &[id], Action::Confirm, StepState::Done, ("", ""))?;
        let seconds = seconds(&self.records(at)?, id);
        self.progress
            .done(id, &format!("moved and confirmed after {seconds:.1} s"));
        ends.insert(id.to_owned(), End::Moved { seconds });
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        at: usize,
        id: &str,
        reason: &str,
        detail: &str,
        ends: &mut BTreeMap<String, End>,
    ) -> Result<()> {
        self.mark(at, &[id], Action::Move, StepState::Failed, (reason, detail))?;
        self.progress
            .done(id, &format!("not moved: {reason}: {detail}"));
        ends.insert(id.to_owned(), failed_with(reason, detail));
        Ok(())
    }
}

/// The decisions in the journal.
const KEEP: &str = "keep";
const CALL_BACK: &str = "call-back";
