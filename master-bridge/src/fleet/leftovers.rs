//! What a move leaves on the old master: keys of minions that are on the new one for good. They go in one run, which
//! is watched (`herd.rs`); what was deleted can be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use salt_wire::Value;
use salt_wire::crypto::PublicKey;
use tokio::try_join;

use super::hand_over::hand_over;
use super::look::{accepted, ask_all};
use crate::error::Result;
use crate::fault;
use crate::journal::{Journal, Operation, StepState};
use crate::plan::CleanPlan;
use crate::plan::cleaning::{DELETE, OldKey};
use crate::salt::job::Patience;
use crate::salt::keys::{self, Action, Key, KeyState, act};
use crate::salt::{Master, job};

/// What is on the bus already is read within this time.
const BACKLOG: Duration = Duration::from_secs(1);

/// The old master's keys, as both masters and the minions see them.
#[derive(Debug, Default)]
pub struct Found {
    /// Those of who is on the new master for good.
    pub gone: Vec<Key>,
    /// Who else has one.
    pub left: BTreeSet<String>,
    /// Who of them is at rest on the new master and may need the old one all the same, and why.
    pub keep: BTreeMap<String, String>,
}

/// Looks who is on the new master for good: the same key is accepted on both, it answers on the new one alone, at rest,
/// and has no other master to go to.
pub async fn find(
    old: &mut dyn Master,
    new: &mut dyn Master,
    only: &[String],
    patience: Patience,
) -> Result<Found> {
    let (old_keys, new_keys) = (accepted(old).await?, accepted(new).await?);
    let both: Vec<&Key> = old_keys
        .values()
        .filter(|k| only.is_empty() || only.contains(&k.id))
        .filter(|k| new_keys.get(&k.id).is_some_and(|n| same(n, k)))
        .collect();
    let ids: Vec<&str> = both.iter().map(|k| k.id.as_str()).collect();
    let (on_new, on_old) = try_join!(
        ask_all(new, &ids, "remaster.status", &[], patience),
        ask_all(old, &ids, "test.ping", &[], patience),
    )?;
    let there: Vec<&Key> = both
        .into_iter()
        .filter(|k| at_rest(&on_new, &k.id) && on_old.of(&k.id).is_none())
        .collect();
    let ids: Vec<&str> = there.iter().map(|k| k.id.as_str()).collect();
    // One that fails over stands in a list, is silent on the old master today, and needs its key there tomorrow.
    let named = ask_all(new, &ids, "config.get", &["master"], patience).await?;
    let mut found = Found::default();
    for key in there {
        match masters(named.good(&key.id)).as_slice() {
            [_one] => found.gone.push(key.clone()),
            [] => {
                let why = "it does not say which masters it has";
                found.keep.insert(key.id.clone(), why.to_owned());
            }
            several => {
                let why = format!("it has several masters: {}", several.join(", "));
                found.keep.insert(key.id.clone(), why);
            }
        }
    }
    found.left = old_keys.into_keys().collect();
    for key in &found.gone {
        found.left.remove(&key.id);
    }
    Ok(found)
}

/// Whether two keys are one; what cannot be read is like nothing.
fn same(a: &Key, b: &Key) -> bool {
    a.fingerprint().is_some() && a.fingerprint() == b.fingerprint()
}

/// On the new master it is confirmed, or it would not be at rest there.
fn at_rest(on_new: &job::Outcome, id: &str) -> bool {
    let state = on_new.good(id).and_then(|s| s.get("state")?.as_str());
    state == Some("steady")
}

/// The masters that a configuration names.
fn masters(option: Option<&Value>) -> Vec<&str> {
    match option {
        Some(Value::Str(one)) if !one.is_empty() => vec![one],
        Some(Value::List(all)) => all.iter().map(|m| m.as_str().unwrap_or("?")).collect(),
        _ => Vec::new(),
    }
}

/// An operation that deletes keys, or puts them back.
pub struct Cleaning<'a> {
    /// The master that loses them.
    pub old: &'a mut dyn Master,
    /// Where every step is written.
    pub journal: &'a mut Journal,
    /// The operation.
    pub op: &'a Operation<CleanPlan>,
}

/// What became of the keys.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// Deleted by this operation, now or before an interruption; or put back.
    pub done: Vec<String>,
    /// Somebody else took them away.
    pub absent: Vec<String>,
    /// Not as they should be, and why.
    pub stay: BTreeMap<String, String>,
    /// The master was made to rotate its key now.
    pub rotates: bool,
}

impl Cleaning<'_> {
    /// Deletes what is there of the plan's keys. `gone` are those whose minions have moved for good as things are.
    pub async fn delete(&mut self, gone: &[Key]) -> Result<Cleaned> {
        let (mut cleaned, there) = (Cleaned::default(), keys::all(self.old).await?);
        let ours = self.begun(&[StepState::Begun, StepState::Done])?;
        let (mut work, mut back): (Vec<&Key>, Vec<&str>) = (Vec::new(), Vec::new());
        for planned in &self.op.plan.keys {
            let id = planned.id.as_str();
            let state = |state| there.iter().find(move |k| k.id == id && k.state == state);
            let again = state(KeyState::Pending).filter(|k| k.shown() == planned.fingerprint);
            let why = match state(KeyState::Accepted) {
                None if !ours.contains(id) => {
                    cleaned.absent.push(id.to_owned());
                    continue;
                }
                None if again.is_some() => {
                    back.push(id);
                    "deleted, and its minion is there again and waits for it: `ops rollback` puts it back"
                }
                None => {
                    cleaned.done.push(id.to_owned());
                    continue;
                }
                Some(key) if key.shown() != planned.fingerprint => "another key is there by now",
                Some(key) if gone.iter().any(|g| g.id == key.id && same(g, key)) => {
                    work.push(key);
                    continue;
                }
                Some(_) => "its minion is not on the new master for good (any more)",
            };
            cleaned.stay.insert(id.to_owned(), why.to_owned());
        }
        let ids: Vec<&str> = work.iter().map(|k| k.id.as_str()).collect();
        self.mark(&ids, StepState::Begun, ("", ""))?;
        fault::point("clean.begun");
        if !work.is_empty() {
            // Whatever is said from here on is said of this deletion.
            let end = Instant::now() + BACKLOG;
            while Instant::now() < end
                && matches!(self.old.event(Duration::ZERO).await, Ok(Some(_)))
            {}
            act(self.old, Action::Delete, &work).await?;
            cleaned.rotates = true;
        }
        fault::point("clean.deleted");
        cleaned.done.extend(ids.into_iter().map(str::to_owned));
        cleaned.done.sort();
        let done: Vec<&str> = cleaned.done.iter().map(String::as_str).collect();
        self.mark(&done, StepState::Done, ("", ""))?;
        let absent: Vec<&str> = cleaned.absent.iter().map(String::as_str).collect();
        self.mark(
            &absent,
            StepState::Done,
            ("absent", "somebody else deleted it"),
        )?;
        for (id, why) in &cleaned.stay {
            let state = match back.contains(&id.as_str()) {
                true => StepState::Done,
                false => StepState::Failed,
            };
            self.mark(&[id], state, ("stays", why))?;
        }
        fault::point("clean.done");
        Ok(cleaned)
    }

    /// Puts back what this operation deleted, but for those whose id has another key by now. A minion that needed its
    /// key has come for it: it is pending.
    pub async fn put_back(&mut self) -> Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        let before = self.begun(&[StepState::Undone])?;
        cleaned.done.extend(before);
        let ours = self.begun(&[StepState::Begun, StepState::Done])?;
        let planned = self.op.plan.keys.iter().filter(|k| ours.contains(&k.id));
        let work: Vec<&OldKey> = planned.collect();
        let held = work.iter().map(|k| (k.id.clone(), key_of(k))).collect();
        let due = work.iter().map(|k| (k.id.as_str(), k.fingerprint.as_str()));
        let due: Vec<_> = due.collect();
        fault::point("back.begun");
        cleaned.stay = hand_over(self.old, &due, &held).await?;
        fault::point("back.put");
        let ids = due.into_iter().map(|(id, _)| id);
        let back: Vec<&str> = ids.filter(|id| !cleaned.stay.contains_key(*id)).collect();
        self.mark(&back, StepState::Undone, ("", ""))?;
        fault::point("back.done");
        cleaned.done.extend(back.into_iter().map(str::to_owned));
        cleaned.done.sort();
        Ok(cleaned)
    }

    fn begun(&self, states: &[StepState]) -> Result<BTreeSet<String>> {
        begun(self.journal, self.op, states)
    }

    fn mark(&mut self, ids: &[&str], state: StepState, why: (&str, &str)) -> Result<()> {
        self.journal
            .mark_named(&self.op.id, 0, ids, DELETE, state, why)
    }
}

/// Whose keys an operation has begun to delete, by what became of that: nobody else's are its own to put back.
pub fn begun(
    journal: &Journal,
    op: &Operation<CleanPlan>,
    states: &[StepState],
) -> Result<BTreeSet<String>> {
    let steps = journal.steps_named(&op.id)?.into_iter();
    let ours = steps.filter(|s| s.begun.is_some() && states.contains(&s.state));
    Ok(ours.map(|s| s.minion).collect())
}

fn key_of(planned: &OldKey) -> Key {
    Key {
        id: planned.id.clone(),
        state: KeyState::Accepted,
        key: PublicKey::from_pem(&planned.pem).ok(),
    }
}

#[cfg(test)]
mod tests;
