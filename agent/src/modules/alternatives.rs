//! `alternatives`: which program a common name leads to.

use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::alternatives;

/// The rows of `alternatives`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "alternatives.auto",
        "name",
        |ctx, args| order(ctx, &["--auto", &args.text("name")?]),
        "Let the priorities decide where a name leads.",
        "salt '*' alternatives.auto name"
    ),
    row!(
        "alternatives.check_exists",
        "name, path",
        |ctx, args| {
            let exists =
                alternatives::exists(&ctx.programs(), &args.text("name")?, &args.text("path")?);
            Ok(exists.map_err(Error::Execution)?.into())
        },
        "Whether a path is registered for a name.",
        "salt '*' alternatives.check_exists name path"
    ),
    row!(
        "alternatives.check_installed",
        "name, path",
        |_, args| {
            let path = args.text("path")?;
            Ok((alternatives::current(&args.text("name")?) == Some(path)).into())
        },
        "Whether a name leads to this path.",
        "salt '*' alternatives.check_installed name path"
    ),
    row!(
        "alternatives.display",
        "name",
        |ctx, args| {
            let said = alternatives::display(&ctx.programs(), &args.text("name")?);
            Ok(said.map_err(Error::Execution)?.into())
        },
        "Return what the alternatives system says of a name.",
        "salt '*' alternatives.display editor"
    ),
    row!(
        "alternatives.install",
        "name, link, path, priority",
        install,
        "Register a path for a name.",
        "salt '*' alternatives.install editor /usr/bin/editor /usr/bin/emacs23 50"
    ),
    row!(
        "alternatives.remove",
        "name, path",
        |ctx, args| order(ctx, &["--remove", &args.text("name")?, &args.text("path")?]),
        "Remove a path from those of a name.",
        "salt '*' alternatives.remove name path"
    ),
    row!(
        "alternatives.set",
        "name, path",
        |ctx, args| order(ctx, &["--set", &args.text("name")?, &args.text("path")?]),
        "Let a name lead to this path.",
        "salt '*' alternatives.set name path"
    ),
    row!(
        "alternatives.show_current",
        "name",
        |_, args| Ok(
            alternatives::current(&args.text("name")?).map_or(Value::Bool(false), Value::from)
        ),
        "Return where a name leads.",
        "salt '*' alternatives.show_current editor"
    ),
    row!(
        "alternatives.show_link",
        "name",
        |ctx, args| {
            let link = alternatives::link(&ctx.programs(), &args.text("name")?);
            Ok(link
                .map_err(Error::Execution)?
                .map_or(Value::Bool(false), Value::from))
        },
        "Return the common link of a name.",
        "salt '*' alternatives.show_link editor"
    ),
];

fn order(ctx: &Context, words: &[&str]) -> Result {
    let said = alternatives::order(&ctx.programs(), words);
    Ok(said.map_err(Error::Execution)?.into())
}

fn install(ctx: &Context, args: &Args) -> Result {
    let priority = python::text(args.get("priority"));
    order(
        ctx,
        &[
            "--install",
            &args.text("link")?,
            &args.text("name")?,
            &args.text("path")?,
            &priority,
        ],
    )
}
