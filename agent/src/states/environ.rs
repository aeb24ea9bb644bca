//! `environ`: the environment of what this run starts.

use salt_wire::{Map, Value};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};

/// The rows of `environ`.
pub const STATES: &[State] = &[State {
    name: "environ.setenv",
    signature: "name, value, false_unsets=False, clear_all=False, update_minion=False, permanent=False",
    doc: "Ensure that variables are set for the commands of this run.",
    run: setenv,
}];

fn setenv(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let args = run.args;
    let wanted = match args.get("value") {
        value @ (Value::Str(_) | Value::Bool(false)) => {
            Map::from_iter([(args.get("name").clone(), value.clone())])
        }
        Value::Map(map) => map.clone(),
        _ => {
            return Ok(Outcome::failed(
                "Environ value must be string, dict or False",
            ));
        }
    };
    let (unset, clear) = (
        args.get("false_unsets") == &Value::Bool(true),
        args.get("clear_all") == &Value::Bool(true),
    );
    let environ = &ctx.host.environ;
    let gone = || if unset { Value::Null } else { "".into() };
    let mut changes = Map::new();
    if clear {
        for key in environ.all().into_keys() {
            if !wanted.contains_key(key.as_str()) {
                changes.insert(key.into(), gone());
            }
        }
    }
    for (key, value) in &wanted {
        let now = environ.get(&python::text(key));
        let differs = match value {
            Value::Bool(false) if unset => now.is_some(),
            Value::Bool(false) => now.as_deref() != Some(""),
            value => value.as_str() != Some(now.as_deref().unwrap_or_default()),
        };
        if differs {
            let new = if value == &Value::Bool(false) {
                gone()
            } else {
                value.clone()
            };
            changes.insert(key.clone(), new);
        }
    }
    if run.test {
        return Ok(if changes.is_empty() {
            Outcome::unchanged("Environ values are already set with the correct values")
        } else {
            Outcome::changed(changes, "Environ values will be changed")
        });
    }
    if changes.is_empty() {
        return Ok(Outcome::unchanged(
            "Environ values were already set with the correct values",
        ));
    }
    if !wanted
        .values()
        .all(|v| matches!(v, Value::Str(_) | Value::Bool(false)))
    {
        return Ok(Outcome {
            changes,
            ..Outcome::failed("Failed to set environ variables")
        });
    }
    // All that was asked for is told, also what was so already.
    for (key, value) in &wanted {
        let new = match value {
            Value::Bool(false) => gone(),
            value => value.clone(),
        };
        changes.insert(key.clone(), new);
    }
    for (key, value) in &changes {
        environ.set(&python::text(key), value.as_str());
    }
    Ok(Outcome::changed(changes, "Environ values were set"))
}
