//! `run`: a function on minions; returns are printed as they come.

use std::process::ExitCode;

use clap::Args;
use salt_wire::{Map, Value};
use serde_json::json;

use super::{nothing_matched, open, patience};
use crate::cli::Global;
use crate::error::Result;
use crate::output::{Output, json_of};
use crate::salt::Job;
use crate::salt::job::{self, Outcome};
use crate::salt::target::TargetType;
use crate::salt::wait::Return;

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  master-bridge run 'web*' test.ping\n  master-bridge run -G role:web state.apply test=True\n  master-bridge -o json run web1 grains.item os"
)]
pub struct Run {
    /// Which minions: a shell pattern, unless an option says otherwise
    #[arg(value_name = "TGT")]
    target: String,
    /// Which function
    #[arg(value_name = "FUN")]
    fun: String,
    /// Its arguments, read as YAML; NAME=VALUE is a keyword argument
    #[arg(
        value_name = "ARG",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    args: Vec<String>,
    #[command(flatten)]
    kind: TargetType,
    /// What separates the levels of a grain or pillar target
    #[arg(short, long, default_value = ":")]
    delimiter: String,
}

impl Run {
    /// Publishes the job and prints what comes back.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let groups = global.nodegroups()?;
        let target = self
            .kind
            .of(&self.target, &self.delimiter, groups.as_ref())?;
        let mut master = open(global).await?;
        let (args, kwargs) = parse(&self.args);
        let job = Job {
            target,
            fun: self.fun,
            args,
            kwargs,
        };
        if global.dry_run {
            let args = json_of(&job.wire_args());
            output.data(&format!(
                "would publish {} {args} to {} ({})",
                job.fun, job.target.tgt, job.target.tgt_type
            ));
            output.document(&json!({
                "dry_run": true, "fun": job.fun, "arg": args,
                "tgt": job.target.tgt, "tgt_type": job.target.tgt_type,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        let patience = patience(global, &*master);
        let mut each = |answer: &Return| output.data(&shown(answer));
        let outcome = job::run(&mut *master, &job, patience, &mut each).await?;
        for id in &outcome.silent {
            output.data(&format!("{id}:\n    Minion did not return. [No response]"));
        }
        for id in &outcome.unknown {
            output.data(&format!("{id}:\n    No accepted key of this minion."));
        }
        output.document(&document(&outcome));
        if outcome.returns.is_empty() && outcome.silent.is_empty() && outcome.unknown.is_empty() {
            return Err(nothing_matched("minion"));
        }
        Ok(if outcome.is_good() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn document(outcome: &Outcome) -> serde_json::Value {
    let returns: serde_json::Map<_, _> = outcome
        .returns
        .iter()
        .map(|r| {
            let shown = json!({
                "return": json_of(&r.value), "retcode": json_of(&Value::Int(r.retcode)), "success": r.success,
            });
            (r.id.clone(), shown)
        })
        .collect();
    json!({
        "jid": outcome.jid, "returns": returns,
        "no_response": outcome.silent, "no_key": outcome.unknown,
    })
}

/// A return as text: the id, and the value as YAML below it.
fn shown(answer: &Return) -> String {
    let text = match &answer.value {
        Value::Str(text) => text.clone(),
        value => salt_yaml::dump(value, &salt_yaml::DumpOptions::default())
            .unwrap_or_else(|_| format!("{value:?}")),
    };
    // A scalar document ends in dots that nobody wants to see.
    let text = text.trim_end();
    let text = text.strip_suffix("\n...").unwrap_or(text);
    let mut out = format!("{}:", answer.id);
    if !answer.is_good() {
        out.push_str(&format!(" (failed, retcode {})", answer.retcode));
    }
    for line in text.lines() {
        out.push_str("\n    ");
        out.push_str(line);
    }
    out
}

/// Splits and types arguments as the `salt` command does.
fn parse(words: &[String]) -> (Vec<Value>, Map) {
    let (mut args, mut kwargs) = (Vec::new(), Map::new());
    for word in words {
        match keyword(word) {
            Some((name, value)) => {
                kwargs.insert(name.into(), salt_yaml::yamlify_arg(value));
            }
            None => args.push(salt_yaml::yamlify_arg(word)),
        }
    }
    (args, kwargs)
}

/// `name=value`: a Python identifier (dots and dashes allowed), one `=`, and no line break.
fn keyword(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let mut letters = name.chars();
    let first = letters.next()?;
    let fits = (first.is_alphabetic() || first == '_')
        && letters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
        && !value.starts_with('=')
        && !value.trim_end_matches('\n').contains('\n');
    fits.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn arguments_are_typed_as_salt_does() {
        let words = [
            "1",
            "a b=c",
            "x=2",
            "y==2",
            "z.q-r=[1, two]",
            "1x=3",
            "l=a\nb",
        ];
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let (args, kwargs) = parse(&words);
        let expected: [Value; 5] = [
            1.into(),
            "a b=c".into(),
            "y==2".into(),
            "1x=3".into(),
            "l=a\nb".into(),
        ];
        assert_eq!(args, expected);
        let list = Value::List(vec![1.into(), "two".into()]);
        assert_eq!(kwargs, map! {"x" => 2, "z.q-r" => list});
    }

    #[test]
    fn returns_are_shown_below_their_id() {
        let mut answer = Return {
            id: "a".into(),
            value: true.into(),
            retcode: 0,
            success: true,
        };
        assert_eq!(shown(&answer), "a:\n    true");
        answer.value = "two\nlines\n".into();
        answer.retcode = 2;
        assert_eq!(shown(&answer), "a: (failed, retcode 2)\n    two\n    lines");
    }
}
