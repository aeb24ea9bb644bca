//! `logrotate`: directives of its configuration.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::logrotate;

/// The rows of `logrotate`.
pub const STATES: &[State] = &[State {
    name: "logrotate.set",
    signature: "name, key, value, setting=None, conf_file='/etc/logrotate.conf'",
    doc: "Ensure that a directive has this value; with ``setting`` the directive ``value`` of the log file ``key``.",
    run: set,
}];

/// A number where a text is one.
fn number(value: &Value) -> Value {
    match value {
        Value::Str(text) => logrotate::number(text),
        other => other.clone(),
    }
}

fn set(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let args = run.args;
    let file = args.text("conf_file")?;
    let all = logrotate::read(Path::new(&file)).map_err(|message| Error::Exception {
        kind: "FileNotFoundError",
        message,
    })?;
    let (key, value) = (args.get("key"), args.get("value"));
    let name = python::text(key);
    let inner = !args.get("setting").is_null();
    let now = match all.get(key) {
        Some(Value::Map(stanza)) if inner => stanza.get(value).cloned(),
        Some(_) if inner => None,
        other => other.cloned(),
    };
    let now = now.unwrap_or(false.into());
    let wanted = number(if inner { args.get("setting") } else { value });
    let shown = python::text(&wanted);
    let (upper, lower) = if inner {
        let what = format!("lock '{name}' command '{}'", python::text(value));
        (format!("B{what}"), format!("b{what}"))
    } else {
        (format!("Command '{name}'"), format!("command '{name}'"))
    };
    if now == wanted {
        return Ok(Outcome::unchanged(format!(
            "{upper} already has value: {shown}"
        )));
    }
    let changes = map! { "old" => now, "new" => wanted.clone() };
    if run.test {
        return Ok(Outcome::would(
            changes,
            format!("{upper} will be set to value: {shown}"),
        ));
    }
    let mut kwargs = map! { "key" => key.clone(), "conf_file" => file };
    kwargs.insert(
        "value".into(),
        if inner { value.clone() } else { wanted.clone() },
    );
    if inner {
        kwargs.insert("setting".into(), wanted);
    }
    let set = ctx.call("logrotate.set", &[], &kwargs)?;
    Ok(if set.is_truthy() {
        Outcome::changed(changes, format!("Set {lower} value: {shown}"))
    } else {
        let changes: Map = changes;
        Outcome {
            changes,
            ..Outcome::failed(format!("Unable to set {lower} value: {shown}"))
        }
    })
}
