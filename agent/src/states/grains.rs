//! `grains`: grains of the static file. What is there is looked up here; the changes are those of `grains.*`.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::targeting::traverse;

/// The rows of `grains`.
pub const STATES: &[State] = &[
    State {
        name: "grains.exists",
        signature: "name, delimiter=':'",
        doc: "Verify that a grain is there.",
        run: exists,
    },
    State {
        name: "grains.present",
        signature: "name, value, delimiter=':', force=False",
        doc: "Ensure that a grain has this value.",
        run: present,
    },
    State {
        name: "grains.absent",
        signature: "name, destructive=False, delimiter=':', force=False",
        doc: "Ensure that a grain has no value; with ``destructive`` that it is not there.",
        run: absent,
    },
    State {
        name: "grains.append",
        signature: "name, value, convert=False, delimiter=':'",
        doc: "Ensure that a value is in a grain that is a list.",
        run: append,
    },
    State {
        name: "grains.list_present",
        signature: "name, value, delimiter=':'",
        doc: "Ensure that a value, or each of several, is in a grain that is a list.",
        run: list_present,
    },
    State {
        name: "grains.list_absent",
        signature: "name, value, delimiter=':'",
        doc: "Ensure that a value, or each of several, is not in a grain that is a list.",
        run: list_absent,
    },
];

type Done = Result<Outcome, Error>;

/// The path of a grain with colons.
fn path(run: &Run<'_>) -> Result<String, Error> {
    let delimiter = run.args.text("delimiter")?;
    Ok(run.args.text("name")?.replace(&delimiter, ":"))
}

fn look(ctx: &Context, name: &str) -> Option<Value> {
    let grains = Value::Map((*ctx.facts.grains()).clone());
    traverse(&grains, name, ":").cloned()
}

fn ask(ctx: &Context, fun: &str, name: &str, value: &Value, kwargs: Map) -> Result<Value, Error> {
    ctx.call(fun, &[name.into(), value.clone()], &kwargs)
}

/// The state's own answer, of what `grains.set` tells.
fn told(answer: &Value) -> Outcome {
    Outcome {
        result: answer.get("result").and_then(Value::as_bool),
        changes: answer
            .get("changes")
            .and_then(Value::as_map)
            .cloned()
            .unwrap_or_default(),
        comment: answer.get("comment").map(python::text).unwrap_or_default(),
        extra: Map::new(),
    }
}

/// The name in a return is the one with colons.
fn named(name: &str, mut out: Outcome) -> Done {
    out.extra.insert("name".into(), name.into());
    Ok(out)
}

fn exists(ctx: &Context, run: &Run<'_>) -> Done {
    let name = path(run)?;
    let out = if look(ctx, &name).is_some() {
        Outcome::unchanged("Grain exists")
    } else {
        Outcome::failed("Grain does not exist")
    };
    named(&name, out)
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, value) = (path(run)?, run.args.get("value"));
    let existing = look(ctx, &name);
    if existing.as_ref() == Some(value) {
        return named(&name, Outcome::unchanged("Grain is already set"));
    }
    if run.test {
        let (changes, comment) = if existing.is_none() {
            (
                map! { "new" => name.as_str() },
                format!("Grain {name} is set to be added"),
            )
        } else {
            (
                map! { "changed" => map! { name.as_str() => value.clone() } },
                format!("Grain {name} is set to be changed"),
            )
        };
        return named(&name, Outcome::would(changes, comment));
    }
    let kwargs = map! { "force" => run.args.flag("force") };
    let mut out = told(&ask(ctx, "grains.set", &name, value, kwargs)?);
    if out.result == Some(true) && !out.changes.is_empty() {
        out.comment = format!("Set grain {name} to {}", python::text(value));
    }
    named(&name, out)
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, destructive) = (path(run)?, run.args.flag("destructive"));
    let Some(grain) = look(ctx, &name) else {
        let comment = format!("Grain {name} does not exist");
        return named(&name, Outcome::unchanged(comment));
    };
    let deleted = map! { "deleted" => name.as_str() };
    let emptied = map! { "grain" => name.as_str(), "value" => Value::Null };
    if run.test {
        let out = match (destructive, grain.is_null()) {
            (true, _) => Outcome::would(deleted, format!("Grain {name} is set to be deleted")),
            (false, true) => Outcome::would(Map::new(), ""),
            (false, false) => Outcome::would(
                emptied,
                format!("Value for grain {name} is set to be deleted (None)"),
            ),
        };
        return named(&name, out);
    }
    let kwargs = map! { "destructive" => destructive, "force" => run.args.flag("force") };
    let mut out = told(&ask(ctx, "grains.set", &name, &Value::Null, kwargs)?);
    if out.result == Some(true) {
        if destructive {
            out.comment = format!("Grain {name} was deleted");
            out.changes = deleted;
        } else if !grain.is_null() {
            out.comment = format!("Value for grain {name} was set to None");
            out.changes = emptied;
        }
    }
    named(&name, out)
}

fn append(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, value) = (path(run)?, run.args.get("value"));
    let shown = python::text(value);
    let added = map! { "added" => value.clone() };
    let done = format!("Value {shown} was added to grain {name}");
    let out = match look(ctx, &name) {
        None => Outcome::failed(format!("Grain {name} does not exist")),
        Some(Value::List(list)) if list.contains(value) => Outcome::unchanged(format!(
            "Value {shown} is already in the list for grain {name}"
        )),
        Some(Value::List(_)) if run.test => Outcome::would(
            added,
            format!("Value {shown} in grain {name} is set to be added"),
        ),
        Some(Value::List(_)) => {
            ask(ctx, "grains.append", &name, value, Map::new())?;
            Outcome::changed(added, done)
        }
        Some(_) if run.args.get("convert") != &Value::Bool(true) => {
            Outcome::failed(format!("Grain {name} is not a valid list"))
        }
        Some(_) if run.test => Outcome::would(
            added,
            format!("Grain {name} is set to be converted to list and value {shown} will be added"),
        ),
        Some(one) => {
            let mut list: Vec<Value> = Some(one).into_iter().filter(|v| !v.is_null()).collect();
            list.push(value.clone());
            ask(ctx, "grains.setval", &name, &Value::List(list), Map::new())?;
            Outcome::changed(added, done)
        }
    };
    named(&name, out)
}

fn list_present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, mut value) = (path(run)?, run.args.get("value").clone());
    let grain = look(ctx, &name).filter(Value::is_truthy);
    let list = match &grain {
        Some(Value::List(list)) => list.clone(),
        None => Vec::new(),
        Some(_) => {
            let comment = format!("Grain {name} is not a valid list");
            return named(&name, Outcome::failed(comment));
        }
    };
    let mut comment = String::new();
    if let Value::List(wanted) = &value {
        let (there, missing): (Vec<Value>, Vec<Value>) =
            wanted.iter().cloned().partition(|v| list.contains(v));
        if missing.is_empty() {
            let text = format!(
                "Value {} is already in grain {name} (or pending)",
                python::text(&value)
            );
            return named(&name, Outcome::unchanged(text));
        }
        if !there.is_empty() {
            comment = format!(
                "Removed value {} from update due to value found in \"{name}\" (or pending).\n",
                python::text(&Value::List(there))
            );
        }
        value = Value::List(missing);
    } else if list.contains(&value) {
        let text = format!(
            "Value {} is already in grain {name} (or pending)",
            python::text(&value)
        );
        return named(&name, Outcome::unchanged(text));
    }
    let shown = python::text(&value);
    if run.test {
        let out = match grain {
            Some(grain) => Outcome::would(
                map! { "new" => grain },
                format!("Value {shown} is set to be appended to grain {name}"),
            ),
            None => Outcome::would(
                map! { "new" => look(ctx, &name).unwrap_or_else(|| "".into()) },
                format!("Grain {name} is set to be added"),
            ),
        };
        return named(&name, out);
    }
    let new = ask(ctx, "grains.append", &name, &value, Map::new())?;
    let now = look(ctx, &name).unwrap_or_default();
    let now = now.as_list().unwrap_or_default();
    let wanted = match &value {
        Value::List(list) => list.clone(),
        one => vec![one.clone()],
    };
    if !wanted.iter().all(|v| now.contains(v)) {
        let comment = format!("Failed append value {shown} to grain {name}");
        return named(&name, Outcome::failed(comment));
    }
    let comment = format!("{comment}Append value {shown} to grain {name}");
    named(&name, Outcome::changed(map! { "new" => new }, comment))
}

fn list_absent(ctx: &Context, run: &Run<'_>) -> Done {
    let name = path(run)?;
    let list = match look(ctx, &name).filter(Value::is_truthy) {
        Some(Value::List(list)) => list,
        None => {
            let comment = format!("Grain {name} does not exist");
            return named(&name, Outcome::unchanged(comment));
        }
        Some(_) => {
            let comment = format!("Grain {name} is not a valid list");
            return named(&name, Outcome::failed(comment));
        }
    };
    let unwanted = match run.args.get("value") {
        Value::List(list) => list.clone(),
        one => vec![one.clone()],
    };
    let mut out = Outcome::unchanged("");
    let (mut comments, mut deleted) = (Vec::new(), Vec::new());
    for value in unwanted {
        let shown = python::text(&value);
        if !list.contains(&value) {
            comments.push(format!("Value {shown} is absent from grain {name}"));
            continue;
        }
        if run.test {
            out.result = None;
            comments.push(format!(
                "Value {shown} in grain {name} is set to be deleted"
            ));
        } else {
            ask(ctx, "grains.remove", &name, &value, Map::new())?;
            comments.push(format!("Value {shown} was deleted from grain {name}"));
        }
        deleted.push(value);
    }
    if !deleted.is_empty() {
        out.changes.insert("deleted".into(), Value::List(deleted));
    }
    out.comment = comments.join("\n");
    named(&name, out)
}
