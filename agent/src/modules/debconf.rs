//! `debconf`: answers to the questions that packages ask.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::host::debconf::{self, Answer};

/// The rows of `debconf`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "debconf.get_selections",
        "fetchempty=True",
        |ctx, args| {
            let all = selections(ctx, args.flag("fetchempty"))?;
            Ok(all.into())
        },
        "Return all answers, by package.",
        "salt '*' debconf.get_selections"
    ),
    row!(
        "debconf.set",
        "package, question, type, value, *extra",
        set,
        "Give an answer.",
        "salt '*' debconf.set <package> <question> <type> <value> [<value> ...]"
    ),
    row!(
        "debconf.set_file",
        "path, saltenv='base', **kwargs",
        set_file,
        "Give the answers that stand in a file.",
        "salt '*' debconf.set_file salt://pathto/pkg.selections"
    ),
    row!(
        "debconf.show",
        "name",
        |ctx, args| {
            let mut all = selections(ctx, true)?;
            Ok(all
                .swap_remove(args.text("name")?.as_str())
                .unwrap_or_default())
        },
        "Return a package's answers.",
        "salt '*' debconf.show <package name>"
    ),
];

fn selections(ctx: &Context, empty: bool) -> Result<Map> {
    let mut all = Map::new();
    for answer in debconf::answers(&ctx.programs()).map_err(Error::Execution)? {
        if !empty && answer.value.is_empty() {
            continue;
        }
        let row = Value::from(vec![answer.question, answer.kind, answer.value]);
        let rows = all
            .entry(answer.package.into())
            .or_insert_with(|| Value::List(Vec::new()));
        if let Value::List(rows) = rows {
            rows.push(row);
        }
    }
    Ok(all)
}

fn set(ctx: &Context, args: &Args) -> Result {
    let mut value = args.text("value")?;
    for more in &args.rest {
        value += &format!(" {}", python::text(more));
    }
    let answer = Answer {
        package: args.text("package")?,
        question: args.text("question")?,
        kind: args.text("type")?,
        value,
    };
    debconf::set(&ctx.programs(), &answer).map_err(Error::Execution)?;
    Ok(true.into())
}

fn set_file(ctx: &Context, args: &Args) -> Result {
    let files = FileClient::new(ctx);
    let path: Option<PathBuf> =
        files.cache_file(&args.text("path")?, &args.text("saltenv")?, None)?;
    let Some(path) = path else {
        return Ok(false.into());
    };
    debconf::set_file(&ctx.programs(), &path).map_err(Error::Execution)?;
    Ok(true.into())
}
