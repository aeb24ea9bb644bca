//! `file.cached` and `file.not_cached`: files of servers in the minion's cache.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use super::source::parse_hash;
use super::{Done, failed};
use crate::context::{Context, Error, python};
use crate::fileclient::url::scheme;
use crate::host::{digest, http, perms};
use crate::states::{Outcome, Run};

/// The path of an address that is one of this machine.
fn local(address: &str) -> Option<String> {
    matches!(scheme(address), "" | "file").then(|| {
        let path = perms::expand_user(address.strip_prefix("file://").unwrap_or(address));
        let path = fs::canonicalize(&path).unwrap_or(path);
        path.to_string_lossy().into_owned()
    })
}

pub(super) fn cached(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let (env, hash) = (args.text("saltenv")?, args.get("source_hash"));
    let shown = http::without_login(&name).0;
    let verify = !args.flag("skip_verify");
    if verify && !hash.is_truthy() && !matches!(scheme(&name), "" | "file" | "salt") {
        return failed(format!(
            "Unable to verify upstream hash of source file {shown}, please set source_hash or set skip_verify or use_etag to True"
        ));
    }
    let sum = if hash.is_truthy() {
        match parse_hash(run, &name, &name, hash) {
            Ok(sum) => Some(sum),
            Err(error) => return failed(error),
        }
    } else {
        None
    };
    let own = python::text(
        ctx.settings
            .opts
            .get("hash_type")
            .unwrap_or(&"sha256".into()),
    );
    let form = sum.as_ref().map_or(own.clone(), |s| s.hash_type.clone());
    let hash_of = |path: &str| digest::file(Path::new(path), &form).ok();
    let known = run.files.is_cached(&name, &env).map_err(Error::from)?;
    if run.test {
        let comment = match (&known, &sum) {
            (None, _) => format!("File will be cached: {name}"),
            (Some(_), None) => format!("No hash found. File will be cached: {name}"),
            (Some(path), Some(sum)) => {
                let now = digest::file(Path::new(path), &own).unwrap_or_default();
                if now == sum.hsum {
                    format!("File already cached: {name}")
                } else {
                    format!("Hashes don't match.\nFile will be cached: {name}")
                }
            }
        };
        return Ok(Outcome::would(Map::new(), comment));
    }
    if let Some(path) = local(&name) {
        if !Path::new(&path).exists() {
            return failed(format!("File {path} is not present on the minion"));
        }
        let Some(sum) = sum.filter(|_| verify) else {
            return Ok(Outcome::unchanged(format!(
                "File {path} is present on the minion"
            )));
        };
        let got = hash_of(&path).unwrap_or_default();
        return if got == sum.hsum {
            Ok(Outcome::unchanged(format!(
                "File {path} is present on the minion and has hash {got}"
            )))
        } else {
            failed(format!(
                "File {path} is present on the minion, but the hash ({got}) does not match the specified hash ({})",
                sum.hsum
            ))
        };
    }
    let before = known.as_deref().and_then(hash_of);
    let wanted = sum.as_ref().map(|s| s.hsum.as_str());
    let path = match run.files.cache_file(&name, &env, wanted) {
        Ok(Some(path)) => path.to_string_lossy().into_owned(),
        Ok(None) => {
            return failed(format!(
                "Failed to cache {shown}, check minion log for more information"
            ));
        }
        Err(error) => return failed(error.to_string()),
    };
    let after = hash_of(&path);
    let mut changes = Map::new();
    if before != after {
        let value = |sum: &Option<String>| sum.clone().map_or(Value::Null, Value::from);
        let pair = map! { "old" => value(&before), "new" => value(&after) };
        changes.insert("hash".into(), pair.into());
    }
    let got = after.unwrap_or_default();
    Ok(match sum.filter(|_| verify) {
        None => Outcome::changed(changes, format!("File is cached to {path}")),
        Some(sum) if sum.hsum == got => Outcome::changed(
            changes,
            format!("File is already cached to {path} with hash {got}"),
        ),
        Some(sum) => Outcome {
            changes,
            ..Outcome::failed(format!(
                "File is cached to {path}, but the hash ({got}) does not match the specified hash ({})",
                sum.hsum
            ))
        },
    })
}

pub(super) fn not_cached(_: &Context, run: &Run<'_>) -> Done {
    let (name, env) = (run.args.text("name")?, run.args.text("saltenv")?);
    if let Some(path) = local(&name) {
        return Ok(Outcome::unchanged(format!(
            "File {path} is a local path, no action taken"
        )));
    }
    let Some(path) = run.files.is_cached(&name, &env).map_err(Error::from)? else {
        return Ok(Outcome::unchanged(format!("{name} is not cached")));
    };
    match fs::remove_file(&path) {
        Ok(()) => Ok(Outcome::changed(
            map! { "deleted" => true },
            format!("{path} was deleted"),
        )),
        Err(error) => failed(format!("Failed to delete {path}: {error}")),
    }
}
