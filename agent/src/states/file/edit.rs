//! What the states that edit a text file share: reading it, putting the new text in place with owner, mode and
//! backup, and the diff.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{os_error, pattern, source};
use crate::context::{Context, Error, python};
use crate::host::fs::Pending;
use crate::host::{diff, perms as owners};
use crate::states::{Outcome, Run};

/// Whether a state may edit `name`; its words if not.
pub(super) fn check_file(name: &str) -> Result<(), String> {
    if !name.starts_with('/') {
        Err(format!("Specified file {name} is not an absolute path"))
    } else if !Path::new(name).exists() {
        Err(format!("{name}: file not found"))
    } else {
        Ok(())
    }
}

/// A file's text. What is not UTF-8 is an error: an edit must not damage it.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|e| Error::execution(os_error(path, &e)))?;
    String::from_utf8(bytes)
        .map_err(|_| Error::execution(format!("{} is not UTF-8 text", path.display())))
}

/// The file behind links.
pub(super) fn real(name: &str) -> PathBuf {
    fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name))
}

/// Replaces a file's text; owner and mode stay. With a backup suffix the old file is kept beside it.
pub(super) fn put(path: &Path, text: &str, backup: Option<&str>) -> Result<(), Error> {
    put_bytes(path, text.as_bytes(), backup)
}

/// [`put`] with the bytes of the new text.
pub(super) fn put_bytes(path: &Path, bytes: &[u8], backup: Option<&str>) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::execution(os_error(path, &e));
    let before = owners::stats(path, true).map_err(failed)?;
    if let Some(suffix) = backup {
        let mut copy = path.as_os_str().to_owned();
        copy.push(suffix);
        let old = fs::read(path).map_err(failed)?;
        write(Path::new(&copy), &old, &before).map_err(failed)?;
    }
    write(path, bytes, &before).map_err(failed)
}

fn write(path: &Path, bytes: &[u8], like: &owners::Stats) -> std::io::Result<()> {
    let mut pending = Pending::create(path, like.mode)?;
    pending.write_all(bytes)?;
    let now = owners::stats(pending.temporary(), true)?;
    if (now.uid, now.gid) != (like.uid, like.gid) {
        owners::chown(pending.temporary(), Some(like.uid), Some(like.gid), true)?;
        // The kernel takes set-id bits away with the owner.
        owners::set_mode(pending.temporary(), like.mode)?;
    }
    pending.commit()
}

/// A `backup` argument that is a suffix; none when it is false or empty.
pub(super) fn suffix(value: &Value) -> Option<String> {
    value.is_truthy().then(|| python::text(value))
}

/// The diff as `changes` has it.
pub(super) fn shown(old: &str, new: &str, show: bool) -> Option<Map> {
    if old == new {
        return None;
    }
    let text = if !show {
        "<show_changes=False>".to_owned()
    } else if diff::is_text(new.as_bytes()) {
        diff::unified(old.as_bytes(), new.as_bytes())
    } else {
        "Replace binary file".to_owned()
    };
    Some(map! { "diff" => text })
}

/// The outcome of an edit in the words that most of them share.
pub(super) fn outcome(run: &Run<'_>, changes: Option<Map>, would: &str) -> Outcome {
    match changes {
        Some(changes) if run.test => Outcome::would(changes, would),
        Some(changes) => Outcome::changed(changes, "Changes were made"),
        None => Outcome::unchanged("No changes needed to be made"),
    }
}

/// A text argument as the texts that it means: one, or each of a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::List(items) => items.iter().map(python::text).collect(),
        other => vec![python::text(other)],
    }
}

/// The rendered texts of `source` or `sources`; none without any. The error is the state's comment.
pub(super) fn from_sources(ctx: &Context, run: &Run<'_>) -> Result<Option<Vec<String>>, String> {
    let (one, many) = (run.args.get("source"), run.args.get("sources"));
    if one.is_truthy() && many.is_truthy() {
        return Err("source and sources are mutually exclusive".into());
    }
    if run.args.flag("source_hash") && run.args.flag("source_hashes") {
        return Err("source_hash and source_hashes are mutually exclusive".into());
    }
    let addresses = match (one.is_truthy(), many) {
        (true, _) => vec![python::text(one)],
        (false, Value::List(list)) if !list.is_empty() => list.iter().map(python::text).collect(),
        _ => return Ok(None),
    };
    let saltenv = super::saltenv(run);
    let mut found = Vec::new();
    for address in addresses {
        let missing = || format!("Failed to load template file {address}");
        let local = address.strip_prefix("file://").unwrap_or(&address);
        let path = if local.starts_with('/') {
            Some(PathBuf::from(local)).filter(|p| p.is_file())
        } else {
            run.files
                .cache_file(&address, &saltenv, None)
                .map_err(|_| missing())?
        };
        let path = path.ok_or_else(missing)?;
        let text = fs::read_to_string(&path).map_err(|_| missing())?;
        let engine = run.args.get("template");
        let text = if engine.is_truthy() {
            source::render(ctx, run, &text, &python::text(engine), Some(&path))
                .map_err(|_| missing())?
        } else {
            text
        };
        if text.is_empty() {
            return Err(format!(
                "Failed to read rendered template file {} ({address})",
                path.display()
            ));
        }
        found.push(text);
    }
    Ok(Some(found))
}

/// Whether a file's text has a match of this pattern, with `^` and `$` at each line.
pub(super) fn contains(text: &str, regex: &str) -> Result<bool, Error> {
    pattern::search(&pattern::compile(regex, pattern::MULTILINE)?, text)
}
