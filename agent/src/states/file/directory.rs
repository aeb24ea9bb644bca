//! `file.directory`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::perms::{self, Wanted, make_dirs};
use super::{Done, check_user, failed, gid, normal_mode, os_error, owner, path_of, uid};
use crate::context::{Context, Error, python};
use crate::fileclient::included;
use crate::host::perms::stats;
use crate::states::{Outcome, Run};

/// What `recurse` may ask for.
const RECURSE: [&str; 6] = [
    "user",
    "group",
    "mode",
    "ignore_files",
    "ignore_dirs",
    "silent",
];

/// Directories may be links into themselves.
const MAX_DEPTH: usize = 128;

struct Directory<'a> {
    run: &'a Run<'a>,
    name: String,
    user: Value,
    group: Value,
    dir_mode: Option<String>,
    file_mode: Option<String>,
    follow: bool,
}

pub(super) fn directory(_: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let mut name = path_of(run)?;
    if name.is_empty() {
        return failed("Must provide name to file.directory");
    }
    if name.len() > 1 && name.ends_with('/') {
        name.pop();
    }
    if !args.get("max_depth").is_null() && args.flag("clean") {
        return failed("Cannot specify both max_depth and clean");
    }
    let mut dir_mode = args.get("dir_mode").clone();
    if !dir_mode.is_truthy()
        && let Some(mode) = args.extra.get("mode")
    {
        dir_mode = mode.clone();
    }
    let mut file_mode = args.get("file_mode").clone();
    if !file_mode.is_truthy() {
        file_mode = dir_mode.clone();
    }
    let mut dir = Directory {
        run,
        user: owner(run),
        group: args.get("group").clone(),
        dir_mode: normal_mode(&dir_mode),
        file_mode: normal_mode(&file_mode),
        follow: args.flag("follow_symlinks"),
        name,
    };
    if let Some(error) = check_user(&dir.user, &dir.group, run.test) {
        return failed(error);
    }
    if !dir.path().is_absolute() {
        return failed(format!(
            "Specified file {} is not an absolute path",
            dir.name
        ));
    }
    let mut out = Outcome::unchanged("");
    if let Some(ended) = dir.make_way(&mut out)? {
        return Ok(ended);
    }
    let recurse = match recurse_set(args.get("recurse")) {
        Ok(recurse) => recurse,
        Err(error) => {
            return Ok(Outcome {
                changes: out.changes,
                ..Outcome::failed(error)
            });
        }
    };
    let (result, comment, changes) = dir.check(&recurse);
    out.changes.extend(changes);
    if run.test || out.changes.is_empty() {
        return Ok(Outcome {
            result,
            comment,
            ..out
        });
    }
    dir.apply(&recurse, out)
}

impl Directory<'_> {
    fn path(&self) -> &Path {
        Path::new(&self.name)
    }

    fn wanted<'b>(&'b self, mode: Option<&'b str>) -> Wanted<'b> {
        Wanted {
            user: &self.user,
            group: &self.group,
            mode,
            follow: self.follow,
        }
    }

    /// Moves or removes what is in the directory's place; `Some` ends the state.
    fn make_way(&mut self, out: &mut Outcome) -> Result<Option<Outcome>, Error> {
        let (args, test) = (self.run.args, self.run.test);
        let path = self.path();
        let (file, link, force) = (path.is_file(), path.is_symlink(), args.flag("force"));
        if !(file || link && (force || !args.flag("allow_symlink"))) {
            return Ok(None);
        }
        let error = |text: String| Ok(Some(Outcome::failed(text)));
        let io = |e: std::io::Error| Error::execution(os_error(path, &e));
        if let Some(backup) = args.opt_text("backupname")? {
            let target = Path::new(&backup);
            if target.symlink_metadata().is_ok() {
                if !force {
                    return error(format!(
                        "File exists where the backup target {backup} should go"
                    ));
                }
                if test {
                    let text = format!("Existing file at backup path {backup} would be removed");
                    out.changes.insert("forced".into(), text.into());
                } else if target.is_dir() && !target.is_symlink() {
                    fs::remove_dir_all(target).map_err(io)?;
                } else {
                    fs::remove_file(target).map_err(io)?;
                }
            }
            if test {
                let text = format!("{} would be renamed to {backup}", self.name);
                out.changes.insert("backup".into(), text.into());
                let new = map! { "directory" => "new" };
                out.changes.insert(self.name.as_str().into(), new.into());
                return Ok(Some(Outcome::would(
                    std::mem::take(&mut out.changes),
                    format!(
                        "{} would be backed up and replaced with a new directory",
                        self.name
                    ),
                )));
            }
            fs::rename(path, target).map_err(io)?;
            return Ok(None);
        }
        if force {
            let kind = if file { "File" } else { "Symlink" };
            let how = if test { "would be" } else { "was" };
            if !test {
                fs::remove_file(path).map_err(io)?;
            }
            let text = format!("{kind} {how} forcibly replaced");
            out.changes.insert("forced".into(), text.into());
            return Ok(None);
        }
        let kind = if file { "file" } else { "symlink" };
        error(format!(
            "Specified location {} exists and is a {kind}",
            self.name
        ))
    }

    /// Everything below, directories and files apart, top down.
    fn walk(&self) -> Vec<(PathBuf, bool)> {
        let limit = match self.run.args.get("max_depth") {
            Value::Int(depth) => usize::try_from(*depth).unwrap_or(0),
            _ => MAX_DEPTH,
        };
        let mut found = Vec::new();
        walk(self.path(), limit, &mut found);
        found
    }

    fn is_excluded(&self, path: &Path) -> bool {
        let relative = path.strip_prefix(self.path()).unwrap_or(path);
        !included(
            &relative.to_string_lossy(),
            &Value::Null,
            self.run.args.get("exclude_pat"),
        )
    }

    /// What would change: result, comment and changes.
    fn check(&self, recurse: &BTreeSet<&'static str>) -> (Option<bool>, String, Map) {
        let mut changes = Map::new();
        let mut insert = |path: &Path, change: Map| {
            if !change.is_empty() {
                let key = path.to_string_lossy();
                changes.insert(key.as_ref().into(), change.into());
            }
        };
        let null = Value::Null;
        let of = |key: &str, value| if recurse.contains(key) { value } else { &null };
        let meta = |path: &Path, user: &Value, group: &Value, mode: Option<&str>| {
            let Ok(stats) = stats(path, self.follow) else {
                return map! { "directory" => "new" };
            };
            let mode = mode.filter(|_| !stats.is_link);
            perms::differences(&stats, user, group, &mode.into())
        };
        let walked = if recurse.is_empty() && !self.run.args.flag("clean") {
            Vec::new()
        } else {
            self.walk()
        };
        let (mut user, mut group, mut dir_mode) =
            (&self.user, &self.group, self.dir_mode.as_deref());
        if !recurse.is_empty() {
            (user, group) = (of("user", &self.user), of("group", &self.group));
            let mut file_mode = self.file_mode.as_deref();
            if !recurse.contains("mode") {
                (dir_mode, file_mode) = (None, None);
            }
            for (path, is_dir) in &walked {
                if *is_dir && !recurse.contains("ignore_dirs") {
                    insert(path, meta(path, user, group, dir_mode));
                } else if !is_dir
                    && !recurse.contains("ignore_files")
                    && stats(path, self.follow).is_ok()
                {
                    insert(path, meta(path, user, group, file_mode));
                }
            }
        }
        if !self.run.args.flag("children_only") {
            insert(self.path(), meta(self.path(), user, group, dir_mode));
        }
        if self.run.args.flag("clean") {
            let keep = required(self.run, self.path());
            for (path, _) in &walked {
                let kept = keep.iter().any(|k| k.starts_with(path));
                if !kept && !self.is_excluded(path) {
                    insert(path, map! { "removed" => "Removed due to clean" });
                }
            }
        }
        if !self.path().is_dir() {
            insert(self.path(), map! { "directory" => "new" });
        }
        if changes.is_empty() {
            let text = format!("The directory {} is in the correct state", self.name);
            return (Some(true), text, changes);
        }
        let mut text = "The following files will be changed:\n".to_owned();
        for (path, change) in &changes {
            for (key, value) in change.as_map().into_iter().flatten() {
                text += &format!(
                    "{}: {} - {}\n",
                    python::text(path),
                    python::text(key),
                    python::text(value)
                );
            }
        }
        (None, text, changes)
    }

    fn apply(&mut self, recurse: &BTreeSet<&'static str>, mut out: Outcome) -> Done {
        let args = self.run.args;
        if !self.path().is_dir() {
            let above = self.path().parent().unwrap_or(Path::new("/"));
            let dir_mode = self.dir_mode.clone();
            if !above.is_dir() {
                if !args.flag("makedirs") {
                    return Ok(Outcome {
                        changes: out.changes,
                        ..Outcome::failed(format!("No directory to create {} in", self.name))
                    });
                }
                make_dirs(above, &self.wanted(dir_mode.as_deref()))?;
            }
            make_dirs(self.path(), &self.wanted(dir_mode.as_deref()))?;
            let new = map! { "directory" => "new" };
            out.changes.insert(self.name.as_str().into(), new.into());
            return Ok(out);
        }
        if !args.flag("children_only") {
            let wanted = self.wanted(self.dir_mode.as_deref());
            perms::check(self.path(), &wanted, false, &mut out)?;
        }
        if !recurse.is_empty() {
            self.apply_below(recurse, &mut out)?;
        }
        if args.flag("clean") {
            let removed = self.clean()?;
            if !removed.is_empty() {
                out.changes.insert("removed".into(), removed.into());
                out.comment = format!("Files cleaned from directory {}", self.name);
            }
        }
        if out.comment.is_empty() {
            if args.flag("children_only") {
                out.comment = format!("Directory {}/* updated", self.name);
            } else if !out.changes.is_empty() {
                out.comment = format!("Directory {} updated", self.name);
            }
        }
        Ok(out)
    }

    fn apply_below(
        &mut self,
        recurse: &BTreeSet<&'static str>,
        out: &mut Outcome,
    ) -> Result<(), Error> {
        for (key, value, number) in [
            ("user", self.user.clone(), uid(&self.user)),
            ("group", self.group.clone(), gid(&self.group)),
        ] {
            if !recurse.contains(key) {
                continue;
            }
            if !value.is_truthy() {
                out.result = Some(false);
                out.comment = format!(
                    "{key} not specified, but configured as a target for recursive ownership management"
                );
            } else if number.is_none() {
                out.result = Some(false);
                out.comment = if key == "user" {
                    format!(
                        "Failed to enforce ownership for user {} (user does not exist)",
                        python::text(&value)
                    )
                } else {
                    format!(
                        "Failed to enforce group ownership for group {}",
                        python::text(&value)
                    )
                };
            }
        }
        let null = Value::Null;
        let modes = recurse.contains("mode");
        let (dir_mode, file_mode) = (self.dir_mode.clone(), self.file_mode.clone());
        if recurse.contains("silent") {
            out.changes = map! { "recursion" => "Changes silenced" };
        }
        for (path, is_dir) in self.walk() {
            let skipped = if is_dir {
                "ignore_dirs"
            } else {
                "ignore_files"
            };
            if recurse.contains(skipped) || stats(&path, self.follow).is_err() {
                continue;
            }
            let mode = if is_dir { &dir_mode } else { &file_mode };
            let wanted = Wanted {
                user: if recurse.contains("user") {
                    &self.user
                } else {
                    &null
                },
                group: if recurse.contains("group") {
                    &self.group
                } else {
                    &null
                },
                mode: mode.as_deref().filter(|_| modes),
                follow: self.follow,
            };
            perms::check(&path, &wanted, false, out)?;
        }
        Ok(())
    }

    /// Removes what no state put there.
    fn clean(&self) -> Result<Vec<String>, Error> {
        let keep = required(self.run, self.path());
        let mut removed = Vec::new();
        for (path, is_dir) in self.walk() {
            let kept = keep.iter().any(|k| k.starts_with(&path));
            if kept || self.is_excluded(&path) || path.symlink_metadata().is_err() {
                continue;
            }
            let gone = if is_dir && !path.is_symlink() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            gone.map_err(|e| Error::execution(os_error(&path, &e)))?;
            removed.push(path.to_string_lossy().into_owned());
        }
        Ok(removed)
    }
}

/// Directories first on each level, as `os.walk` lists them.
fn walk(dir: &Path, depth: usize, found: &mut Vec<(PathBuf, bool)>) {
    if depth == 0 {
        return;
    }
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    let (mut dirs, mut files) = (Vec::new(), Vec::new());
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            dirs.push(path);
        } else {
            files.push(path);
        }
    }
    found.extend(files.into_iter().map(|p| (p, false)));
    found.extend(dirs.iter().map(|p| (p.clone(), true)));
    for path in dirs.into_iter().filter(|p| !p.is_symlink()) {
        walk(&path, depth - 1, found);
    }
}

fn recurse_set(value: &Value) -> Result<BTreeSet<&'static str>, String> {
    if !value.is_truthy() {
        return Ok(BTreeSet::new());
    }
    let Value::List(list) = value else {
        return Err("\"recurse\" must be formed as a list of strings".into());
    };
    let mut set = BTreeSet::new();
    for item in list {
        let Some(known) = RECURSE.iter().find(|r| item.as_str() == Some(**r)) else {
            let all: Vec<_> = RECURSE.iter().map(|r| format!("\"{r}\"")).collect();
            return Err(format!(
                "Types for \"recurse\" limited to {}.",
                all.join(", ")
            ));
        };
        set.insert(*known);
    }
    if set.contains("ignore_files") && set.contains("ignore_dirs") {
        return Err("Must not specify \"recurse\" options \"ignore_files\" and \"ignore_dirs\" at the same time.".into());
    }
    Ok(set)
}

/// Files and directories that other states of the run put below this directory, and that its state requires.
pub(super) fn required(run: &Run<'_>, root: &Path) -> BTreeSet<PathBuf> {
    let mut keep = BTreeSet::new();
    let Some(Value::List(required)) = run.chunk.get("require") else {
        return keep;
    };
    for reference in required.iter().filter_map(|r| r.get("file")) {
        let name = python::text(reference);
        for chunk in run.chunks {
            let is = |key: &str| chunk.get(key).map(python::text) == Some(name.clone());
            if !is("name") && !is("__id__") {
                continue;
            }
            let path = PathBuf::from(chunk.get("name").map(python::text).unwrap_or_default());
            if path.is_dir() {
                if path.starts_with(root) {
                    let mut below = Vec::new();
                    walk(&path, MAX_DEPTH, &mut below);
                    keep.extend(below.into_iter().map(|(p, _)| p));
                    keep.insert(path);
                }
            } else {
                keep.insert(path);
            }
        }
    }
    keep
}
