//! `sysctl`: kernel parameters.

use std::path::PathBuf;

use salt_wire::{Map, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::sysctl;

/// The rows of `sysctl`.
pub const STATES: &[State] = &[State {
    name: "sysctl.present",
    signature: "name, value, config=None",
    doc: "Ensure that a kernel parameter has a value, now and after a restart.",
    run: present,
}];

fn present(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let name = run.args.text("name")?;
    let given = run.args.get("value");
    let value = python::text(given);
    let config = run.args.opt_text("config")?;
    let config = PathBuf::from(config.unwrap_or_else(|| sysctl::default_config().to_owned()));
    let programs = ctx.programs();
    if !run.test {
        return Ok(match sysctl::persist(&programs, &name, &value, &config) {
            Ok(true) => Outcome::changed(
                map! { name.as_str() => given.clone() },
                format!("Updated sysctl value {name} = {value}"),
            ),
            Ok(false) => {
                Outcome::unchanged(format!("Sysctl value {name} = {value} is already set"))
            }
            Err(error) => Outcome::failed(format!("Failed to set {name} to {value}: {error}")),
        });
    }
    let would = |comment: String| Ok(Outcome::would(Map::new(), comment));
    let Some(configured) = sysctl::configured(&config) else {
        return would(format!(
            "Sysctl option {name} might be changed, we failed to check config file at {}. The file is either unreadable, or missing.",
            config.display()
        ));
    };
    let current = sysctl::get(&programs, &name).map_err(Error::Execution)?;
    let in_file = configured.iter().any(|(k, _)| *k == name);
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    if in_file && current.is_empty() {
        return would(format!(
            "Sysctl value {name} is present in configuration file but is not present in the running config. The value {name} is set to be changed to {value}"
        ));
    }
    if in_file && words(&value) == words(&current) {
        return Ok(Outcome::unchanged(format!(
            "Sysctl value {name} = {value} is already set"
        )));
    }
    if !in_file && !current.is_empty() {
        return would(if words(&current) == words(&value) {
            format!(
                "Sysctl value is currently set on the running system but not in a config file. Sysctl option {name} set to be changed to {value} in config file."
            )
        } else {
            format!("Sysctl option {name} set to be changed to {value}")
        });
    }
    would(format!("Sysctl option {name} would be changed to {value}"))
}
