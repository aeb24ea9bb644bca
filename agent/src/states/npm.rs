//! `npm`: packages of node.js.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};

/// The rows of `npm`.
pub const STATES: &[State] = &[
    State {
        name: "npm.bootstrap",
        signature: "name, user=None, silent=True",
        doc: "Ensure that a directory has what its package.json asks for.",
        run: bootstrap,
    },
    State {
        name: "npm.cache_cleaned",
        signature: "name=None, user=None, force=False",
        doc: "Ensure that a package, or anything, is not in the cache.",
        run: cache_cleaned,
    },
    State {
        name: "npm.installed",
        signature: "name, pkgs=None, dir=None, user=None, force_reinstall=False, registry=None, env=None",
        doc: "Ensure that packages are installed, in the version that is asked for.",
        run: installed,
    },
    State {
        name: "npm.removed",
        signature: "name, dir=None, user=None",
        doc: "Ensure that a package is not installed.",
        run: removed,
    },
];

type Done = Result<Outcome, Error>;

/// What npm answers, or the words of its failure; any other failure is the state's own.
fn ask(ctx: &Context, function: &str, kwargs: &Map) -> Result<Result<Value, String>, Error> {
    match ctx.call(function, &[], kwargs) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Error::Execution(text) | Error::MissingCommand(text)) => Ok(Err(text)),
        Err(other) => Err(other),
    }
}

/// Arguments under the names that the functions have for them.
fn given(run: &Run<'_>, keys: &[(&str, &str)]) -> Map {
    keys.iter()
        .map(|(ours, theirs)| ((*theirs).into(), run.args.get(ours).clone()))
        .collect()
}

/// Name and version of a package as it was asked for.
fn parts(wanted: &str) -> Option<(&str, Option<&str>)> {
    let scope = usize::from(wanted.starts_with('@'));
    let end = wanted[scope..]
        .find(|c: char| c == '@' || c.is_whitespace())
        .map_or(wanted.len(), |at| at + scope);
    let rest = wanted[end..].strip_prefix('@');
    let version = rest.and_then(|r| r.split_whitespace().next().filter(|v| r.starts_with(v)));
    (end > scope).then(|| (&wanted[..end], version))
}

/// Whether a package is there, by its name or by the address that it came from.
fn is_there(name: &str, all: &Map) -> bool {
    if all
        .get(name)
        .is_some_and(|about| about.get("version").is_some())
    {
        return true;
    }
    let Some((_, wanted)) = name.split_once("://") else {
        return false;
    };
    all.values().any(|about| {
        let from = about.get("from").map(python::text).unwrap_or_default();
        let Some(from) = from.split("://").nth(1) else {
            return false;
        };
        let add = !from.ends_with(".git") && name.starts_with("git://");
        let own = if add {
            format!("{from}.git")
        } else {
            from.to_owned()
        };
        wanted.split("://").next() == Some(own.as_str())
    })
}

fn installed(ctx: &Context, run: &Run<'_>) -> Done {
    let (args, name) = (run.args, python::text(run.args.get("name")));
    let wanted: Vec<String> = match args.get("pkgs") {
        Value::List(pkgs) if !pkgs.is_empty() => pkgs.iter().map(python::text).collect(),
        _ => vec![name.clone()],
    };
    let mut kwargs = given(run, &[("dir", "dir"), ("user", "runas"), ("env", "env")]);
    kwargs.insert("depth".into(), 0.into());
    let all = match ask(ctx, "npm.list", &kwargs)? {
        Ok(all) => all.as_map().cloned().unwrap_or_default(),
        Err(text) => {
            return Ok(Outcome::failed(format!(
                "Error looking up '{name}': {text}"
            )));
        }
    };
    let (mut satisfied, mut missing) = (Vec::new(), Vec::new());
    for one in &wanted {
        let Some((package, version)) = parts(one) else {
            return Err(Error::Exception {
                kind: "AttributeError",
                message: "'NoneType' object has no attribute 'group'".to_owned(),
            });
        };
        if args.get("force_reinstall") == &Value::Bool(true) || !is_there(package, &all) {
            missing.push(one.clone());
            continue;
        }
        let now = all.get(package).and_then(|about| about.get("version"));
        let Some(now) = now.map(python::text) else {
            return Err(Error::key(package));
        };
        if version.is_none_or(|version| version == now) {
            satisfied.push(format!("{package}@{now}"));
        } else {
            missing.push(one.clone());
        }
    }
    let fine = format!(
        "Package(s) '{}' satisfied by {}",
        wanted.join(", "),
        satisfied.join(", ")
    );
    let new: Vec<Value> = missing.iter().map(|m| m.as_str().into()).collect();
    let changes = map! { "old" => Value::List(Vec::new()), "new" => Value::List(new) };
    if run.test {
        let mut comments = Vec::new();
        let mut out = Outcome::would(Map::new(), "");
        if !missing.is_empty() {
            comments.push(format!(
                "NPM package(s) '{}' are set to be installed",
                missing.join(", ")
            ));
            out.changes = changes;
        }
        if !satisfied.is_empty() {
            comments.push(fine);
            out.result = Some(true);
        }
        out.comment = comments.join(". ");
        return Ok(out);
    }
    if missing.is_empty() {
        return Ok(Outcome::unchanged(fine));
    }
    let mut kwargs = given(
        run,
        &[
            ("dir", "dir"),
            ("user", "runas"),
            ("registry", "registry"),
            ("env", "env"),
        ],
    );
    let pkgs = wanted.iter().map(|w| w.as_str().into()).collect();
    kwargs.insert("pkgs".into(), Value::List(pkgs));
    Ok(match ask(ctx, "npm.install", &kwargs)? {
        Ok(_) => Outcome::changed(
            changes,
            format!("Package(s) '{}' successfully installed", missing.join(", ")),
        ),
        Err(text) => Outcome::failed(format!("Error installing '{}': {text}", wanted.join(", "))),
    })
}

fn removed(ctx: &Context, run: &Run<'_>) -> Done {
    let name = python::text(run.args.get("name"));
    let mut kwargs = given(run, &[("dir", "dir")]);
    kwargs.insert("depth".into(), 0.into());
    let all = match ask(ctx, "npm.list", &kwargs)? {
        Ok(all) => all,
        Err(text) => {
            return Ok(Outcome::failed(format!(
                "Error uninstalling '{name}': {text}"
            )));
        }
    };
    if all.get(name.as_str()).is_none() {
        return Ok(Outcome::unchanged(format!(
            "Package '{name}' is not installed"
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Package '{name}' is set to be removed"),
        ));
    }
    let kwargs = given(run, &[("name", "pkg"), ("dir", "dir"), ("user", "runas")]);
    let done = ctx.call("npm.uninstall", &[], &kwargs)?;
    Ok(if done.is_truthy() {
        let changes = Map::from_iter([(name.as_str().into(), "Removed".into())]);
        Outcome::changed(
            changes,
            format!("Package '{name}' was successfully removed"),
        )
    } else {
        Outcome::failed(format!("Error removing package '{name}'"))
    })
}

fn bootstrap(ctx: &Context, run: &Run<'_>) -> Done {
    let name = python::text(run.args.get("name"));
    let mut kwargs = given(
        run,
        &[("name", "dir"), ("user", "runas"), ("silent", "silent")],
    );
    if run.test {
        kwargs.insert("dry_run".into(), true.into());
    }
    let answer = match ask(ctx, "npm.install", &kwargs)? {
        Ok(answer) => answer,
        Err(text) => {
            return Ok(Outcome::failed(format!(
                "Error Bootstrapping '{name}': {text}"
            )));
        }
    };
    if run.test {
        return Ok(if answer.is_truthy() {
            let changes = map! { "old" => Value::List(Vec::new()), "new" => answer };
            Outcome::would(changes, format!("{name} is set to be bootstrapped"))
        } else {
            Outcome::unchanged(format!("{name} is already bootstrapped"))
        });
    }
    if !answer.is_truthy() {
        return Ok(Outcome::unchanged("Directory is already bootstrapped"));
    }
    // Words that are no data tell of a failure. Salt puts them where changes belong, and fails over that.
    if let Value::Str(text) = answer {
        return Ok(Outcome::failed(format!(
            "Could not bootstrap directory: {text}"
        )));
    }
    let changes = Map::from_iter([(name.into(), "Bootstrapped".into())]);
    Ok(Outcome::changed(
        changes,
        "Directory was successfully bootstrapped",
    ))
}

fn cache_cleaned(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.opt_text("name")?.filter(|n| !n.is_empty());
    let what = name.clone().unwrap_or_else(|| "packages".to_owned());
    let user = given(run, &[("user", "runas")]);
    let mut own = user.clone();
    own.insert("path".into(), name.clone().map_or(Value::Null, Value::from));
    let cached = match ask(ctx, "npm.cache_list", &own)? {
        Ok(cached) => python::text(&cached),
        Err(text) => {
            return Ok(Outcome::failed(format!(
                "Error looking up cached {what}: {text}"
            )));
        }
    };
    if let Some(name) = &name {
        let all = ctx.call("npm.cache_list", &[], &user)?;
        // The first of a text is a letter: so Salt takes the root of the cache.
        let Some(root) = python::text(&all).chars().next() else {
            return Err(Error::Exception {
                kind: "IndexError",
                message: "string index out of range".to_owned(),
            });
        };
        if !cached.contains(&format!("{root}/{name}/")) {
            return Ok(Outcome::unchanged(format!(
                "Package {name} is not in the cache"
            )));
        }
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Cached {what} set to be removed"),
        ));
    }
    let mut clean = own;
    // Newer releases of npm clean nothing without being forced; Salt's state takes the word and does not hand it on.
    clean.insert("force".into(), run.args.get("force").clone());
    let done = ctx.call("npm.cache_clean", &[], &clean)?;
    Ok(if done.is_truthy() {
        let key = name.unwrap_or_else(|| "cache".to_owned());
        let changes = Map::from_iter([(key.into(), "Removed".into())]);
        Outcome::changed(changes, format!("Cached {what} successfully removed"))
    } else {
        Outcome::failed(format!("Error cleaning cached {what}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parted_from_versions() {
        assert_eq!(parts("@scope/x@^0.9"), Some(("@scope/x", Some("^0.9"))));
        assert_eq!(parts("x@1.0.1"), Some(("x", Some("1.0.1"))));
        assert_eq!(parts("x"), Some(("x", None)));
        assert_eq!(parts("@x"), Some(("@x", None)));
        assert_eq!(parts("@"), None);
    }

    #[test]
    fn a_package_is_known_by_where_it_came_from() {
        let from = |url: &str| map! { "x" => map! { "from" => url } };
        let git = from("git://github.com/foo/bar");
        assert!(is_there("git://github.com/foo/bar.git", &git));
        assert!(!is_there("git://github.com/foo/other.git", &git));
        assert!(is_there(
            "https://e.org/x.tgz",
            &from("https://e.org/x.tgz")
        ));
        assert!(!is_there("x", &git));
    }
}
