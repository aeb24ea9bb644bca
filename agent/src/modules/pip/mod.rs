//! `pip`: Python packages, by pip's own program. `install.rs` has the long one. Without `bin_env` it is the pip of the
//! system's `python3`: this agent has no Python of its own.

mod install;
mod upgrades;

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Error, Ran, Result, python};
use crate::host::env::{is_executable, which};
use crate::host::pep440::{Version, normal};
use crate::modules::{Function, clean, row};

/// The rows of `pip`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "pip.freeze",
        "bin_env=None, user=None, cwd=None, use_vt=False, env_vars=None, **kwargs",
        |ctx, args| Ok(freeze(ctx, args)?.into()),
        "Return the packages as a requirements file has them.",
        "salt '*' pip.freeze bin_env=/home/code/path/to/virtualenv/"
    ),
    row!(
        "pip.install",
        "pkgs=None, requirements=None, bin_env=None, use_wheel=False, no_use_wheel=False, log=None, proxy=None, timeout=None, editable=None, find_links=None, index_url=None, extra_index_url=None, no_index=False, mirrors=None, build=None, target=None, download=None, download_cache=None, source=None, upgrade=False, force_reinstall=False, ignore_installed=False, exists_action=None, no_deps=False, no_install=False, no_download=False, global_options=None, install_options=None, user=None, cwd=None, pre_releases=False, cert=None, allow_all_external=False, allow_external=None, allow_unverified=None, process_dependency_links=False, saltenv='base', env_vars=None, use_vt=False, trusted_host=None, no_cache_dir=False, extra_args=None, cache_dir=None, no_binary=None, disable_version_check=False, **kwargs",
        install::install,
        "Install packages; the answer is what pip said.",
        "salt '*' pip.install '<package name>,<package2 name>'\n    salt '*' pip.install requirements=/path/to/requirements.txt"
    ),
    row!(
        "pip.is_installed",
        "pkgname=None, bin_env=None, user=None, cwd=None",
        |ctx, args| {
            let name = args.text("pkgname")?;
            let all = list(ctx, args, Some(&name))?;
            let same = |key: &Value| key.as_str().is_some_and(|k| k.eq_ignore_ascii_case(&name));
            Ok(all.keys().any(same).into())
        },
        "Whether a package is installed.",
        "salt '*' pip.is_installed salt"
    ),
    row!(
        "pip.list",
        "prefix=None, bin_env=None, user=None, cwd=None, env_vars=None, **kwargs",
        |ctx, args| Ok(list(ctx, args, args.opt_text("prefix")?.as_deref())?.into()),
        "Return the packages and their versions, on wish those whose names begin so.",
        "salt '*' pip.list salt"
    ),
    row!(
        "pip.list_all_versions",
        "pkg, bin_env=None, include_alpha=False, include_beta=False, include_rc=False, user=None, cwd=None, index_url=None, extra_index_url=None",
        upgrades::list_all_versions,
        "Return the versions of a package that the index has.",
        "salt '*' pip.list_all_versions <package name>"
    ),
    row!(
        "pip.list_freeze_parse",
        "prefix=None, bin_env=None, user=None, cwd=None, env_vars=None, **kwargs",
        list_freeze_parse,
        "Return the packages and their versions as ``pip freeze`` tells them.",
        "salt '*' pip.list_freeze_parse salt"
    ),
    row!(
        "pip.list_upgrades",
        "bin_env=None, user=None, cwd=None",
        |ctx, args| Ok(upgrades::list(ctx, args)?.into()),
        "Return the packages that the index has newer.",
        "salt '*' pip.list_upgrades"
    ),
    row!(
        "pip.normalize",
        "name",
        |_, args| Ok(normal(&args.text("name")?).into()),
        "Return a package's name as indexes write it.",
        "salt '*' pip.normalize sphinxcontrib.applehelp"
    ),
    row!(
        "pip.uninstall",
        "pkgs=None, requirements=None, bin_env=None, log=None, proxy=None, timeout=None, user=None, cwd=None, saltenv='base', use_vt=False, extra_args=None",
        install::uninstall,
        "Uninstall packages; the answer is what pip said.",
        "salt '*' pip.uninstall <package name>,<package2 name>"
    ),
    row!(
        "pip.upgrade",
        "bin_env=None, user=None, cwd=None, use_vt=False",
        upgrades::upgrade,
        "Upgrade all packages.",
        "salt '*' pip.upgrade"
    ),
    row!(
        "pip.upgrade_available",
        "pkg, bin_env=None, user=None, cwd=None",
        |ctx, args| {
            let all = upgrades::list(ctx, args)?;
            Ok(all.contains_key(args.get("pkg")).into())
        },
        "Whether the index has a package newer.",
        "salt '*' pip.upgrade_available <package name>"
    ),
    row!(
        "pip.version",
        "bin_env=None, cwd=None, user=None",
        |ctx, args| Ok(version(ctx, args)?.into()),
        "Return the version of pip.",
        "salt '*' pip.version"
    ),
];

/// The words that start pip: of an environment, of a program, or of the system.
fn program(args: &Args) -> Result<Vec<String>> {
    let module = |python: &Path| {
        let path = crate::python::normpath(&python.to_string_lossy());
        vec![path, "-m".to_owned(), "pip".to_owned()]
    };
    let Some(env) = args.opt_text("bin_env")?.filter(|e| !e.is_empty()) else {
        return match which("python3").or_else(|| which("python")) {
            Some(python) => Ok(module(&python)),
            None => Err(Error::MissingCommand(
                "Could not find a `pip` binary".to_owned(),
            )),
        };
    };
    let place = PathBuf::from(&env);
    if place.is_dir() {
        let known = ["python", "bin/python", "Scripts/python"].map(|p| place.join(p));
        let bin = place.join("bin");
        let mut named: Vec<String> = fs::read_dir(&bin)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .filter(|n| is_python(n))
            .collect();
        named.sort_by_key(|n| (n != "python", n != "python3", n.clone()));
        let all = known.into_iter().chain(named.iter().map(|n| bin.join(n)));
        let found = all.into_iter().find(|p| p.is_file() && is_executable(p));
        return found.map(|p| module(&p)).ok_or_else(|| {
            Error::MissingCommand(format!("Could not find a pip binary in virtualenv {env}"))
        });
    }
    if !is_executable(&place) || !place.is_file() {
        return Err(Error::MissingCommand(format!(
            "Access denied to {env}, could not find a pip binary"
        )));
    }
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    Ok(if name.contains("python") {
        module(&place)
    } else {
        vec![crate::python::normpath(&env)]
    })
}

/// `python`, `python3`, `python3.11`.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// Runs pip as `cmd.run_all` runs things: in the call's directory and environment, as its account.
fn run(ctx: &Context, args: &Args, words: Vec<String>, env: Option<&Value>) -> Result<Ran> {
    let mut kwargs = clean(&args.extra);
    for (ours, theirs) in [("user", "runas"), ("cwd", "cwd"), ("saltenv", "saltenv")] {
        let value = args.get(ours);
        if value.is_truthy() {
            kwargs.insert(theirs.into(), value.clone());
        }
    }
    let mut variables = Map::new();
    if let Some(bin) = args.opt_text("bin_env")?.filter(|b| Path::new(b).is_dir()) {
        variables.insert("VIRTUAL_ENV".into(), bin.into());
    }
    match env {
        None => {}
        Some(Value::Map(more)) => {
            let texts = more.iter().map(|(k, v)| (python::text(k), python::text(v)));
            variables.extend(texts.map(|(k, v)| (k.into(), v.into())));
        }
        Some(Value::Null) => {}
        Some(other) if other.is_truthy() => {
            return Err(Error::execution(format!(
                "env_vars {} is not a dictionary",
                python::text(other)
            )));
        }
        Some(_) => {}
    }
    if !variables.is_empty() {
        kwargs.insert("env".into(), variables.into());
    }
    ctx.run_all(words, kwargs)
}

/// Runs pip; its failure is the call's.
fn heard(ctx: &Context, args: &Args, more: &[&str]) -> Result<String> {
    let mut words = program(args)?;
    words.extend(more.iter().map(|w| (*w).to_owned()));
    let told = run(ctx, args, words, Some(args.get("env_vars")))?;
    if told.is_fine() {
        Ok(told.stdout())
    } else {
        Err(Error::execution(told.stderr()))
    }
}

fn version(ctx: &Context, args: &Args) -> Result<String> {
    let mut words = program(args)?;
    words.push("--version".to_owned());
    let plain = Args {
        extra: Map::new(),
        ..args.clone()
    };
    let told = run(ctx, &plain, words, None)?;
    if !told.is_fine() {
        return Err(Error::MissingCommand(
            "Could not find a `pip` binary".to_owned(),
        ));
    }
    let said = told.stdout();
    let word = said
        .strip_prefix("pip ")
        .and_then(|r| r.split_whitespace().next());
    Ok(word.unwrap_or_default().to_owned())
}

/// Whether this pip is at least of this version.
fn is_since(now: &str, wanted: &str) -> bool {
    Version::parse(now) >= Version::parse(wanted)
}

fn freeze(ctx: &Context, args: &Args) -> Result<Vec<String>> {
    let out = heard(
        ctx,
        args,
        &["freeze", "--all", "--disable-pip-version-check"],
    )?;
    Ok(out.lines().map(str::to_owned).collect())
}

/// What pip says in JSON: a list of packages.
fn json(out: &str) -> Result<Vec<Value>> {
    let data = crate::render::json(out).map_err(|_| Error::execution("Invalid JSON"))?;
    Ok(data.as_list().unwrap_or_default().to_vec())
}

fn list(ctx: &Context, args: &Args, prefix: Option<&str>) -> Result<Map> {
    let words = ["list", "--format=json", "--disable-pip-version-check"];
    let prefix = prefix.map(normal);
    let mut all = Map::new();
    for one in json(&heard(ctx, args, &words)?)? {
        let name = normal(&one.get("name").map(python::text).unwrap_or_default());
        if prefix.as_ref().is_none_or(|p| name.starts_with(p.as_str())) {
            all.insert(name.into(), one.get("version").cloned().unwrap_or_default());
        }
    }
    Ok(all)
}

fn list_freeze_parse(ctx: &Context, args: &Args) -> Result {
    let prefix = args.opt_text("prefix")?.map(|p| normal(&p));
    let mut all = Map::new();
    if prefix
        .as_ref()
        .is_none_or(|p| "pip".starts_with(p.as_str()))
    {
        all.insert("pip".into(), version(ctx, args)?.into());
    }
    for line in freeze(ctx, args)? {
        if line.starts_with("-f") || line.starts_with('#') || line.starts_with("-e hg+not trust") {
            continue;
        }
        let line = line.strip_prefix("-e ").unwrap_or(&line);
        let pair = match line.split_once("#egg=") {
            Some((version, name)) => Some((name, version)),
            None => line.split_once("===").or_else(|| line.split_once("==")),
        };
        let Some((name, version)) = pair else {
            continue;
        };
        let name = normal(name);
        if prefix.as_ref().is_none_or(|p| name.starts_with(p.as_str())) {
            all.insert(name.into(), version.into());
        }
    }
    Ok(all.into())
}

/// Old and new of what differs between two lists.
fn compared(old: &Map, new: &Map) -> Map {
    let mut changes = Map::new();
    for key in old.keys().chain(new.keys()) {
        let of = |map: &Map| map.get(key).cloned().unwrap_or("".into());
        if of(old) != of(new) {
            let pair = map! { "old" => of(old), "new" => of(new) };
            changes.insert(key.clone(), pair.into());
        }
    }
    changes
}
