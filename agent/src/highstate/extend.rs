//! `extend` and `exclude`: what one SLS says about the states of another.

use salt_wire::{Map, Value};

use super::low::{REQUISITES, declarations, first_key};
use crate::context::python;
use crate::fnmatch::fnmatch;

/// Puts every extension into what it extends; an unknown target is an error.
pub(crate) fn reconcile(high: &mut Map, strict: bool) -> Vec<String> {
    let mut errors = Vec::new();
    let Some(Value::List(extensions)) = high.shift_remove("__extend__") else {
        return errors;
    };
    let excluded = excluded_sls(high);
    for extension in &extensions {
        let Value::Map(extension) = extension else {
            continue;
        };
        for (name, body) in extension {
            let Value::Map(body) = body else { continue };
            let mut name = python::text(name);
            let Some((state, _)) = declarations(body).next() else {
                continue;
            };
            let known = high
                .get(name.as_str())
                .is_some_and(|b| b.get(state).is_some());
            if !known {
                let ids = find_name(&name, state, high, strict);
                let [(only, _)] = ids.as_slice() else {
                    let of = |key: &str| {
                        body.get(key)
                            .map_or_else(|| "base".to_owned(), python::text)
                    };
                    let (env, sls) = (of("__env__"), of("__sls__"));
                    errors.push(format!(
                        "Cannot extend ID '{name}' in '{env}:{sls}'. It is not part of the high state.\nThis is likely due to a missing include statement or an incorrectly typed ID.\nEnsure that a state with an ID of '{name}' is available\nin environment '{env}' and to SLS '{sls}'"
                    ));
                    continue;
                };
                name = only.clone();
            }
            if body.get("__sls__").is_some_and(|s| excluded.contains(s)) {
                continue;
            }
            let Some(Value::Map(target)) = high.get_mut(name.as_str()) else {
                continue;
            };
            for (state, run) in declarations(body) {
                extend(target, state, run);
            }
        }
    }
    errors
}

fn extend(target: &mut Map, state: &str, run: &Value) {
    let Some(existing) = target.get_mut(state) else {
        target.insert(state.into(), run.clone());
        return;
    };
    let (Value::List(existing), Value::List(run)) = (existing, run) else {
        return;
    };
    for argument in run {
        let mut updated = false;
        for present in existing.iter_mut() {
            match (argument, &mut *present) {
                (Value::Str(_), Value::Str(_)) => {
                    *present = argument.clone();
                    updated = true;
                }
                (Value::Map(new), Value::Map(old)) => {
                    let (key, old_key) = (first_key(new), first_key(old).to_owned());
                    if key == old_key {
                        merge_argument(key, new, present);
                        updated = true;
                    } else if key == "name" && old_key == "names" {
                        *present = argument.clone();
                    }
                }
                _ => {}
            }
        }
        if !updated {
            existing.push(argument.clone());
        }
    }
}

/// Requisites add up, everything else is replaced.
fn merge_argument(key: &str, new: &Map, present: &mut Value) {
    if REQUISITES.contains(&key)
        && let (Some(Value::List(more)), Value::Map(old)) = (new.get(key), &mut *present)
        && let Some(Value::List(list)) = old.get_mut(key)
    {
        list.extend(more.iter().cloned());
        return;
    }
    *present = Value::Map(new.clone());
}

/// The IDs that a reference by name means: an ID, all of an SLS, or any state with such an argument.
pub(crate) fn find_name(
    name: &str,
    state: &str,
    high: &Map,
    strict: bool,
) -> Vec<(String, String)> {
    if let Some(body) = high.get(name)
        && (!strict || body.get(state).is_some())
    {
        return vec![(name.to_owned(), state.to_owned())];
    }
    let mut found = Vec::new();
    for (id, body) in high {
        let Value::Map(body) = body else { continue };
        let id = python::text(id);
        if state == "sls" {
            if body.get("__sls__").and_then(Value::as_str) == Some(name) {
                found.push((id, first_key(body).to_owned()));
            }
            continue;
        }
        if let Some(Value::List(run)) = body.get(state) {
            for argument in run.iter().filter_map(Value::as_map) {
                if argument.len() == 1
                    && argument.first().and_then(|(_, v)| v.as_str()) == Some(name)
                {
                    found.push((id.clone(), state.to_owned()));
                }
            }
        }
    }
    found
}

fn excluded_sls(high: &Map) -> Vec<Value> {
    let Some(Value::List(list)) = high.get("__exclude__") else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| match item {
            Value::Str(_) => Some(item.clone()),
            Value::Map(map) => map.get("sls").filter(|v| v.is_truthy()).cloned(),
            _ => None,
        })
        .collect()
}

/// Takes out what the run is told to leave out.
pub(crate) fn apply_exclude(high: &mut Map) {
    let Some(Value::List(excludes)) = high.shift_remove("__exclude__") else {
        return;
    };
    let (mut files, mut ids) = (Vec::new(), Vec::new());
    for item in excludes {
        match &item {
            Value::Str(sls) => files.push(sls.clone()),
            Value::Map(map) if map.len() == 1 => match map.first() {
                Some((Value::Str(key), value)) if key == "sls" => files.push(python::text(value)),
                Some((Value::Str(key), value)) if key == "id" => ids.push(value.clone()),
                _ => {}
            },
            _ => {}
        }
    }
    high.retain(|id, body| {
        if id.as_str().is_some_and(|i| i.starts_with("__")) {
            return true;
        }
        let sls = body
            .get("__sls__")
            .and_then(Value::as_str)
            .unwrap_or_default();
        !ids.contains(id) && (sls.is_empty() || !files.iter().any(|f| fnmatch(sls, f)))
    });
}
