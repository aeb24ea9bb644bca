//! Other repositories: cloned, fetched from, pushed to, and what they are called.

use salt_wire::{Map, Value, map};

use super::local::plain;
use super::{Call, address, commas, cwd, extras};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::fs::make_dirs;
use crate::host::git::{News, news};
use crate::host::http::redacted;
use crate::modules::{Function, row};

/// The rows about other repositories.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "git.clone",
        "cwd, url=None, name=None, opts='', git_opts='', user=None, password=None, identity=None, https_user=None, https_pass=None, ignore_retcode=False, saltenv='base', output_encoding=None",
        clone,
        "Clone a repository.",
        "salt myminion git.clone /path/to/repo_parent_dir git://github.com/saltstack/salt.git"
    ),
    row!(
        "git.fetch",
        "cwd, remote=None, force=False, refspecs=None, opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, saltenv='base', output_encoding=None",
        fetch,
        "Fetch from a remote; the answer is what is new.",
        "salt myminion git.fetch /path/to/repo upstream"
    ),
    row!(
        "git.ls_remote",
        "cwd=None, remote='origin', ref=None, opts='', git_opts='', user=None, password=None, identity=None, https_user=None, https_pass=None, ignore_retcode=False, output_encoding=None, saltenv='base'",
        ls_remote,
        "Return a remote's refs and their commits.",
        "salt myminion git.ls_remote /path/to/repo origin master"
    ),
    row!(
        "git.pull",
        "cwd, opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, saltenv='base', output_encoding=None",
        |ctx, args| plain(ctx, args, &["pull"]),
        "Fetch and merge.",
        "salt myminion git.pull /path/to/repo opts='--rebase origin master'"
    ),
    row!(
        "git.push",
        "cwd, remote=None, ref=None, opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, saltenv='base', output_encoding=None, **kwargs",
        |ctx, args| {
            extras(args, &[])?;
            let mut call = Call::new(ctx, args, &["push"])?;
            call.add_opts(&[])?;
            call.add(&[&args.text("remote")?, &args.text("ref")?]);
            Ok(call.here()?.into())
        },
        "Push to a remote.",
        "salt myminion git.push /path/to/repo origin master"
    ),
    row!(
        "git.remote_get",
        "cwd, remote='origin', user=None, password=None, redact_auth=True, ignore_retcode=False, output_encoding=None",
        |ctx, args| remote(ctx, args, args.flag("redact_auth")),
        "Return where a remote is fetched from and pushed to.",
        "salt myminion git.remote_get /path/to/repo upstream"
    ),
    row!(
        "git.remote_refs",
        "url, heads=False, tags=False, user=None, password=None, identity=None, https_user=None, https_pass=None, ignore_retcode=False, output_encoding=None, saltenv='base', **kwargs",
        remote_refs,
        "Return the refs of the repository at an address, and their commits.",
        "salt myminion git.remote_refs https://github.com/saltstack/salt.git heads=True"
    ),
    row!(
        "git.remote_set",
        "cwd, url, remote='origin', user=None, password=None, https_user=None, https_pass=None, push_url=None, push_https_user=None, push_https_pass=None, ignore_retcode=False, output_encoding=None",
        remote_set,
        "Set where a remote is fetched from and pushed to.",
        "salt myminion git.remote_set /path/to/repo git@github.com:user/repo.git"
    ),
    row!(
        "git.remotes",
        "cwd, user=None, password=None, redact_auth=True, ignore_retcode=False, output_encoding=None",
        |ctx, args| Ok(remotes(ctx, args, args.flag("redact_auth"))?.into()),
        "Return all remotes.",
        "salt myminion git.remotes /path/to/repo"
    ),
];

fn clone(ctx: &Context, args: &Args) -> Result {
    let url = args.opt_text("url")?.unwrap_or_default();
    if url.is_empty() {
        return Err(Error::invocation("Missing 'url' argument"));
    }
    let url = address(args, &url, "https_user", "https_pass")?;
    let dir = cwd(args)?;
    let mut call = Call::new(ctx, args, &["clone"])?;
    call.add_opts(&[])?.add(&["--", &url]);
    match args.opt_text("name")? {
        Some(name) => {
            if !dir.exists() {
                make_dirs(&dir, 0o777 & !crate::host::perms::umask())
                    .map_err(|e| Error::execution(python::os_error(&dir, &e)))?;
            }
            call.add(&[&name]).run(Some(&dir), false)?;
        }
        None => {
            let tmp = std::path::Path::new("/tmp");
            call.add(&[&dir.to_string_lossy()]).run(Some(tmp), false)?;
        }
    }
    Ok(true.into())
}

fn fetch(ctx: &Context, args: &Args) -> Result {
    let mut call = Call::new(ctx, args, &["fetch"])?;
    call.add_if(args.flag("force"), &["--force"]);
    call.add_opts(&["-f", "--force"])?;
    if let Some(remote) = args.opt_text("remote")?.filter(|r| !r.is_empty()) {
        call.add(&[&remote]);
    }
    call.words.extend(commas(args.get("refspecs")));
    let mut told = Map::new();
    let mut moved = Map::new();
    let mut named = |key: &str, name: String| {
        let list = told
            .entry(key.into())
            .or_insert_with(|| Value::List(Vec::new()));
        if let Value::List(list) = list {
            list.push(name.into());
        }
    };
    for one in news(&call.here_merged()?) {
        match one {
            News::Tag(name) => named("new tags", name),
            News::Branch(name) => named("new branches", name),
            News::MovedTag(name) => named("updated tags", name),
            News::Moved { name, old, new } => {
                moved.insert(name.into(), map! { "old" => old, "new" => new }.into());
            }
        }
    }
    if !moved.is_empty() {
        told.insert("updated branches".into(), moved.into());
    }
    Ok(told.into())
}

/// `ls-remote`'s lines: each ref and its commit.
fn refs(out: &str) -> Value {
    let line = |line: &str| -> Option<(Value, Value)> {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        Some((name.trim_start().into(), sum.into()))
    };
    out.lines().filter_map(line).collect::<Map>().into()
}

fn ls_remote(ctx: &Context, args: &Args) -> Result {
    let remote = address(args, &args.text("remote")?, "https_user", "https_pass")?;
    let mut call = Call::new(ctx, args, &["ls-remote"])?;
    call.add_opts(&[])?.add(&[&remote]);
    if let Some(name) = args.opt_text("ref")?.filter(|r| !r.is_empty()) {
        call.add(&[&name]);
    }
    let dir = match args.get("cwd") {
        Value::Null => None,
        _ => Some(cwd(args)?),
    };
    Ok(refs(&call.run(dir.as_deref(), false)?))
}

fn remote_refs(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["filter"])?;
    let url = address(args, &args.text("url")?, "https_user", "https_pass")?;
    let mut call = Call::new(ctx, args, &["ls-remote"])?;
    call.add_if(args.flag("heads"), &["--heads"]);
    call.add_if(args.flag("tags"), &["--tags"]).add(&[&url]);
    if let Some(filter) = more.get("filter").filter(|f| f.is_truthy()) {
        call.add(&[&python::text(filter)]);
    }
    Ok(refs(&call.run(None, false)?))
}

fn remotes(ctx: &Context, args: &Args, redact: bool) -> Result<Map> {
    let out = Call::new(ctx, args, &["remote", "--verbose"])?.here()?;
    let mut all = Map::new();
    for line in out.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(url), Some(action)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let action = action.trim_start_matches('(').trim_end_matches(')');
        if !matches!(action, "fetch" | "push") {
            continue;
        }
        let url = if redact {
            redacted(url)
        } else {
            url.to_owned()
        };
        let one = all.entry(name.into()).or_insert_with(|| Map::new().into());
        if let Value::Map(one) = one {
            one.insert(action.into(), url.into());
        }
    }
    Ok(all)
}

fn remote(ctx: &Context, args: &Args, redact: bool) -> Result {
    let name = args.text("remote")?;
    let all = remotes(ctx, args, redact)?;
    all.get(name.as_str()).cloned().ok_or_else(|| {
        let dir = cwd(args).unwrap_or_default();
        Error::execution(format!(
            "Remote '{name}' not present in git checkout located at {}",
            dir.display()
        ))
    })
}

fn remote_set(ctx: &Context, args: &Args) -> Result {
    let name = args.text("remote")?;
    if remotes(ctx, args, true)?.contains_key(name.as_str()) {
        Call::new(ctx, args, &["remote", "rm", &name])?.here()?;
    }
    let url = address(args, &args.text("url")?, "https_user", "https_pass")?;
    Call::new(ctx, args, &["remote", "add", &name, &url])?.here()?;
    if args.flag("push_url") {
        let url = args.text("push_url")?;
        let url = address(args, &url, "push_https_user", "push_https_pass")?;
        Call::new(ctx, args, &["remote", "set-url", "--push", &name, &url])?.here()?;
    }
    remote(ctx, args, true)
}
