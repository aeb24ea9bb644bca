//! `pkg`: packages installed or not. What is there is asked of dpkg; changes are made by `pkg.*` functions.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use salt_wire::{Map, Value, map};

use super::pkg_holds::Asked;
use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::pkg::{self, Apt, Install, Mode, Packages};

/// The rows of `pkg`.
pub const STATES: &[State] = &[
    State {
        name: "pkg.installed",
        signature: "name, version=None, refresh=None, fromrepo=None, skip_verify=False, skip_suggestions=False, pkgs=None, sources=None, allow_updates=False, pkg_verify=False, normalize=True, ignore_epoch=None, reinstall=False, update_holds=False, **kwargs",
        doc: "Ensure that packages are installed, on wish in a certain version.",
        run: installed,
    },
    State {
        name: "pkg.latest",
        signature: "name, refresh=None, fromrepo=None, skip_verify=False, pkgs=None, watch_flags=True, **kwargs",
        doc: "Ensure that packages are installed in the newest version that is offered.",
        run: latest,
    },
    State {
        name: "pkg.removed",
        signature: "name, version=None, pkgs=None, normalize=True, ignore_epoch=None, **kwargs",
        doc: "Ensure that packages are not installed.",
        run: removed,
    },
    State {
        name: "pkg.purged",
        signature: "name, version=None, pkgs=None, normalize=True, ignore_epoch=None, **kwargs",
        doc: "Ensure that packages are not installed, and that their configuration is gone.",
        run: purged,
    },
];

type Done = Result<Outcome, Error>;

/// Packages with the versions that are wanted; none, `latest`, or conditions.
type Desired = IndexMap<String, Option<String>>;

pub(super) fn apt(ctx: &Context) -> Apt<'_> {
    Apt {
        host: &ctx.host,
        cancel: &ctx.job.cancel,
        mark: ctx.settings.cachedir.join("pkg_refresh"),
    }
}

pub(super) fn plain(error: pkg::Error) -> Error {
    Error::Execution(error.errors.join("\n"))
}

fn known(ctx: &Context) -> Result<pkg::Known, Error> {
    apt(ctx).known().map_err(plain)
}

/// The outcome of packages that could not be dealt with.
fn encountered(doing: &str, error: pkg::Error) -> Outcome {
    // apt's own functions know only these two.
    let known = if doing == "installing" {
        doing
    } else {
        "removing"
    };
    let Some(changes) = error.changes.as_ref().map(pkg::report) else {
        let text = error.text(known);
        return Outcome::failed(format!(
            "An error was encountered while {doing} package(s): {text}"
        ));
    };
    let changes = if doing == "purging" {
        map! { "removed" => Map::new(), "installed" => changes }
    } else {
        changes
    };
    Outcome {
        changes,
        ..Outcome::failed(error.without_changes(known))
    }
}

fn is_installed(installed: &Packages, name: &str, version: Option<&str>) -> bool {
    installed.get(name).is_some_and(|have| {
        version.is_none_or(|wanted| have.iter().any(|v| pkg::fulfils(v, wanted)))
    })
}

/// The packages that a state means: `pkgs`, or its name with `version`.
fn desired(run: &Run<'_>) -> Result<Option<Desired>, Error> {
    let text = |v: &Value| v.is_truthy().then(|| python::text(v));
    let mut all = Desired::new();
    match run.args.get("pkgs") {
        Value::List(list) => {
            for item in list {
                match item {
                    Value::Map(map) => {
                        all.extend(map.iter().map(|(k, v)| (python::text(k), text(v))));
                    }
                    other => {
                        all.insert(python::text(other), None);
                    }
                }
            }
        }
        Value::Null => {
            all.insert(run.args.text("name")?, text(run.args.get("version")));
        }
        _ => return Ok(None),
    }
    Ok(Some(all))
}

fn shown(name: &str, version: Option<&str>) -> String {
    match version {
        None => name.to_owned(),
        Some(v) if v.starts_with(['<', '>', '=']) => format!("{name}{v}"),
        Some(v) => format!("{name}={v}"),
    }
}

/// Whether apt's lists are to be updated first: when asked to, or once in a run.
pub(super) fn refresh(ctx: &Context, run: &Run<'_>) -> bool {
    match run.args.get("refresh") {
        Value::Null => ctx.settings.cachedir.join("pkg_refresh").exists(),
        other => other.is_truthy(),
    }
}

fn newest(ctx: &Context, names: &[String]) -> Result<BTreeMap<String, String>, Error> {
    apt(ctx).latest(names, false).map_err(plain)
}

fn installed(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    if args.get("pkgs") == &Value::List(Vec::new()) {
        return Ok(Outcome::unchanged("No packages to install provided"));
    }
    if args.flag("sources") {
        return from_sources(ctx, run);
    }
    let Some(mut wanted) = desired(run)? else {
        return Ok(Outcome::failed(
            "Invalidly formatted 'pkgs' parameter. See minion log.",
        ));
    };
    let before = known(ctx)?.installed;
    let latest: Vec<String> = wanted
        .iter()
        .filter(|(_, v)| v.as_deref() == Some("latest"))
        .map(|(n, _)| n.clone())
        .collect();
    for (name, version) in newest(ctx, &latest)? {
        let version = Some(version)
            .filter(|v| !v.is_empty())
            .or_else(|| before.get(&name).and_then(|v| v.last().cloned()));
        wanted.insert(name, version);
    }
    let reinstall = args.flag("reinstall");
    let allow_updates = args.flag("allow_updates");
    let mut version_spec = false;
    let mut targets = Desired::new();
    for (name, version) in &wanted {
        let mut condition = version.clone();
        if allow_updates
            && let Some(exact) = condition.as_deref().filter(|c| !c.starts_with(['<', '>']))
        {
            condition = Some(format!(">={}", exact.trim_start_matches('=')));
        }
        let there = is_installed(&before, name, condition.as_deref());
        if before.contains_key(name) && version.is_some() {
            version_spec = true;
        }
        if !there || reinstall {
            targets.insert(name.clone(), version.clone());
        }
    }
    if targets.is_empty() {
        let desired = if version_spec {
            " and are at the desired version"
        } else {
            ""
        };
        let mut out = Outcome::unchanged(format!(
            "All specified packages are already installed{desired}"
        ));
        if let Some(asked) = Asked::carry_out(ctx, run, wanted.keys())? {
            asked.append(&mut out);
        }
        return Ok(out);
    }
    if run.test {
        let open: Vec<_> = targets
            .iter()
            .filter(|(_, v)| v.is_none())
            .map(|(n, _)| n.clone())
            .collect();
        let offered = newest(ctx, &open)?;
        let mut changes = Map::new();
        for name in targets.keys() {
            let new = offered.get(name).filter(|v| !v.is_empty());
            let new = targets[name].as_ref().or(new);
            let new = new.map_or("installed", String::as_str);
            changes.insert(
                name.as_str().into(),
                map! { "new" => new, "old" => "" }.into(),
            );
        }
        let names: Vec<_> = targets.keys().cloned().collect();
        return Ok(Outcome::would(
            changes,
            format!(
                "The following packages would be installed/updated: {}",
                names.join(", ")
            ),
        ));
    }
    let install = Install {
        targets: targets
            .iter()
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect(),
        refresh: refresh(ctx, run),
        reinstall,
        ..order(run)?
    };
    let changes = match apt(ctx).install(&install) {
        Ok(changes) => pkg::report(&changes),
        Err(error) => return Ok(encountered("installing", error)),
    };
    judge(ctx, run, &wanted, &targets, changes)
}

/// How to install, as far as the state's arguments say it.
fn order(run: &Run<'_>) -> Result<Install, Error> {
    let extra = |key: &str| run.args.extra.get(key);
    Ok(Install {
        force_conf_new: extra("force_conf_new").is_some_and(Value::is_truthy),
        recommends: extra("install_recommends").map(Value::is_truthy),
        only_upgrade: extra("only_upgrade").is_some_and(Value::is_truthy),
        download_only: extra("downloadonly").is_some_and(Value::is_truthy),
        skip_verify: run.args.flag("skip_verify"),
        fromrepo: run.args.opt_text("fromrepo")?.filter(|r| !r.is_empty()),
        ..Install::default()
    })
}

/// What became of the packages, in Salt's words.
fn judge(ctx: &Context, run: &Run<'_>, wanted: &Desired, targets: &Desired, changes: Map) -> Done {
    let mut out = Outcome::changed(changes, "");
    let asked = match Asked::carry_out(ctx, run, wanted.keys()) {
        Ok(asked) => asked,
        Err(error) => {
            // What was installed before is told all the same.
            out.result = Some(false);
            out.comment = error.to_string();
            return Ok(out);
        }
    };
    let (held, other) = asked.map_or_else(Default::default, |a| a.merge(&mut out));
    let after = known(ctx)?.installed;
    let (mut modified, mut same, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, version) in wanted {
        let text = shown(name, version.as_deref());
        match (
            is_installed(&after, name, version.as_deref()),
            targets.contains_key(name),
        ) {
            (true, true) => modified.push(text),
            (true, false) => same.push(text),
            (false, true) => failed.push(text),
            (false, false) => {}
        }
    }
    let mut comments = Vec::new();
    if !failed.is_empty() {
        comments.push(format!(
            "The following packages failed to install/update: {}",
            failed.join(", ")
        ));
    }
    let summary = modified.join(", ");
    if !modified.is_empty() && summary.len() < 20 {
        comments.push(format!(
            "The following packages were installed/updated: {summary}"
        ));
    } else if !modified.is_empty() {
        let (s, were) = if modified.len() > 1 {
            ("s", "were")
        } else {
            ("", "was")
        };
        comments.push(format!(
            "{} targeted package{s} {were} installed/updated.",
            modified.len()
        ));
    }
    comments.extend(held);
    if !same.is_empty() && same.len() <= 20 {
        comments.push(format!(
            "The following packages were already installed: {}",
            same.join(", ")
        ));
    } else if !same.is_empty() {
        comments.push(format!(
            "{} targeted packages were already installed",
            same.len()
        ));
    }
    comments.extend(other);
    if !failed.is_empty() {
        out.result = Some(false);
    }
    out.comment = comments.join("\n");
    Ok(out)
}

/// Package files from anywhere, by name.
fn from_sources(ctx: &Context, run: &Run<'_>) -> Done {
    if !run.args.get("pkgs").is_null() {
        return Ok(Outcome::failed(
            "Only one of \"pkgs\" and \"sources\" is permitted.",
        ));
    }
    let before = known(ctx)?.installed;
    let mut wanted = Desired::new();
    let mut missing = Vec::new();
    for item in run.args.get("sources").as_list().unwrap_or_default() {
        for (name, address) in item.as_map().into_iter().flatten() {
            let name = python::text(name);
            if !before.contains_key(&name) || run.args.flag("reinstall") {
                missing.push(python::text(address));
            }
            wanted.insert(name, None);
        }
    }
    if wanted.is_empty() {
        return Ok(Outcome::failed(
            "Invalidly formatted 'sources' parameter. See minion log.",
        ));
    }
    let targets: Desired = wanted
        .iter()
        .filter(|(n, _)| !before.contains_key(*n) || run.args.flag("reinstall"))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    if targets.is_empty() {
        let mut out = Outcome::unchanged("All specified packages are already installed");
        if let Some(asked) = Asked::carry_out(ctx, run, wanted.keys())? {
            asked.append(&mut out);
        }
        return Ok(out);
    }
    let names: Vec<_> = targets.keys().cloned().collect();
    if run.test {
        let changes = names
            .iter()
            .map(|n| {
                (
                    n.as_str().into(),
                    map! { "new" => "installed", "old" => "" }.into(),
                )
            })
            .collect();
        return Ok(Outcome::would(
            changes,
            format!(
                "The following packages would be installed/updated: {}",
                names.join(", ")
            ),
        ));
    }
    let mut install = order(run)?;
    for address in missing {
        let path = run.files.cache_file(&address, "base", None)?;
        let Some(path) = path else {
            return Ok(Outcome::failed(format!(
                "An error was encountered while installing package(s): Unable to cache {address}"
            )));
        };
        install.targets.push((path.display().to_string(), None));
    }
    match apt(ctx).install(&install) {
        Ok(changes) => judge(ctx, run, &wanted, &targets, pkg::report(&changes)),
        Err(error) => Ok(encountered("installing", error)),
    }
}

fn latest(ctx: &Context, run: &Run<'_>) -> Done {
    if run.args.get("pkgs") == &Value::List(Vec::new()) {
        return Ok(Outcome::unchanged("No packages to install provided"));
    }
    let Some(wanted) = desired(run)? else {
        return Ok(Outcome::failed(
            "Invalidly formatted \"pkgs\" parameter. See minion log.",
        ));
    };
    let names: Vec<String> = wanted.keys().cloned().collect();
    if refresh(ctx, run) && !run.test {
        apt(ctx).update().map_err(plain)?;
    }
    let (offered, before) = (newest(ctx, &names)?, known(ctx)?.installed);
    let mut targets = Desired::new();
    let mut problems = Vec::new();
    for name in &names {
        match offered.get(name) {
            Some(version) if !version.is_empty() => {
                targets.insert(name.clone(), Some(version.clone()));
            }
            _ if !before.contains_key(name) => {
                problems.push(format!("No information found for '{name}'."));
            }
            _ => {}
        }
    }
    if !problems.is_empty() {
        return Ok(Outcome::failed(problems.join(" ")));
    }
    if targets.is_empty() {
        let mut sorted = names.clone();
        sorted.sort();
        return Ok(Outcome::unchanged(match names.len() {
            1 => format!("Package {} is already up-to-date", names[0]),
            2..=10 => format!("All packages are up-to-date ({}).", sorted.join(", ")),
            n => format!("All {n} packages are up-to-date."),
        }));
    }
    let mut sorted: Vec<_> = targets.keys().cloned().collect();
    sorted.sort();
    if run.test {
        let changes = targets
            .iter()
            .map(|(n, v)| {
                let old = before.get(n).map(|v| v.join(",")).unwrap_or_default();
                (
                    n.as_str().into(),
                    map! { "new" => v.clone(), "old" => old }.into(),
                )
            })
            .collect();
        return Ok(Outcome::would(
            changes,
            format!(
                "The following packages would be installed/upgraded: {}",
                sorted.join(", ")
            ),
        ));
    }
    let install = Install {
        targets: sorted.iter().map(|n| (n.clone(), None)).collect(),
        ..order(run)?
    };
    let changes = match apt(ctx).install(&install) {
        Ok(changes) => pkg::report(&changes),
        Err(error) => return Ok(encountered("installing", error)),
    };
    let (done, failed): (Vec<_>, Vec<_>) = sorted
        .into_iter()
        .partition(|n| changes.contains_key(n.as_str()));
    let mut comments = Vec::new();
    if !failed.is_empty() {
        comments.push(format!(
            "The following packages failed to update: {}",
            failed.join(", ")
        ));
    }
    if !done.is_empty() {
        comments.push(format!(
            "The following packages were successfully installed/upgraded: {}",
            done.join(", ")
        ));
    }
    Ok(Outcome {
        result: Some(failed.is_empty()),
        changes,
        comment: comments.join(" "),
        extra: Map::new(),
    })
}

fn removed(ctx: &Context, run: &Run<'_>) -> Done {
    uninstall(ctx, run, "remove")
}

fn purged(ctx: &Context, run: &Run<'_>) -> Done {
    uninstall(ctx, run, "purge")
}

fn uninstall(ctx: &Context, run: &Run<'_>, action: &str) -> Done {
    let purge = action == "purge";
    let Some(wanted) = desired(run)? else {
        return Ok(Outcome::failed(
            "Invalidly formatted pkgs parameter. See minion log.",
        ));
    };
    let before = known(ctx)?;
    let version_spec = wanted
        .iter()
        .any(|(n, v)| v.is_some() && before.installed.contains_key(n));
    let mut targets: Vec<String> = wanted
        .iter()
        .filter(|(n, v)| {
            is_installed(&before.installed, n, v.as_deref())
                || purge && before.removed.contains_key(*n)
        })
        .map(|(n, _)| n.clone())
        .collect();
    targets.sort();
    if targets.is_empty() {
        return Ok(Outcome::unchanged(if purge {
            "None of the targeted packages are installed or partially installed".to_owned()
        } else {
            let matching = if version_spec {
                " (matching specified versions)"
            } else {
                ""
            };
            format!("All specified packages{matching} are already absent")
        }));
    }
    if run.test {
        let changes = targets
            .iter()
            .map(|n| {
                let new = format!("{action}d");
                (n.as_str().into(), map! { "new" => new, "old" => "" }.into())
            })
            .collect();
        return Ok(Outcome::would(
            changes,
            format!(
                "The following packages will be {action}d: {}.",
                targets.join(", ")
            ),
        ));
    }
    let mode = if purge { Mode::Purge } else { Mode::Remove };
    let changes = match apt(ctx).uninstall(&targets, mode) {
        Ok((installed, removed)) if purge => map! {
            "removed" => pkg::report(&removed), "installed" => pkg::report(&installed),
        },
        Ok((installed, _)) => pkg::report(&installed),
        Err(error) => {
            let doing = if purge { "purging" } else { "removing" };
            return Ok(encountered(doing, error));
        }
    };
    let after = known(ctx)?;
    let mut failed: Vec<_> = wanted
        .keys()
        .filter(|n| after.installed.contains_key(*n) || purge && after.removed.contains_key(*n))
        .cloned()
        .collect();
    failed.sort();
    if !failed.is_empty() {
        return Ok(Outcome {
            changes,
            ..Outcome::failed(format!(
                "The following packages failed to {action}: {}.",
                failed.join(", ")
            ))
        });
    }
    let mut absent: Vec<_> = wanted
        .keys()
        .filter(|n| !targets.contains(n))
        .cloned()
        .collect();
    absent.sort();
    let comment = if absent.is_empty() {
        format!("All targeted packages were {action}d.")
    } else {
        format!(
            "The following packages were not installed: {} The following packages were {action}d: {}.",
            absent.join(", "),
            targets.join(", ")
        )
    };
    Ok(Outcome::changed(changes, comment))
}
