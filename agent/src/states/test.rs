//! `test`: states that only report.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};

/// The rows of `test`.
pub const STATES: &[State] = &[
    State {
        name: "test.nop",
        signature: "name, **kwargs",
        doc: "A no-op state that does nothing.",
        run: nop,
    },
    State {
        name: "test.succeed_without_changes",
        signature: "name, **kwargs",
        doc: "Returns successful.",
        run: succeed_without_changes,
    },
    State {
        name: "test.fail_without_changes",
        signature: "name, **kwargs",
        doc: "Returns failure.",
        run: fail_without_changes,
    },
    State {
        name: "test.succeed_with_changes",
        signature: "name, **kwargs",
        doc: "Returns successful and changes is not empty.",
        run: succeed_with_changes,
    },
    State {
        name: "test.fail_with_changes",
        signature: "name, **kwargs",
        doc: "Returns failure and changes is not empty.",
        run: fail_with_changes,
    },
    State {
        name: "test.configurable_test_state",
        signature: "name, changes=True, result=True, comment='', warnings=None, allow_test_mode_failure=False",
        doc: "A state that returns what it is told: changes, result (each True, False or Random), comment and warnings.",
        run: configurable_test_state,
    },
    State {
        name: "test.show_notification",
        signature: "name, text=None, **kwargs",
        doc: "Shows a text as the state's comment.",
        run: show_notification,
    },
    State {
        name: "test.mod_watch",
        signature: "name, sfun=None, **kwargs",
        doc: "Called when a watched state changed.",
        run: mod_watch,
    },
    State {
        name: "test.check_pillar",
        signature: "name, present=None, boolean=None, integer=None, string=None, listing=None, dictionary=None, verbose=False",
        doc: "Checks that pillar keys are there and of the given kinds.",
        run: check_pillar,
    },
];

type Done = Result<Outcome, Error>;

fn comment(run: &Run<'_>, default: &str) -> String {
    run.args
        .extra
        .get("comment")
        .map_or_else(|| default.to_owned(), python::text)
}

fn pretended() -> Map {
    map! { "testing" => map! { "old" => "Unchanged", "new" => "Something pretended to change" } }
}

fn succeed_without_changes(_: &Context, run: &Run<'_>) -> Done {
    Ok(Outcome::unchanged(comment(run, "Success!")))
}

fn nop(_: &Context, _: &Run<'_>) -> Done {
    Ok(Outcome::unchanged("Success!"))
}

fn fail_without_changes(_: &Context, run: &Run<'_>) -> Done {
    Ok(Outcome::failed(if run.test {
        "If we weren't testing, this would be a failure!".to_owned()
    } else {
        comment(run, "Failure!")
    }))
}

fn succeed_with_changes(_: &Context, run: &Run<'_>) -> Done {
    Ok(if run.test {
        Outcome::would(
            pretended(),
            "If we weren't testing, this would be successful with changes",
        )
    } else {
        Outcome::changed(pretended(), comment(run, "Success!"))
    })
}

fn fail_with_changes(_: &Context, run: &Run<'_>) -> Done {
    Ok(if run.test {
        Outcome::would(
            pretended(),
            "If we weren't testing, this would be failed with changes",
        )
    } else {
        Outcome {
            changes: pretended(),
            ..Outcome::failed(comment(run, "Failure!"))
        }
    })
}

/// A truth value that may be left to chance.
fn choice(value: &Value, option: &str) -> Result<bool, Error> {
    match value {
        Value::Bool(b) => Ok(*b),
        other if python::text(other).to_lowercase() == "random" => {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_err(|e| Error::execution(e.to_string()))?;
            Ok(byte[0] & 1 == 1)
        }
        _ => Err(Error::invocation(format!(
            "You have specified the state option '{option}' with invalid arguments. It must be either True, False, or 'Random'"
        ))),
    }
}

fn configurable_test_state(_: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let changes = choice(args.get("changes"), "changes")?;
    let result = choice(args.get("result"), "result")?;
    let mut outcome = Outcome {
        result: Some(result),
        changes: if changes { pretended() } else { Map::new() },
        comment: python::text(args.get("comment")),
        extra: Map::new(),
    };
    match args.get("warnings") {
        Value::Null => {}
        Value::Str(one) => {
            outcome
                .extra
                .insert("warnings".into(), vec![one.as_str()].into());
        }
        list @ Value::List(_) => {
            outcome.extra.insert("warnings".into(), list.clone());
        }
        _ => {
            return Err(Error::invocation(
                "You have specified the state option 'warnings' with invalid arguments. It must be a string or a list of strings",
            ));
        }
    }
    if run.test {
        let may_fail =
            args.flag("allow_test_mode_failure") && *args.get("result") == Value::Bool(false);
        outcome.result = if may_fail {
            Some(false)
        } else {
            (*args.get("changes") == Value::Bool(false)).then_some(true)
        };
        if outcome.comment.is_empty() {
            outcome.comment = "This is a test".to_owned();
        }
    }
    Ok(outcome)
}

fn show_notification(_: &Context, run: &Run<'_>) -> Done {
    if !run.args.flag("text") {
        return Err(Error::invocation("Missing required argument text."));
    }
    Ok(Outcome::unchanged(run.args.text("text")?))
}

fn mod_watch(_: &Context, run: &Run<'_>) -> Done {
    let extra = &run.args.extra;
    let changed = run
        .chunk
        .get("__reqs__")
        .cloned()
        .unwrap_or(Value::List(Vec::new()));
    let changes = match extra.get("changes") {
        Some(Value::Map(changes)) => changes.clone(),
        _ => map! { "Requisites with changes" => changed },
    };
    Ok(Outcome {
        result: extra.get("result").map_or(Some(true), Value::as_bool),
        changes,
        comment: comment(run, "Watch statement fired."),
        extra: Map::new(),
    })
}

fn check_pillar(ctx: &Context, run: &Run<'_>) -> Done {
    type Test = fn(&Value) -> bool;
    let kinds: [(&str, &str, Test); 6] = [
        ("present", "None", |_| true),
        ("boolean", "<class 'bool'>", |v| matches!(v, Value::Bool(_))),
        ("integer", "<class 'int'>", |v| {
            matches!(v, Value::Int(_) | Value::Bool(_))
        }),
        ("string", "(<class 'str'>,)", |v| matches!(v, Value::Str(_))),
        ("listing", "<class 'list'>", |v| matches!(v, Value::List(_))),
        ("dictionary", "<class 'dict'>", |v| {
            matches!(v, Value::Map(_))
        }),
    ];
    if !kinds.iter().any(|(name, ..)| run.args.flag(name)) {
        return Err(Error::invocation("Missing required argument text."));
    }
    let pillar = Value::Map((*ctx.facts.pillar()).clone());
    let (mut failed, mut fine) = (Map::new(), Map::new());
    for (argument, kind, fits) in kinds {
        let keys = match run.args.get(argument) {
            Value::List(list) => list.clone(),
            Value::Null => continue,
            one => vec![one.clone()],
        };
        for key in keys {
            let path = python::text(&key);
            let value = path.split(':').try_fold(&pillar, |v, part| v.get(part));
            match value.filter(|v| !v.is_null()) {
                None => drop(failed.insert(key, Value::Null)),
                Some(value) if !fits(value) => drop(failed.insert(key, kind.into())),
                Some(_) => drop(fine.insert(key, kind.into())),
            }
        }
    }
    let mut text = String::new();
    for (key, kind) in &failed {
        text += &match kind {
            Value::Null => format!("Pillar key \"{}\" is missing.\n", python::text(key)),
            kind => format!(
                "Pillar key \"{}\" is not {}.\n",
                python::text(key),
                python::text(kind)
            ),
        };
    }
    if run.args.flag("verbose") && !fine.is_empty() {
        text += "Those keys passed the check:\n";
        for (key, kind) in &fine {
            text += &format!("- {} ({})\n", python::text(key), python::text(kind));
        }
    }
    Ok(Outcome {
        result: Some(failed.is_empty()),
        comment: text,
        ..Outcome::default()
    })
}
