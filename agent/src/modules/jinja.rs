//! `jinja`: what a formula's map and its data files come to.

use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::fileclient::FileClient;
use crate::render;

/// The rows of `jinja`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "jinja.import_json",
        "path",
        |ctx, args| imported(ctx, args, "import_json"),
        "Return the data of a JSON file of the file server, rendered.",
        "salt myminion jinja.import_json myformula/foo.json"
    ),
    row!(
        "jinja.import_yaml",
        "path",
        |ctx, args| imported(ctx, args, "import_yaml"),
        "Return the data of a YAML file of the file server, rendered.",
        "salt myminion jinja.import_yaml myformula/foo.yaml"
    ),
    row!(
        "jinja.load_map",
        "path, value",
        |ctx, args| {
            let (path, value) = (args.text("path")?, args.text("value")?);
            data(
                ctx,
                &format!(
                    "{{% from \"{path}\" import {value} with context %}}\n{{{{ {value} | tojson }}}}\n"
                ),
            )
        },
        "Return a value of a formula's map.",
        "salt myminion jinja.load_map myformula/map.jinja myformula"
    ),
];

fn imported(ctx: &Context, args: &Args, tag: &str) -> Result {
    let path = args.text("path")?;
    data(
        ctx,
        &format!("{{% {tag} \"{path}\" as imported %}}\n{{{{ imported | tojson }}}}\n"),
    )
}

fn data(ctx: &Context, text: &str) -> Result {
    let files = FileClient::new(ctx);
    let renderer = ctx.settings.opts.get("renderer").and_then(Value::as_str);
    let renderer = renderer.unwrap_or("jinja|yaml");
    render::text(ctx, text, &files, renderer).map_err(|e| Error::Exception {
        kind: "salt.exceptions.SaltRenderError",
        message: e.to_string(),
    })
}
