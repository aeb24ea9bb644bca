//! `pkg.uptodate`: everything that is installed in the newest version that is offered.

use salt_wire::{Map, Value, map};

use super::pkg::{apt, plain};
use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::pkg::{self, Install};

/// The row of `pkg` about upgrades.
pub const STATES: &[State] = &[State {
    name: "pkg.uptodate",
    signature: "name, refresh=False, pkgs=None, **kwargs",
    doc: "Ensure that all packages are installed in the newest version that is offered; with ``pkgs`` it is these that must be.",
    run: uptodate,
}];

fn uptodate(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let extra = |key: &str| run.args.extra.get(key);
    let flag = |key: &str| extra(key).is_some_and(Value::is_truthy);
    let refresh = match run.args.get("refresh") {
        Value::Bool(refresh) => *refresh,
        _ => return Ok(Outcome::failed("refresh must be either True or False")),
    };
    let wanted: Option<Vec<String>> = match run.args.get("pkgs") {
        Value::List(list) => Some(list.iter().map(python::text).collect()),
        _ => None,
    };
    let apt = apt(ctx);
    let looked = || -> Result<Map, pkg::Error> {
        if refresh {
            apt.update()?;
        }
        let dist = extra("dist_upgrade").is_none_or(Value::is_truthy);
        let fromrepo = extra("fromrepo").map(python::text);
        let offered = apt.upgrades(dist, fromrepo.as_deref())?;
        let installed = apt.known()?.installed;
        let own = |name: &String| wanted.as_ref().is_none_or(|list| list.contains(name));
        let offered = offered.into_iter().filter(|(name, _)| own(name));
        Ok(offered
            .map(|(name, new)| {
                let old = installed
                    .get(&name)
                    .map(|v| v.join(","))
                    .unwrap_or_default();
                (name.into(), map! { "new" => new, "old" => old }.into())
            })
            .collect())
    };
    let expected = match looked() {
        Ok(expected) => expected,
        Err(error) => return Ok(Outcome::failed(error.errors.join("\n"))),
    };
    if expected.is_empty() {
        return Ok(Outcome::unchanged("System is already up-to-date"));
    }
    if run.test {
        return Ok(Outcome::would(expected, "System update will be performed"));
    }
    if refresh {
        apt.update().map_err(plain)?;
    }
    let how = Install::upgrade(flag);
    // Salt lists what a full upgrade would do, and does a plain one unless it is told otherwise.
    let changes = match apt.upgrade(flag("dist_upgrade"), &how) {
        Ok(changes) => pkg::report(&changes),
        Err(error) => {
            let changes = error.changes.as_ref().map(pkg::report);
            let failed = Outcome::failed(error.without_changes("upgrading"));
            let changes = changes.unwrap_or_default();
            return Ok(Outcome { changes, ..failed });
        }
    };
    let missing: Vec<String> = expected
        .keys()
        .filter(|name| wanted.is_some() && !changes.contains_key(*name))
        .map(python::text)
        .collect();
    if missing.is_empty() {
        return Ok(Outcome::changed(changes, "Upgrade ran successfully"));
    }
    Ok(Outcome {
        changes,
        ..Outcome::failed(format!(
            "The following package(s) failed to update: {}",
            missing.join(", ")
        ))
    })
}
