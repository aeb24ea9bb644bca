//! Looking at both masters and at the minions, without changing anything.

use std::collections::{BTreeMap, BTreeSet};

use salt_wire::Value;

use crate::error::Result;
use crate::plan::moves::Facts;
use crate::salt::job::{self, Patience};
use crate::salt::keys::{self, Key, KeyState};
use crate::salt::{Job, Local, Target};

/// What is known before a move.
pub struct View {
    /// Each minion of the old master that the target means.
    pub facts: Vec<Facts>,
    /// The old master's keys of them.
    pub keys: BTreeMap<String, Key>,
}

/// Looks at everyone that the target means.
pub async fn look(
    old: &mut Local,
    mut new: Option<&mut Local>,
    target: &Target,
    patience: Patience,
) -> Result<View> {
    let mut keys: BTreeMap<String, Key> = keys::all(old)
        .await?
        .into_iter()
        .filter(|k| k.state == KeyState::Accepted)
        .map(|k| (k.id.clone(), k))
        .collect();
    let mut ask = Job::for_ids::<&str>(&[], "key.finger");
    ask.target = target.clone();
    let fingers = job::run(old, &ask, patience, &mut |_| {}).await?;
    let answering: Vec<&str> = fingers.returns.iter().map(|r| r.id.as_str()).collect();
    let machines = if answering.is_empty() {
        job::Outcome::default()
    } else {
        let ask = Job::for_ids(&answering, "remaster.status");
        job::run(old, &ask, patience, &mut |_| {}).await?
    };

    let meant: BTreeSet<String> = answering
        .iter()
        .map(|id| (*id).to_owned())
        .chain(fingers.silent.iter().cloned())
        .collect();
    keys.retain(|id, _| meant.contains(id));

    let mut there: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut alive_there = BTreeSet::new();
    if let Some(new) = new.as_deref_mut() {
        for key in keys::all(new).await? {
            let entry = (key.state, key.fingerprint());
            there.entry(key.id).or_default().push(entry);
        }
        let silent: Vec<&str> = fingers
            .silent
            .iter()
            .map(String::as_str)
            .filter(|id| {
                there
                    .get(*id)
                    .is_some_and(|k| k.iter().any(|(s, _)| *s == KeyState::Accepted))
            })
            .collect();
        if !silent.is_empty() {
            let ping = Job::for_ids(&silent, "test.ping");
            let answers = job::run(new, &ping, patience, &mut |_| {}).await?;
            alive_there.extend(answers.returns.into_iter().map(|r| r.id));
        }
    }
    let facts = meant
        .into_iter()
        .map(|id| Facts {
            own: fingers.of(&id).and_then(|r| r.value.as_str()?.parse().ok()),
            old: keys.get(&id).and_then(Key::fingerprint),
            new: there.get(&id).cloned().unwrap_or_default(),
            new_is_known: new.is_some(),
            answers_on_new: alive_there.contains(&id),
            machine: machines.of(&id).and_then(|r| {
                r.value
                    .get("state")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            }),
            id,
        })
        .collect();
    Ok(View { facts, keys })
}
