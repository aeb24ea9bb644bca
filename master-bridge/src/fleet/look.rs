//! Looking at both masters and at the minions, without changing anything.

use std::collections::{BTreeMap, BTreeSet};

use salt_wire::Value;
use tokio::try_join;

use crate::error::Result;
use crate::plan::moves::Facts;
use crate::plan::order::OrderBy;
use crate::plan::place::Place;
use crate::salt::job::{self, Outcome, Patience};
use crate::salt::keys::{self, Key, KeyState};
use crate::salt::{Job, Master, Target};

/// What is known before a move.
pub struct View {
    /// Each minion of the old master that the target means.
    pub facts: Vec<Facts>,
    /// The old master's keys of them.
    pub keys: BTreeMap<String, Key>,
    /// Everyone, meant or not, who has a key on either master.
    pub known: BTreeSet<String>,
}

/// Looks at everyone that the target means.
pub async fn look(
    old: &mut dyn Master,
    mut new: Option<&mut dyn Master>,
    target: &Target,
    order_by: Option<&OrderBy>,
    patience: Patience,
) -> Result<View> {
    let mut keys = accepted(old).await?;
    let mut known: BTreeSet<String> = keys.keys().cloned().collect();
    let mut ask = Job::for_ids::<&str>(&[], "test.ping");
    ask.target = target.clone();
    let ping = job::run(old, &ask, patience, &mut |_| {}).await?;
    let answering: Vec<&str> = ping
        .returns
        .iter()
        .filter(|r| r.value == Value::Bool(true))
        .map(|r| r.id.as_str())
        .collect();
    // Whatever a minion's own hash_type is, ours is what it is compared with.
    let fingers = ask_all(old, &answering, "key.finger", &["sha256"], patience).await?;
    let machines = ask_all(old, &answering, "remaster.status", &[], patience).await?;
    let grain = order_by.map(|by| by.grain.as_str());
    let names: Vec<&str> = std::iter::once("master").chain(grain).collect();
    let grains = ask_all(old, &answering, "grains.item", &names, patience).await?;

    let meant: BTreeSet<String> = ping
        .returns
        .iter()
        .map(|r| r.id.clone())
        .chain(ping.silent.iter().cloned())
        .collect();
    keys.retain(|id, _| meant.contains(id));

    let mut there: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let mut alive_there = BTreeSet::new();
    if let Some(new) = new.as_deref_mut() {
        for key in keys::all(new).await? {
            let entry = (key.state, key.fingerprint());
            known.insert(key.id.clone());
            there.entry(key.id).or_default().push(entry);
        }
        let silent: Vec<&str> = ping
            .silent
            .iter()
            .map(String::as_str)
            .filter(|id| {
                there
                    .get(*id)
                    .is_some_and(|k| k.iter().any(|(s, _)| *s == KeyState::Accepted))
            })
            .collect();
        let answers = ask_all(new, &silent, "test.ping", &[], patience).await?;
        alive_there.extend(answers.returns.into_iter().map(|r| r.id));
    }
    let facts = meant
        .into_iter()
        .map(|id| {
            let grain = |name: &str| grains.good(&id)?.get(name).map(word);
            Facts {
                own: fingers
                    .good(&id)
                    .and_then(|finger| finger.as_str()?.parse().ok()),
                old: keys.get(&id).and_then(Key::fingerprint),
                new: there.get(&id).cloned().unwrap_or_default(),
                new_is_known: new.is_some(),
                answers_on_new: alive_there.contains(&id),
                machine: machines
                    .good(&id)
                    .and_then(|status| status.get("state")?.as_str().map(str::to_owned)),
                master: grain("master"),
                server: None,
                rank: order_by.map_or(0, |by| by.rank(grain(&by.grain).as_deref())),
                id,
            }
        })
        .collect();
    Ok(View { facts, keys, known })
}

/// The accepted keys of a master, by id.
pub async fn accepted(master: &mut dyn Master) -> Result<BTreeMap<String, Key>> {
    let keys = keys::all(master).await?;
    let accepted = keys.into_iter().filter(|k| k.state == KeyState::Accepted);
    Ok(accepted.map(|k| (k.id.clone(), k)).collect())
}

/// Where these minions stand with regard to an order; both masters are asked at once.
pub async fn places(
    old: &mut dyn Master,
    new: &mut dyn Master,
    ids: &[&str],
    order: &str,
    patience: Patience,
) -> Result<BTreeMap<String, Place>> {
    let (on_old, on_new) = try_join!(
        ask_all(old, ids, "remaster.status", &[], patience),
        ask_all(new, ids, "remaster.status", &[], patience),
    )?;
    Ok(ids
        .iter()
        .map(|id| {
            let place = Place::of(on_old.good(id), on_new.good(id), order);
            ((*id).to_owned(), place)
        })
        .collect())
}

/// One function on exactly these minions; nobody is asked if there is nobody.
pub async fn ask_all(
    master: &mut dyn Master,
    ids: &[&str],
    fun: &str,
    args: &[&str],
    patience: Patience,
) -> Result<Outcome> {
    if ids.is_empty() {
        return Ok(Outcome::default());
    }
    let mut job = Job::for_ids(ids, fun);
    job.args = args.iter().map(|arg| (*arg).into()).collect();
    match job::run(master, &job, patience, &mut |_| {}).await {
        // No key of any of them: the same as no answer.
        Err(error) if error.kind == crate::error::Kind::NothingMatched => Ok(Outcome {
            silent: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Outcome::default()
        }),
        other => other,
    }
}

/// A grain's value as a word; of a list the first.
fn word(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        Value::List(all) => all.first().map(word).unwrap_or_default(),
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}
