//! `archive`: archives made, looked into and taken out, by the system's own programs.

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::config::glob::glob;
use crate::context::{Args, Context, Error, Ran, Result, python};
use crate::fileclient::FileClient;
use crate::host::archive::{self, Contents, Kind};
use crate::host::shlex;
use crate::host::zip::Writer;

/// The rows of `archive`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "archive.cmd_unzip",
        "zip_file, dest, excludes=None, options=None, template=None, runas=None, trim_output=False, password=None",
        |ctx, args| {
            let said = unzip(ctx, args, Vec::new())?;
            Ok(trimmed(args, said.lines().map(str::to_owned).collect()))
        },
        "Take a zip out with unzip.",
        "salt '*' archive.cmd_unzip /tmp/zipfile.zip /home/strongbad/ excludes=file_1,file_2"
    ),
    row!(
        "archive.cmd_zip",
        "zip_file, sources, template=None, cwd=None, runas=None",
        |ctx, args| {
            let mut argv = vec!["zip".to_owned(), "-r".to_owned(), args.text("zip_file")?];
            argv.extend(sources(args));
            run(ctx, args, argv)
        },
        "Make a zip with zip.",
        "salt '*' archive.cmd_zip /tmp/zipfile.zip /tmp/sourcefile1,/tmp/sourcefile2"
    ),
    row!(
        "archive.gunzip",
        "gzipfile, template=None, runas=None, options=None",
        |ctx, args| {
            let mut argv = vec!["gunzip".to_owned()];
            argv.extend(args.opt_text("options")?);
            argv.push(args.text("gzipfile")?);
            run(ctx, args, argv)
        },
        "Decompress a file with gunzip.",
        "salt '*' archive.gunzip /tmp/sourcefile.txt.gz options='--keep'"
    ),
    row!(
        "archive.gzip",
        "sourcefile, template=None, runas=None, options=None",
        |ctx, args| {
            let mut argv = vec!["gzip".to_owned()];
            argv.extend(args.opt_text("options")?);
            argv.push(args.text("sourcefile")?);
            run(ctx, args, argv)
        },
        "Compress a file with gzip.",
        "salt '*' archive.gzip /tmp/sourcefile.txt options='-9 --verbose'"
    ),
    row!(
        "archive.is_encrypted",
        "name, clean=False, saltenv='base', source_hash=None, use_etag=False",
        |ctx, args| {
            let encrypted = archive::is_encrypted(&ctx.programs(), &cached(ctx, args)?);
            Ok(encrypted.map_err(Error::Execution)?.into())
        },
        "Whether a zip cannot be read without a password.",
        "salt '*' archive.is_encrypted /path/to/myfile.zip"
    ),
    row!(
        "archive.list",
        "name, archive_format=None, options=None, strip_components=None, clean=False, verbose=False, saltenv='base', source_hash=None, use_etag=False",
        list,
        "List what is in an archive.",
        "salt '*' archive.list /path/to/myfile.tar.gz"
    ),
    row!(
        "archive.tar",
        "options, tarfile, sources=None, dest=None, cwd=None, template=None, runas=None",
        tar,
        "Make a tar, or take one out, with tar.",
        "salt '*' archive.tar cjvf /tmp/tarfile.tar.bz2 /tmp/file_1,/tmp/file_2"
    ),
    row!(
        "archive.unzip",
        "zip_file, dest, excludes=None, options=None, template=None, runas=None, trim_output=False, password=None, extract_perms=True",
        |ctx, args| {
            let path = PathBuf::from(args.text("zip_file")?);
            let names = archive::zip_names(&ctx.programs(), &path);
            let excludes = commas(args.get("excludes"));
            let mut names = names.map_err(|e| {
                Error::execution(format!("Exception encountered unpacking zipfile: {e}"))
            })?;
            unzip(ctx, args, vec!["-o".to_owned()])?;
            names.retain(|n| !excludes.contains(n));
            Ok(trimmed(args, names))
        },
        "Take a zip out; return its files.",
        "salt '*' archive.unzip /tmp/zipfile.zip /home/strongbad/ excludes=file_1,file_2"
    ),
    row!(
        "archive.zip",
        "zip_file, sources, template=None, cwd=None, runas=None, zip64=False",
        zip,
        "Make a zip; return the names that it holds.",
        "salt '*' archive.zip /tmp/zipfile.zip /tmp/sourcefile1,/tmp/sourcefile2"
    ),
];

/// A directory and what is below it, with the names that they get.
fn gather(path: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
    let name = path.strip_prefix(root).unwrap_or(path);
    let name = name.to_string_lossy().trim_start_matches('/').to_owned();
    if !path.is_dir() {
        found.push((path.to_path_buf(), name));
        return;
    }
    if !name.is_empty() {
        found.push((path.to_path_buf(), format!("{name}/")));
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    // Files before the directories beside them.
    entries.sort_by_key(|p| (p.is_dir(), p.clone()));
    for entry in entries {
        if !entry.is_symlink() || entry.is_file() {
            gather(&entry, root, found);
        }
    }
}

fn zip(_: &Context, args: &Args) -> Result {
    for argument in ["template", "runas"] {
        if args.flag(argument) {
            return Err(Error::invocation(format!(
                "The argument '{argument}' is not supported by this agent"
            )));
        }
    }
    let cwd = args.opt_text("cwd")?.filter(|c| !c.is_empty());
    let sources = sources(args);
    match &cwd {
        Some(cwd) if !cwd.starts_with('/') => {
            return Err(Error::invocation("cwd must be absolute"));
        }
        None if sources.iter().any(|s| !s.starts_with('/')) => {
            return Err(Error::invocation(
                "Relative paths require the 'cwd' parameter",
            ));
        }
        _ => {}
    }
    let mut found = Vec::new();
    for source in sources {
        let path = cwd
            .as_ref()
            .map_or_else(PathBuf::new, PathBuf::from)
            .join(source);
        if path.exists() {
            let below = cwd.as_deref().filter(|cwd| path.starts_with(cwd));
            gather(&path, Path::new(below.unwrap_or("/")), &mut found);
        }
    }
    let path = PathBuf::from(args.text("zip_file")?);
    let write = || -> std::io::Result<()> {
        let mut zip = Writer::create(&path)?;
        for (file, name) in &found {
            zip.add(file, name)?;
        }
        zip.finish()
    };
    write()
        .map_err(|e| Error::execution(format!("Exception encountered creating zipfile: {e}")))?;
    let names: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
    Ok(names.into())
}

fn commas(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::List(list) => list.iter().map(python::text).collect(),
        text => python::text(text)
            .split(',')
            .map(|t| t.trim().to_owned())
            .collect(),
    }
}

/// The sources of a call, with their globs resolved.
fn sources(args: &Args) -> Vec<String> {
    let mut all = Vec::new();
    for source in commas(args.get("sources")) {
        if source.contains(['*', '?', '[']) {
            all.extend(glob(&source).iter().map(|p| p.display().to_string()));
        } else {
            all.push(source);
        }
    }
    all
}

/// Runs these words as `cmd.run` does; the lines that they say.
fn run(ctx: &Context, args: &Args, argv: Vec<String>) -> Result {
    let said = said(ctx, args, argv, "cmd.run")?;
    let text = python::text(&said);
    Ok(text.lines().map(str::to_owned).collect::<Vec<_>>().into())
}

fn said(ctx: &Context, args: &Args, argv: Vec<String>, fun: &str) -> Result {
    let program = argv.first().cloned().unwrap_or_default();
    if crate::host::env::which(&program).is_none() {
        return Err(Error::MissingCommand(format!(
            "'{program}' was not found in the PATH"
        )));
    }
    let mut kwargs = Map::new();
    for key in ["cwd", "runas", "template"] {
        let value = args.get(key);
        if value.is_truthy() {
            kwargs.insert(key.into(), value.clone());
        }
    }
    if fun == "cmd.run_all" {
        kwargs.insert("redirect_stderr".into(), true.into());
        kwargs.insert("output_loglevel".into(), "quiet".into());
    }
    ctx.cmd(fun, argv, kwargs)
}

fn tar(ctx: &Context, args: &Args) -> Result {
    let options = args.text("options")?;
    if options.is_empty() {
        return Err(Error::invocation("Tar options can not be empty"));
    }
    let mut argv = vec!["tar".to_owned()];
    argv.extend(options.split_whitespace().map(str::to_owned));
    argv.push(args.text("tarfile")?);
    if args.flag("dest") {
        argv.extend(["-C".to_owned(), args.text("dest")?]);
    }
    argv.extend(sources(args));
    run(ctx, args, argv)
}

fn unzip(ctx: &Context, args: &Args, first: Vec<String>) -> Result<String> {
    let mut argv = vec!["unzip".to_owned()];
    argv.extend(first);
    if args.flag("password") {
        argv.extend(["-P".to_owned(), args.text("password")?]);
    }
    if args.flag("options") {
        let words = shlex::split(&args.text("options")?);
        argv.extend(words.map_err(|e| Error::invocation(e.to_owned()))?);
    }
    argv.extend([args.text("zip_file")?, "-d".to_owned(), args.text("dest")?]);
    let excludes = commas(args.get("excludes"));
    if !excludes.is_empty() {
        argv.push("-x".to_owned());
        argv.extend(excludes);
    }
    let told = Ran::from(said(ctx, args, argv, "cmd.run_all")?);
    if told.is_fine() {
        Ok(told.stdout())
    } else {
        Err(Error::Execution(told.stdout()))
    }
}

fn trimmed(args: &Args, mut lines: Vec<String>) -> Value {
    let count = match args.get("trim_output") {
        Value::Bool(false) | Value::Null => return lines.into(),
        Value::Bool(true) => 100,
        other => python::text(other).parse().unwrap_or(100),
    };
    if lines.len() > count {
        lines.truncate(count);
        lines.push(format!("List trimmed after {count} files."));
    }
    lines.into()
}

fn cached(ctx: &Context, args: &Args) -> Result<PathBuf> {
    let name = args.text("name")?;
    let hash = args.opt_text("source_hash")?;
    let files = FileClient::new(ctx);
    let path = files.cache_file(&name, &args.text("saltenv")?, hash.as_deref())?;
    path.filter(|p| p.exists())
        .ok_or_else(|| Error::execution(format!("Failed to cache {name}")))
}

fn list(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let strip = match args.get("strip_components") {
        value if !value.is_truthy() => 0,
        value => match python::text(value).parse::<usize>() {
            Ok(count) if count > 0 => count,
            _ => {
                return Err(Error::execution(
                    "'strip_components' must be a positive integer",
                ));
            }
        },
    };
    let path = cached(ctx, args)?;
    let kind = match args.opt_text("archive_format")?.filter(|f| !f.is_empty()) {
        Some(word) => Kind::named(&word)
            .ok_or_else(|| Error::execution(format!("Unsupported archive format '{word}'")))?,
        None => Kind::guess(&name).ok_or_else(|| {
            Error::execution(
                "Unable to guess archive format, please pass an 'archive_format' argument.",
            )
        })?,
    };
    let found = archive::list(&ctx.programs(), Path::new(&path), kind, strip);
    let mut found = found.map_err(Error::Execution)?;
    if args.flag("verbose") {
        let top_dirs = found.top_dirs();
        let told: Map = map! {
            "top_level_dirs" => top_dirs, "top_level_files" => Contents::top(&found.files),
            "top_level_links" => Contents::top(&found.links),
            "dirs" => found.dirs, "files" => found.files, "links" => found.links,
        };
        return Ok(told.into());
    }
    let mut all = std::mem::take(&mut found.dirs);
    all.extend(found.files);
    all.extend(found.links);
    all.sort();
    Ok(all.into())
}
