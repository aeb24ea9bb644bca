//! `file.symlink`.

use std::fs;
use std::os::unix::fs::symlink as make_link;
use std::path::{Component, Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::perms::{Wanted, make_dirs};
use super::{Done, failed, gid, normal_mode, os_error, owner, path_of, uid};
use crate::context::{Context, python};
use crate::host::account;
use crate::host::perms::{self, stats};
use crate::states::{Outcome, Run};

pub(super) fn symlink(_: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    if name.is_empty() {
        return failed("Must provide name to file.symlink");
    }
    let target = run.args.text("target")?;
    let path = Path::new(&name);
    let (mut user, mut group) = (owner(run), run.args.get("group").clone());
    if run.args.flag("inherit_user_and_group")
        && path.is_symlink()
        && let Ok(now) = stats(path, false)
    {
        if user.is_null() {
            user = now.user.into();
        }
        if group.is_null() {
            group = now.group.into();
        }
    }
    if user.is_null() {
        user = account::current_name().into();
    }
    if group.is_null() {
        let own = perms::primary_gid(&python::text(&user)).unwrap_or(0);
        group = perms::group_name(own).into();
    }
    let mut errors = Vec::new();
    if uid(&user).is_none() {
        errors.push(format!("User {} does not exist", python::text(&user)));
    }
    if gid(&group).is_none() {
        errors.push(format!("Group {} does not exist", python::text(&group)));
    }
    if !path.is_absolute() {
        errors.push(format!("Specified file {name} is not an absolute path"));
    }
    if !errors.is_empty() {
        let dot = if errors.len() > 1 { "." } else { "" };
        return failed(errors.join(". ") + dot);
    }
    let owned = Owner {
        user: &user,
        group: &group,
    };
    let (result, mut comment, changes) = check(run, path, &target, &owned);
    let dir = path.parent().unwrap_or(Path::new("/"));
    if !dir.is_dir() {
        match (run.args.flag("makedirs"), run.test) {
            (true, true) => comment += &format!("\n{} will be created", dir.display()),
            (true, false) => {
                let mode = normal_mode(run.args.get("mode"));
                let wanted = Wanted {
                    user: &user,
                    group: &group,
                    mode: mode.as_deref(),
                    follow: true,
                };
                make_dirs(dir, &wanted)?;
            }
            (false, true) => {
                comment += &format!("\nDirectory {} for symlink is not present", dir.display());
            }
            (false, false) => {
                return failed(format!(
                    "Directory {} for symlink is not present",
                    dir.display()
                ));
            }
        }
    }
    if run.test {
        return Ok(Outcome {
            result,
            changes,
            comment,
            extra: Map::new(),
        });
    }
    if path.is_symlink() {
        let points = fs::read_link(path).unwrap_or_default();
        if normal(&points) == normal(Path::new(&target)) {
            return Ok(ownership(path, &name, &owned));
        }
        if let Err(error) = fs::remove_file(path) {
            return failed(os_error(path, &error));
        }
    } else if path.exists()
        && let Some(refusal) = make_way(run, path, &name, &target)
    {
        return failed(refusal);
    }
    if let Err(error) = make_link(&target, path) {
        return failed(format!(
            "Unable to create new symlink {name} -> {target}: {}",
            os_error(path, &error)
        ));
    }
    let mut out = Outcome::changed(
        map! { "new" => name.as_str() },
        format!("Created new symlink {name} -> {target}"),
    );
    if !owned.is_of(path) && !owned.set(path) {
        out.result = Some(false);
        out.comment += &format!(
            ", but was unable to set ownership to {}:{}",
            python::text(&user),
            python::text(&group)
        );
    }
    Ok(out)
}

struct Owner<'a> {
    user: &'a Value,
    group: &'a Value,
}

impl Owner<'_> {
    fn is_of(&self, path: &Path) -> bool {
        stats(path, false)
            .is_ok_and(|s| python::text(self.user) == s.user && python::text(self.group) == s.group)
    }

    fn set(&self, path: &Path) -> bool {
        drop(perms::chown(path, uid(self.user), gid(self.group), false));
        self.is_of(path)
    }

    fn text(&self) -> String {
        format!("{}:{}", python::text(self.user), python::text(self.group))
    }
}

/// What a run would do, in the words of test mode.
fn check(
    run: &Run<'_>,
    path: &Path,
    target: &str,
    owned: &Owner<'_>,
) -> (Option<bool>, String, Map) {
    let name = path.display();
    if path.is_symlink() {
        if fs::read_link(path).unwrap_or_default() != Path::new(target) {
            return (
                None,
                format!("Link {name} target is set to be changed to {target}"),
                map! { "change" => name.to_string() },
            );
        }
        let mut text = format!("The symlink {name} is present");
        if owned.is_of(path) {
            return (Some(true), text, Map::new());
        }
        let now =
            stats(path, false).map_or_else(|_| ":".into(), |s| format!("{}:{}", s.user, s.group));
        text += &format!(
            ", but the ownership of the symlink would be changed from {now} to {}",
            owned.text()
        );
        return (None, text, map! { "ownership" => now });
    }
    if !path.exists() {
        return (
            None,
            format!("Symlink {name} to {target} is set for creation"),
            map! { "new" => name.to_string() },
        );
    }
    if run.args.flag("force") {
        (
            None,
            format!(
                "The file or directory {name} is set for removal to make way for a new symlink targeting {target}"
            ),
            Map::new(),
        )
    } else {
        (
            Some(false),
            format!(
                "File or directory exists where the symlink {name} should be. Did you mean to use force?"
            ),
            Map::new(),
        )
    }
}

fn ownership(path: &Path, name: &str, owned: &Owner<'_>) -> Outcome {
    if owned.is_of(path) {
        return Outcome::unchanged(format!(
            "Symlink {name} is present and owned by {}",
            owned.text()
        ));
    }
    if owned.set(path) {
        return Outcome::changed(
            map! { "ownership" => owned.text() },
            format!("Set ownership of symlink {name} to {}", owned.text()),
        );
    }
    Outcome::failed(format!(
        "Failed to set ownership of symlink {name} to {}",
        owned.text()
    ))
}

/// Puts what is in the way aside or removes it; the text is why not.
fn make_way(run: &Run<'_>, path: &Path, name: &str, target: &str) -> Option<String> {
    let force = run.args.flag("force");
    let remove = |p: &Path| {
        if p.is_dir() && !p.is_symlink() {
            fs::remove_dir_all(p)
        } else {
            fs::remove_file(p)
        }
    };
    if let Ok(Some(backup)) = run.args.opt_text("backupname") {
        let backup = if backup.starts_with('/') {
            PathBuf::from(&backup)
        } else if backup.contains('/') {
            return Some(format!(
                "Backupname must be an absolute path or a file name: {backup}"
            ));
        } else {
            path.with_file_name(&backup)
        };
        if backup.symlink_metadata().is_ok() {
            if !force {
                return Some(format!(
                    "Symlink & backup dest exists and Force not set. {name} -> {target} - backup: {}",
                    backup.display()
                ));
            }
            if let Err(error) = remove(&backup) {
                return Some(os_error(&backup, &error));
            }
        }
        return fs::rename(path, &backup).err().map(|error| {
            format!(
                "Unable to rename {name} to backup {} -> : {}",
                backup.display(),
                os_error(path, &error)
            )
        });
    }
    if !force && !run.args.flag("atomic") {
        let kind = if path.is_file() {
            "File"
        } else if path.is_dir() {
            "Directory"
        } else {
            "File system entry"
        };
        return Some(format!("{kind} exists where the symlink {name} should be"));
    }
    remove(path).err().map(|error| {
        format!(
            "Unable to create new symlink {name} -> {target}: {}",
            os_error(path, &error)
        )
    })
}

/// The path as `os.path.normpath` has it.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some_and(|n| n != "..") => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
