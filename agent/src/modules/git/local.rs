//! A repository by itself: made, looked at, and its files.

use salt_wire::{Map, Value};

use super::{Call, cwd, expanded, extras, lines, split};
use crate::context::{Args, Context, Error, Result, python};
use crate::modules::{Function, row};

/// The rows about a repository by itself.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "git.add",
        "cwd, filename, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let mut call = Call::new(ctx, args, &["add", "--verbose"])?;
            call.add_opts(&["-v", "--verbose"])?;
            Ok(call.add(&["--", &args.text("filename")?]).here()?.into())
        },
        "Stage a file.",
        "salt myminion git.add /path/to/repo foo/bar.py"
    ),
    row!(
        "git.archive",
        "cwd, output, rev='HEAD', prefix=None, git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        archive,
        "Write the files of a revision to an archive.",
        "salt myminion git.archive /path/to/repo /path/to/archive.tar"
    ),
    row!(
        "git.checkout",
        "cwd, rev=None, force=False, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        checkout,
        "Check out a revision.",
        "salt myminion git.checkout /path/to/repo somebranch user=jeff"
    ),
    row!(
        "git.discard_local_changes",
        "cwd, path='.', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let call = Call::new(ctx, args, &["checkout", "--", &args.text("path")?])?;
            Ok(call.here_merged()?.into())
        },
        "Throw away what is changed below a path.",
        "salt myminion git.discard_local_changes /path/to/repo path=foo"
    ),
    row!(
        "git.init",
        "cwd, bare=False, template=None, separate_git_dir=None, shared=None, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        init,
        "Make a repository.",
        "salt myminion git.init /path/to/repo"
    ),
    row!(
        "git.reset",
        "cwd, opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| plain(ctx, args, &["reset"]),
        "Reset to a revision; ``opts`` says how and which.",
        "salt myminion git.reset /path/to/repo opts='--hard origin/master'"
    ),
    row!(
        "git.rm",
        "cwd, filename, opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let mut call = Call::new(ctx, args, &["rm"])?;
            call.add_opts(&[])?;
            Ok(call.add(&["--", &args.text("filename")?]).here()?.into())
        },
        "Remove a file from the index and the work tree.",
        "salt myminion git.rm /path/to/repo foo/bar.py"
    ),
    row!(
        "git.stash",
        "cwd, action='save', opts='', git_opts='', user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| plain(ctx, args, &["stash", &args.text("action")?]),
        "Put changes aside, or do another thing that ``git stash`` does.",
        "salt myminion git.stash /path/to/repo pop"
    ),
    row!(
        "git.status",
        "cwd, user=None, password=None, ignore_retcode=False, output_encoding=None",
        status,
        "Return which files are modified, new, deleted or untracked.",
        "salt myminion git.status /path/to/repo"
    ),
    row!(
        "git.submodule",
        "cwd, command, opts='', git_opts='', user=None, password=None, identity=None, ignore_retcode=False, saltenv='base', output_encoding=None, **kwargs",
        submodule,
        "Do what ``git submodule`` does.",
        "salt myminion git.submodule /path/to/repo update opts='--init'"
    ),
    row!(
        "git.version",
        "versioninfo=False",
        version,
        "Return git's version; with ``versioninfo`` its parts.",
        "salt myminion git.version"
    ),
    row!(
        "git.list_branches",
        "cwd, remote=False, user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| {
            let of = if args.flag("remote") {
                "refs/remotes/"
            } else {
                "refs/heads/"
            };
            refs(ctx, args, of)
        },
        "List the branches.",
        "salt myminion git.list_branches /path/to/repo"
    ),
    row!(
        "git.list_tags",
        "cwd, user=None, password=None, ignore_retcode=False, output_encoding=None",
        |ctx, args| refs(ctx, args, "refs/tags/"),
        "List the tags.",
        "salt myminion git.list_tags /path/to/repo"
    ),
];

/// A command that takes `opts` and nothing else.
pub(super) fn plain(ctx: &Context, args: &Args, words: &[&str]) -> Result {
    let mut call = Call::new(ctx, args, words)?;
    Ok(call.add_opts(&[])?.here()?.into())
}

fn refs(ctx: &Context, args: &Args, below: &str) -> Result {
    let words = ["for-each-ref", "--format", "%(refname:short)", below];
    Ok(lines(&Call::new(ctx, args, &words)?.here()?))
}

fn archive(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["format"])?;
    let dir = cwd(args)?;
    let output = expanded(&args.text("output")?, args)?;
    let prefix = match args.get("prefix").as_str() {
        Some("") => None,
        Some(prefix) => Some(prefix.to_owned()),
        None => Some(format!(
            "{}/",
            dir.file_name().unwrap_or_default().to_string_lossy()
        )),
    };
    let mut call = Call::new(ctx, args, &["archive"])?;
    if let Some(prefix) = &prefix {
        call.add(&["--prefix", prefix]);
    }
    if let Some(format) = more.get("format").filter(|f| f.is_truthy()) {
        call.add(&["--format", &python::text(format)]);
    }
    call.add(&["--output", &output.to_string_lossy(), &args.text("rev")?]);
    call.here()?;
    Ok(true.into())
}

fn checkout(ctx: &Context, args: &Args) -> Result {
    let mut call = Call::new(ctx, args, &["checkout"])?;
    call.add_if(args.flag("force"), &["--force"])
        .add_opts(&[])?;
    match args.opt_text("rev")? {
        Some(rev) => drop(call.add(&[&rev])),
        None => {
            let opts = split(args.get("opts"))?;
            if !opts.iter().any(|o| o == "-b" || o == "-B") {
                return Err(Error::invocation(
                    "'rev' argument is required unless -b or -B in opts",
                ));
            }
        }
    }
    Ok(call.here_merged()?.into())
}

fn init(ctx: &Context, args: &Args) -> Result {
    let mut call = Call::new(ctx, args, &["init"])?;
    call.add_if(args.flag("bare"), &["--bare"]);
    if let Some(template) = args.opt_text("template")? {
        call.add(&[&format!("--template={template}")]);
    }
    if let Some(dir) = args.opt_text("separate_git_dir")? {
        call.add(&[&format!("--separate-git-dir={dir}")]);
    }
    let shared = match args.get("shared") {
        Value::Null => None,
        Value::Int(mode) => Some(format!("0{mode}")),
        Value::Str(word) => Some(word.clone()),
        other => Some(python::text(other).to_lowercase()),
    };
    if let Some(shared) = shared {
        call.add(&[&format!("--shared={shared}")]);
    }
    call.add_opts(&[])?.add(&[&cwd(args)?.to_string_lossy()]);
    Ok(call.run(None, false)?.into())
}

fn status(ctx: &Context, args: &Args) -> Result {
    let out = Call::new(ctx, args, &["status", "-z", "--porcelain"])?.here()?;
    let mut found: indexmap::IndexMap<&str, Vec<&str>> = indexmap::IndexMap::new();
    for line in out.split('\0') {
        let line = line.trim_start();
        let Some((state, rest)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let word = match state {
            "M" => "modified",
            "A" => "new",
            "D" => "deleted",
            "??" => "untracked",
            other => other,
        };
        found.entry(word).or_default().push(rest.trim_start());
    }
    let found: Map = found
        .into_iter()
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    Ok(found.into())
}

fn submodule(ctx: &Context, args: &Args) -> Result {
    if extras(args, &["init"])?
        .get("init")
        .is_some_and(Value::is_truthy)
    {
        return Err(Error::invocation(
            "The 'init' argument is no longer supported. Either set 'command' to 'init', or include '--init' in the 'opts' argument and set 'command' to 'update'.",
        ));
    }
    plain(ctx, args, &["submodule", &args.text("command")?])
}

fn version(ctx: &Context, args: &Args) -> Result {
    let out = Call::new(ctx, &Args::default(), &["--version"])?.run(None, false);
    let out = out.unwrap_or_else(|_| "unknown".to_owned());
    let text = out.split('(').next().unwrap_or_default();
    let word = text.split_whitespace().next_back().unwrap_or("unknown");
    if !args.flag("versioninfo") {
        return Ok(word.into());
    }
    let part = |p: &str| p.parse::<i64>().map_or_else(|_| p.into(), Value::from);
    Ok(Value::List(word.split('.').map(part).collect()))
}
