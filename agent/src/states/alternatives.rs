//! `alternatives`: which program a common name leads to.

use salt_wire::{Map, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::alternatives;

/// The rows of `alternatives`.
pub const STATES: &[State] = &[
    State {
        name: "alternatives.install",
        signature: "name, link, path, priority",
        doc: "Ensure that a path is registered for a name, with this priority.",
        run: install,
    },
    State {
        name: "alternatives.remove",
        signature: "name, path",
        doc: "Ensure that a path is not registered for a name.",
        run: remove,
    },
    State {
        name: "alternatives.auto",
        signature: "name",
        doc: "Ensure that the priorities decide where a name leads.",
        run: auto,
    },
    State {
        name: "alternatives.set",
        signature: "name, path",
        doc: "Ensure that a name leads to this path.",
        run: set,
    },
];

type Done = Result<Outcome, Error>;

/// What these states return beside the usual keys.
fn with_arguments(run: &Run<'_>, keys: &[&str], mut out: Outcome) -> Outcome {
    for key in keys {
        out.extra.insert((*key).into(), run.args.get(key).clone());
    }
    out
}

fn install(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, path) = (run.args.text("name")?, run.args.text("path")?);
    let (link, priority) = (
        run.args.text("link")?,
        python::text(run.args.get("priority")),
    );
    let programs = ctx.programs();
    let exists = || alternatives::exists(&programs, &name, &path).map_err(Error::Execution);
    let out = if exists()? {
        Outcome::unchanged(format!(
            "Alternative {path} for {name} is already registered"
        ))
    } else if run.test {
        Outcome::would(
            Map::new(),
            format!("Alternative will be set for {name} to {path} with priority {priority}"),
        )
    } else {
        let words = ["--install", &link, &name, &path, &priority];
        let said = alternatives::order(&programs, &words).map_err(Error::Execution)?;
        if exists()? {
            let chosen = alternatives::current(&name).as_deref() == Some(&path);
            Outcome::changed(
                map! {
                    "name" => name.as_str(), "link" => link.as_str(), "path" => path.as_str(),
                    "priority" => run.args.get("priority").clone(),
                },
                if chosen {
                    format!("Alternative for {name} set to path {path} with priority {priority}")
                } else {
                    format!(
                        "Alternative {path} for {name} registered with priority {priority} and not set to default"
                    )
                },
            )
        } else {
            Outcome::failed(format!("Alternative for {name} not installed: {said}"))
        }
    };
    Ok(with_arguments(run, &["link", "path", "priority"], out))
}

fn remove(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, path) = (run.args.text("name")?, run.args.text("path")?);
    let programs = ctx.programs();
    let out = if alternatives::exists(&programs, &name, &path).map_err(Error::Execution)? {
        if run.test {
            Outcome::would(
                Map::new(),
                format!("Alternative for {name} will be removed"),
            )
        } else {
            alternatives::order(&programs, &["--remove", &name, &path])
                .map_err(Error::Execution)?;
            match alternatives::current(&name) {
                Some(current) => Outcome::changed(
                    map! { "path" => current.as_str() },
                    format!("Alternative for {name} removed. Falling back to path {current}"),
                ),
                None => Outcome::unchanged(format!("Alternative for {name} removed")),
            }
        }
    } else {
        match alternatives::current(&name) {
            Some(current) => Outcome::unchanged(format!(
                "Alternative for {name} is set to it's default path {current}"
            )),
            None => Outcome::failed(format!("Alternative for {name} doesn't exist")),
        }
    };
    Ok(with_arguments(run, &["path"], out))
}

fn auto(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, programs) = (run.args.text("name")?, ctx.programs());
    let display = alternatives::display(&programs, &name).map_err(Error::Execution)?;
    let first = display.lines().next().ok_or(Error::Exception {
        kind: "IndexError",
        message: "list index out of range".to_owned(),
    })?;
    if first.ends_with(" auto mode") {
        return Ok(Outcome::unchanged(format!("{name} already in auto mode")));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("{name} will be put in auto mode"),
        ));
    }
    let said = alternatives::order(&programs, &["--auto", &name]).map_err(Error::Execution)?;
    Ok(Outcome::changed(map! { "result" => said }, ""))
}

fn set(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, path) = (run.args.text("name")?, run.args.text("path")?);
    let programs = ctx.programs();
    let out = if alternatives::current(&name).as_deref() == Some(&path) {
        Outcome::unchanged(format!("Alternative for {name} already set to {path}"))
    } else {
        let display = alternatives::display(&programs, &name).map_err(Error::Execution)?;
        if !display.lines().any(|l| l.starts_with(&path)) {
            Outcome::failed(format!("Alternative {path} for {name} doesn't exist"))
        } else if run.test {
            Outcome::would(
                Map::new(),
                format!("Alternative for {name} will be set to path {path}"),
            )
        } else {
            alternatives::order(&programs, &["--set", &name, &path]).map_err(Error::Execution)?;
            if alternatives::current(&name).as_deref() == Some(&path) {
                Outcome::changed(
                    map! { "path" => path.as_str() },
                    format!("Alternative for {name} set to path {path}"),
                )
            } else {
                Outcome::unchanged(format!("Alternative for {name} not updated"))
            }
        }
    };
    Ok(with_arguments(run, &["path"], out))
}
