//! What a move leaves on the old master: keys of minions that are on the new one for good. They go in one run, which
//! is watched; what was deleted can be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use salt_wire::Value;
use salt_wire::crypto::PublicKey;
use tokio::try_join;

use super::look::{accepted, ask_all};
use crate::error::Result;
use crate::fault;
use crate::journal::{Journal, Operation, StepState};
use crate::output::Output;
use crate::plan::CleanPlan;
use crate::plan::cleaning::{DELETE, OldKey};
use crate::salt::job::Patience;
use crate::salt::keys::{self, Action, Key, KeyState, act};
use crate::salt::{Master, job};

/// The rotation is at the master's next loop, at most a minute later; then minions come with the next job.
const ROTATION: Duration = Duration::from_secs(75);
/// After the rotation minions are counted for so long, or until all have come.
const HERD: Duration = Duration::from_secs(15);

/// The old master's keys of those who are on the new one for good, and how many others it has.
pub async fn gone_for_good(
    old: &mut dyn Master,
    new: &mut dyn Master,
    only: &[String],
    patience: Patience,
) -> Result<(Vec<Key>, usize)> {
    let (old_keys, new_keys) = (accepted(old).await?, accepted(new).await?);
    let both: Vec<&Key> = old_keys
        .values()
        .filter(|k| only.is_empty() || only.contains(&k.id))
        .filter(|k| {
            new_keys
                .get(&k.id)
                .is_some_and(|n| n.fingerprint() == k.fingerprint())
        })
        .collect();
    let ids: Vec<&str> = both.iter().map(|k| k.id.as_str()).collect();
    let (on_new, on_old) = try_join!(
        ask_all(new, &ids, "remaster.status", &[], patience),
        ask_all(old, &ids, "test.ping", &[], patience),
    )?;
    let gone: Vec<Key> = both
        .into_iter()
        .filter(|k| at_rest(&on_new, &k.id) && on_old.of(&k.id).is_none())
        .cloned()
        .collect();
    let left = old_keys.len() - gone.len();
    Ok((gone, left))
}

/// On the new master it is confirmed, or it would not be at rest there.
fn at_rest(on_new: &job::Outcome, id: &str) -> bool {
    let state = on_new.good(id).and_then(|s| s.get("state")?.as_str());
    state == Some("steady")
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
    /// Deleted, now or before an interruption; or put back.
    pub done: Vec<String>,
    /// Left as they are, and why.
    pub stay: BTreeMap<String, String>,
    /// The master was made to rotate its key now.
    pub rotates: bool,
}

impl Cleaning<'_> {
    /// Deletes what is there of the plan's keys. `gone` are those whose minions have moved for good as things are.
    pub async fn delete(&mut self, gone: &[Key]) -> Result<Cleaned> {
        let (mut cleaned, there) = (Cleaned::default(), accepted(self.old).await?);
        let mut work: Vec<&Key> = Vec::new();
        for planned in &self.op.plan.keys {
            let id = planned.id.as_str();
            let why = match there.get(id) {
                None => {
                    cleaned.done.push(id.to_owned());
                    continue;
                }
                Some(key) if key.shown() != planned.fingerprint => "another key is there by now",
                Some(key) if gone.iter().any(|g| g.id == key.id) => {
                    work.push(key);
                    continue;
                }
                Some(_) => "its minion is not on the new master for good (any more)",
            };
            cleaned.stay.insert(id.to_owned(), why.to_owned());
        }
        let ids: Vec<&str> = work.iter().map(|k| k.id.as_str()).collect();
        self.mark(&ids, StepState::Begun, "")?;
        fault::point("clean.begun");
        if !work.is_empty() {
            act(self.old, Action::Delete, &work).await?;
            cleaned.rotates = true;
        }
        fault::point("clean.deleted");
        cleaned.done.extend(ids.into_iter().map(str::to_owned));
        cleaned.done.sort();
        let done: Vec<&str> = cleaned.done.iter().map(String::as_str).collect();
        self.mark(&done, StepState::Done, "")?;
        for (id, why) in &cleaned.stay {
            self.mark(&[id], StepState::Failed, why)?;
        }
        fault::point("clean.done");
        Ok(cleaned)
    }

    /// Puts deleted keys back, but for those whose id has another key by now.
    pub async fn put_back(&mut self) -> Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        let there = keys::all(self.old).await?;
        let steps = self.journal.steps_named(&self.op.id)?;
        let touched = |id: &str| {
            let mut steps = steps.iter();
            steps.any(|s| s.minion == id && matches!(s.state, StepState::Begun | StepState::Done))
        };
        for planned in self.op.plan.keys.iter().filter(|k| touched(&k.id)) {
            let id = planned.id.as_str();
            let now: Vec<&Key> = there.iter().filter(|k| k.id == id).collect();
            match now.as_slice() {
                [] => self.old.install_key(&key_of(planned)).await?,
                [one] if one.shown() == planned.fingerprint => {}
                _ => {
                    let why = "another key is there by now".to_owned();
                    cleaned.stay.insert(id.to_owned(), why);
                    continue;
                }
            }
            self.mark(&[id], StepState::Undone, "")?;
            cleaned.done.push(id.to_owned());
        }
        Ok(cleaned)
    }

    fn mark(&mut self, ids: &[&str], state: StepState, why: &str) -> Result<()> {
        let reason = if why.is_empty() { "" } else { "stays" };
        self.journal
            .mark_named(&self.op.id, 0, ids, DELETE, state, (reason, why))
    }
}

fn key_of(planned: &OldKey) -> Key {
    Key {
        id: planned.id.clone(),
        state: KeyState::Accepted,
        key: PublicKey::from_pem(&planned.pem).ok(),
    }
}

/// Those who come back after a rotation.
#[derive(Debug, Default)]
pub struct Herd {
    /// Whether a rotation was seen.
    pub rotated: bool,
    /// How many authentications were.
    pub count: usize,
    /// The most in one second.
    pub peak: usize,
}

/// Counts who authenticates after the rotation, until all who are `left` have, or nobody comes any more.
pub async fn herd(old: &mut dyn Master, left: usize, output: &Output) -> Result<Herd> {
    output.say("watching how the others come back");
    let start = Instant::now();
    let mut end = start + ROTATION;
    let (mut herd, mut who) = (Herd::default(), BTreeSet::new());
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    while !(herd.rotated && who.len() >= left) {
        let pause = end.saturating_duration_since(Instant::now());
        if pause.is_zero() {
            break;
        }
        let Some(event) = old.event(pause).await? else {
            break;
        };
        let rotates = event.data.get("rotate_aes_key");
        if event.tag == "key" && rotates.is_some_and(Value::is_truthy) {
            herd.rotated = true;
            end = Instant::now() + HERD;
        } else if event.tag == "salt/auth" {
            herd.count += 1;
            if let Some(id) = event.data.get("id").and_then(Value::as_str) {
                who.insert(id.to_owned());
            }
            *seconds.entry(start.elapsed().as_secs()).or_default() += 1;
        }
    }
    herd.peak = seconds.values().copied().max().unwrap_or(0);
    output.say(&format!(
        "{}{} authentications, at most {} in a second",
        if herd.rotated {
            ""
        } else {
            "no rotation was seen; "
        },
        herd.count,
        herd.peak
    ));
    Ok(herd)
}
