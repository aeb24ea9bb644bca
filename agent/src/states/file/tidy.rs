//! `file.tidied` and `file.pruned`: what is old or empty is removed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use salt_wire::{Map, Value, map};

use super::pattern::{self, begins};
use super::{Done, failed, path_of};
use crate::context::{Context, Error, python};
use crate::states::{Outcome, Run};

/// Bytes of a size such as `10M` or `3KiB`; what makes no sense is none.
fn bytes(value: &Value) -> u64 {
    match value {
        Value::Int(n) => u64::try_from(*n).unwrap_or_default(),
        Value::Str(text) => {
            let text = text.trim().to_lowercase();
            let end = text
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(text.len());
            let number: f64 = text[..end].parse().unwrap_or_default();
            let unit = text[end..].trim();
            let base: f64 = if unit.len() == 2 && unit.ends_with('b') {
                1000.0
            } else {
                1024.0
            };
            let power = unit
                .chars()
                .next()
                .and_then(|c| "kmgtp".find(c))
                .map_or(0, |at| i32::try_from(at).unwrap_or_default() + 1);
            (number * base.powi(power)) as u64
        }
        _ => 0,
    }
}

fn walk(dir: &Path, follow: bool, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > 256 {
        return;
    }
    let mut entries: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    entries.sort();
    let is_dir = |path: &PathBuf| path.is_dir();
    for path in entries.iter().filter(|p| is_dir(p)) {
        if follow || !path.is_symlink() {
            walk(path, follow, depth + 1, found);
        }
    }
    // Files first, then directories, as Python walks from the bottom.
    found.extend(entries.iter().filter(|p| !is_dir(p)).cloned());
    found.extend(entries.into_iter().filter(is_dir));
}

fn day(seconds: i64) -> Option<Date> {
    let time = Timestamp::from_second(seconds).ok()?;
    Some(time.to_zoned(TimeZone::system()).date())
}

pub(super) fn tidied(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    let top = Path::new(&name);
    if !top.is_absolute() {
        return failed(format!("Specified file {name} is not an absolute path"));
    }
    if !top.is_dir() {
        return failed(format!("{name} does not exist or is not a directory."));
    }
    let age: i64 = python::text(args.get("age")).parse().unwrap_or_default();
    let size = bytes(args.get("size"));
    let word = |key: &str| python::text(args.get(key)).to_lowercase();
    let (only, both, time) = (
        word("age_size_only"),
        word("age_size_logical_operator") == "and",
        word("time_comparison"),
    );
    let compile = |key: &str| -> Result<Vec<_>, Error> {
        let list = match args.get(key) {
            Value::List(list) => list.iter().map(python::text).collect(),
            Value::Null if key == "matches" => vec![".*".to_owned()],
            Value::Null => Vec::new(),
            one => vec![python::text(one)],
        };
        list.iter().map(|p| pattern::compile(p, 0)).collect()
    };
    let (matches, exclude) = (compile("matches")?, compile("exclude")?);
    let any = |list: &[fancy_regex::Regex], text: &str| -> Result<bool, Error> {
        for regex in list {
            if begins(regex, text)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let today = jiff::Zoned::now().date();
    let (mut found, mut remove) = (Vec::new(), Vec::new());
    walk(top, args.flag("followlinks"), 0, &mut found);
    for path in found {
        let link = path.is_symlink();
        let meta = if link {
            fs::symlink_metadata(&path)
        } else {
            fs::metadata(&path)
        };
        let Ok(meta) = meta else { continue };
        let wanted = if link {
            args.flag("rmlinks")
        } else {
            !meta.is_dir() || args.flag("rmdirs")
        };
        let stamp = match time.as_str() {
            "ctime" => meta.ctime(),
            "mtime" => meta.mtime(),
            _ => meta.atime(),
        };
        let days = day(stamp)
            .and_then(|d| today.since(d).ok())
            .map_or(0, |span| i64::from(span.get_days()).abs());
        let bytes = if link || meta.is_dir() { 0 } else { meta.len() };
        let (old, large) = (days >= age, bytes >= size);
        let fits = match only.as_str() {
            "age" => old,
            "size" => large,
            _ if both => old && large,
            _ => old || large,
        };
        let text = if args.flag("full_path_match") {
            path.to_string_lossy().into_owned()
        } else {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        if fits && wanted && any(&matches, &text)? && !any(&exclude, &text)? {
            remove.push(path);
        }
    }
    if remove.is_empty() {
        return Ok(Outcome::unchanged(format!(
            "Nothing to remove from directory {name}"
        )));
    }
    let shown = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|p| p.display().to_string()).collect()
    };
    if run.test {
        return Ok(Outcome::would(
            map! { "removed" => shown(&remove) },
            format!("{name} is set for tidy"),
        ));
    }
    for path in &remove {
        let gone = match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(_) => Ok(()),
        };
        gone.map_err(|e| {
            Error::execution(format!(
                "Could not remove '{}': {}",
                path.display(),
                super::os_error(path, &e)
            ))
        })?;
    }
    Ok(Outcome::changed(
        map! { "removed" => shown(&remove) },
        format!(
            "Removed {} files or directories from directory {name}",
            remove.len()
        ),
    ))
}

pub(super) fn pruned(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    let lenient = args.flag("ignore_errors");
    let recurse = args.flag("recurse") || lenient;
    if !Path::new(&name).is_dir() {
        return Ok(Outcome::unchanged(format!(
            "Directory {name} is not present"
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            map! { "deleted" => name.as_str() },
            format!("Directory {name} is set for removal"),
        ));
    }
    let kwargs = map! {
        "recurse" => recurse, "verbose" => true, "older_than" => args.get("older_than").clone(),
    };
    let told = ctx.call("file.rmdir", &[name.as_str().into()], &kwargs)?;
    let deleted = told.get("deleted").cloned().unwrap_or_default();
    let sorted = || {
        let mut list = deleted.as_list().unwrap_or_default().to_vec();
        list.sort_by_key(python::text);
        Value::List(list)
    };
    let below = format!("Recursively removed empty directories under {name}");
    let fine = told.get("result").is_some_and(Value::is_truthy);
    Ok(
        if fine && recurse && deleted.is_truthy() || lenient && deleted.is_truthy() {
            Outcome::changed(map! { "deleted" => sorted() }, below)
        } else if fine && !recurse {
            Outcome::changed(
                map! { "deleted" => name.as_str() },
                format!("Removed directory {name}"),
            )
        } else if fine {
            Outcome::unchanged("")
        } else {
            let errors = told.get("errors").cloned().unwrap_or_default();
            let changes: Map = map! { "deleted" => deleted, "errors" => errors };
            Outcome {
                changes,
                ..Outcome::failed(format!("Failed to remove directory {name}"))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("10", 10),
            ("1K", 1024),
            ("1KB", 1000),
            ("2MiB", 2 << 20),
            ("x", 0),
        ] {
            assert_eq!(bytes(&text.into()), size, "{text}");
        }
        assert_eq!(bytes(&7.into()), 7);
    }
}
