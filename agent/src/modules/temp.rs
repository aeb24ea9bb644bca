//! `temp`: files and directories with names of their own.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Function, row};
use crate::context::{Args, Error, Result, python};
use crate::host::scratch::unique;

/// The rows of `temp`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "temp.dir",
        "suffix='', prefix='tmp', parent=None",
        |_, args| made(args, |path| DirBuilder::new().mode(0o700).create(path)),
        "Make a temporary directory and return its path.",
        "salt '*' temp.dir prefix='mytemp-' parent='/var/run/'"
    ),
    row!(
        "temp.file",
        "suffix='', prefix='tmp', parent=None",
        |_, args| {
            made(args, |path| {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                options.open(path).map(drop)
            })
        },
        "Make a temporary file and return its path.",
        "salt '*' temp.file prefix='mytemp-' parent='/var/run/'"
    ),
];

fn made(args: &Args, make: impl Fn(&Path) -> io::Result<()>) -> Result {
    let parent = args.opt_text("parent")?;
    let parent = parent.map_or_else(std::env::temp_dir, PathBuf::from);
    let (prefix, suffix) = (args.text("prefix")?, args.text("suffix")?);
    let made = unique(&parent, &prefix, &suffix, make);
    let path = made.map_err(|e| Error::Exception {
        kind: "OSError",
        message: python::os_error(&parent, &e),
    })?;
    Ok(path.to_string_lossy().as_ref().into())
}
