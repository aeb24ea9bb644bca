//! `selinux`: its mode and its booleans.

use std::collections::BTreeSet;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};

/// The rows of `selinux`.
pub const STATES: &[State] = &[
    State {
        name: "selinux.boolean",
        signature: "name, value=None, booleans=None, persist=False",
        doc: "Ensure that booleans have these values.",
        run: boolean,
    },
    State {
        name: "selinux.mode",
        signature: "name",
        doc: "Ensure that SELinux is enforcing, permissive or disabled.",
        run: mode,
    },
];

type Done = Result<Outcome, Error>;

fn ask(ctx: &Context, function: &str, words: &[Value]) -> Result<Value, Error> {
    ctx.call(function, words, &Map::new())
}

/// A mode by any of its names.
fn refined(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    match name.as_str() {
        "1" | "on" => Some("Enforcing"),
        "0" | "off" => Some("Permissive"),
        _ if name.starts_with('e') => Some("Enforcing"),
        _ if name.starts_with('p') => Some("Permissive"),
        _ if name.starts_with('d') => Some("Disabled"),
        _ => None,
    }
}

fn mode(ctx: &Context, run: &Run<'_>) -> Done {
    let name = python::text(run.args.get("name"));
    let Some(wanted) = refined(&name) else {
        return Ok(Outcome::failed(format!("{name} is not an accepted mode")));
    };
    let mut now = ask(ctx, "selinux.getenforce", &[])?;
    let configured = ask(ctx, "selinux.getconfig", &[])?;
    let goal = Value::from(wanted);
    // What is told is what does not fit: the kernel, or else the file.
    if now == goal && configured != goal {
        now = configured;
    }
    if now == goal {
        return Ok(Outcome::unchanged(format!(
            "SELinux is already in {wanted} mode"
        )));
    }
    if run.test {
        let changes = map! { "old" => now, "new" => goal };
        let comment = format!("SELinux mode is set to be changed to {wanted}");
        return Ok(Outcome::would(changes, comment));
    }
    let new = ask(ctx, "selinux.setenforce", std::slice::from_ref(&goal))?;
    let later = wanted == "Disabled" && ask(ctx, "selinux.getconfig", &[])? == goal;
    Ok(if new == goal || later {
        let changes = map! { "old" => now, "new" => new };
        Outcome::changed(changes, format!("SELinux has been set to {wanted} mode"))
    } else {
        Outcome::failed(format!("Failed to set SELinux to {wanted} mode"))
    })
}

/// A value by any of its names.
fn switched(value: &Value) -> Option<&'static str> {
    match python::text(value).to_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some("on"),
        "0" | "off" | "no" | "false" => Some("off"),
        _ => None,
    }
}

/// The booleans that are asked for, each with its value.
fn desired(run: &Run<'_>) -> Map {
    let value = run.args.get("value");
    match run.args.get("booleans") {
        Value::Map(map) if !map.is_empty() => map.clone(),
        Value::List(list) if !list.is_empty() => {
            let mut all = Map::new();
            for one in list {
                match one {
                    Value::Map(map) => all.extend(map.clone()),
                    name => drop(all.insert(name.clone(), value.clone())),
                }
            }
            all
        }
        _ => Map::from_iter([(run.args.get("name").clone(), value.clone())]),
    }
}

fn boolean(ctx: &Context, run: &Run<'_>) -> Done {
    let desired = desired(run);
    let persist = run.args.flag("persist");
    let there = ask(ctx, "selinux.list_sebool", &[])?;
    let (mut correct, mut changes, mut pairs) = (BTreeSet::new(), Map::new(), Map::new());
    for (name, value) in &desired {
        let shown = python::text(name);
        let Some(now) = there.as_map().and_then(|all| all.get(name)) else {
            return Ok(Outcome::failed(format!("Boolean {shown} is not available")));
        };
        let Some(wanted) = switched(value) else {
            let value = python::text(value);
            return Ok(Outcome::failed(format!(
                "{value} is not a valid value for the boolean {shown}"
            )));
        };
        let part = |key: &str| now.get(key).cloned().unwrap_or_default();
        let (state, default) = (part("State"), part("Default"));
        let goal = Value::from(wanted);
        if state == goal && (default == goal || !persist) {
            correct.insert(shown);
            continue;
        }
        let change = if persist {
            let pair = |a: &Value, b: &Value| Value::List(vec![a.clone(), b.clone()]);
            map! { "old" => pair(&state, &default), "new" => pair(&goal, &goal) }
        } else {
            map! { "old" => state, "new" => goal.clone() }
        };
        changes.insert(name.clone(), change.into());
        pairs.insert(name.clone(), goal);
    }
    let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    let mut comments = Vec::new();
    if !correct.is_empty() {
        comments.push(format!(
            "The following booleans were in the correct state: {}",
            joined(correct)
        ));
    }
    if pairs.is_empty() {
        return Ok(Outcome::unchanged(comments.join("\n")));
    }
    let names = joined(pairs.keys().map(python::text).collect());
    if run.test {
        comments.push(format!("The following booleans would be changed: {names}"));
        return Ok(Outcome::would(changes, comments.join("\n")));
    }
    let words = [pairs.into(), persist.into()];
    if !ask(ctx, "selinux.setsebools", &words)?.is_truthy() {
        let all = python::text(&desired.into());
        return Ok(Outcome::failed(format!(
            "Failed to set the following booleans: {all}"
        )));
    }
    comments.push(format!("The following booleans have been changed: {names}"));
    Ok(Outcome::changed(changes, comments.join("\n")))
}
