//! `pkg`: package repositories of apt.

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::fileclient::FileClient;
use crate::host::pkg::Apt;
use crate::host::sources::Sources;
use crate::states::pkgrepo::{Request, shown};

/// The rows of `pkg` about repositories.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "pkg.del_repo",
        "repo, **kwargs",
        del_repo,
        "Remove a package repository.",
        "salt '*' pkg.del_repo \"myrepo definition\""
    ),
    row!(
        "pkg.get_repo",
        "repo, **kwargs",
        |_, args| {
            let found = Sources::read().find(&args.text("repo")?);
            Ok(found.map_or_else(Map::new, |r| shown(&r)).into())
        },
        "Return a package repository; nothing when there is none.",
        "salt '*' pkg.get_repo \"myrepo definition\""
    ),
    row!(
        "pkg.list_repos",
        "**kwargs",
        |_, _| {
            let mut all = Map::new();
            for repo in Sources::read().repos() {
                let list = all
                    .entry(repo.uri.as_str().into())
                    .or_insert_with(|| Value::List(Vec::new()));
                if let Value::List(list) = list {
                    list.push(shown(&repo).into());
                }
            }
            Ok(all.into())
        },
        "Return all package repositories, by their addresses.",
        "salt '*' pkg.list_repos"
    ),
    row!(
        "pkg.mod_repo",
        "repo, saltenv='base', aptkey=True, **kwargs",
        mod_repo,
        "Add a package repository, or change it.",
        "salt '*' pkg.mod_repo 'myrepo definition' uri=http://new/uri"
    ),
];

fn del_repo(ctx: &Context, args: &Args) -> Result {
    let repo = args.text("repo")?;
    let words = Sources::read()
        .remove(&repo)
        .map_err(|e| Error::execution(format!("apt's sources: {e}")))?;
    if words.is_empty() {
        return Err(Error::execution(format!(
            "Repo {repo} doesn't exist in the sources.list(s)"
        )));
    }
    let apt = Apt {
        host: &ctx.host,
        cancel: &ctx.job.cancel,
        mark: ctx.settings.cachedir.join("pkg_refresh"),
    };
    apt.update()
        .map_err(|e| Error::execution(e.errors.join("\n")))?;
    Ok(words.into())
}

fn mod_repo(ctx: &Context, args: &Args) -> Result {
    let repo = args.text("repo")?;
    let env = args.text("saltenv")?;
    let request = Request::new(&repo, &args.extra, args.flag("aptkey"), &env);
    request.carry_out(ctx, &FileClient::new(ctx))?;
    let now = Sources::read().find(&repo);
    let now = now.map_or_else(Map::new, |r| shown(&r));
    Ok(Value::Map(Map::from_iter([(repo.into(), now.into())])))
}
