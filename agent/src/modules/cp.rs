//! `cp`: files from the file server, and to it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Result};
use crate::fileclient::{FileClient, Listing, SaltUrl};
use crate::fnmatch::fnmatch;

/// The rows of `cp`.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "cp.get_file",
        signature: "path, dest, saltenv=None, makedirs=False, template=None, gzip=None, **kwargs",
        doc: "Copy one file from the file server to this minion.\n\nThe environment can also be part of the address: ``salt://path?saltenv=dev``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.get_file salt://path/to/file /minion/dest",
        run: get_file,
    },
    Function {
        name: "cp.get_file_str",
        signature: "path, saltenv=None",
        doc: "Cache a file and return its text, ``False`` when there is no such file.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.get_file_str salt://my/file",
        run: get_file_str,
    },
    Function {
        name: "cp.get_url",
        signature: "path, dest='', saltenv=None, makedirs=False, source_hash=None",
        doc: "Fetch a file of any address; with ``dest=None`` return its content instead.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.get_url salt://my/file /tmp/mine",
        run: get_url,
    },
    Function {
        name: "cp.get_dir",
        signature: "path, dest, saltenv=None, template=None, gzip=None, **kwargs",
        doc: "Copy a directory with everything below it from the file server.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.get_dir salt://path/to/dir/ /minion/dest",
        run: get_dir,
    },
    Function {
        name: "cp.get_template",
        signature: "path, dest, template='jinja', saltenv=None, makedirs=False, **kwargs",
        doc: "Render a file of the file server as a template and put the result in place.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.get_template salt://path/to/template /minion/dest",
        run: get_template,
    },
    Function {
        name: "cp.cache_file",
        signature: "path, saltenv=None, source_hash=None, verify_ssl=True, use_etag=False",
        doc: "Cache one file on the minion and return its place, ``False`` when there is no such file.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.cache_file salt://path/to/file",
        run: cache_file,
    },
    Function {
        name: "cp.cache_files",
        signature: "paths, saltenv=None",
        doc: "Cache several files, given as a list or separated by commas.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.cache_files salt://path/file1,salt://path/file2",
        run: cache_files,
    },
    Function {
        name: "cp.cache_dir",
        signature: "path, saltenv=None, include_empty=False, include_pat=None, exclude_pat=None",
        doc: "Cache everything below a directory of the file server. Patterns are globs, or regular expressions behind ``E@``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.cache_dir salt://path/to/dir",
        run: cache_dir,
    },
    Function {
        name: "cp.cache_master",
        signature: "saltenv=None",
        doc: "Cache all files of an environment.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.cache_master",
        run: cache_master,
    },
    Function {
        name: "cp.cache_local_file",
        signature: "path",
        doc: "Copy a file of this minion into its cache of local files.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.cache_local_file /etc/hosts",
        run: cache_local_file,
    },
    Function {
        name: "cp.cache_dest",
        signature: "url, saltenv=None",
        doc: "Return where a file would be cached.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.cache_dest salt://my/file",
        run: cache_dest,
    },
    Function {
        name: "cp.list_master",
        signature: "saltenv=None, prefix=''",
        doc: "List the files of the file server.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.list_master",
        run: list_master,
    },
    Function {
        name: "cp.list_master_dirs",
        signature: "saltenv=None, prefix=''",
        doc: "List the directories of the file server.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.list_master_dirs",
        run: list_master_dirs,
    },
    Function {
        name: "cp.list_master_symlinks",
        signature: "saltenv=None, prefix=''",
        doc: "List the links of the file server.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.list_master_symlinks",
        run: list_master_symlinks,
    },
    Function {
        name: "cp.list_minion",
        signature: "saltenv=None",
        doc: "List the files in the minion's cache.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.list_minion",
        run: list_minion,
    },
    Function {
        name: "cp.list_states",
        signature: "saltenv=None",
        doc: "List all state files of an environment by their SLS names.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.list_states",
        run: list_states,
    },
    Function {
        name: "cp.is_cached",
        signature: "path, saltenv=None",
        doc: "Return the cached copy's place, or a blank text.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.is_cached salt://path/to/file",
        run: is_cached,
    },
    Function {
        name: "cp.hash_file",
        signature: "path, saltenv=None",
        doc: "Return the checksum of a file on the file server or of this minion.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.hash_file salt://path/to/file",
        run: hash_file,
    },
    Function {
        name: "cp.hash_file_ssh",
        signature: "path, saltenv=None",
        doc: "This function is an alias of ``cp.hash_file``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.hash_file_ssh salt://path/to/file",
        run: hash_file,
    },
    Function {
        name: "cp.stat_file",
        signature: "path, saltenv=None, octal=True",
        doc: "Return the mode of a file on the file server or of this minion.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.stat_file salt://path/to/file",
        run: stat_file,
    },
    Function {
        name: "cp.envs",
        signature: "",
        doc: "List the environments of the file server.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.envs",
        run: envs,
    },
    Function {
        name: "cp.push",
        signature: "path, keep_symlinks=False, upload_path=None, remove_source=False",
        doc: "Send a file to the master, which must have ``file_recv`` turned on.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.push /etc/fstab",
        run: push,
    },
    Function {
        name: "cp.push_dir",
        signature: "path, glob=None, upload_path=None",
        doc: "Send a directory to the master, which must have ``file_recv`` turned on.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' cp.push_dir /etc/modprobe.d/ glob='*.conf'",
        run: push_dir,
    },
];

/// The environment asked for, else the minion's own, else `base`.
fn saltenv(ctx: &Context, args: &Args) -> Result<String> {
    if args.flag("saltenv") {
        return args.text("saltenv");
    }
    Ok(ctx
        .settings
        .opts
        .get("saltenv")
        .and_then(Value::as_str)
        .filter(|s| !s.is_empty())
        .unwrap_or("base")
        .to_owned())
}

fn place(path: Option<PathBuf>) -> Value {
    path.map_or(Value::Bool(false), |p| p.to_string_lossy().as_ref().into())
}

fn gzip(args: &Args) -> Result<Option<i64>> {
    match args.get("gzip") {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Int(0) => Ok(None),
        other => {
            let text = crate::context::python::text(other);
            text.parse().map(Some).map_err(|_| Error::Exception {
                kind: "ValueError",
                message: format!("invalid literal for int() with base 10: '{text}'"),
            })
        }
    }
}

/// Path and destination, rendered when `template` asks for that.
fn path_and_dest(ctx: &Context, args: &Args, env: &str) -> Result<(String, String)> {
    let names = (args.text("path")?, args.text("dest")?);
    if !args.flag("template") {
        return Ok(names);
    }
    let engine = args.text("template")?;
    if engine != "jinja" {
        return Err(Error::execution(format!(
            "Attempted to render file paths with unavailable engine {engine}"
        )));
    }
    let files = FileClient::new(ctx);
    let render = |text: &str| {
        let source = crate::render::Source {
            text,
            path: None,
            saltenv: env,
            sls: None,
            variables: &args.extra,
            files: &files,
        };
        crate::render::template(ctx, &source)
            .map_err(|e| Error::execution(format!("Failed to render file path with error: {e}")))
    };
    Ok((render(&names.0)?, render(&names.1)?))
}

fn get_file(ctx: &Context, args: &Args) -> Result {
    let client = FileClient::new(ctx);
    let env = saltenv(ctx, args)?;
    let (path, dest) = path_and_dest(ctx, args, &env)?;
    if SaltUrl::parse(&path).is_none() {
        return if Path::new(&path).is_file() {
            Err(Error::invocation(format!("Unsupported path: {path}")))
        } else {
            Ok("".into())
        };
    }
    if client.hash_file(&path, &env)?.is_none() {
        return Ok("".into());
    }
    let dest = (!dest.is_empty()).then(|| Path::new(&dest));
    let got = client.get_file(&path, dest, args.flag("makedirs"), &env, gzip(args)?)?;
    Ok(place(got))
}

fn get_file_str(ctx: &Context, args: &Args) -> Result {
    let client = FileClient::new(ctx);
    let path = client.cache_file(&args.text("path")?, &saltenv(ctx, args)?, None)?;
    Ok(match path.map(fs::read) {
        Some(Ok(bytes)) => bytes.into(),
        _ => false.into(),
    })
}

fn get_url(ctx: &Context, args: &Args) -> Result {
    let client = FileClient::new(ctx);
    let (path, env) = (args.text("path")?, saltenv(ctx, args)?);
    let hash = args.opt_text("source_hash")?;
    if args.get("dest").as_str().is_none() {
        return Ok(client
            .read(&path, &env)?
            .map_or(Value::Bool(false), Value::from));
    }
    let dest = args.text("dest")?;
    let dest = (!dest.is_empty()).then(|| Path::new(&dest));
    let makedirs = dest.is_none() || args.flag("makedirs");
    Ok(place(client.get_url(
        &path,
        dest,
        makedirs,
        &env,
        hash.as_deref(),
    )?))
}

fn get_dir(ctx: &Context, args: &Args) -> Result {
    let env = saltenv(ctx, args)?;
    let (path, dest) = path_and_dest(ctx, args, &env)?;
    let made = FileClient::new(ctx).get_dir(&path, &dest, &env, gzip(args)?)?;
    Ok(made.into())
}

fn get_template(ctx: &Context, args: &Args) -> Result {
    let (url, env) = (args.text("path")?, saltenv(ctx, args)?);
    let engine = args.text("template")?;
    let files = FileClient::new(ctx);
    let Some(path) = files.cache_file(&url, &env, None)?.filter(|p| p.is_file()) else {
        return Ok("".into());
    };
    if engine != "jinja" {
        tracing::error!(engine, "There is no such template engine here.");
        return Ok("".into());
    }
    let failed = |p: &Path, e: std::io::Error| Error::execution(format!("{}: {e}", p.display()));
    let text = fs::read_to_string(&path).map_err(|e| failed(&path, e))?;
    let source = crate::render::Source {
        text: &text,
        path: Some(&path),
        saltenv: &env,
        sls: None,
        variables: &args.extra,
        files: &files,
    };
    let rendered = match crate::render::template(ctx, &source) {
        Ok(rendered) => rendered,
        Err(error) => {
            tracing::error!(%error, url, "The template does not render.");
            return Ok("".into());
        }
    };
    let given = args.text("dest")?;
    let dest = if given.is_empty() {
        files.external_path(url.trim_start_matches("salt://"), &env)?
    } else {
        PathBuf::from(&given)
    };
    if let Some(dir) = dest.parent().filter(|d| !d.is_dir()) {
        if !given.is_empty() && !args.flag("makedirs") {
            return Ok("".into());
        }
        crate::host::fs::make_dirs(dir, 0o755).map_err(|e| failed(dir, e))?;
    }
    crate::host::fs::write_atomic(&dest, rendered.as_bytes(), 0o600)
        .map_err(|e| failed(&dest, e))?;
    Ok(place(Some(dest)))
}

fn cache_file(ctx: &Context, args: &Args) -> Result {
    let hash = args.opt_text("source_hash")?;
    Ok(place(FileClient::new(ctx).cache_file(
        &args.text("path")?,
        &saltenv(ctx, args)?,
        hash.as_deref(),
    )?))
}

fn cache_files(ctx: &Context, args: &Args) -> Result {
    let client = FileClient::new(ctx);
    let env = saltenv(ctx, args)?;
    let paths: Vec<String> = match args.get("paths") {
        Value::List(list) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => args.text("paths")?.split(',').map(str::to_owned).collect(),
    };
    let mut places = Vec::new();
    for path in paths {
        places.push(place(client.cache_file(&path, &env, None)?));
    }
    Ok(Value::List(places))
}

fn cache_dir(ctx: &Context, args: &Args) -> Result {
    let places = FileClient::new(ctx).cache_dir(
        &args.text("path")?,
        &saltenv(ctx, args)?,
        args.flag("include_empty"),
        args.get("include_pat"),
        args.get("exclude_pat"),
    )?;
    Ok(Value::List(
        places.into_iter().map(|p| place(Some(p))).collect(),
    ))
}

fn cache_master(ctx: &Context, args: &Args) -> Result {
    let places = FileClient::new(ctx).cache_master(&saltenv(ctx, args)?)?;
    Ok(Value::List(places.into_iter().map(place).collect()))
}

fn cache_local_file(ctx: &Context, args: &Args) -> Result {
    let path = args.text("path")?;
    if !Path::new(&path).exists() {
        return Ok("".into());
    }
    let client = FileClient::new(ctx);
    if let Some(cached) = client.is_cached(&path, &saltenv(ctx, args)?)?
        && client.hash_file(&path, "base")? == client.hash_file(&cached, "base")?
    {
        return Ok(cached.into());
    }
    Ok(place(Some(client.cache_local_file(&path)?)))
}

fn cache_dest(ctx: &Context, args: &Args) -> Result {
    let dest = FileClient::new(ctx).cache_dest(&args.text("url")?, &saltenv(ctx, args)?)?;
    Ok(place(Some(dest)))
}

fn list(ctx: &Context, args: &Args, kind: Listing) -> Result {
    let names = FileClient::new(ctx).list(kind, &saltenv(ctx, args)?, &args.text("prefix")?)?;
    Ok(names.into())
}

fn list_master(ctx: &Context, args: &Args) -> Result {
    list(ctx, args, Listing::Files)
}

fn list_master_dirs(ctx: &Context, args: &Args) -> Result {
    list(ctx, args, Listing::Dirs)
}

fn list_master_symlinks(ctx: &Context, args: &Args) -> Result {
    let links = FileClient::new(ctx).symlinks(&saltenv(ctx, args)?, &args.text("prefix")?)?;
    Ok(links.into())
}

fn list_minion(ctx: &Context, args: &Args) -> Result {
    Ok(FileClient::new(ctx)
        .cached_files(&saltenv(ctx, args)?)?
        .into())
}

fn list_states(ctx: &Context, args: &Args) -> Result {
    Ok(FileClient::new(ctx)
        .list_states(&saltenv(ctx, args)?)?
        .into())
}

fn is_cached(ctx: &Context, args: &Args) -> Result {
    let found = FileClient::new(ctx).is_cached(&args.text("path")?, &saltenv(ctx, args)?)?;
    Ok(found.unwrap_or_default().into())
}

fn hash_file(ctx: &Context, args: &Args) -> Result {
    let path = args.text("path")?;
    Ok(
        match FileClient::new(ctx).hash_file(&path, &saltenv(ctx, args)?)? {
            Some(hash) => hash.into(),
            // The server's word for a missing file, and Salt's own for a missing local one.
            None if SaltUrl::parse(&path).is_some() => "".into(),
            None => Value::List(vec![Value::Map(Map::new()), Value::Null]),
        },
    )
}

fn stat_file(ctx: &Context, args: &Args) -> Result {
    let stat = FileClient::new(ctx).stat_file(&args.text("path")?, &saltenv(ctx, args)?)?;
    let Some(mode) = stat.and_then(|s| s.first().and_then(Value::as_int)) else {
        return Ok(Value::Null);
    };
    Ok(if args.get("octal") == &Value::Bool(true) {
        format!("0{:o}", mode & 0o7777).into()
    } else {
        Value::Int(mode)
    })
}

fn envs(ctx: &Context, _: &Args) -> Result {
    Ok(FileClient::new(ctx).envs()?.into())
}

fn push(ctx: &Context, args: &Args) -> Result {
    let upload = args.opt_text("upload_path")?;
    push_one(
        ctx,
        &args.text("path")?,
        args.flag("keep_symlinks"),
        upload.as_deref(),
        args.flag("remove_source"),
    )
}

fn push_one(
    ctx: &Context,
    path: &str,
    keep_symlinks: bool,
    upload: Option<&str>,
    remove_source: bool,
) -> Result {
    let refused = Ok(Value::Bool(false));
    if path.contains("../") || !path.starts_with('/') {
        return refused;
    }
    let Some(master) = &ctx.master else {
        return Err(Error::execution(
            "cp.push needs a master, and this minion runs without one",
        ));
    };
    let mut source = PathBuf::from(path);
    if !keep_symlinks {
        source = fs::canonicalize(&source).unwrap_or(source);
    }
    if !source.is_file() || upload.is_some_and(|u| u.contains("../")) {
        return refused;
    }
    let shown = upload.map_or_else(|| source.clone(), PathBuf::from);
    let parts: Vec<String> = shown
        .components()
        .filter_map(|c| match c {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let failed = |e: std::io::Error| Error::execution(format!("{}: {e}", source.display()));
    let mut file = File::open(&source).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let buffer = ctx
        .settings
        .opts
        .get("file_buffer_size")
        .and_then(Value::as_int)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(256 << 10)
        .clamp(1, 64 << 20);
    let mut loc = 0usize;
    loop {
        if ctx.job.cancel.is_cancelled() {
            return refused;
        }
        let mut data = Vec::new();
        (&mut file)
            .take(buffer as u64)
            .read_to_end(&mut data)
            .map_err(failed)?;
        // An empty file is sent as one empty piece.
        if data.is_empty() && loc > 0 {
            break;
        }
        let sent = data.len();
        let load = map! {
            "cmd" => "_file_recv", "id" => ctx.settings.id.as_str(), "path" => parts.clone(),
            "size" => size, "loc" => loc, "data" => data,
        };
        let answer = master
            .request(load)
            .map_err(|e| Error::invocation(e.to_string()))?;
        if !answer.is_truthy() {
            tracing::error!(
                path,
                "The master took no file: is file_recv on, and file_recv_max_size large enough?"
            );
            return Ok(answer);
        }
        if sent == 0 {
            break;
        }
        loc += sent;
    }
    if remove_source && fs::remove_file(&source).is_err() {
        return refused;
    }
    Ok(true.into())
}

fn push_dir(ctx: &Context, args: &Args) -> Result {
    let path = args.text("path")?;
    let upload = args.opt_text("upload_path")?;
    if path.contains("../") || !path.starts_with('/') {
        return Ok(false.into());
    }
    let root = fs::canonicalize(&path).unwrap_or_else(|_| PathBuf::from(&path));
    if root.is_file() {
        return push_one(
            ctx,
            &root.to_string_lossy(),
            false,
            upload.as_deref(),
            false,
        );
    }
    let glob = args.opt_text("glob")?;
    let mut files = Vec::new();
    walk(&root, 0, &mut files);
    files.retain(|f| {
        let name = f.file_name().unwrap_or_default().to_string_lossy();
        glob.as_deref().is_none_or(|g| fnmatch(&name, g))
    });
    if files.is_empty() {
        return Ok(false.into());
    }
    for file in files {
        let shown = upload.as_deref().map(|u| {
            let inner = file.strip_prefix(&root).unwrap_or(&file);
            format!("/{}/{}", u.trim_matches('/'), inner.display())
        });
        let sent = push_one(ctx, &file.to_string_lossy(), false, shown.as_deref(), false)?;
        if !sent.is_truthy() {
            return Ok(sent);
        }
    }
    Ok(true.into())
}

fn walk(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < 64 => walk(&path, depth + 1, files),
            Ok(kind) if !kind.is_dir() => files.push(path),
            _ => {}
        }
    }
}
