//! `git`: repositories and their configuration. `latest.rs` and `detached.rs` have the long ones.

mod detached;
mod latest;

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Args, Context, Error, python};
use crate::host::git::Git;
use crate::host::perms;

/// The rows of `git`.
pub const STATES: &[State] = &[
    State {
        name: "git.latest",
        signature: "name, target, rev='HEAD', branch=None, user=None, password=None, update_head=True, force_checkout=False, force_clone=False, force_fetch=False, force_reset=False, submodules=False, bare=False, mirror=False, remote='origin', fetch_tags=True, sync_tags=True, depth=None, identity=None, https_user=None, https_pass=None, refspec_branch='*', refspec_tag='*', output_encoding=None, **kwargs",
        doc: "Ensure that a repository is cloned and up to date.",
        run: latest::latest,
    },
    State {
        name: "git.cloned",
        signature: "name, target=None, branch=None, user=None, password=None, identity=None, https_user=None, https_pass=None, output_encoding=None",
        doc: "Ensure that a repository is cloned; it is not updated.",
        run: cloned,
    },
    State {
        name: "git.detached",
        signature: "name, rev, target, remote='origin', user=None, password=None, force_clone=False, force_checkout=False, fetch_remote=True, hard_reset=False, submodules=False, identity=None, https_user=None, https_pass=None, output_encoding=None, **kwargs",
        doc: "Ensure that a repository is cloned and a commit of it checked out, of no branch.",
        run: detached::detached,
    },
    State {
        name: "git.config_set",
        signature: "name, value=None, multivar=None, repo=None, user=None, password=None, output_encoding=None, **kwargs",
        doc: "Ensure that a key of git's configuration has this value, or these.",
        run: config_set,
    },
    State {
        name: "git.config_unset",
        signature: "name, value_regex=None, repo=None, user=None, password=None, output_encoding=None, **kwargs",
        doc: "Ensure that a key of git's configuration is not set.",
        run: config_unset,
    },
];

type Done = Result<Outcome, Error>;

/// Git as a call's arguments ask for it; or why it cannot be.
fn git<'a>(ctx: &'a Context, args: &Args) -> Result<Result<Git<'a>, String>, Error> {
    let runas = args.opt_text("user")?.filter(|u| !u.is_empty());
    let git = match Git::new(ctx.programs(), &ctx.settings.cachedir, runas.as_deref()) {
        Ok(git) => git,
        Err(error) => return Ok(Err(error)),
    };
    let identities: Vec<PathBuf> = match args.get("identity") {
        Value::List(list) => list
            .iter()
            .map(|i| perms::expand_user(&python::text(i)))
            .collect(),
        one if one.is_truthy() => vec![perms::expand_user(&python::text(one))],
        _ => Vec::new(),
    };
    for identity in &identities {
        if !identity.is_absolute() {
            return Ok(Err(format!(
                "identity '{}' is not an absolute path",
                identity.display()
            )));
        }
    }
    Ok(git.with_identities(identities))
}

/// Sentences joined; a full stop at the end of several.
fn sentences(comments: &[String]) -> String {
    let mut text = comments.join(". ");
    if comments.len() > 1 {
        text.push('.');
    }
    text
}

fn fail(text: impl Into<String>, comments: &[String]) -> Outcome {
    let mut text = text.into();
    if !comments.is_empty() {
        text += &format!("\n\nChanges already made: {}", sentences(comments));
    }
    Outcome::failed(text)
}

fn cloned(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let Some(target) = args.opt_text("target")? else {
        return Ok(Outcome::failed("'target' argument is required"));
    };
    if !target.starts_with('/') {
        return Ok(Outcome::failed("'target' path must be absolute"));
    }
    let branch = args.opt_text("branch")?;
    if branch.as_deref() == Some("") {
        return Ok(Outcome::failed("Invalid 'branch' argument"));
    }
    let git = match git(ctx, args)? {
        Ok(git) => git,
        Err(error) => return Ok(Outcome::failed(error)),
    };
    let dir = Path::new(&target);
    let new = map! { "new" => format!("{name} => {target}") };
    let of_branch = branch
        .as_deref()
        .map(|b| format!(" with branch '{b}'"))
        .unwrap_or_default();
    if !dir.exists() {
        if run.test {
            return Ok(Outcome::would(
                new,
                format!("{name} would be cloned to {target}{of_branch}"),
            ));
        }
        let url = latest::address(args, &name)?;
        let url = match url {
            Ok(url) => url,
            Err(error) => return Ok(Outcome::failed(error)),
        };
        let mut words = vec!["clone"];
        if let Some(branch) = &branch {
            words.extend(["--branch", branch]);
        }
        words.extend(["--", &url, &target]);
        return Ok(match git.run(None, &words) {
            Ok(_) => Outcome::changed(new, format!("{name} cloned to {target}{of_branch}")),
            Err(error) => Outcome::failed(format!("Clone failed: {error}")),
        });
    }
    if let Err(error) = git.run(Some(dir), &["status"]) {
        return Ok(Outcome::failed(error));
    }
    let already = format!("Repository already exists at {target}");
    let Some(branch) = branch else {
        return Ok(Outcome::unchanged(already));
    };
    let current = git
        .branch(dir)
        .map_err(Error::Execution)?
        .unwrap_or_default();
    if current == branch {
        return Ok(Outcome::unchanged(format!(
            "{already} and is checked out to branch '{branch}'"
        )));
    }
    let changes = map! { "branch" => map! { "old" => current, "new" => branch.as_str() } };
    if run.test {
        return Ok(Outcome::would(
            changes,
            format!("Branch would be changed to '{branch}'"),
        ));
    }
    let origin = format!("origin/{branch}");
    let words = if git
        .commit(dir, &branch)
        .map_err(Error::Execution)?
        .is_some()
    {
        vec!["checkout", &branch]
    } else {
        vec!["checkout", "-b", &branch, &origin]
    };
    Ok(match git.run(Some(dir), &words) {
        Ok(_) => Outcome::changed(changes, format!("Branch changed to '{branch}'")),
        Err(error) => Outcome::failed(format!("Failed to change branch to '{branch}': {error}")),
    })
}

/// Which configuration a state means: a repository's, or the account's own.
fn place(args: &Args) -> Result<Result<Option<PathBuf>, Outcome>, Error> {
    let global = args.extra.get("global").is_some_and(Value::is_truthy);
    let repo = args.opt_text("repo")?.filter(|r| !r.is_empty());
    Ok(match (global, repo) {
        (true, _) => Ok(None),
        (false, Some(repo)) => Ok(Some(PathBuf::from(repo))),
        (false, None) => Err(Outcome::failed(
            "Non-global config options require the 'repo' argument to be set",
        )),
    })
}

fn list(values: &[String]) -> Value {
    if values.is_empty() {
        Value::Null
    } else {
        values.to_vec().into()
    }
}

fn config_set(ctx: &Context, run: &Run<'_>) -> Done {
    let (key, args) = (run.args.text("name")?, run.args);
    let (value, several) = (args.get("value"), args.get("multivar"));
    if !value.is_null() && !several.is_null() {
        return Ok(Outcome::failed(
            "Only one of 'value' and 'multivar' is permitted",
        ));
    }
    let dir = match place(args)? {
        Ok(dir) => dir,
        Err(refused) => return Ok(refused),
    };
    let git = match git(ctx, args)? {
        Ok(git) => git,
        Err(error) => return Ok(Outcome::failed(error)),
    };
    let wanted: Vec<String> = match (value, several) {
        (Value::Null, Value::List(list)) => list.iter().map(python::text).collect(),
        (Value::Null, text) => python::text(text).split(',').map(str::to_owned).collect(),
        (value, _) => vec![python::text(value)],
    };
    let shown = if several.is_null() {
        format!("'{}'", wanted.join(","))
    } else {
        python::text(&wanted.clone().into())
    };
    let (upper, lower) = if dir.is_none() {
        ("Global key ", "global key ")
    } else {
        ("", "")
    };
    let before = git.config(dir.as_deref(), &key).map_err(Error::Execution)?;
    if before == wanted {
        return Ok(Outcome::unchanged(format!(
            "{upper}'{key}' is already set to {shown}"
        )));
    }
    let how = if before.is_empty() {
        "added as"
    } else {
        "set to"
    };
    if run.test {
        return Ok(Outcome::would(
            map! { "old" => list(&before), "new" => wanted },
            format!("{upper}'{key}' would be {how} {shown}"),
        ));
    }
    let set = git.set_config(dir.as_deref(), &key, &wanted);
    let failed = format!("Failed to set {lower}'{key}' to {shown}");
    if let Err(error) = set {
        return Ok(Outcome::failed(format!("{failed}: {error}")));
    }
    let after = git.config(dir.as_deref(), &key).map_err(Error::Execution)?;
    let pair = map! { "old" => list(&before), "new" => list(&after) };
    let changes = map! { key.as_str() => pair };
    Ok(if after == wanted {
        let how = if before.is_empty() {
            "was added as"
        } else {
            "was set to"
        };
        Outcome::changed(changes, format!("{upper}'{key}' {how} {shown}"))
    } else {
        Outcome {
            changes,
            ..Outcome::failed(failed)
        }
    })
}

fn config_unset(ctx: &Context, run: &Run<'_>) -> Done {
    let (key, args) = (run.args.text("name")?, run.args);
    let dir = match place(args)? {
        Ok(dir) => dir,
        Err(refused) => return Ok(refused),
    };
    let git = match git(ctx, args)? {
        Ok(git) => git,
        Err(error) => return Ok(Outcome::failed(error)),
    };
    let before = git.config(dir.as_deref(), &key).map_err(Error::Execution)?;
    if before.is_empty() {
        return Ok(Outcome::unchanged(format!(
            "No {}keys match the pattern '{key}'",
            if dir.is_none() { "global " } else { "" }
        )));
    }
    let changes = map! { key.as_str() => map! { "old" => before, "new" => Vec::<String>::new() } };
    if run.test {
        return Ok(Outcome::would(
            changes,
            format!("Key '{key}' would be unset"),
        ));
    }
    git.set_config(dir.as_deref(), &key, &[])
        .map_err(Error::Execution)?;
    Ok(Outcome::changed(changes, format!("Key '{key}' was unset")))
}

/// Changes of a repository as they pile up.
type Changes = Map;
