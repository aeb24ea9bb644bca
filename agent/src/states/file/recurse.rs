//! `file.recurse`: a directory of the file server, file by file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{
    Done, bound, check_user, directory, failed, managed, normal_mode, owner, path_of, symlink,
};
use crate::context::{Context, Error, python};
use crate::fileclient::{Listing, SaltUrl, included};
use crate::states::{Outcome, Run};

/// What is to be below the directory.
#[derive(Default)]
struct Tree {
    files: BTreeMap<PathBuf, String>,
    dirs: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, String>,
}

/// What all its parts reported.
#[derive(Default)]
struct Report {
    outcome: Outcome,
    comments: Vec<(String, Vec<String>)>,
}

impl Report {
    fn take(&mut self, path: &Path, part: Outcome) {
        let path = path.display().to_string();
        if part.result == Some(false) || self.outcome.result == Some(true) {
            self.outcome.result = part.result;
        }
        if part.result != Some(true) && !part.comment.is_empty() {
            self.comment(&path, part.comment);
        }
        if !part.changes.is_empty() {
            self.outcome
                .changes
                .insert(path.into(), part.changes.into());
        }
    }

    fn comment(&mut self, path: &str, text: String) {
        match self.comments.iter_mut().find(|(p, _)| p == path) {
            Some((_, texts)) => texts.push(text),
            None => self.comments.push((path.to_owned(), vec![text])),
        }
    }

    fn finish(mut self, name: &str) -> Outcome {
        let parts: Vec<String> = self
            .comments
            .iter()
            .map(|(path, texts)| format!("\n#### {path} ####\n{}", texts.join("\n")))
            .collect();
        self.outcome.comment = parts.join("\n").trim().to_owned();
        if self.outcome.comment.is_empty() {
            self.outcome.comment = format!("Recursively updated {name}");
        }
        if self.outcome.changes.is_empty() && self.outcome.result == Some(true) {
            self.outcome.comment = format!("The directory {name} is in the correct state");
        }
        self.outcome
    }
}

pub(super) fn recurse(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if args.extra.contains_key("mode") {
        return failed(
            "'mode' is not allowed in 'file.recurse'. Please use 'file_mode' and 'dir_mode'.",
        );
    }
    let (user, group) = (owner(run), args.get("group").clone());
    if let Some(error) = check_user(&user, &group, run.test) {
        return failed(error);
    }
    if !name.starts_with('/') {
        return failed(format!("Specified file {name} is not an absolute path"));
    }
    let sources = match sources(run)? {
        Ok(sources) => sources,
        Err(text) => return failed(format!("Recurse failed: {text}")),
    };
    let root = Path::new(&name);
    if !root.is_dir() && root.exists() {
        return failed(format!("The path {name} exists and is not a directory"));
    }
    let tree = tree(run, root, &sources)?;
    let mut report = Report {
        outcome: Outcome::unchanged(""),
        comments: Vec::new(),
    };
    if !root.is_dir() && !run.test {
        // The directory itself, with its mode, is no change of its own.
        let owned = map! {
            "name" => name.as_str(), "user" => user.clone(), "group" => group.clone(),
            "dir_mode" => args.get("dir_mode").clone(), "makedirs" => true,
        };
        let args = bound("file.directory", owned)?;
        directory::directory(
            ctx,
            &Run {
                args: &args,
                ..*run
            },
        )?;
    }
    for dir in &tree.dirs {
        if clear(run, dir, Path::is_dir, "a directory", &mut report)? {
            let given = map! {
                "name" => dir.display().to_string(), "user" => user.clone(), "group" => group.clone(),
                "recurse" => Vec::<Value>::new(), "dir_mode" => normal_mode(args.get("dir_mode")),
                "makedirs" => true,
            };
            let args = bound("file.directory", given)?;
            report.take(
                dir,
                directory::directory(
                    ctx,
                    &Run {
                        args: &args,
                        ..*run
                    },
                )?,
            );
        }
    }
    for (path, source) in &tree.files {
        let fits = |p: &Path| !p.is_dir();
        if !args.flag("replace") || clear(run, path, fits, "a file", &mut report)? {
            report.take(path, file(ctx, run, path, source, &user)?);
        }
    }
    for (path, target) in &tree.links {
        let given = map! {
            "name" => path.display().to_string(), "target" => target.as_str(), "makedirs" => true,
            "force" => args.flag("force_symlinks"), "user" => user.clone(), "group" => group.clone(),
            "mode" => args.get("sym_mode").clone(),
        };
        let args = bound("file.symlink", given)?;
        report.take(
            path,
            symlink::symlink(
                ctx,
                &Run {
                    args: &args,
                    ..*run
                },
            )?,
        );
    }
    if args.flag("clean") {
        clean(run, root, &tree, &mut report)?;
    }
    Ok(report.finish(&name))
}

fn file(ctx: &Context, run: &Run<'_>, path: &Path, source: &str, user: &Value) -> Done {
    let mut given = run.args.extra.clone();
    given.retain(|k, _| !matches!(k.as_str(), Some("mode" | "makedirs" | "owner")));
    for key in [
        "keep_source",
        "group",
        "template",
        "replace",
        "context",
        "defaults",
        "backup",
    ] {
        given.insert(key.into(), run.args.get(key).clone());
    }
    given.extend(map! {
        "name" => path.display().to_string(), "source" => source, "user" => user.clone(),
        "mode" => run.args.get("file_mode").clone(), "makedirs" => true,
    });
    let args = bound("file.managed", given)?;
    managed::managed(
        ctx,
        &Run {
            args: &args,
            ..*run
        },
    )
}

/// With `clean` takes away what is in the way of another kind. False when the rest is for another time.
fn clear(
    run: &Run<'_>,
    path: &Path,
    fits: impl Fn(&Path) -> bool,
    kind: &str,
    report: &mut Report,
) -> Result<bool, Error> {
    if !run.args.flag("clean") || !path.exists() || fits(path) {
        return Ok(true);
    }
    let what = if path.is_dir() { "directory " } else { "" };
    if run.test {
        let text = format!("Replacing {what}{} with {kind}", path.display());
        report.take(path, Outcome::would(Map::new(), text));
        return Ok(false);
    }
    remove(path)?;
    let text = if path.is_dir() || kind == "a file" {
        "Replaced directory with a new file"
    } else {
        "Replaced file with a directory"
    };
    report.take(path, Outcome::changed(map! { "diff" => text }, ""));
    Ok(true)
}

fn remove(path: &Path) -> Result<(), Error> {
    let done = if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    done.map_err(|e| Error::execution(super::os_error(path, &e)))
}

/// The sources that are there; the inner error is what is wrong with them.
fn sources(run: &Run<'_>) -> Result<Result<Vec<SaltUrl>, String>, Error> {
    let mut found = Vec::new();
    for address in super::edit::texts(run.args.get("source")) {
        let address = address.trim_end_matches('/');
        let Some(url) = SaltUrl::parse(address) else {
            return Ok(Err(format!(
                "Invalid source '{address}' (must be a salt:// URI)"
            )));
        };
        let env = url.saltenv.clone().unwrap_or_else(|| super::saltenv(run));
        if run
            .files
            .list(Listing::Dirs, &env, "")?
            .iter()
            .any(|d| d == url.plain())
        {
            found.push(url);
        }
    }
    if found.is_empty() {
        return Ok(Err("none of the specified sources were found".to_owned()));
    }
    if !run.args.flag("merge") {
        found.truncate(1);
    }
    Ok(Ok(found))
}

fn tree(run: &Run<'_>, root: &Path, sources: &[SaltUrl]) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    let args = run.args;
    for url in sources {
        let env = url.saltenv.clone().unwrap_or_else(|| super::saltenv(run));
        let base = match url.plain() {
            "" => String::new(),
            path => format!("{path}/"),
        };
        let below = |path: &str| -> Option<String> {
            let relative = path
                .strip_prefix(&base)
                .filter(|r| !r.is_empty() && *r != ".")?;
            // What a server lists may not lead elsewhere.
            if relative.split('/').any(|part| part == "..") {
                return None;
            }
            let depth = relative.matches('/').count();
            let deep = args
                .get("maxdepth")
                .as_int()
                .is_some_and(|max| depth as i128 > max);
            let wanted = included(relative, args.get("include_pat"), args.get("exclude_pat"));
            (!deep && wanted).then(|| relative.to_owned())
        };
        let mut files = run.files.list(Listing::Files, &env, "")?;
        if args.flag("keep_symlinks") {
            for (link, target) in run.files.symlinks(&env, "")? {
                let (link, target) = (python::text(&link), python::text(&target));
                let inside = format!("{link}/");
                files.retain(|f| *f != link && !f.starts_with(&inside));
                if let Some(relative) = below(&link) {
                    tree.links.entry(root.join(relative)).or_insert(target);
                }
            }
        }
        for file in files {
            let Some(relative) = below(&file) else {
                continue;
            };
            let path = root.join(&relative);
            if tree.files.contains_key(&path) || tree.links.contains_key(&path) {
                continue;
            }
            tree.dirs.extend(path.parent().map(Path::to_path_buf));
            tree.files
                .insert(path, format!("salt://{file}?saltenv={env}"));
        }
        if args.flag("include_empty") {
            for dir in run.files.list(Listing::Dirs, &env, "")? {
                if let Some(relative) = below(&dir) {
                    tree.dirs.insert(root.join(relative));
                }
            }
        }
    }
    Ok(tree)
}

/// Takes away what is there and belongs to nobody: neither to the source nor to a state that is required.
fn clean(run: &Run<'_>, root: &Path, tree: &Tree, report: &mut Report) -> Result<(), Error> {
    let mut keep: BTreeSet<PathBuf> = BTreeSet::new();
    let own = tree.files.keys().chain(tree.links.keys()).chain(&tree.dirs);
    let required = directory::required(run, root);
    for path in own.cloned().chain(required) {
        keep.extend(path.ancestors().map(Path::to_path_buf));
    }
    let mut removed = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            let excluded = !included(&relative, &Value::Null, run.args.get("exclude_pat"));
            if keep.contains(&path) || excluded {
                if path.is_dir() && !path.is_symlink() {
                    waiting.push(path);
                }
                continue;
            }
            if run.test {
                if path.is_dir() && !path.is_symlink() {
                    waiting.push(path.clone());
                }
            } else {
                remove(&path)?;
            }
            removed.push(path.display().to_string());
        }
    }
    removed.sort();
    if removed.is_empty() {
        return Ok(());
    }
    if run.test {
        if report.outcome.result == Some(true) {
            report.outcome.result = None;
        }
        report.comments.push(("removed".to_owned(), removed));
    } else {
        report
            .outcome
            .changes
            .insert("removed".into(), removed.into());
    }
    Ok(())
}
