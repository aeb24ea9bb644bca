//! `file.touch`: a file that is there, with these times.

use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use salt_wire::{Value, map};

use super::{Done, failed, os_error, path_of, perms};
use crate::context::{Context, Error, python};
use crate::states::{Outcome, Run};

/// Makes an empty file, if there is none.
pub(super) fn create(path: &Path) -> std::io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map(drop)
}

/// What test mode says.
pub(super) fn check(name: &str, atime: &Value, mtime: &Value) -> Outcome {
    let Ok(stat) = fs::symlink_metadata(name).and_then(|_| fs::metadata(name)) else {
        return Outcome::would(
            map! { "new" => name },
            format!("File {name} is set to be created"),
        );
    };
    let differs = |wanted: &Value, seconds: i64, nanos: i64| {
        let is = seconds as f64 + nanos as f64 / 1e9;
        !wanted.is_null() && python::text(wanted) != python::float(is)
    };
    if differs(atime, stat.atime(), stat.atime_nsec())
        || differs(mtime, stat.mtime(), stat.mtime_nsec())
    {
        return Outcome::would(
            map! { "touched" => name },
            format!("Times set to be updated on file {name}"),
        );
    }
    Outcome::changed(
        map! { "new" => name },
        format!("File {name} exists and has the correct times"),
    )
}

fn time(value: &Value) -> Result<Option<SystemTime>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    let seconds = match value {
        Value::Str(digits) => digits.parse().ok(),
        other => other.as_float(),
    };
    let seconds = seconds.filter(|s: &f64| s.is_finite() && *s >= 0.0 && *s < 1e12);
    let seconds = seconds.ok_or_else(|| Error::invocation("atime and mtime must be integers"))?;
    Ok(Some(
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds),
    ))
}

pub(super) fn touch(_: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    if name.is_empty() {
        return failed("Must provide name to file.touch");
    }
    if !name.starts_with('/') {
        return failed(format!("Specified file {name} is not an absolute path"));
    }
    let (atime, mtime) = (run.args.get("atime"), run.args.get("mtime"));
    if run.test {
        return Ok(check(&name, atime, mtime));
    }
    let path = Path::new(&name);
    let dir = path.parent().unwrap_or(path);
    if run.args.flag("makedirs") && !dir.is_dir() {
        perms::make_dirs(dir, &perms::Wanted::ANY)?;
    }
    if !dir.is_dir() {
        return failed(format!("Directory not present to touch file {name}"));
    }
    let (accessed, modified) = (time(atime)?, time(mtime)?);
    let extant = path.exists();
    let told = |e: std::io::Error| Error::execution(os_error(path, &e));
    if !extant {
        create(path).map_err(told)?;
    }
    let now = SystemTime::now();
    let times = FileTimes::new()
        .set_accessed(accessed.unwrap_or(now))
        .set_modified(modified.unwrap_or(now));
    let file = OpenOptions::new().read(true).open(path).map_err(told)?;
    file.set_times(times).map_err(told)?;
    Ok(if extant {
        let kind = if path.is_dir() { "directory" } else { "file" };
        Outcome::changed(
            map! { "touched" => name.as_str() },
            format!("Updated times on {kind} {name}"),
        )
    } else {
        Outcome::changed(
            map! { "new" => name.as_str() },
            format!("Created empty file {name}"),
        )
    })
}
