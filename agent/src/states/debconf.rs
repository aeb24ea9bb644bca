//! `debconf`: answers to the questions that packages ask.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::file::source;
use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::debconf::{self, Answer};
use crate::host::shell::Script;

/// The rows of `debconf`.
pub const STATES: &[State] = &[
    State {
        name: "debconf.set",
        signature: "name, data, **kwargs",
        doc: "Ensure the answers to a package's questions.",
        run: set,
    },
    State {
        name: "debconf.set_file",
        signature: "name, source, template=None, context=None, defaults=None, **kwargs",
        doc: "Give the answers that stand in a file.",
        run: set_file,
    },
];

type Done = Result<Outcome, Error>;

fn set(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, programs) = (run.args.text("name")?, ctx.programs());
    let Value::Map(data) = run.args.get("data") else {
        return Ok(Outcome::failed("data must be a dictionary of questions"));
    };
    let known = debconf::answers(&programs).map_err(Error::Execution)?;
    let mut out = Outcome::unchanged("");
    for (question, answer) in data {
        let question = python::text(question);
        let part = |key: &str| answer.get(key).ok_or_else(|| Error::key(key));
        let kind = python::text(part("type")?);
        let value = part("value")?;
        let value = match kind.as_str() {
            "boolean" if value.is_truthy() => "true".to_owned(),
            "boolean" => "false".to_owned(),
            _ => python::text(value),
        };
        let answer = Answer {
            package: name.clone(),
            question: question.clone(),
            kind,
            value,
        };
        if known.contains(&answer) {
            if out.comment.is_empty() {
                out.comment = "Unchanged answers: ".to_owned();
            }
            out.comment += &format!("{question} ");
        } else if run.test {
            out.result = None;
            let text = format!("New value: {}", answer.value);
            out.changes.insert(question.into(), text.into());
        } else {
            debconf::set(&programs, &answer).map_err(Error::Execution)?;
            let shown = if answer.kind == "password" {
                "(password hidden)".to_owned()
            } else {
                answer.value
            };
            out.changes.insert(question.into(), shown.into());
        }
    }
    if out.changes.is_empty() {
        out.comment = "All specified answers are already set".to_owned();
    }
    Ok(out)
}

fn set_file(ctx: &Context, run: &Run<'_>) -> Done {
    for (key, text) in [("context", "Context"), ("defaults", "Defaults")] {
        if !matches!(run.args.get(key), Value::Null | Value::Map(_)) {
            return Ok(Outcome::failed(format!("{text} must be formed as a dict")));
        }
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            "Debconf selections would have been set.",
        ));
    }
    let address = run.args.text("source")?;
    let Ok(content) = source::fetch(ctx, run, "", &address, &Value::Null) else {
        return Ok(Outcome::failed(
            "Unable to set debconf selections from file.",
        ));
    };
    let file = Script::new(&PathBuf::from("/tmp"), "")?;
    file.fill(&content.bytes, 0o600, None)?;
    debconf::set_file(&ctx.programs(), file.path()).map_err(Error::Execution)?;
    Ok(Outcome::unchanged("Debconf selections were set."))
}
