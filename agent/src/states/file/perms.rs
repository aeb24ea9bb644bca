//! Owner and mode of one file, checked and set, reported as Salt reports them.

use std::path::Path;

use salt_wire::{Map, Value};

use super::{gid, mode_bits, normal_mode, uid};
use crate::context::{Error, python};
use crate::host::perms::{self, Stats};
use crate::states::Outcome;

/// What a file's owner and mode should be; what is null stays.
pub(super) struct Wanted<'a> {
    pub(super) user: &'a Value,
    pub(super) group: &'a Value,
    pub(super) mode: Option<&'a str>,
    pub(super) follow: bool,
}

impl Wanted<'static> {
    /// Everything stays as it is.
    pub(super) const ANY: Self = Self {
        user: &Value::Null,
        group: &Value::Null,
        mode: None,
        follow: true,
    };
}

fn is_user(wanted: &Value, stats: &Stats) -> bool {
    match wanted {
        Value::Int(i) => *i == i128::from(stats.uid),
        other => python::text(other) == stats.user,
    }
}

fn is_group(wanted: &Value, stats: &Stats) -> bool {
    match wanted {
        Value::Int(i) => *i == i128::from(stats.gid),
        other => python::text(other) == stats.group,
    }
}

/// Brings a file's owner and mode in line. In test mode it only says what would change.
pub(super) fn check(
    path: &Path,
    wanted: &Wanted<'_>,
    test: bool,
    out: &mut Outcome,
) -> Result<(), Error> {
    let read = || {
        perms::stats(path, wanted.follow)
            .map_err(|_| Error::execution(format!("Path not found: {}", path.display())))
    };
    let before = read()?;
    let link = before.is_link || (path.is_symlink() && !wanted.follow);
    let (user, group) = (wanted.user.is_truthy(), wanted.group.is_truthy());
    let other_user = user && !is_user(wanted.user, &before);
    let other_group = group && !is_group(wanted.group, &before);
    let other_mode = wanted
        .mode
        .is_some_and(|m| !link && m != before.mode_text());
    let mut comments = Vec::new();
    if !test {
        if other_user || other_group {
            let new_uid = uid(wanted.user).filter(|_| user);
            let new_gid = gid(wanted.group).filter(|_| group);
            let changed = perms::chown(path, new_uid, new_gid, wanted.follow);
            if changed.is_err() {
                out.result = Some(false);
            } else if !path.is_symlink() {
                // The kernel takes set-id bits away with the owner.
                drop(perms::set_mode(path, before.mode));
            }
        }
        if other_mode && let Some(mode) = wanted.mode.and_then(mode_bits) {
            perms::set_mode(path, mode)
                .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
        }
    }
    let after = read()?;
    let mut report = |key: &str, shown: Value, fits: bool, changed: bool| {
        if !fits {
            if test {
                out.changes.insert(key.into(), shown);
            } else {
                out.result = Some(false);
                comments.push(format!(
                    "Failed to change {key} to {}",
                    python::text(&shown)
                ));
            }
        } else if changed {
            out.changes.insert(key.into(), shown);
        }
    };
    if user {
        let fits = is_user(wanted.user, &after);
        report("user", wanted.user.clone(), fits, other_user);
    }
    if group {
        let fits = is_group(wanted.group, &after);
        report("group", wanted.group.clone(), fits, other_group);
    }
    if let Some(mode) = wanted.mode.filter(|_| !link) {
        report("mode", mode.into(), mode == after.mode_text(), other_mode);
    }
    if !out.comment.is_empty() {
        comments.insert(0, std::mem::take(&mut out.comment));
    }
    out.comment = comments.join("; ");
    if test && !out.changes.is_empty() {
        out.result = None;
    }
    Ok(())
}

/// What would change about a file that is there, as test mode shows it.
pub(super) fn differences(stats: &Stats, user: &Value, group: &Value, mode: &Value) -> Map {
    let mut changes = Map::new();
    if !user.is_null() && !is_user(user, stats) {
        changes.insert("user".into(), user.clone());
    }
    if !group.is_null() && !is_group(group, stats) {
        changes.insert("group".into(), group.clone());
    }
    if let Some(mode) = normal_mode(mode)
        && mode != stats.mode_text()
    {
        changes.insert("mode".into(), mode.into());
    }
    changes
}

/// Makes the missing directories of `dir`, each with this owner and mode.
pub(super) fn make_dirs(dir: &Path, wanted: &Wanted<'_>) -> Result<(), Error> {
    let mut missing = Vec::new();
    let mut at = Some(dir);
    while let Some(path) = at.filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
        missing.push(path);
        at = path.parent();
    }
    for path in missing.into_iter().rev() {
        crate::host::fs::make_dirs(path, 0o777)
            .map_err(|e| Error::execution(super::os_error(path, &e)))?;
        let mut ignored = Outcome::default();
        check(path, wanted, false, &mut ignored)?;
    }
    Ok(())
}
