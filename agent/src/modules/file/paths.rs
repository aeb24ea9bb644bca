//! Paths taken apart and put together, and whether there is something.

use std::path::{Path, PathBuf};

use salt_wire::Value;

use crate::context::{Args, Error, Result, python};
use crate::host::env;
use crate::modules::{Function, row};

/// The rows about paths.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.basename",
        "path",
        |_, args| {
            let path = args.text("path")?;
            Ok(path.rsplit('/').next().unwrap_or_default().into())
        },
        "Return the last part of a path.",
        "salt '*' file.basename 'test/test.config'"
    ),
    row!(
        "file.dirname",
        "path",
        |_, args| Ok(dirname(&args.text("path")?).into()),
        "Return a path without its last part.",
        "salt '*' file.dirname 'test/path/filename.config'"
    ),
    row!(
        "file.join",
        "*args",
        |_, args| join(args),
        "Put parts of a path together.",
        "salt '*' file.join / usr local bin"
    ),
    row!(
        "file.normpath",
        "path",
        |_, args| Ok(python::normpath(&args.text("path")?).into()),
        "Return a path without double separators and dots.",
        "salt '*' file.normpath 'a/b/c/..'"
    ),
    row!(
        "file.file_exists",
        "path",
        |_, args| Ok(expanded(args)?.is_file().into()),
        "Whether there is such a file.",
        "salt '*' file.file_exists /etc/passwd"
    ),
    row!(
        "file.directory_exists",
        "path",
        |_, args| Ok(expanded(args)?.is_dir().into()),
        "Whether there is such a directory.",
        "salt '*' file.directory_exists /etc"
    ),
    row!(
        "file.is_link",
        "path, nostat=False",
        |_, args| Ok(expanded(args)?.is_symlink().into()),
        "Whether a path is a symbolic link.",
        "salt '*' file.is_link /path/to/link"
    ),
    row!(
        "file.readdir",
        "path",
        |_, args| readdir(args),
        "Return the names in a directory, ``.`` and ``..`` included.",
        "salt '*' file.readdir /path/to/dir/"
    ),
];

/// `os.path.dirname`
pub(super) fn dirname(path: &str) -> &str {
    let head = match path.rfind('/') {
        Some(at) => &path[..=at],
        None => return "",
    };
    let cut = head.trim_end_matches('/');
    if cut.is_empty() { head } else { cut }
}

fn join(args: &Args) -> Result {
    let mut joined: Option<String> = None;
    for part in &args.rest {
        let Value::Str(part) = part else {
            return Err(Error::Arguments(format!(
                "join() argument must be str, bytes, or os.PathLike object, not '{}'",
                crate::context::signature::kind(part)
            )));
        };
        joined = Some(match joined {
            None => part.clone(),
            Some(_) if part.starts_with('/') => part.clone(),
            Some(path) if path.is_empty() || path.ends_with('/') => path + part,
            Some(path) => format!("{path}/{part}"),
        });
    }
    joined.map(Value::from).ok_or_else(|| {
        Error::Arguments("join() missing 1 required positional argument: 'a'".into())
    })
}

/// The path with `~` replaced by the home directory.
fn expanded(args: &Args) -> Result<PathBuf> {
    let path = python::text(args.get("path"));
    let rest = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => return Ok(PathBuf::from(path)),
    };
    let home = env::var("HOME").unwrap_or_default();
    Ok(PathBuf::from(format!("{home}{rest}")))
}

fn readdir(args: &Args) -> Result {
    let dir = expanded(args)?;
    if !dir.is_absolute() {
        return Err(Error::invocation("Dir path must be absolute."));
    }
    if !dir.is_dir() {
        return Err(Error::invocation("A valid directory was not specified."));
    }
    let mut names: Vec<Value> = vec![".".into(), "..".into()];
    let failed = |e: std::io::Error| Error::execution(format!("{}: {e}", dir.display()));
    for entry in std::fs::read_dir(Path::new(&dir)).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.push(name.to_string_lossy().as_ref().into());
    }
    Ok(Value::List(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart_as_in_python() {
        for (path, dir) in [
            ("a/b", "a"),
            ("/a", "/"),
            ("a", ""),
            ("//a//b/", "//a//b"),
            ("a//b", "a"),
        ] {
            assert_eq!(dirname(path), dir, "{path}");
        }
    }
}
