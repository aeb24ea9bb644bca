//! Commits: looked at, made, joined and named.

use salt_wire::Value;

use super::{Call, commas, cwd, extras, lines, split};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::shlex;
use crate::modules::{Function, row};

/// The rows about commits.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "git.branch",
        "cwd, name=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let mut call = Call::new(ctx, args, &["branch"])?;
            call.add_opts(&[])?;
            if let Some(name) = args.opt_text("name")? {
                call.add(&[&name]);
            }
            call.here()?;
            Ok(true.into())
        },
        "Make a branch, or do another thing that ``git branch`` does.",
        "salt myminion git.branch /path/to/repo newbranch opts='origin/master'"
    ),
    row!(
        "git.commit",
        "cwd, message, opts='', git_opts='', user=None, password=None, filename=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let mut call = Call::new(ctx, args, &["commit", "-m", &args.text("message")?])?;
            call.add_opts(&[])?;
            if let Some(name) = args.opt_text("filename")?.filter(|n| !n.is_empty()) {
                call.add(&["--", &name]);
            }
            Ok(call.here()?.into())
        },
        "Commit what is staged.",
        "salt myminion git.commit /path/to/repo 'The commit message'"
    ),
    row!(
        "git.current_branch",
        "cwd, user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let call = Call::new(ctx, args, &["rev-parse", "--abbrev-ref", "HEAD"])?;
            Ok(call.here()?.into())
        },
        "Return the branch that is checked out.",
        "salt myminion git.current_branch /path/to/repo"
    ),
    row!(
        "git.describe",
        "cwd, rev='HEAD', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let call = Call::new(ctx, args, &["describe", "--always", &args.text("rev")?])?;
            Ok(call.here()?.into())
        },
        "Return a name for a revision: the nearest tag, or the commit's number.",
        "salt myminion git.describe /path/to/repo develop"
    ),
    row!(
        "git.diff",
        "cwd, item1=None, item2=None, opts='', git_opts='', user=None, password=None, no_index=False, cached=False, paths=None, output_encoding=None",
        diff,
        "Return the difference of two revisions, or of the work tree.",
        "salt myminion git.diff /path/to/repo HEAD 4158a9d"
    ),
    row!(
        "git.merge",
        "cwd, rev=None, opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, output_encoding=None, **kwargs",
        |ctx, args| {
            extras(args, &[])?;
            let mut call = Call::new(ctx, args, &["merge"])?;
            call.add_opts(&[])?;
            if let Some(rev) = args.opt_text("rev")?.filter(|r| !r.is_empty()) {
                call.add(&[&rev]);
            }
            Ok(call.here()?.into())
        },
        "Merge a revision.",
        "salt myminion git.merge /path/to/repo rev=upstream/foo"
    ),
    row!(
        "git.merge_base",
        "cwd, refs=None, octopus=False, is_ancestor=False, independent=False, fork_point=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        merge_base,
        "Return the commit that revisions come from, or whether one comes from the other.",
        "salt myminion git.merge_base /path/to/repo HEAD,upstream/mybranch"
    ),
    row!(
        "git.merge_tree",
        "cwd, ref1, ref2, base=None, user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let (one, two) = (args.text("ref1")?, args.text("ref2")?);
            let base = match args.opt_text("base")? {
                Some(base) => base,
                None => {
                    let base = Call::new(ctx, args, &["merge-base", &one, &two])?.here();
                    base.map_err(|_| {
                        Error::execution(format!(
                            "Unable to determine merge base for {one} and {two}"
                        ))
                    })?
                }
            };
            let base = base.lines().next().unwrap_or_default();
            Ok(Call::new(ctx, args, &["merge-tree", base, &one, &two])?
                .here()?
                .into())
        },
        "Return what a merge would bring.",
        "salt myminion git.merge_tree /path/to/repo HEAD upstream/dev"
    ),
    row!(
        "git.rebase",
        "cwd, rev='master', opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        rebase,
        "Put the branch's commits on top of a revision.",
        "salt myminion git.rebase /path/to/repo master"
    ),
    row!(
        "git.rev_parse",
        "cwd, rev=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let mut call = Call::new(ctx, args, &["rev-parse"])?;
            call.add_opts(&[])?;
            if let Some(rev) = args.opt_text("rev")? {
                call.add(&[&rev]);
            }
            Ok(call.here()?.into())
        },
        "Do what ``git rev-parse`` does.",
        "salt myminion git.rev_parse /path/to/repo HEAD"
    ),
    row!(
        "git.revision",
        "cwd, rev='HEAD', short=False, user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let mut call = Call::new(ctx, args, &["rev-parse"])?;
            call.add_if(args.flag("short"), &["--short"]);
            Ok(call.add(&[&args.text("rev")?]).here()?.into())
        },
        "Return the number of a revision's commit.",
        "salt myminion git.revision /path/to/repo mybranch"
    ),
    row!(
        "git.symbolic_ref",
        "cwd, ref, value=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        symbolic_ref,
        "Return where a symbolic name leads, or set it.",
        "salt myminion git.symbolic_ref /path/to/repo FOO HEAD"
    ),
    row!(
        "git.tag",
        "cwd, name, ref='HEAD', message=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        tag,
        "Name a revision.",
        "salt myminion git.tag /path/to/repo v1.2"
    ),
];

fn diff(ctx: &Context, args: &Args) -> Result {
    let (bare, cached) = (args.flag("no_index"), args.flag("cached"));
    if bare && cached {
        return Err(Error::execution(
            "The 'no_index' and 'cached' options cannot be used together",
        ));
    }
    let mut call = Call::new(ctx, args, &["diff"])?;
    call.add_opts(&[])?;
    let item = |name: &str| Ok::<_, Error>(args.opt_text(name)?.filter(|i| !i.is_empty()));
    let (one, two) = (item("item1")?, item("item2")?);
    call.add_if(bare, &["--no-index"])
        .add_if(cached, &["--cached"]);
    if !bare {
        for item in one.iter().chain(two.iter().filter(|_| !cached)) {
            call.add(&[item]);
        }
    }
    let paths = commas(args.get("paths"));
    if !paths.is_empty() {
        call.add(&["--"]);
        call.words.extend(paths);
    }
    let dir = std::path::PathBuf::from(args.text("cwd")?);
    if !bare {
        return Ok(call.run(Some(&dir), true)?.into());
    }
    // Where files differ git says 1: no failure of the call.
    let before = ctx.job.retcode();
    let said = call.said(Some(&dir), true)?;
    ctx.job.set_retcode(before);
    Ok(said.stdout.into())
}

fn merge_base(ctx: &Context, args: &Args) -> Result {
    let all = extras(args, &["all"])?
        .get("all")
        .is_some_and(Value::is_truthy);
    let kinds = ["octopus", "independent", "is_ancestor", "fork_point"];
    let flag = |name: &str| args.flag(name);
    if all && (flag("independent") || flag("is_ancestor") || flag("fork_point")) {
        return Err(Error::invocation(
            "The 'all' argument is not compatible with 'independent', 'is_ancestor', or 'fork_point'",
        ));
    }
    let mut refs: Vec<String> = commas(args.get("refs"));
    if args.get("refs").as_list().is_none() {
        refs = refs.iter().map(|r| r.trim().to_owned()).collect();
    }
    if kinds.iter().filter(|k| flag(k)).count() > 1 {
        return Err(Error::invocation(
            "Only one of 'octopus', 'independent', 'is_ancestor', and 'fork_point' is permitted",
        ));
    }
    let ancestor = flag("is_ancestor");
    if ancestor && refs.len() != 2 {
        return Err(Error::invocation(
            "Two refs/commits are required if 'is_ancestor' is True",
        ));
    }
    if flag("fork_point") {
        match refs.len() {
            0 => refs.push("HEAD".to_owned()),
            1 => {}
            _ => {
                return Err(Error::invocation(
                    "At most one ref/commit can be passed if 'fork_point' is specified",
                ));
            }
        }
    }
    let mut call = Call::new(ctx, args, &["merge-base"])?;
    call.add_opts(&[])?.add_if(all, &["--all"]);
    if flag("octopus") {
        call.add(&["--octopus"]);
    } else if ancestor {
        call.add(&["--is-ancestor"]);
    } else if flag("independent") {
        call.add(&["--independent"]);
    } else if flag("fork_point") {
        call.add(&["--fork-point", &args.text("fork_point")?]);
    }
    call.words.extend(refs);
    if ancestor {
        return Ok(call.said(Some(&cwd(args)?), false)?.fine().into());
    }
    let out = call.here()?;
    Ok(if all {
        lines(&out)
    } else {
        out.lines().next().unwrap_or_default().into()
    })
}

fn rebase(ctx: &Context, args: &Args) -> Result {
    let opts = split(args.get("opts"))?;
    if opts.iter().any(|o| o == "-i" || o == "--interactive") {
        return Err(Error::invocation("Interactive rebases are not supported"));
    }
    let mut call = Call::new(ctx, args, &["rebase"])?;
    call.add_opts(&[])?;
    let rev = shlex::split(&python::text(args.get("rev"))).map_err(Error::execution)?;
    call.words.extend(rev);
    Ok(call.here()?.into())
}

fn symbolic_ref(ctx: &Context, args: &Args) -> Result {
    let opts = split(args.get("opts"))?;
    let value = args.opt_text("value")?;
    if value.is_some() && opts.iter().any(|o| o == "-d" || o == "--delete") {
        return Err(Error::invocation(
            "Value cannot be set for symbolic ref if -d/--delete is included in opts",
        ));
    }
    let mut call = Call::new(ctx, args, &["symbolic-ref"])?;
    call.add_opts(&[])?.add(&[&args.text("ref")?]);
    if let Some(value) = value.filter(|v| !v.is_empty()) {
        call.add(&[&value]);
    }
    Ok(call.here()?.into())
}

fn tag(ctx: &Context, args: &Args) -> Result {
    let opts = split(args.get("opts"))?;
    if opts.iter().any(|o| o == "-m" || o.contains("--message")) {
        return Err(Error::invocation(
            "Tag messages must be passed in the \"message\" argument",
        ));
    }
    let mut call = Call::new(ctx, args, &["tag"])?;
    if let Some(message) = args.opt_text("message")? {
        call.add(&["-a", "-m", &message]);
    }
    call.add_opts(&["-a", "--annotate"])?;
    call.add(&[&args.text("name")?]);
    if !opts.iter().any(|o| o == "-d" || o == "--delete") {
        call.add(&[&args.text("ref")?]);
    }
    Ok(call.here_merged()?.into())
}
