//! Undoing: waves go back to the old master, the last one first; then the new master forgets the keys that
//! were put there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::try_join;

use super::cross::Crossing;
use super::hand_over::hand_over;
use super::look::{accepted, ask_all};
use super::watch::wait_for;
use crate::error::Result;
use crate::fault;
use crate::journal::{Journal, Operation, Record, StepState};
use crate::plan::bucket::Bucket;
use crate::plan::place::Place;
use crate::plan::steps::Terms;
use crate::plan::{Action, Member};
use crate::progress::Progress;
use crate::salt::Master;
use crate::salt::job::Patience;
use crate::salt::keys::{self, Key, KeyState};

/// A minion that is called back is there again within this time.
const BACK: Duration = Duration::from_secs(120);
/// Probation on the way back: the bridge confirms at once.
const CONFIRM: u64 = 300;
/// The old master knows these minions.
const WAIT: u64 = 120;

/// Undoes an operation, or some waves of it.
pub struct Undo<'a> {
    /// The master that they come from.
    pub old: &'a mut dyn Master,
    /// The master that they are on.
    pub new: &'a mut dyn Master,
    /// Where every step is written.
    pub journal: &'a mut Journal,
    /// The operation.
    pub op: &'a Operation,
    /// How long to wait for answers.
    pub patience: Patience,
    /// Who watches.
    pub progress: &'a Progress<'a>,
}

/// Who did not come back, with reason code and detail.
pub type NotBack = BTreeMap<String, (String, String)>;

impl Undo<'_> {
    /// Brings these waves back.
    pub async fn run(&mut self, waves: &[usize]) -> Result<NotBack> {
        let mut bad = NotBack::new();
        let mut bucket = Bucket::new(self.op.plan.limits.auth_rate, Instant::now());
        for at in waves.iter().rev().copied() {
            let name = &self.op.plan.waves[at].name;
            self.progress
                .phase(&format!("{name}: back to the old master"));
            self.wave(at, &mut bucket, &mut bad).await?;
        }
        self.forget_keys(waves, &bad).await?;
        Ok(bad)
    }

    async fn wave(&mut self, at: usize, bucket: &mut Bucket, bad: &mut NotBack) -> Result<()> {
        let records = self.records(at)?;
        let went: Vec<&Member> = self.op.plan.waves[at]
            .members
            .iter()
            .filter(|m| {
                records.iter().any(|r| {
                    r.minion == m.id && r.action == Action::Move && r.state != StepState::Planned
                })
            })
            .collect();
        let ids: Vec<&str> = went.iter().map(|m| m.id.as_str()).collect();
        self.mark(at, &ids, Action::Return, StepState::Begun, ("", ""))?;
        fault::point("return.begun");
        let (on_old, on_new) = try_join!(
            ask_all(self.old, &ids, "remaster.status", &[], self.patience),
            ask_all(self.new, &ids, "remaster.status", &[], self.patience),
        )?;
        let (there, back) = (self.op.order(at), self.op.order_back(at));
        let (mut go, mut follow) = (BTreeMap::<&str, Vec<&Member>>::new(), Vec::new());
        let (mut call, mut cancel, mut here, mut confirm) =
            (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
        for member in &went {
            let id = member.id.as_str();
            let (old, new) = (on_old.good(id), on_new.good(id));
            match (Place::of(new, old, &back), Place::of(old, new, &there)) {
                (Place::New, _) => here.push(id),
                (Place::Arrived, _) => drop(confirm.insert(id.to_owned())),
                (Place::Old | Place::GaveUp { .. }, _) => {
                    go.entry(&member.from).or_default().push(member);
                }
                (_, Place::Arrived) => call.push(id),
                (Place::UnderWay, _) => follow.push(id.to_owned()),
                (_, Place::UnderWay) => cancel.push(id),
                (Place::Silent, _) => {
                    let words = ("no-answer", "it answers on neither master");
                    self.lost(at, id, words, bad)?;
                }
                _ => self.lost(at, id, ("busy", "another move is under way"), bad)?,
            }
        }
        ask_all(self.new, &call, "remaster.rollback", &[], self.patience).await?;
        ask_all(self.old, &cancel, "remaster.cancel", &[], self.patience).await?;
        here.extend(call);
        here.extend(cancel);
        for (from, members) in go {
            let come = self
                .cross(at, from, &members, std::mem::take(&mut follow), bucket, bad)
                .await?;
            confirm.extend(come);
        }
        if !follow.is_empty() {
            let from = went.first().map(|m| m.from.clone()).unwrap_or_default();
            confirm.extend(self.cross(at, &from, &[], follow, bucket, bad).await?);
        }
        let confirm: Vec<&str> = confirm.iter().map(String::as_str).collect();
        fault::point("return.sent");
        ask_all(self.old, &confirm, "remaster.confirm", &[], self.patience).await?;
        here.extend(&confirm);
        let answering = wait_for(self.old, &here, self.patience, BACK).await?;
        for id in here {
            if answering.contains(id) {
                let actions = [Action::Move, Action::Confirm];
                for action in actions {
                    let was = records
                        .iter()
                        .find(|r| r.minion == id && r.action == action);
                    if was.is_some_and(|r| r.state == StepState::Done) {
                        self.mark(at, &[id], action, StepState::Undone, ("", ""))?;
                    }
                }
                self.mark(
                    at,
                    &[id],
                    Action::Return,
                    StepState::Done,
                    ("called-back", "rolled back"),
                )?;
                self.progress.done(id, "back on the old master");
            } else {
                let words = ("not-back-yet", "it does not answer on the old master");
                self.lost(at, id, words, bad)?;
            }
        }
        fault::point("return.done");
        Ok(())
    }

    /// Orders minions back that stay on the new master for good.
    async fn cross(
        &mut self,
        at: usize,
        from: &str,
        members: &[&Member],
        follow: Vec<String>,
        bucket: &mut Bucket,
        bad: &mut NotBack,
    ) -> Result<BTreeSet<String>> {
        // The old master may have forgotten some keys by now; the new one holds the same.
        let held = accepted(self.new).await?;
        let due: Vec<_> = members.iter().map(|m| m.due()).collect();
        let keyless = hand_over(self.old, &due, &held).await?;
        for (id, why) in &keyless {
            self.lost(at, id, ("no-key", why), bad)?;
        }
        let ids = members
            .iter()
            .map(|m| m.id.clone())
            .filter(|id| !keyless.contains_key(id))
            .collect();
        let terms = Terms {
            master: from.to_owned(),
            finger: self.op.plan.old.clone(),
            master_port: self.op.plan.old_port,
            publish_port: self.op.plan.old_publish_port,
            wait: WAIT,
            confirm: CONFIRM,
            highstate: false,
            rounds: None,
            changes: None,
            rekey: false,
            key: None,
        };
        let (op, progress) = (&self.op.id, self.progress);
        let journal = &mut *self.journal;
        let mut gave_up = |id: &str, reason: &str, detail: &str| {
            journal.mark(
                op,
                at,
                &[id],
                Action::Return,
                StepState::Failed,
                (reason, detail),
            )?;
            progress.done(id, &format!("not back: {reason}: {detail}"));
            bad.insert(id.to_owned(), (reason.to_owned(), detail.to_owned()));
            Ok(())
        };
        let mut crossing = Crossing {
            from: &mut *self.new,
            to: Some(&mut *self.old),
            order: terms.order(&self.op.order_back(at)),
            in_flight: self.op.plan.limits.max_in_flight,
            bucket,
            patience: self.patience,
            progress,
        };
        crossing
            .run(ids, follow, &mut |_| Ok(()), &mut gave_up)
            .await
    }

    /// The new master forgets the keys that this operation put there, in one run: each deletion makes all of
    /// its minions authenticate anew.
    async fn forget_keys(&mut self, waves: &[usize], bad: &NotBack) -> Result<()> {
        let mut put: Vec<(usize, &Member)> = Vec::new();
        for at in waves.iter().copied() {
            let records = self.records(at)?;
            put.extend(self.op.plan.waves[at].members.iter().filter_map(|m| {
                let ours = records.iter().any(|r| {
                    r.minion == m.id && r.action == Action::HandOver && r.state == StepState::Done
                });
                (ours && !bad.contains_key(&m.id)).then_some((at, m))
            }));
        }
        let all = keys::all(self.new).await?;
        let gone: Vec<&Key> = all
            .iter()
            .filter(|k| k.state == KeyState::Accepted)
            .filter(|k| {
                put.iter()
                    .any(|(_, m)| m.id == k.id && m.fingerprint == k.shown())
            })
            .collect();
        if !gone.is_empty() {
            let count = gone.len();
            self.progress.note(&format!(
                "deleting {count} keys that were put on the new master"
            ));
            keys::act(self.new, keys::Action::Delete, &gone).await?;
        }
        for (at, member) in put {
            self.mark(
                at,
                &[&member.id],
                Action::HandOver,
                StepState::Undone,
                ("", ""),
            )?;
        }
        Ok(())
    }

    fn records(&self, at: usize) -> Result<Vec<Record>> {
        self.journal.steps_of_wave(&self.op.id, at)
    }

    fn mark(
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

    fn lost(&mut self, at: usize, id: &str, words: (&str, &str), bad: &mut NotBack) -> Result<()> {
        self.mark(at, &[id], Action::Return, StepState::Failed, words)?;
        let (reason, detail) = words;
        self.progress
            .done(id, &format!("not back: {reason}: {detail}"));
        bad.insert(id.to_owned(), (reason.to_owned(), detail.to_owned()));
        Ok(())
    }
}
