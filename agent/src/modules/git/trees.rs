//! Work trees: further directories of one repository.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Call, cwd, extras, lines};
use crate::context::{Args, Context, Error, Result, python};
use crate::modules::{Function, row};

/// The rows about work trees.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "git.is_worktree",
        "cwd, user=None, password=None, output_encoding=None",
        |ctx, args| Ok(is_worktree(ctx, args)?.into()),
        "Whether a directory is a further work tree.",
        "salt myminion git.is_worktree /path/to/repo"
    ),
    row!(
        "git.list_worktrees",
        "cwd, stale=False, user=None, password=None, output_encoding=None, **kwargs",
        list_worktrees,
        "List work trees; with ``stale`` those whose directory is gone, with ``all`` both.",
        "salt myminion git.list_worktrees /path/to/repo"
    ),
    row!(
        "git.worktree_add",
        "cwd, worktree_path, ref=None, reset_branch=None, force=None, detach=False, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        worktree_add,
        "Make a further work tree.",
        "salt myminion git.worktree_add /path/to/repo/main ../hotfix ref=origin/master"
    ),
    row!(
        "git.worktree_prune",
        "cwd, dry_run=False, verbose=True, expire=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        worktree_prune,
        "Forget work trees whose directory is gone.",
        "salt myminion git.worktree_prune /path/to/repo"
    ),
    row!(
        "git.worktree_rm",
        "cwd, user=None, output_encoding=None",
        |ctx, args| {
            let dir = cwd(args)?;
            let shown = dir.display();
            if !dir.exists() {
                return Err(Error::execution(format!("{shown} does not exist")));
            }
            if !is_worktree(ctx, args)? {
                return Err(Error::execution(format!("{shown} is not a git worktree")));
            }
            fs::remove_dir_all(&dir).map_err(|e| {
                Error::execution(format!(
                    "Unable to remove {shown}: {}",
                    python::os_error(&dir, &e)
                ))
            })?;
            Ok(true.into())
        },
        "Remove a further work tree.",
        "salt myminion git.worktree_rm /path/to/worktree"
    ),
];

fn is_worktree(ctx: &Context, args: &Args) -> Result<bool> {
    let dir = cwd(args)?;
    let before = ctx.job.retcode();
    let call = Call::new(ctx, args, &["rev-parse", "--show-toplevel"])?;
    let top = call.run(Some(&dir), false);
    ctx.job.set_retcode(before);
    let Ok(top) = top else { return Ok(false) };
    // A repository of its own has a directory there.
    let text = fs::read_to_string(Path::new(&top).join(".git")).unwrap_or_default();
    let place = text.lines().next().and_then(|l| l.strip_prefix("gitdir:"));
    Ok(place.is_some_and(|p| Path::new(p.trim()).is_absolute()))
}

fn list_worktrees(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["all"])?;
    let all = more.get("all").is_some_and(Value::is_truthy);
    let stale = args.flag("stale");
    if all && stale {
        return Err(Error::execution(
            "'all' and 'stale' cannot both be set to True",
        ));
    }
    let out = Call::new(ctx, args, &["worktree", "list", "--porcelain"])?.here()?;
    let mut trees = Map::new();
    for part in out.split("\n\n") {
        let (mut place, mut head, mut branch) = ("", "", "");
        for line in part.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("worktree", value) => place = value,
                ("HEAD", value) => head = value,
                ("branch", value) => branch = value,
                ("detached", _) => branch = "detached",
                _ => {}
            }
        }
        if place.is_empty() || head.is_empty() || branch.is_empty() {
            continue;
        }
        let gone = !Path::new(place).is_dir();
        if gone != stale && !all {
            continue;
        }
        let detached = branch == "detached";
        let mut tree = map! { "stale" => gone, "HEAD" => head, "detached" => detached };
        if detached {
            tree.insert("branch".into(), Value::Null);
            let tags = Call::new(ctx, args, &["tag", "--points-at", head])?.here()?;
            if !tags.is_empty() {
                tree.insert("tags".into(), lines(&tags));
            }
        } else {
            tree.insert(
                "branch".into(),
                branch.replacen("refs/heads/", "", 1).into(),
            );
        }
        trees.insert(place.into(), tree.into());
    }
    Ok(trees.into())
}

fn worktree_add(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["branch"])?;
    let branch = more.get("branch").filter(|b| b.is_truthy());
    let detach = args.flag("detach");
    if branch.is_some() && detach {
        return Err(Error::invocation(
            "Only one of 'branch' and 'detach' is allowed",
        ));
    }
    let path = args.text("worktree_path")?;
    let mut call = Call::new(ctx, args, &["worktree", "add"])?;
    if detach {
        call.add(&["--detach"]);
    } else {
        let name = match branch {
            Some(name) => python::text(name),
            None => path.rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let how = if args.flag("reset_branch") {
            "-B"
        } else {
            "-b"
        };
        call.add(&[how, &name]);
        call.add_if(args.flag("force"), &["--force"]);
    }
    call.add_opts(&[])?.add(&[&path]);
    if let Some(name) = args.opt_text("ref")?.filter(|r| !r.is_empty()) {
        call.add(&[&name]);
    }
    Ok(call.here_merged()?.into())
}

fn worktree_prune(ctx: &Context, args: &Args) -> Result {
    let mut call = Call::new(ctx, args, &["worktree", "prune"])?;
    call.add_if(args.flag("dry_run"), &["--dry-run"]);
    call.add_if(args.flag("verbose"), &["--verbose"]);
    if let Some(age) = args.opt_text("expire")?.filter(|e| !e.is_empty()) {
        call.add(&["--expire", &age]);
    }
    call.add_opts(&[])?;
    let said = call.said(Some(&cwd(args)?), false)?;
    if !said.fine() {
        return Err(Error::execution(said.stderr));
    }
    // Git 2.36 and later tells on the error stream.
    Ok(if said.stderr.is_empty() {
        said.stdout
    } else {
        said.stderr
    }
    .into())
}
