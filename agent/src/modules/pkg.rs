//! `pkg`: packages, by apt and dpkg.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Result, python};
use crate::host::pkg::{self, Packages};

/// The rows of `pkg`.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "pkg.list_pkgs",
        signature: "versions_as_list=False, removed=False, purge_desired=False, **kwargs",
        doc: "List installed packages with their versions.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.list_pkgs",
        run: list_pkgs,
    },
    Function {
        name: "pkg.version",
        signature: "*names, **kwargs",
        doc: "Return the installed version of packages: text for one, a dictionary for several.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.version <package1> <package2>",
        run: version,
    },
    Function {
        name: "pkg.latest_version",
        signature: "*names, **kwargs",
        doc: "Return the version that an upgrade would bring; blank when there is none newer.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.latest_version <package name>",
        run: latest_version,
    },
    Function {
        name: "pkg.available_version",
        signature: "*names, **kwargs",
        doc: "This function is an alias of ``pkg.latest_version``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.available_version <package name>",
        run: latest_version,
    },
    Function {
        name: "pkg.upgrade_available",
        signature: "name, **kwargs",
        doc: "Whether there is a newer version of a package.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.upgrade_available <package name>",
        run: upgrade_available,
    },
    Function {
        name: "pkg.refresh_db",
        signature: "cache_valid_time=0, failhard=False, **kwargs",
        doc: "Update apt's lists: True was updated, None was current, False failed.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.refresh_db",
        run: refresh_db,
    },
    Function {
        name: "pkg.install",
        signature: "name=None, refresh=False, fromrepo=None, skip_verify=False, debconf=None, pkgs=None, sources=None, reinstall=False, downloadonly=False, ignore_epoch=False, normalize=True, **kwargs",
        doc: "Install packages and return what changed.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.install <package name>",
        run: install,
    },
    Function {
        name: "pkg.remove",
        signature: "name=None, pkgs=None, **kwargs",
        doc: "Remove packages and return what changed.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.remove <package name>",
        run: remove,
    },
    Function {
        name: "pkg.purge",
        signature: "name=None, pkgs=None, **kwargs",
        doc: "Remove packages with their configuration and return what changed.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.purge <package name>",
        run: purge,
    },
    Function {
        name: "pkg.version_cmp",
        signature: "pkg1, pkg2, ignore_epoch=False, **kwargs",
        doc: "Compare two versions as dpkg does: -1, 0 or 1.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' pkg.version_cmp '0.2.4-0ubuntu1' '0.2.4.1-0ubuntu1'",
        run: version_cmp,
    },
];

fn known(ctx: &Context) -> Result<pkg::Known> {
    pkg::list(&ctx.host, &ctx.job.cancel).map_err(|e| {
        Error::execution(format!(
            "dpkg-query: {e}: this agent manages packages with apt and dpkg only"
        ))
    })
}

fn versions(packages: &Packages, as_list: bool) -> Map {
    packages
        .iter()
        .map(|(name, list)| {
            let value = if as_list {
                Value::from(list.clone())
            } else {
                list.join(",").into()
            };
            (name.as_str().into(), value)
        })
        .collect()
}

fn list_pkgs(ctx: &Context, args: &Args) -> Result {
    let known = known(ctx)?;
    let packages = if args.flag("removed") {
        &known.removed
    } else {
        &known.installed
    };
    Ok(versions(packages, args.flag("versions_as_list")).into())
}

fn names(args: &Args) -> Vec<String> {
    args.rest.iter().map(python::text).collect()
}

/// Text for one name, a dictionary for several.
fn one_or_all(names: &[String], all: BTreeMap<String, String>) -> Value {
    match names {
        [] => "".into(),
        [one] => all.get(one).cloned().unwrap_or_default().into(),
        _ => Value::Map(all.into_iter().map(|(k, v)| (k.into(), v.into())).collect()),
    }
}

fn version(ctx: &Context, args: &Args) -> Result {
    let (names, known) = (names(args), known(ctx)?);
    let all = names
        .iter()
        .map(|n| {
            let found = known.installed.get(n).map(|v| v.join(","));
            (n.clone(), found.unwrap_or_default())
        })
        .collect();
    Ok(one_or_all(&names, all))
}

fn latest(
    ctx: &Context,
    names: &[String],
    show_installed: bool,
) -> Result<BTreeMap<String, String>> {
    let installed = known(ctx)?.installed;
    let offered = pkg::candidates(&ctx.host, names, &ctx.job.cancel)
        .map_err(|e| Error::execution(format!("apt-cache: {e}")))?;
    Ok(names
        .iter()
        .map(|name| {
            let candidate = offered.get(name).cloned().unwrap_or_default();
            let newest = installed.get(name).is_none_or(|have| {
                !have
                    .iter()
                    .any(|v| pkg::compare(v, &candidate) != Ordering::Less)
            });
            let shown = newest || show_installed;
            (name.clone(), if shown { candidate } else { String::new() })
        })
        .collect())
}

fn latest_version(ctx: &Context, args: &Args) -> Result {
    let names = names(args);
    if names.is_empty() {
        return Ok("".into());
    }
    if args.extra.get("refresh").is_none_or(Value::is_truthy) {
        update(ctx)?;
    }
    let show = args
        .extra
        .get("show_installed")
        .is_some_and(Value::is_truthy);
    Ok(one_or_all(&names, latest(ctx, &names, show)?))
}

fn upgrade_available(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let found = latest(ctx, std::slice::from_ref(&name), false)?;
    Ok(found.get(&name).is_some_and(|v| !v.is_empty()).into())
}

/// The mark of a state run that the lists are to be updated once.
fn mark(ctx: &Context) -> std::path::PathBuf {
    ctx.settings.cachedir.join("pkg_refresh")
}

fn update(ctx: &Context) -> Result<Map> {
    drop(fs::remove_file(mark(ctx)));
    let out = pkg::apt_get(&ctx.host, &["update".to_owned()], &ctx.job.cancel)
        .map_err(|e| Error::execution(format!("apt-get: {e}")))?;
    if out.retcode != 0 {
        return Err(Error::execution(
            String::from_utf8_lossy(&out.stderr).trim_end().to_owned(),
        ));
    }
    let mut repositories = Map::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let Some((first, rest)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let ident = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        if first.contains("Get") {
            // Without its size.
            let ident = match ident.rfind(" [") {
                Some(at) if ident.ends_with("B]") => &ident[..at],
                _ => ident.as_str(),
            };
            repositories.insert(ident.into(), true.into());
        } else if first.contains("Ign") || first.contains("Err") {
            repositories.insert(ident.into(), false.into());
        } else if first.contains("Hit") {
            repositories.insert(ident.into(), Value::Null);
        }
    }
    Ok(repositories)
}

fn refresh_db(ctx: &Context, args: &Args) -> Result {
    let valid = args.get("cache_valid_time").as_float().unwrap_or(0.0);
    if valid > 0.0
        && let Ok(age) = fs::metadata("/var/lib/apt/lists")
            .and_then(|m| m.modified())
            .map(|t| t.elapsed().unwrap_or_default())
        && age.as_secs_f64() < valid
    {
        return Ok(Value::Map(Map::new()));
    }
    let repositories = update(ctx)?;
    let broken: Vec<_> = repositories
        .iter()
        .filter(|(_, v)| **v == Value::Bool(false))
        .map(|(k, _)| python::text(k))
        .collect();
    if args.flag("failhard") && !broken.is_empty() {
        return Err(Error::execution(format!(
            "Error getting repos: {}",
            broken.join(", ")
        )));
    }
    Ok(repositories.into())
}

/// Packages with the version asked for, if any.
fn targets(ctx: &Context, args: &Args) -> Result<Vec<(String, Option<String>)>> {
    let wanted = |v: &Value| (v.is_truthy()).then(|| python::text(v));
    let mut list = Vec::new();
    match args.get("pkgs") {
        Value::List(items) => {
            for item in items {
                match item {
                    Value::Map(map) => {
                        list.extend(map.iter().map(|(k, v)| (python::text(k), wanted(v))));
                    }
                    other => list.push((python::text(other), None)),
                }
            }
        }
        Value::Null => {
            if let Some(names) = args.opt_text("name")? {
                let version = args.extra.get("version").and_then(wanted);
                let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
                list.extend(names.map(|n| (n.to_owned(), version.clone())));
            }
        }
        other => {
            return Err(Error::execution(format!(
                "Invalidly formatted pkgs parameter: {}",
                python::text(other)
            )));
        }
    }
    if args.flag("sources") {
        for source in args.get("sources").as_list().unwrap_or_default() {
            for (_, address) in source.as_map().into_iter().flatten() {
                let files = crate::fileclient::FileClient::new(ctx);
                let path = files
                    .cache_file(&python::text(address), "base", None)?
                    .ok_or_else(|| {
                        Error::execution(format!("Unable to cache {}", python::text(address)))
                    })?;
                list.push((path.to_string_lossy().into_owned(), None));
            }
        }
    }
    if let Some((bad, _)) = list.iter().find(|(n, _)| n.starts_with('-')) {
        return Err(Error::execution(format!("'{bad}' is no package name")));
    }
    Ok(list)
}

/// What differs between two lists of packages, as Salt reports it.
fn changes(old: &Packages, new: &Packages) -> Map {
    let (old, new) = (versions(old, false), versions(new, false));
    let mut names: Vec<_> = old.keys().chain(new.keys()).collect();
    names.sort_by_key(|n| n.as_str().unwrap_or_default().to_owned());
    names.dedup();
    let mut changes = Map::new();
    for name in names {
        let of = |m: &Map| m.get(name).cloned().unwrap_or_else(|| "".into());
        if old.get(name) != new.get(name) {
            changes.insert(
                name.clone(),
                map! { "old" => of(&old), "new" => of(&new) }.into(),
            );
        }
    }
    changes
}

fn install(ctx: &Context, args: &Args) -> Result {
    if args.flag("debconf") {
        return Err(Error::execution("debconf= is not supported by this agent"));
    }
    let targets = targets(ctx, args)?;
    if targets.is_empty() {
        return Ok(Value::Map(Map::new()));
    }
    if args.flag("refresh") {
        update(ctx)?;
    }
    let before = known(ctx)?.installed;
    let mut words: Vec<String> = vec!["-y".into()];
    let conf: &[&str] = if args
        .extra
        .get("force_conf_new")
        .is_some_and(Value::is_truthy)
    {
        &["-o", "DPkg::Options::=--force-confnew"]
    } else {
        &[
            "-o",
            "DPkg::Options::=--force-confold",
            "-o",
            "DPkg::Options::=--force-confdef",
        ]
    };
    words.extend(conf.iter().map(|w| (*w).to_owned()));
    match args.extra.get("install_recommends") {
        None => {}
        Some(v) if v.is_truthy() => words.push("--install-recommends".into()),
        Some(_) => words.push("--no-install-recommends".into()),
    }
    if args.extra.get("only_upgrade").is_some_and(Value::is_truthy) {
        words.push("--only-upgrade".into());
    }
    if args.flag("skip_verify") {
        words.push("--allow-unauthenticated".into());
    }
    if let Some(repo) = args.opt_text("fromrepo")?.filter(|r| !r.is_empty()) {
        words.extend(["-t".to_owned(), repo]);
    }
    if args.flag("downloadonly") {
        words.push("--download-only".into());
    }
    if args.flag("reinstall") {
        words.push("--reinstall".into());
    }
    let mut errors = Vec::new();
    let mut names = Vec::new();
    for (name, version) in targets {
        match version {
            None => names.push(name),
            Some(version) if version.starts_with(['<', '>']) => {
                // Only what apt would choose is considered; an older one has to be named exactly.
                let offered = latest(ctx, std::slice::from_ref(&name), true)?;
                let candidate = offered.get(&name).cloned().unwrap_or_default();
                if !candidate.is_empty() && fulfils(&candidate, &version) {
                    names.push(format!("{name}={candidate}"));
                } else {
                    errors.push(format!(
                        "No version matching '{name}{version}' could be found (available: {candidate})"
                    ));
                }
            }
            Some(version) => {
                let version = version.trim_start_matches('=');
                let older = before.get(&name).is_some_and(|have| {
                    have.iter()
                        .any(|v| pkg::compare(version, v) == Ordering::Less)
                });
                if older && !words.iter().any(|w| w == "--allow-downgrades") {
                    words.push("--allow-downgrades".into());
                }
                names.push(format!("{name}={version}"));
            }
        }
    }
    if !names.is_empty() {
        words.push("install".into());
        words.extend(names);
        errors.extend(apt(ctx, &words)?);
    }
    finish(ctx, &before, errors, "installing")
}

/// Runs apt-get; its words of failure.
fn apt(ctx: &Context, words: &[String]) -> Result<Option<String>> {
    let out = pkg::apt_get(&ctx.host, words, &ctx.job.cancel)
        .map_err(|e| Error::execution(format!("apt-get: {e}")))?;
    let text = String::from_utf8_lossy(&out.stderr).trim_end().to_owned();
    Ok((out.retcode != 0 && !text.is_empty()).then_some(text))
}

fn finish(ctx: &Context, before: &Packages, errors: Vec<String>, doing: &str) -> Result {
    let changed = changes(before, &known(ctx)?.installed);
    if errors.is_empty() {
        return Ok(changed.into());
    }
    let info = map! { "errors" => errors, "changes" => changed };
    let shown =
        salt_yaml::dump(&Value::Map(info), &salt_yaml::DumpOptions::default()).unwrap_or_default();
    Err(Error::execution(format!(
        "Problem encountered {doing} package(s). Additional info follows:\n\n{}",
        shown.trim_end()
    )))
}

/// Whether a version meets conditions such as `>=1.2,<2`.
pub fn fulfils(version: &str, conditions: &str) -> bool {
    crate::states::pkg::fulfils(version, conditions)
}

fn uninstall(ctx: &Context, args: &Args, action: &str) -> Result {
    let known_before = known(ctx)?;
    let wanted = targets(ctx, args)?;
    let names: Vec<String> = wanted
        .into_iter()
        .map(|(n, _)| n)
        .filter(|n| {
            known_before.installed.contains_key(n)
                || action == "purge" && known_before.removed.contains_key(n)
        })
        .collect();
    if names.is_empty() {
        return Ok(Value::Map(Map::new()));
    }
    let mut words: Vec<String> = vec!["-y".into(), action.into()];
    words.extend(names);
    let errors: Vec<String> = apt(ctx, &words)?.into_iter().collect();
    if action == "purge" && errors.is_empty() {
        let after = known(ctx)?;
        return Ok(Value::Map(map! {
            "removed" => changes(&known_before.removed, &after.removed),
            "installed" => changes(&known_before.installed, &after.installed),
        }));
    }
    finish(ctx, &known_before.installed, errors, "removing")
}

fn remove(ctx: &Context, args: &Args) -> Result {
    uninstall(ctx, args, "remove")
}

fn purge(ctx: &Context, args: &Args) -> Result {
    uninstall(ctx, args, "purge")
}

fn version_cmp(_: &Context, args: &Args) -> Result {
    let plain = |key: &str| -> Result<String> {
        let text = args.text(key)?;
        Ok(match text.split_once(':') {
            Some((_, rest)) if args.flag("ignore_epoch") => rest.to_owned(),
            _ => text,
        })
    };
    Ok(match pkg::compare(&plain("pkg1")?, &plain("pkg2")?) {
        Ordering::Less => (-1).into(),
        Ordering::Equal => 0.into(),
        Ordering::Greater => 1.into(),
    })
}
