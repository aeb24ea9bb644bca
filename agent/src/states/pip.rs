//! `pip`: Python packages. What is installed is asked of pip itself, which is one of an environment or the system's.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Args, Context, Error, Ran, python};
use crate::host::pep440::{Requirement, Version, fits, normal};
use crate::host::perms::uid_of;

/// The rows of `pip`.
pub const STATES: &[State] = &[
    State {
        name: "pip.installed",
        signature: "name, pkgs=None, pip_bin=None, requirements=None, bin_env=None, use_wheel=False, no_use_wheel=False, log=None, proxy=None, timeout=None, repo=None, editable=None, find_links=None, index_url=None, extra_index_url=None, no_index=False, mirrors=None, build=None, target=None, download=None, download_cache=None, source=None, upgrade=False, force_reinstall=False, ignore_installed=False, exists_action=None, no_deps=False, no_install=False, no_download=False, install_options=None, global_options=None, user=None, cwd=None, pre_releases=False, cert=None, allow_all_external=False, allow_external=None, allow_unverified=None, process_dependency_links=False, env_vars=None, use_vt=False, trusted_host=None, no_cache_dir=False, cache_dir=None, no_binary=None, extra_args=None, **kwargs",
        doc: "Ensure that Python packages are installed.",
        run: installed,
    },
    State {
        name: "pip.removed",
        signature: "name, requirements=None, bin_env=None, log=None, proxy=None, timeout=None, user=None, cwd=None, use_vt=False",
        doc: "Ensure that a Python package is not installed.",
        run: removed,
    },
    State {
        name: "pip.uptodate",
        signature: "name, bin_env=None, user=None, cwd=None, use_vt=False",
        doc: "Ensure that all Python packages are as new as the index has them.",
        run: uptodate,
    },
];

type Done = Result<Outcome, Error>;

/// Arguments of `pip.installed` that are none of `pip.install`.
const OWN: &[&str] = &["name", "pkgs", "pip_bin", "repo", "cache_dir"];

/// What pip says of a package that it left as it is.
const UNCHANGED: [&str; 7] = [
    "Requirement already satisfied",
    "Requirement already up-to-date",
    "Requirement not upgraded",
    "Collecting",
    "Cloning",
    "Cleaning up...",
    "Looking in indexes",
];

/// Whether a name is a repository's address.
fn is_repository(name: &str) -> bool {
    ["git+", "svn+", "hg+", "bzr+"]
        .iter()
        .any(|vcs| name.starts_with(vcs))
}

/// A package as it was asked for.
struct Wanted {
    /// Its name as indexes write it; nothing for an address, whose package is not known before it is there.
    name: String,
    text: String,
    demands: Vec<(String, String)>,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, String> {
        let address = || Self {
            name: String::new(),
            text: text.to_owned(),
            demands: Vec::new(),
        };
        if is_repository(text) || text.contains("://") || text.starts_with(['/', '.']) {
            return Ok(address());
        }
        match Requirement::parse(text) {
            Some(found) => Ok(Self {
                name: normal(&found.name),
                text: text.to_owned(),
                demands: found.demands,
            }),
            None if text.contains('=') && !text.contains("==") => Err(format!(
                "Invalid version specification in package {text}. '=' is not supported, use '==' instead."
            )),
            None => Err(format!(
                "pip raised an exception while parsing '{text}': Invalid requirement: '{text}'"
            )),
        }
    }
}

/// The arguments that say which pip, as whom and where.
fn place(args: &Args, keys: &[&str]) -> Map {
    let given = keys
        .iter()
        .map(|key| ((*key).into(), args.get(key).clone()));
    given
        .filter(|(_, value): &(Value, Value)| !value.is_null())
        .collect()
}

fn map_of(value: Value) -> Map {
    value.as_map().cloned().unwrap_or_default()
}

fn joined(comments: &[String], last: &str) -> String {
    let mut lines: Vec<&str> = comments.iter().map(String::as_str).collect();
    lines.push(last);
    lines.join("\n")
}

/// Names as a list, one of them a map of a name and a version at times.
fn names(args: &Args) -> Result<Vec<String>, &'static str> {
    let pkgs = args.get("pkgs");
    if !pkgs.is_truthy() {
        return Ok(vec![python::text(args.get("name"))]);
    }
    let Value::List(list) = pkgs else {
        return Err("pkgs argument must be formatted as a list");
    };
    let one = |entry: &Value| match entry {
        Value::Map(map) => map.first().map_or_else(String::new, |(name, version)| {
            format!("{} {}", python::text(name), python::text(version))
        }),
        other => python::text(other),
    };
    Ok(list.iter().map(one).collect())
}

fn installed(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let names = match names(args) {
        Ok(names) => names,
        Err(refused) => return Ok(Outcome::failed(refused)),
    };
    let mut out = pip_installed(ctx, run, &names)?;
    out.extra.insert("name".into(), names.join(";").into());
    Ok(out)
}

fn pip_installed(ctx: &Context, run: &Run<'_>, names: &[String]) -> Done {
    let args = run.args;
    let mut base = place(args, &["bin_env", "user", "cwd", "env_vars"]);
    if !args.flag("bin_env") && args.flag("pip_bin") {
        base.insert("bin_env".into(), args.get("pip_bin").clone());
    }
    let mut which = base.clone();
    which.retain(|key, _| key.as_str() == Some("bin_env"));
    if let Err(error) = ctx.call("pip.version", &[], &which) {
        return match error {
            Error::Execution(_) | Error::MissingCommand(_) => Ok(Outcome::failed(format!(
                "Error installing '{}': {error}",
                python::text(args.get("name"))
            ))),
            other => Err(other),
        };
    }
    let listed = args.flag("requirements") || args.flag("editable");
    let mut wanted = Vec::new();
    if !listed {
        let parsed: Vec<_> = names.iter().map(|n| Wanted::parse(n)).collect();
        let wrong: Vec<String> = parsed
            .iter()
            .filter_map(|p| p.as_ref().err().cloned())
            .collect();
        if !wrong.is_empty() {
            return Ok(Outcome::failed(wrong.join("\n")));
        }
        wanted = parsed.into_iter().flatten().collect();
    }
    if let Some(user) = args.opt_text("user")?.filter(|u| !u.is_empty())
        && uid_of(&user).is_none()
    {
        return Ok(Outcome::failed(format!("User {user} does not exist")));
    }
    if listed {
        return from_files(ctx, run, &base);
    }
    let now = match ctx.call("pip.list", &[], &base) {
        Ok(list) => map_of(list),
        Err(error) => {
            tracing::warn!(%error, "The packages were not listed before.");
            Map::new()
        }
    };
    let (mut missing, mut known) = (Vec::new(), Vec::new());
    for one in &wanted {
        match satisfied(ctx, args, &base, &now, one)? {
            Some(comment) => known.push(comment),
            None if run.test => {
                let comment = if wanted.len() > 1 {
                    let lines = wanted.iter().map(|w| format!("\n{}", w.text));
                    format!(
                        "Python package(s) set to be installed:{}",
                        lines.collect::<String>()
                    )
                } else {
                    format!("Python package {} is set to be installed", one.text)
                };
                return Ok(Outcome::would(Map::new(), comment));
            }
            None => missing.push(one),
        }
    }
    if missing.is_empty() {
        let newest = if args.flag("upgrade") {
            " and up-to-date"
        } else {
            ""
        };
        return Ok(Outcome::unchanged(joined(
            &known,
            &format!("All specified packages are already installed{newest}"),
        )));
    }
    // Commas part packages: those of a range of versions are changed for the way.
    let shown: Vec<String> = missing.iter().map(|w| w.text.replace(',', ";")).collect();
    let told = install(ctx, args, &base, Some(shown.join(",")))?;
    if !told.is_fine() {
        let text = format!(
            "Failed to install packages: {}. {}",
            shown.join(", "),
            error(&told)
        );
        return Ok(Outcome::failed(joined(&known, &text)));
    }
    let said = told.stdout();
    let left: Vec<String> = said.lines().filter_map(left_as_it_was).collect();
    let (mut changes, mut lost) = (Map::new(), Vec::new());
    for one in missing {
        if one.name.is_empty() {
            changes.insert(format!("{}==???", one.text).into(), "Installed".into());
            continue;
        }
        let mut kwargs = base.clone();
        kwargs.insert("prefix".into(), one.name.as_str().into());
        let found = map_of(ctx.call("pip.list", &[], &kwargs)?);
        if found.is_empty() {
            lost.push(format!(
                "There was no error installing package '{}' although it does not show when calling 'pip.freeze'.",
                names.last().map_or("", String::as_str)
            ));
        } else if let Some(version) = found.get(one.name.as_str())
            && !left.contains(&one.name)
        {
            let key = format!("{}=={}", one.name, python::text(version));
            changes.insert(key.into(), "Installed".into());
        }
    }
    let last = if lost.is_empty() {
        "All packages were successfully installed".to_owned()
    } else {
        lost.join("\n")
    };
    Ok(Outcome::changed(changes, joined(&known, &last)))
}

/// The name in a line of pip about a package that was there.
fn left_as_it_was(line: &str) -> Option<String> {
    let rest = ["satisfied: ", "up-to-date: "]
        .iter()
        .find_map(|end| line.strip_prefix(&format!("Requirement already {end}")))?;
    let name = rest.split_whitespace().next()?;
    let end = name
        .find(['=', '!', '<', '>', '~', '@'])
        .unwrap_or(name.len());
    Some(normal(&name[..end]))
}

/// What there is to say of a package that is as it should be.
fn satisfied(
    ctx: &Context,
    args: &Args,
    base: &Map,
    now: &Map,
    wanted: &Wanted,
) -> Result<Option<String>, Error> {
    if wanted.name.is_empty() || args.flag("ignore_installed") || args.flag("force_reinstall") {
        return Ok(None);
    }
    let Some(version) = now.get(wanted.name.as_str()).map(python::text) else {
        return Ok(None);
    };
    let already = format!("Python package {} was already installed", wanted.text);
    if !args.flag("upgrade") {
        return Ok(fits(&version, &wanted.demands).then_some(already));
    }
    let mut kwargs = base.clone();
    kwargs.shift_remove("env_vars");
    kwargs.extend(place(args, &["index_url", "extra_index_url"]));
    kwargs.insert("pkg".into(), wanted.name.as_str().into());
    for (key, mark) in [
        ("include_alpha", "a"),
        ("include_beta", "b"),
        ("include_rc", "rc"),
    ] {
        let named = wanted
            .demands
            .iter()
            .any(|(_, version)| version.contains(mark));
        kwargs.insert(key.into(), named.into());
    }
    let there = ctx.call("pip.list_all_versions", &[], &kwargs)?;
    let there: Vec<String> = there
        .as_list()
        .unwrap_or_default()
        .iter()
        .map(python::text)
        .collect();
    let Some(newest) = there.iter().rev().find(|v| fits(v, &wanted.demands)) else {
        return Ok(Some(format!(
            "Python package {} was already installed and\nthe available upgrade doesn't fulfills the version requirements",
            wanted.name
        )));
    };
    let same = Version::parse(&version)
        .cmp(&Version::parse(newest))
        .is_eq();
    Ok(same.then_some(already))
}

fn install(ctx: &Context, args: &Args, base: &Map, packages: Option<String>) -> Result<Ran, Error> {
    let mut kwargs = args.extra.clone();
    for (key, value) in &args.named {
        if !key.as_str().is_some_and(|k| OWN.contains(&k)) {
            kwargs.insert(key.clone(), value.clone());
        }
    }
    kwargs.extend(base.clone());
    kwargs.insert("pkgs".into(), packages.unwrap_or_default().into());
    kwargs.insert("disable_version_check".into(), true.into());
    ctx.call("pip.install", &[], &kwargs).map(Ran::from)
}

fn error(told: &Ran) -> String {
    if told.0.contains_key("stdout") {
        format!("Error: {} {}", told.stdout(), told.stderr())
    } else {
        format!("Error: {}", told.text("comment"))
    }
}

/// Packages of requirements files, and those that are worked on where they lie.
fn from_files(ctx: &Context, run: &Run<'_>, base: &Map) -> Done {
    let args = run.args;
    let named = |key: &str| args.flag(key).then(|| python::text(args.get(key)));
    let (file, editable) = (named("requirements"), named("editable"));
    let mut comments = Vec::new();
    if run.test {
        if let Some(file) = file {
            comments.push(format!("Requirements file '{file}' will be processed."));
        }
        if let Some(editable) = editable {
            comments.push(format!(
                "Package will be installed in editable mode (i.e. setuptools \"develop mode\") from {editable}."
            ));
        }
        return Ok(Outcome::would(Map::new(), comments.join(" ")));
    }
    let told = install(ctx, args, base, None)?;
    if !told.is_fine() {
        if let Some(file) = file {
            comments.push(format!("Unable to process requirements file \"{file}\""));
        }
        if let Some(editable) = editable {
            comments.push(format!("Unable to install from VCS checkout {editable}."));
        }
        comments.push(error(&told));
        return Ok(Outcome::failed(comments.join(" ")));
    }
    let mut changes = Map::new();
    if let Some(file) = file {
        let said = told.stdout();
        // An empty answer is a line, too, which says nothing of what is unchanged.
        let news = said.split('\n').any(|line| {
            let line = line.trim();
            !UNCHANGED.iter().any(|begin| line.starts_with(begin))
        });
        if news {
            changes.insert("requirements".into(), true.into());
            comments.push(format!("Successfully processed requirements file {file}."));
        } else {
            comments.push("Requirements were already installed.".to_owned());
        }
    }
    if let Some(editable) = editable {
        comments.push(format!(
            "Package successfully installed from VCS checkout {editable}."
        ));
        changes.insert("editable".into(), true.into());
    }
    Ok(Outcome::changed(changes, comments.join(" ")))
}

fn removed(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let base = place(args, &["bin_env", "user", "cwd"]);
    let now = match ctx.call("pip.list", &[], &base) {
        Ok(list) => map_of(list),
        Err(error @ (Error::Execution(_) | Error::MissingCommand(_))) => {
            return Ok(Outcome::failed(format!(
                "Error uninstalling '{name}': {error}"
            )));
        }
        Err(error) => return Err(error),
    };
    if !now.contains_key(name.as_str()) {
        return Ok(Outcome::unchanged("Package is not installed."));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Package {name} is set to be removed"),
        ));
    }
    let mut kwargs = base;
    kwargs.extend(place(
        args,
        &["requirements", "log", "proxy", "timeout", "use_vt"],
    ));
    kwargs.insert("pkgs".into(), name.as_str().into());
    // Salt asks only whether there was an answer.
    Ok(if ctx.call("pip.uninstall", &[], &kwargs)?.is_truthy() {
        Outcome::changed(
            map! { name => "Removed" },
            "Package was successfully removed.",
        )
    } else {
        Outcome::failed("Could not remove package.")
    })
}

fn uptodate(ctx: &Context, run: &Run<'_>) -> Done {
    let base = place(run.args, &["bin_env", "user", "cwd"]);
    let newer = match ctx.call("pip.list_upgrades", &[], &base) {
        Ok(list) => map_of(list),
        Err(error) => return Ok(Outcome::failed(error.to_string())),
    };
    if newer.is_empty() {
        return Ok(Outcome::unchanged("System is already up-to-date."));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            "System update will be performed",
        ));
    }
    let told = map_of(ctx.call("pip.upgrade", &[], &base)?);
    let part = |key: &str| told.get(key).cloned().unwrap_or_default();
    if part("result") == Value::Bool(false) {
        return Ok(Outcome {
            changes: map_of(part("changes")),
            ..Outcome::failed(python::text(&part("comment")))
        });
    }
    Ok(Outcome::changed(told, "Upgrade successful."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_their_names() {
        let wanted = Wanted::parse("Some_Thing.x >=1, <2").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (wanted.name.as_str(), wanted.demands.len()),
            ("some-thing-x", 2)
        );
        assert!(Wanted::parse("git+https://x/y#egg=z").is_ok_and(|w| w.name.is_empty()));
        assert!(Wanted::parse("x=1").is_err_and(|e| e.contains("'=' is not supported")));
        let line = "Requirement already satisfied: Jinja2>=3 in /usr/lib";
        assert_eq!(left_as_it_was(line).as_deref(), Some("jinja2"));
    }
}
