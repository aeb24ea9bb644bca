//! `virtualenv`: environments of Python packages, and what is installed in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::file::saltenv;
use super::{Outcome, Run, State};
use crate::context::{Args, Context, Error, Ran, python};

/// The parameters of both names.
const SIGNATURE: &str = "name, venv_bin=None, requirements=None, system_site_packages=False, distribute=False, use_wheel=False, clear=False, python=None, extra_search_dir=None, never_download=None, prompt=None, user=None, cwd=None, index_url=None, extra_index_url=None, pre_releases=False, no_deps=False, pip_download=None, pip_download_cache=None, pip_exists_action=None, pip_ignore_installed=False, proxy=None, use_vt=False, env_vars=None, no_use_wheel=False, pip_upgrade=False, pip_pkgs=None, pip_no_cache_dir=False, pip_cache_dir=None, process_dependency_links=False, no_binary=None, **kwargs";

/// The rows of `virtualenv`.
pub const STATES: &[State] = &[
    State {
        name: "virtualenv.managed",
        signature: SIGNATURE,
        doc: "Ensure that an environment of Python packages is there, on wish with packages in it.",
        run: managed,
    },
    State {
        name: "virtualenv.manage",
        signature: SIGNATURE,
        doc: "An older name of ``virtualenv.managed``.",
        run: managed,
    },
];

/// How `virtualenv.create` calls what this state is given.
const CREATE: &[&str] = &[
    "venv_bin",
    "system_site_packages",
    "distribute",
    "clear",
    "python",
    "extra_search_dir",
    "never_download",
    "prompt",
    "user",
    "use_vt",
];

/// How `pip.install` calls what this state is given.
const INSTALL: &[(&str, &str)] = &[
    ("pip_pkgs", "pkgs"),
    ("process_dependency_links", "process_dependency_links"),
    ("use_wheel", "use_wheel"),
    ("no_use_wheel", "no_use_wheel"),
    ("no_binary", "no_binary"),
    ("user", "user"),
    ("cwd", "cwd"),
    ("index_url", "index_url"),
    ("extra_index_url", "extra_index_url"),
    ("pip_download", "download"),
    ("pip_download_cache", "download_cache"),
    ("pre_releases", "pre_releases"),
    ("pip_exists_action", "exists_action"),
    ("pip_ignore_installed", "ignore_installed"),
    ("pip_upgrade", "upgrade"),
    ("no_deps", "no_deps"),
    ("proxy", "proxy"),
    ("use_vt", "use_vt"),
    ("env_vars", "env_vars"),
    ("pip_no_cache_dir", "no_cache_dir"),
    ("pip_cache_dir", "cache_dir"),
];

/// What the environment's Python calls itself.
fn version(ctx: &Context, python: &Path) -> Result<String, Error> {
    let words: Vec<String> = vec![python.to_string_lossy().into_owned(), "-V".to_owned()];
    // Since Python 3.4 it says so on its output, where Salt does not look.
    let told = ctx.cmd("cmd.run_stderr", words, Map::new())?;
    Ok(python::text(&told).trim_matches('\n').to_owned())
}

/// The packages of an environment.
fn packages(ctx: &Context, args: &Args, name: &str) -> Result<BTreeSet<String>, Error> {
    let mut kwargs = map! { "bin_env" => name };
    if args.flag("user") {
        kwargs.insert("user".into(), args.get("user").clone());
    }
    let told = ctx.call("pip.freeze", &[], &kwargs)?;
    Ok(told
        .as_list()
        .unwrap_or_default()
        .iter()
        .map(python::text)
        .collect())
}

fn managed(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let (name, args) = (run.args.text("name")?, run.args);
    let interpreter = Path::new(&name).join("bin/python");
    let (there, clear) = (interpreter.exists(), args.flag("clear"));
    let mut requirements = args.get("requirements").clone();
    if let Some(address) = requirements.as_str().filter(|r| r.starts_with("salt://")) {
        let found = run.files.cache_file(address, &saltenv(run), None);
        match found.map_err(|e| Error::execution(e.to_string()))? {
            Some(path) => requirements = path.to_string_lossy().as_ref().into(),
            None => {
                return Ok(Outcome::failed(format!(
                    "pip requirements file '{address}' not found"
                )));
            }
        }
    }
    let mut out = Outcome::unchanged("");
    if there && clear {
        let kwargs = map! { "bin_env" => name.as_str() };
        out.changes.insert(
            "cleared_packages".into(),
            ctx.call("pip.freeze", &[], &kwargs)?,
        );
        out.changes
            .insert("old".into(), version(ctx, &interpreter)?.into());
    }
    if run.test {
        let (result, what) = match (there, clear) {
            (true, true) => (None, "set to be cleared"),
            (true, false) => (Some(true), "already created"),
            (false, _) => (None, "set to be created"),
        };
        out.result = result;
        out.comment = format!("Virtualenv {name} is {what}");
        return Ok(out);
    }
    if !there || clear {
        let given = CREATE
            .iter()
            .map(|key| ((*key).into(), args.get(key).clone()));
        let mut kwargs: Map = given.collect();
        kwargs.extend(args.extra.clone());
        kwargs.insert("path".into(), name.as_str().into());
        let made = match ctx.call("virtualenv.create", &[], &kwargs) {
            Ok(made) => Ran::from(made),
            Err(Error::MissingCommand(text)) => {
                out.result = Some(false);
                out.comment = format!("Failed to create virtualenv: {text}");
                return Ok(out);
            }
            Err(error) => return Err(error),
        };
        if !made.is_fine() {
            out.result = Some(false);
            out.comment = made.stdout() + &made.stderr();
            return Ok(out);
        }
        out.changes
            .insert("new".into(), version(ctx, &interpreter)?.into());
        out.comment = if clear {
            "Cleared existing virtualenv".to_owned()
        } else {
            "Created new virtualenv".to_owned()
        };
    } else {
        out.comment = "virtualenv exists".to_owned();
    }
    if requirements.is_truthy() || args.flag("pip_pkgs") {
        fill(ctx, args, &name, &requirements, &mut out)?;
    }
    Ok(out)
}

/// Installs what is to be in the environment.
fn fill(
    ctx: &Context,
    args: &Args,
    name: &str,
    requirements: &Value,
    out: &mut Outcome,
) -> Result<(), Error> {
    let before = match packages(ctx, args, name) {
        Ok(before) => before,
        Err(Error::Execution(text)) => {
            out.result = Some(false);
            out.comment = text;
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let given = INSTALL
        .iter()
        .map(|(ours, pips)| ((*pips).into(), args.get(ours).clone()));
    let mut kwargs: Map = given.collect();
    kwargs.extend(args.extra.clone());
    kwargs.insert("bin_env".into(), name.into());
    kwargs.insert("requirements".into(), requirements.clone());
    // Files beside a relative one are found from its directory.
    let first = match requirements {
        Value::List(list) => list.first().map(python::text),
        Value::Str(text) => text.split(',').next().map(str::to_owned),
        _ => None,
    };
    if let Some(first) = first.map(PathBuf::from).filter(|f| !f.is_absolute()) {
        let dir = crate::host::env::cwd().unwrap_or_default().join(first);
        let dir = dir.parent().map(|d| d.to_string_lossy().into_owned());
        kwargs.insert("cwd".into(), dir.into());
    }
    let told = Ran::from(ctx.call("pip.install", &[], &kwargs)?);
    if !told.is_fine() {
        out.result = Some(false);
        out.comment = format!("{}\n{}\n{}", out.comment, told.stdout(), told.stderr());
    }
    let after = packages(ctx, &Args::default(), name)?;
    let of = |names: Vec<String>| -> Value {
        if names.is_empty() {
            "".into()
        } else {
            names.into()
        }
    };
    let new: Vec<String> = after.difference(&before).cloned().collect();
    let old: Vec<String> = before.difference(&after).cloned().collect();
    if !new.is_empty() || !old.is_empty() {
        let pair = map! { "new" => of(new), "old" => of(old) };
        out.changes.insert("packages".into(), pair.into());
    }
    Ok(())
}
