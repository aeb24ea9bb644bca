//! Whether a new master has a pillar for those who are to come: compiled there for some of them, with the grains that
//! the old master knows of them, and held against what they have today. A highstate takes away what a pillar lacks.

use std::time::Duration;

use salt_wire::{Map, Value, map};

use crate::cli::Global;
use crate::salt::{Local, Master, MasterConfig, keyfile};

/// A runner starts a process of its own.
const RUNNER: Duration = Duration::from_secs(60);
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
    let Some(first) = ids.first() else {
        return Ok("there is nobody to compile it for (--minion names one)".into());
    };
    let known = match &mut old {
        Some(old) => grains(old, ids).await,
        None => Map::new(),
    };
    let (mut counts, mut bad, mut without) = (Vec::new(), Vec::new(), Vec::new());
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
    let compared = match &old {
        Some(_) => ", with every key that they have on the old one",
        None => "",
    };
    let blind = match without.as_slice() {
        [] => String::new(),
        ids => format!(" (grains of {} are not known here)", ids.join(", ")),
    };
    let (least, most) = (counts.iter().min(), counts.iter().max());
    let keys = match (least, most) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most} keys"),
        (Some(least), _) => format!("{least} keys"),
        _ => "no keys".into(),
    };
    let who = match ids.len() {
        1 => first.clone(),
        count => format!("{count} of them, from {first} on"),
    };
    Ok(format!("compiles for {who}: {keys}{compared}{blind}"))
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
}
