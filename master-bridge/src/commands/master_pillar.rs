//! Whether a new master has a pillar for those who are to come: compiled there for some of them, with the grains that
//! the old master knows of them, and held against what they have today. A highstate takes away what a pillar lacks.

use std::time::Duration;

use salt_wire::{Map, Value, map};

use crate::cli::Global;
use crate::salt::{Local, Master, MasterConfig, keyfile};

/// A runner starts a process of its own.
const RUNNER: Duration = Duration::from_secs(60);
/// For whom a pillar is compiled if there is nobody: an id that no minion has.
const NOBODY: &str = "nobody.invalid";
/// What the runner takes for its own arguments.
const RESERVED: [&str; 8] = [
    "minion",
    "saltenv",
    "pillarenv",
    "fun",
    "arg",
    "kwarg",
    "client",
    "tgt",
];

/// For whom it is compiled: those who were named, or a few of the old master's, spread over all of them.
pub(super) fn sample(named: &[String], all: &[String], count: usize) -> Vec<String> {
    if !named.is_empty() || all.len() <= count {
        return if named.is_empty() { all } else { named }.to_vec();
    }
    let picked = (0..count).filter_map(|n| all.get(n * all.len() / count));
    picked.cloned().collect()
}

/// The ids with keys on the old master, and the master itself if it answers.
pub(super) async fn old_master(
    global: &Global,
    new: &MasterConfig,
) -> (Vec<String>, Option<Local>) {
    let Ok(config) = MasterConfig::read(&global.salt_config) else {
        return (Vec::new(), None);
    };
    if config.pki_dir == new.pki_dir {
        return (Vec::new(), None);
    }
    let keys = keyfile::accepted(&config.pki_dir).unwrap_or_default();
    let ids = keys.into_iter().map(|key| key.id).collect();
    (ids, Local::open(config).await.ok())
}

/// What a master's pillar for these minions is like: in words if it is good, and what is wrong if it is not.
pub(super) async fn good(
    new: &mut Local,
    mut old: Option<Local>,
    ids: &[String],
) -> Result<String, String> {
    if ids.is_empty() {
        let who = "an id that nobody has, without grains: there is no minion to take (--minion names one)";
        let there = pillar(new, NOBODY, None).await;
        return match there {
            Ok(there) => Ok(format!(
                "compiles for {NOBODY}, {who}: {}",
                count(&[there.len()])
            )),
            Err(why) => Err(format!("{why}; {NOBODY} is {who}")),
        };
    }
    let known = match &mut old {
        Some(old) => grains(old, ids).await,
        None => Map::new(),
    };
    let (mut counts, mut bad) = (Vec::new(), Vec::new());
    let (mut without, mut alone) = (Vec::new(), Vec::new());
    for id in ids {
        let grains = known.get(id.as_str()).and_then(Value::as_map);
        if grains.is_none_or(Map::is_empty) {
            without.push(id.as_str());
        }
        let there = match pillar(new, id, grains).await {
            Ok(pillar) => pillar,
            Err(why) => {
                bad.push(why);
                continue;
            }
        };
        counts.push(there.len());
        // What they have today is no measure if it cannot be had.
        let Some(old) = &mut old else { continue };
        let Ok(here) = pillar(old, id, grains).await else {
            alone.push(id.as_str());
            continue;
        };
        let missing = here.keys().filter(|key| !there.contains_key(*key));
        let missing: Vec<&str> = missing.filter_map(Value::as_str).collect();
        if !missing.is_empty() {
            bad.push(format!("the pillar of {id} lacks {}", missing.join(", ")));
        }
    }
    if !bad.is_empty() {
        return Err(bad.join("; "));
    }
    let compared = old.is_some().then_some(alone.as_slice());
    Ok(words(ids, &counts, compared, &without))
}

/// What a good pillar is like, and what of it was compared with the old master's: all but those who are `alone`, if
/// there was an old one.
fn words(ids: &[String], counts: &[usize], alone: Option<&[&str]>, without: &[&str]) -> String {
    let compared = match alone {
        None => String::new(),
        Some(alone) if alone.len() == ids.len() => {
            ", not compared: the old master compiles none for them".into()
        }
        Some(alone) => {
            let all =
                ", among them all that they have on the old one (below them nothing was compared)";
            match alone {
                [] => all.into(),
                alone => format!(
                    "{all}, but for {}: the old one compiles none",
                    alone.join(", ")
                ),
            }
        }
    };
    let blind = match without {
        [] => String::new(),
        ids => format!(" (grains of {} are not known here)", ids.join(", ")),
    };
    let who = match ids {
        [first, _, ..] => format!("{} of them, from {first} on", ids.len()),
        ids => ids.concat(),
    };
    format!("compiles for {who}: {}{compared}{blind}", count(counts))
}

/// How many keys pillars have at their top, in words.
fn count(counts: &[usize]) -> String {
    match (counts.iter().min(), counts.iter().max()) {
        (Some(1), Some(1)) => "1 top-level key".into(),
        (Some(least), Some(most)) if least != most => format!("{least} to {most} top-level keys"),
        (least, _) => format!("{} top-level keys", least.unwrap_or(&0)),
    }
}

/// What a master has cached of minions' grains; nothing if it keeps none.
async fn grains(master: &mut Local, ids: &[String]) -> Map {
    let tgt: Vec<Value> = ids.iter().map(|id| id.as_str().into()).collect();
    let args = map! {"tgt" => tgt, "tgt_type" => "list"};
    let cached = master.runner("cache.grains", args, RUNNER).await;
    match cached {
        Ok(Value::Map(cached)) => cached,
        _ => Map::new(),
    }
}

async fn pillar(master: &mut Local, id: &str, grains: Option<&Map>) -> Result<Map, String> {
    let mut args = map! {"minion" => id};
    for (name, value) in grains.into_iter().flatten() {
        if !name.as_str().is_none_or(|name| RESERVED.contains(&name)) {
            args.insert(name.clone(), value.clone());
        }
    }
    let pillar = master.runner("pillar.show_pillar", args, RUNNER).await;
    let pillar = pillar.map_err(|e| format!("the pillar of {id}: {e}"))?;
    match (&pillar, pillar.get("_errors")) {
        (_, Some(errors)) => Err(format!("the pillar of {id} has errors: {errors:?}")),
        (Value::Map(pillar), None) => Ok(pillar.clone()),
        _ => Err(format!("there is no pillar of {id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all() {
        let all: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
        assert_eq!(sample(&[], &all, 3), ["m0", "m3", "m6"]);
        assert_eq!(sample(&[], &all[..2], 3), ["m0", "m1"]);
        assert_eq!(sample(&["x".into()], &all, 3), ["x"]);
        assert!(sample(&[], &[], 3).is_empty());
    }

    #[test]
    fn it_says_what_was_compared() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let one = words(&ids(&["a"]), &[2], Some(&[]), &[]);
        let all = "2 top-level keys, among them all that they have on the old one (below them nothing was compared)";
        assert_eq!(one, format!("compiles for a: {all}"));
        assert_eq!(
            words(&ids(&["a"]), &[1], None, &["a"]),
            "compiles for a: 1 top-level key (grains of a are not known here)"
        );
        let two = words(&ids(&["a", "b"]), &[2, 5], Some(&["a", "b"]), &[]);
        assert_eq!(
            two,
            "compiles for 2 of them, from a on: 2 to 5 top-level keys, not compared: the old master compiles none for them"
        );
        let part = words(&ids(&["a", "b"]), &[2, 2], Some(&["b"]), &[]);
        assert!(
            part.ends_with("was compared), but for b: the old one compiles none"),
            "{part}"
        );
    }
}
