//! `alias`: where mail for an alias goes.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};

/// The rows of `alias`.
pub const STATES: &[State] = &[
    State {
        name: "alias.present",
        signature: "name, target",
        doc: "Ensure that mail for an alias goes there.",
        run: present,
    },
    State {
        name: "alias.absent",
        signature: "name",
        doc: "Ensure that there is no such alias.",
        run: absent,
    },
];

/// Asks or tells the file of aliases.
fn ask(ctx: &Context, run: &Run<'_>, function: &str, keys: &[&str]) -> Result<Value, Error> {
    let given = keys.iter().map(|key| run.args.get(key).clone());
    ctx.call(function, &given.collect::<Vec<_>>(), &Map::new())
}

fn present(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let (name, target) = (run.args.text("name")?, python::text(run.args.get("target")));
    let keys = ["name", "target"];
    if ask(ctx, run, "aliases.has_target", &keys)?.is_truthy() {
        return Ok(Outcome::unchanged(format!("Alias {name} already present")));
    }
    let what = format!("{name} -> {target}");
    if run.test {
        let text = format!("Alias {what} is set to be added");
        return Ok(Outcome::would(Map::new(), text));
    }
    Ok(if ask(ctx, run, "aliases.set_target", &keys)?.is_truthy() {
        Outcome::changed(map! { "alias" => name }, format!("Set email alias {what}"))
    } else {
        Outcome::failed(format!("Failed to set alias {what}"))
    })
}

fn absent(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let name = run.args.text("name")?;
    if !ask(ctx, run, "aliases.get_target", &["name"])?.is_truthy() {
        return Ok(Outcome::unchanged(format!("Alias {name} already absent")));
    }
    if run.test {
        let text = format!("Alias {name} is set to be removed");
        return Ok(Outcome::would(Map::new(), text));
    }
    Ok(
        if ask(ctx, run, "aliases.rm_alias", &["name"])?.is_truthy() {
            let text = format!("Removed alias {name}");
            Outcome::changed(map! { "alias" => name }, text)
        } else {
            Outcome::failed(format!("Failed to remove alias {name}"))
        },
    )
}
