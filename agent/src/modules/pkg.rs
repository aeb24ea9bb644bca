//! `pkg`: packages, by apt and dpkg.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Result, python};
use crate::host::pkg::{self, Apt, Install, Mode, Packages};

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

pub(super) fn apt(ctx: &Context) -> Apt<'_> {
    Apt {
        host: &ctx.host,
        cancel: &ctx.job.cancel,
        mark: ctx.settings.cachedir.join("pkg_refresh"),
    }
}

pub(super) fn told(doing: &'static str) -> impl Fn(pkg::Error) -> Error {
    move |error| Error::Execution(error.text(doing))
}

pub(super) fn plain(error: pkg::Error) -> Error {
    Error::execution(error.errors.join("\n"))
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
    let known = apt(ctx).known().map_err(plain)?;
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
    let (names, known) = (names(args), apt(ctx).known().map_err(plain)?);
    let all = names
        .iter()
        .map(|n| {
            let found = known.installed.get(n).map(|v| v.join(","));
            (n.clone(), found.unwrap_or_default())
        })
        .collect();
    Ok(one_or_all(&names, all))
}

fn latest_version(ctx: &Context, args: &Args) -> Result {
    let names = names(args);
    if names.is_empty() {
        return Ok("".into());
    }
    if args.extra.get("refresh").is_none_or(Value::is_truthy) {
        apt(ctx).update().map_err(plain)?;
    }
    let show = args
        .extra
        .get("show_installed")
        .is_some_and(Value::is_truthy);
    let latest = apt(ctx).latest(&names, show).map_err(plain)?;
    Ok(one_or_all(&names, latest))
}

fn upgrade_available(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let found = apt(ctx)
        .latest(std::slice::from_ref(&name), false)
        .map_err(plain)?;
    Ok(found.get(&name).is_some_and(|v| !v.is_empty()).into())
}

/// Updates the lists where the arguments ask for it.
pub(super) fn refresh(ctx: &Context, args: &Args) -> Result<()> {
    if args.flag("refresh") {
        apt(ctx).update().map_err(plain)?;
    }
    Ok(())
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
    let lists = apt(ctx).update().map_err(plain)?;
    let broken: Vec<_> = lists
        .iter()
        .filter(|(_, fine)| *fine == Some(false))
        .map(|(name, _)| name.as_str())
        .collect();
    if args.flag("failhard") && !broken.is_empty() {
        return Err(Error::execution(format!(
            "Error getting repos: {}",
            broken.join(", ")
        )));
    }
    let lists: Map = lists
        .into_iter()
        .map(|(name, fine)| (name.into(), fine.map_or(Value::Null, Value::Bool)))
        .collect();
    Ok(lists.into())
}

/// A list that may have been given as text.
fn listed(value: &Value) -> Value {
    match value {
        Value::Str(text) => salt_yaml::load(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

/// Packages with the version asked for, if any.
fn targets(ctx: &Context, args: &Args) -> Result<Vec<(String, Option<String>)>> {
    let wanted = |v: &Value| (v.is_truthy()).then(|| python::text(v));
    let mut list = Vec::new();
    let (pkgs, sources) = (listed(args.get("pkgs")), listed(args.get("sources")));
    match &pkgs {
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
    if sources.is_truthy() {
        for source in sources.as_list().unwrap_or_default() {
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
    Ok(list)
}

fn install(ctx: &Context, args: &Args) -> Result {
    if args.flag("debconf") {
        return Err(Error::execution("debconf= is not supported by this agent"));
    }
    let extra = |key: &str| args.extra.get(key);
    let install = Install {
        targets: targets(ctx, args)?,
        refresh: args.flag("refresh"),
        force_conf_new: extra("force_conf_new").is_some_and(Value::is_truthy),
        recommends: extra("install_recommends").map(Value::is_truthy),
        only_upgrade: extra("only_upgrade").is_some_and(Value::is_truthy),
        skip_verify: args.flag("skip_verify"),
        fromrepo: args.opt_text("fromrepo")?.filter(|r| !r.is_empty()),
        download_only: args.flag("downloadonly"),
        reinstall: args.flag("reinstall"),
    };
    let changes = apt(ctx).install(&install).map_err(told("installing"))?;
    Ok(pkg::report(&changes).into())
}

fn uninstall(ctx: &Context, args: &Args, mode: Mode) -> Result {
    let names: Vec<String> = targets(ctx, args)?.into_iter().map(|(n, _)| n).collect();
    let (installed, removed) = apt(ctx).uninstall(&names, mode).map_err(told("removing"))?;
    if mode == Mode::Purge && !(installed.is_empty() && removed.is_empty()) {
        return Ok(Value::Map(map! {
            "removed" => pkg::report(&removed), "installed" => pkg::report(&installed),
        }));
    }
    Ok(pkg::report(&installed).into())
}

fn remove(ctx: &Context, args: &Args) -> Result {
    uninstall(ctx, args, Mode::Remove)
}

fn purge(ctx: &Context, args: &Args) -> Result {
    uninstall(ctx, args, Mode::Purge)
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
