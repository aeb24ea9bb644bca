//! `locale`: the machine's locale, and locales that programs can use.

use salt_wire::{Map, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error};
use crate::host::locale;

/// The rows of `locale`.
pub const STATES: &[State] = &[
    State {
        name: "locale.present",
        signature: "name",
        doc: "Ensure that a locale can be used.",
        run: present,
    },
    State {
        name: "locale.system",
        signature: "name",
        doc: "Ensure the machine's locale.",
        run: system,
    },
];

type Done = Result<Outcome, Error>;

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, programs) = (run.args.text("name")?, ctx.programs());
    if locale::is_available(&programs, &name).map_err(Error::Execution)? {
        return Ok(Outcome::unchanged(format!(
            "Locale {name} is already present"
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Locale {name} needs to be generated"),
        ));
    }
    let ubuntu = ctx
        .facts
        .grains()
        .get("os")
        .is_some_and(|os| os.as_str() == Some("Ubuntu"));
    let made = locale::generate(&programs, &name, ubuntu).map_err(Error::Execution)?;
    Ok(if made {
        Outcome::changed(
            map! { "locale" => name.as_str() },
            format!("Generated locale {name}"),
        )
    } else {
        Outcome::failed(format!("Failed to generate locale {name}"))
    })
}

fn system(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, programs) = (run.args.text("name")?, ctx.programs());
    let failed = |error: String| {
        Ok(Outcome::failed(format!(
            "Failed to set system locale: {error}"
        )))
    };
    match locale::current(&programs) {
        Ok(now) if now == name => {
            return Ok(Outcome::unchanged(format!(
                "System locale {name} already set"
            )));
        }
        Ok(_) => {}
        Err(error) => return failed(error),
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("System locale {name} needs to be set"),
        ));
    }
    let release = ctx
        .facts
        .grains()
        .get("osmajorrelease")
        .and_then(salt_wire::Value::as_int);
    match locale::set(
        &programs,
        &name,
        release.and_then(|r| i64::try_from(r).ok()),
    ) {
        Ok(_) => Ok(Outcome::changed(
            map! { "locale" => name.as_str() },
            format!("Set system locale {name}"),
        )),
        Err(error) => failed(error),
    }
}
