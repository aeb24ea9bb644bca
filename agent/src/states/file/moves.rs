//! `file.copy`, `file.rename` and `file.hardlink`: a file at another place.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use salt_wire::{Value, map};

use super::perms::{self, Wanted};
use super::{Done, check_user, failed, gid, normal_mode, owner, path_of, uid};
use crate::context::{Context, Error, python};
use crate::host::{digest, env, perms as owners};
use crate::states::{Outcome, Run};

/// Whether a path is there, as a link that leads nowhere, too.
fn lexists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// The user that files belong to unless a state says otherwise, and the group of that user.
fn owners_of(ctx: &Context, run: &Run<'_>) -> (Value, Value) {
    let mut user = owner(run);
    if user.is_null() {
        let own = ctx.settings.opts.get("user").filter(|u| u.is_truthy());
        user = own
            .cloned()
            .unwrap_or_else(|| crate::host::account::current_name().into());
    }
    let mut group = run.args.get("group").clone();
    if group.is_null() {
        let primary = owners::primary_gid(&python::text(&user)).unwrap_or_default();
        group = owners::group_name(primary).into();
    }
    (user, group)
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

fn own_tree(dir: &Path, uid: Option<u32>, gid: Option<u32>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        owners::chown(&path, uid, gid, false)?;
        if path.is_dir() && !path.is_symlink() {
            own_tree(&path, uid, gid)?;
        }
    }
    Ok(())
}

pub(super) fn copy(ctx: &Context, run: &Run<'_>) -> Done {
    let (mut name, args) = (path_of(run)?, run.args);
    let source = owners::expand_user(&args.text("source")?);
    let shown = source.display();
    if name.is_empty() {
        return failed("Must provide name to file.copy");
    }
    if !name.starts_with('/') {
        return failed(format!("Specified file {name} is not an absolute path"));
    }
    if !source.exists() {
        return failed(format!("Source file \"{shown}\" is not present"));
    }
    let preserve = args.flag("preserve");
    let stats =
        owners::stats(&source, true).map_err(|e| Error::execution(super::os_error(&source, &e)))?;
    let (user, group, mode) = if preserve {
        (
            stats.user.as_str().into(),
            stats.group.as_str().into(),
            Some(stats.mode_text()),
        )
    } else {
        let (user, group) = owners_of(ctx, run);
        if let Some(error) = check_user(&user, &group, run.test) {
            return failed(error);
        }
        let mode = normal_mode(args.get("mode")).unwrap_or_else(|| stats.mode_text());
        (user, group, Some(mode))
    };
    // It names the place as it was given, also when the copy goes below it.
    let mut comment = format!("Copied \"{shown}\" to \"{name}\"");
    if Path::new(&name).is_dir() && args.flag("subdir") {
        let base = source.file_name().unwrap_or_default();
        name = Path::new(&name).join(base).display().to_string();
    }
    let path = PathBuf::from(&name);
    if lexists(&path) {
        let force = args.flag("force");
        if force && path.is_file() && same_content(&path, &source) {
            comment += " - files are identical but force flag is set";
        }
        if !force {
            return Ok(Outcome::unchanged(format!(
                "The target file \"{name}\" exists and will not be overwritten"
            )));
        }
        if !run.test && remove(&path).is_err() {
            return failed(format!(
                "Failed to delete \"{name}\" in preparation for forced move"
            ));
        }
    }
    if run.test {
        return Ok(Outcome::would(
            salt_wire::Map::new(),
            format!("File \"{shown}\" is set to be copied to \"{name}\""),
        ));
    }
    let wanted = Wanted {
        user: &user,
        group: &group,
        mode: mode.as_deref(),
        follow: true,
    };
    if let Some(refused) = parent(run, &path, &wanted)? {
        return Ok(refused);
    }
    let done = if source.is_dir() {
        copy_tree(&source, &path).and_then(|()| own_tree(&path, uid(&user), gid(&group)))
    } else {
        fs::copy(&source, &path).map(drop)
    };
    if done.is_err() {
        return failed(format!("Failed to copy \"{shown}\" to \"{name}\""));
    }
    let mut out = Outcome::unchanged("");
    if !preserve {
        perms::check(&path, &wanted, false, &mut out)?;
    }
    out.changes
        .insert(name.as_str().into(), source.display().to_string().into());
    if out.result == Some(true) {
        out.comment = comment;
    }
    Ok(out)
}

fn same_content(a: &Path, b: &Path) -> bool {
    let sum = |path: &Path| {
        let bytes = fs::read(path).ok()?;
        digest::bytes(&bytes, "sha256").ok()
    };
    sum(a).is_some() && sum(a) == sum(b)
}

/// Makes the directory of a path, or says that it is not there.
fn parent(run: &Run<'_>, path: &Path, wanted: &Wanted<'_>) -> Result<Option<Outcome>, Error> {
    let dir = path.parent().unwrap_or(path);
    if dir.is_dir() {
        return Ok(None);
    }
    if !run.args.flag("makedirs") {
        return Ok(Some(Outcome::failed(format!(
            "The target directory {} is not present",
            dir.display()
        ))));
    }
    let mode = normal_mode(run.args.get("dir_mode")).or_else(|| {
        // Whoever may read the file may pass the directory.
        let mode = wanted.mode?;
        let digits = mode[mode.len().saturating_sub(3)..].chars();
        let passable = digits.map(|d| match d.to_digit(8) {
            Some(0) | None => d,
            Some(bits) => char::from_digit(bits | 1, 8).unwrap_or(d),
        });
        Some(format!("0{}", passable.collect::<String>()))
    });
    let wanted = Wanted {
        mode: mode.as_deref(),
        ..*wanted
    };
    perms::make_dirs(dir, &wanted)?;
    Ok(None)
}

/// A path with `$NAME` and `${NAME}` filled in; what is not set stays as it is.
fn expand_vars(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, end) = match after.strip_prefix('{').and_then(|r| r.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match env::var(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..=at + end]),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

pub(super) fn rename(_: &Context, run: &Run<'_>) -> Done {
    let name = expand_vars(&path_of(run)?);
    let source = owners::expand_user(&run.args.text("source")?);
    let source = expand_vars(&source.display().to_string());
    if name.is_empty() {
        return failed("Must provide name to file.rename");
    }
    if !name.starts_with('/') {
        return failed(format!("Specified file {name} is not an absolute path"));
    }
    let (from, to) = (Path::new(&source), Path::new(&name));
    if !lexists(from) {
        return Ok(Outcome::unchanged(format!(
            "Source file \"{source}\" has already been moved out of place"
        )));
    }
    if lexists(to) {
        if !run.args.flag("force") {
            return Ok(Outcome::unchanged(format!(
                "The target file \"{name}\" exists and will not be overwritten"
            )));
        }
        if !run.test && remove(to).is_err() {
            return failed(format!(
                "Failed to delete \"{name}\" in preparation for forced move"
            ));
        }
    }
    if run.test {
        return Ok(Outcome::would(
            salt_wire::Map::new(),
            format!("File \"{source}\" is set to be moved to \"{name}\""),
        ));
    }
    if let Some(refused) = parent(run, to, &Wanted::ANY)? {
        return Ok(refused);
    }
    let moved = fs::rename(from, to).or_else(|_| across(from, to));
    if moved.is_err() {
        return failed(format!("Failed to move \"{source}\" to \"{name}\""));
    }
    Ok(Outcome::changed(
        map! { name.as_str() => source.as_str() },
        format!("Moved \"{source}\" to \"{name}\""),
    ))
}

/// A move to another file system.
fn across(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)?;
    } else if from.is_dir() {
        copy_tree(from, to)?;
    } else {
        fs::copy(from, to)?;
    }
    remove(from)
}

pub(super) fn hardlink(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, target) = (path_of(run)?, run.args.text("target")?);
    if name.is_empty() {
        return failed("Must provide name to file.hardlink");
    }
    let (user, group) = owners_of(ctx, run);
    let mut errors = Vec::new();
    if uid(&user).is_none() {
        errors.push(format!("User {} does not exist", python::text(&user)));
    }
    if gid(&group).is_none() {
        errors.push(format!("Group {} does not exist", python::text(&group)));
    }
    if !name.starts_with('/') {
        errors.push(format!("Specified file {name} is not an absolute path"));
    }
    if !target.starts_with('/') {
        errors.push(format!("Specified target {target} is not an absolute path"));
    }
    if !errors.is_empty() {
        let dot = if errors.len() > 1 { "." } else { "" };
        return failed(format!("{}{dot}", errors.join(". ")));
    }
    let (link, to) = (Path::new(&name), Path::new(&target));
    let force = run.args.flag("force");
    let is_hardlink = fs::symlink_metadata(link).is_ok_and(|m| m.nlink() > 1);
    let same = || match (fs::symlink_metadata(link), fs::symlink_metadata(to)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    let right = format!("Target of hard link {name} is already pointing to {target}");
    let would = |comment: String| Ok(Outcome::would(map! { "new" => name.as_str() }, comment));
    if run.test {
        return if !to.exists() {
            failed(format!("Target {target} for hard link does not exist"))
        } else if to.is_dir() {
            failed(format!("Unable to hard link from directory {target}"))
        } else if link.is_dir() {
            failed(format!("Unable to hard link to directory {name}"))
        } else if !link.exists() {
            would(format!("Hard link {name} to {target} is set for creation"))
        } else if is_hardlink && same() {
            Ok(Outcome::unchanged(format!(
                "The hard link {name} is presently targetting {target}"
            )))
        } else if is_hardlink {
            Ok(Outcome::would(
                map! { "change" => name.as_str() },
                format!("Link {name} target is set to be changed to {target}"),
            ))
        } else if force {
            Ok(Outcome::would(
                salt_wire::Map::new(),
                format!(
                    "The file or directory {name} is set for removal to make way for a new hard link targeting {target}"
                ),
            ))
        } else {
            failed(format!(
                "File or directory exists where the hard link {name} should be. Did you mean to use force?"
            ))
        };
    }
    for (direction, path) in [("to", link), ("from", to)] {
        if path.is_dir() {
            return failed(format!(
                "Unable to hard link {direction} directory {}",
                path.display()
            ));
        }
    }
    if !to.exists() {
        return failed(format!("Target {target} for hard link does not exist"));
    }
    let dir = link.parent().unwrap_or(link);
    if !dir.is_dir() {
        if !run.args.flag("makedirs") {
            return failed(format!(
                "Directory {} for hard link is not present",
                dir.display()
            ));
        }
        let mode = normal_mode(run.args.get("dir_mode"));
        let wanted = Wanted {
            user: &user,
            group: &group,
            mode: mode.as_deref(),
            follow: true,
        };
        perms::make_dirs(dir, &wanted)?;
    }
    let mut out = Outcome::unchanged("");
    let told = |e: std::io::Error| Error::execution(super::os_error(link, &e));
    if link.is_file() && !is_hardlink {
        if !force {
            return failed(format!("File exists where the hard link {name} should be"));
        }
        fs::remove_file(link).map_err(told)?;
        out.changes.insert(
            "forced".into(),
            "File for hard link was forcibly replaced".into(),
        );
    } else if is_hardlink {
        if same() {
            return Ok(Outcome::unchanged(right));
        }
        fs::remove_file(link).map_err(told)?;
        out.comment = format!("Set target of hard link {name} -> {target}");
    }
    if out.comment.is_empty() {
        out.comment = format!("Created new hard link {name} -> {target}");
    }
    if let Err(error) = fs::hard_link(to, link) {
        return Ok(Outcome {
            changes: out.changes,
            ..Outcome::failed(format!(
                "Unable to create new hard link {name} -> {target}: {error}"
            ))
        });
    }
    out.changes.insert("new".into(), name.into());
    Ok(out)
}
