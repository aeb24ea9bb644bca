//! What files hold: read, written, searched, summed up.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use salt_wire::{Map, Value};

use crate::config::glob::glob;
use crate::context::{Args, Context, Error, Result, python};
use crate::fnmatch::fnmatch;
use crate::host::digest;
use crate::host::fs::rewrite;
use crate::host::perms::expand_user;
use crate::host::shlex;
use crate::modules::{Function, row};
use crate::targeting::pcre;

/// The rows about what files hold.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.append",
        "path, *args, **kwargs",
        append,
        "Add lines at the end of a file.",
        "salt '*' file.append /etc/motd \"With all thine offerings thou shalt offer salt.\""
    ),
    row!(
        "file.check_hash",
        "path, file_hash",
        check_hash,
        "Whether a file has this checksum.",
        "salt '*' file.check_hash /etc/fstab md5:<md5sum>"
    ),
    row!(
        "file.contains",
        "path, text",
        |_, args| {
            let text = python::text(args.get("text"));
            Ok(read(args)?
                .is_some_and(|held| held.contains(text.trim()))
                .into())
        },
        "Whether a file holds a text.",
        "salt '*' file.contains /etc/crontab 'mymaintenance.sh'"
    ),
    row!(
        "file.contains_glob",
        "path, glob_expr",
        |_, args| {
            let glob = args.text("glob_expr")?;
            Ok(read(args)?.is_some_and(|held| fnmatch(&held, &glob)).into())
        },
        "Whether what a file holds fits a glob.",
        "salt '*' file.contains_glob /etc/foobar '*cheese*'"
    ),
    row!(
        "file.contains_regex",
        "path, regex, lchar=''",
        contains_regex,
        "Whether a line of a file fits a pattern.",
        "salt '*' file.contains_regex /etc/crontab '^maintenance'"
    ),
    row!(
        "file.get_hash",
        "path, form='sha256', chunk_size=65536",
        |_, args| {
            let path = path(args)?;
            Ok(sum(&path, &args.text("form")?)?.into())
        },
        "Return the checksum of a file.",
        "salt '*' file.get_hash /etc/shadow"
    ),
    row!(
        "file.get_sum",
        "path, form='sha256'",
        |_, args| {
            let path = path(args)?;
            if !path.is_file() {
                return Ok("File not found".into());
            }
            Ok(sum(&path, &args.text("form")?)?.into())
        },
        "Return the checksum of a file, or that there is none.",
        "salt '*' file.get_sum /etc/passwd sha512"
    ),
    row!(
        "file.grep",
        "path, pattern, *opts",
        grep,
        "Search a file with grep.",
        "salt '*' file.grep /etc/passwd nobody -- -i"
    ),
    row!(
        "file.prepend",
        "path, *args, **kwargs",
        prepend,
        "Put lines at the beginning of a file.",
        "salt '*' file.prepend /etc/motd \"With all thine offerings thou shalt offer salt.\""
    ),
    row!(
        "file.read",
        "path, binary=False",
        |_, args| {
            let path = path(args)?;
            let bytes = fs::read(&path).map_err(|e| os_error(&e, &path))?;
            Ok(if args.flag("binary") {
                Value::Bytes(bytes)
            } else {
                String::from_utf8_lossy(&bytes).into_owned().into()
            })
        },
        "Return what a file holds.",
        "salt '*' file.read /path/to/file"
    ),
    row!(
        "file.seek_read",
        "path, size, offset",
        seek_read,
        "Return a part of what a file holds.",
        "salt '*' file.seek_read /path/to/file 4096 0"
    ),
    row!(
        "file.seek_write",
        "path, data, offset",
        seek_write,
        "Write into the middle of a file; return how many bytes.",
        "salt '*' file.seek_write /path/to/file 'some data' 4096"
    ),
    row!(
        "file.touch",
        "name, atime=None, mtime=None",
        touch,
        "Make a file if there is none, and set its times.",
        "salt '*' file.touch /var/log/emptyfile"
    ),
    row!(
        "file.truncate",
        "path, length",
        |_, args| {
            let path = path(args)?;
            let length = u64::try_from(crate::modules::python_int(args.get("length"))?)
                .map_err(|_| Error::invocation("length must not be negative"))?;
            let file = OpenOptions::new().write(true).open(&path);
            file.and_then(|f| f.set_len(length))
                .map_err(|e| os_error(&e, &path))?;
            Ok(Value::Null)
        },
        "Cut a file to this length.",
        "salt '*' file.truncate /path/to/file 512"
    ),
    row!(
        "file.write",
        "path, *args, **kwargs",
        |_, args| {
            let (path, lines) = (path(args)?, lines(args));
            let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
            rewrite(&path, text.as_bytes(), 0o644).map_err(|e| os_error(&e, &path))?;
            Ok(format!("Wrote {} lines to \"{}\"", lines.len(), path.display()).into())
        },
        "Write lines into a file, in place of what it held.",
        "salt '*' file.write /etc/motd args='one,two,three'"
    ),
];

fn path(args: &Args) -> Result<PathBuf> {
    Ok(expand_user(&args.text("path")?))
}

/// A failed call as Python tells it.
fn os_error(error: &io::Error, path: &Path) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => "FileNotFoundError",
        io::ErrorKind::PermissionDenied => "PermissionError",
        io::ErrorKind::IsADirectory => "IsADirectoryError",
        _ => "OSError",
    };
    Error::Exception {
        kind,
        message: python::os_error(path, error),
    }
}

/// What a file holds; nothing when it is not there or cannot be read.
fn read(args: &Args) -> Result<Option<String>> {
    let bytes = fs::read(path(args)?).ok();
    Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
}

/// The lines of a call: positional ones, or `args=`.
fn lines(args: &Args) -> Vec<String> {
    match args.extra.get("args") {
        Some(Value::List(list)) => list.iter().map(python::text).collect(),
        Some(one) => vec![python::text(one)],
        None => args.rest.iter().map(python::text).collect(),
    }
}

fn append(_: &Context, args: &Args) -> Result {
    let (path, lines) = (path(args)?, lines(args));
    let mut held = fs::read(&path).map_err(|e| os_error(&e, &path))?;
    if held.last().is_some_and(|c| *c != b'\n') {
        held.push(b'\n');
    }
    for line in &lines {
        held.extend(line.as_bytes());
        held.push(b'\n');
    }
    rewrite(&path, &held, 0o644).map_err(|e| os_error(&e, &path))?;
    Ok(format!("Wrote {} lines to \"{}\"", lines.len(), path.display()).into())
}

fn prepend(_: &Context, args: &Args) -> Result {
    let (path, lines) = (path(args)?, lines(args));
    let mut text: Vec<u8> = lines
        .iter()
        .flat_map(|l| format!("{l}\n").into_bytes())
        .collect();
    text.extend(fs::read(&path).unwrap_or_default());
    rewrite(&path, &text, 0o644).map_err(|e| os_error(&e, &path))?;
    Ok(format!("Prepended {} lines to \"{}\"", lines.len(), path.display()).into())
}

fn contains_regex(_: &Context, args: &Args) -> Result {
    let Some(held) = read(args)? else {
        return Ok(false.into());
    };
    let regex = args.text("regex")?;
    let strip = args.text("lchar")?;
    let compiled = pcre::compile(&regex).ok_or_else(|| {
        Error::execution(format!("the regular expression '{regex}' cannot be read"))
    })?;
    for line in held.split_inclusive('\n') {
        let line = line.trim_start_matches(|c| strip.contains(c));
        let found = compiled
            .is_match(line)
            .map_err(|e| Error::execution(format!("the regular expression gives up: {e}")))?;
        if found {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

fn sum(path: &Path, form: &str) -> Result<String> {
    digest::file(path, form).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidInput => Error::Exception {
            kind: "ValueError",
            message: format!("Invalid hash type: {form}"),
        },
        _ => os_error(&e, path),
    })
}

fn check_hash(_: &Context, args: &Args) -> Result {
    let path = path(args)?;
    let Value::Str(given) = args.get("file_hash") else {
        return Err(Error::invocation("hash must be a string"));
    };
    let (form, wanted) = match given.split_once(':').or_else(|| given.split_once('=')) {
        Some((form, wanted)) => (form.to_owned(), wanted),
        None => match digest::by_length(given.len()) {
            Some(form) => (form.to_owned(), given.as_str()),
            None => {
                return Err(Error::invocation(format!(
                    "Hash {given} (length: {}) could not be matched to a supported hash type. The supported hash types and lengths are: md5 (32), sha1 (40), sha224 (56), sha256 (64), sha384 (96), sha512 (128)",
                    given.len()
                )));
            }
        },
    };
    Ok((sum(&path, &form)? == wanted).into())
}

fn grep(ctx: &Context, args: &Args) -> Result {
    let (path, pattern) = (path(args)?, python::text(args.get("pattern")));
    let mut argv = vec!["grep".to_owned()];
    for option in &args.rest {
        let option = python::text(option);
        let words = shlex::split(&option).unwrap_or_default();
        if words.len() > 1 {
            return Err(Error::invocation(format!(
                "Passing multiple command line arguments in a single string is not supported, please pass the following arguments separately: {option}"
            )));
        }
        argv.extend(words);
    }
    argv.push(pattern);
    let found = glob(&path.to_string_lossy());
    let files: Vec<_> = found
        .iter()
        .map(|f| f.to_string_lossy().into_owned())
        .collect();
    if files.is_empty() {
        argv.push(path.to_string_lossy().into_owned());
    }
    argv.extend(files);
    ctx.cmd("cmd.run_all", argv, Map::new())
}

fn number(args: &Args, key: &str) -> Result<u64> {
    u64::try_from(crate::modules::python_int(args.get(key))?)
        .map_err(|_| Error::invocation(format!("{key} must not be negative")))
}

/// Most bytes that one call returns.
const LIMIT: u64 = 64 << 20;

fn seek_read(_: &Context, args: &Args) -> Result {
    let path = path(args)?;
    let (size, offset) = (number(args, "size")?.min(LIMIT), number(args, "offset")?);
    let part = || -> io::Result<Vec<u8>> {
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(Value::Bytes(part().map_err(|e| os_error(&e, &path))?))
}

fn seek_write(_: &Context, args: &Args) -> Result {
    let (path, offset) = (path(args)?, number(args, "offset")?);
    let bytes = args.get("data").as_bytes().map(<[u8]>::to_vec);
    let bytes = bytes.unwrap_or_else(|| python::text(args.get("data")).into_bytes());
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().map_err(|e| os_error(&e, &path))?;
    Ok(bytes.len().into())
}

/// A time of a call; now when it is not given.
fn time(value: &Value) -> Result<SystemTime> {
    let wrong = || Error::invocation("atime and mtime must be integers");
    let seconds = match value {
        Value::Null => return Ok(SystemTime::now()),
        Value::Int(_) | Value::Float(_) => value.as_float().ok_or_else(wrong)?,
        Value::Str(text) => text.parse::<u32>().map(f64::from).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let after = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    Ok(SystemTime::UNIX_EPOCH + after)
}

fn touch(_: &Context, args: &Args) -> Result {
    let path = expand_user(&args.text("name")?);
    let plain = |e: io::Error| Error::execution(python::strerror(&e));
    if !path.exists() {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(plain)?;
    }
    let times = FileTimes::new()
        .set_accessed(time(args.get("atime"))?)
        .set_modified(time(args.get("mtime"))?);
    let file = File::open(&path).map_err(plain)?;
    file.set_times(times).map_err(plain)?;
    Ok(path.exists().into())
}
