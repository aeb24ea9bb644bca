//! `archive`: archives taken out where they belong.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::file::{self, source};
use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::fileclient::url::scheme;
use crate::host::archive::{self, Contents, Kind, Order};
use crate::host::{digest, perms, shlex};

/// The rows of `archive`.
pub const STATES: &[State] = &[State {
    name: "archive.extracted",
    signature: "name, source, source_hash=None, source_hash_name=None, source_hash_update=False, skip_files_list_verify=False, skip_verify=False, password=None, options=None, list_options=None, force=False, overwrite=False, clean=False, clean_parent=False, user=None, group=None, if_missing=None, trim_output=False, use_cmd_unzip=None, extract_perms=True, enforce_toplevel=True, enforce_ownership_on=None, archive_format=None, use_etag=False, signature=None, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, sig_backend='gpg', **kwargs",
    doc: "Ensure that all that is in an archive is there, taken out below this directory.",
    run: extracted,
}];

type Done = Result<Outcome, Error>;

fn failed(comment: impl Into<String>) -> Done {
    Ok(Outcome::failed(comment))
}

/// The archive and what was asked of it.
struct Job<'a> {
    ctx: &'a Context,
    run: &'a Run<'a>,
    /// The directory, with a slash at its end.
    name: String,
    /// The address, for texts.
    source: String,
    kind: Kind,
    options: Option<Vec<String>>,
    uid: Option<u32>,
    gid: Option<u32>,
}

fn extracted(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let name = args.text("name")?;
    if !name.starts_with('/') {
        return failed(if name.is_empty() {
            "Name of the directory path needs to be specified".to_owned()
        } else {
            format!("{name} is not an absolute path")
        });
    }
    let name = name.trim_end_matches('/').to_owned();
    if Path::new(&name).is_file() {
        return failed(format!("{name} exists and is not a directory"));
    }
    let name = name + "/";
    for argument in ["if_missing", "enforce_ownership_on"] {
        if args
            .opt_text(argument)?
            .is_some_and(|p| !p.starts_with('/'))
        {
            return failed(format!("Value for '{argument}' is not an absolute path"));
        }
    }
    if let Some(path) = args.opt_text("enforce_ownership_on")?
        && !format!("{path}/").starts_with(&name)
    {
        return failed(format!(
            "Value for 'enforce_ownership_on' must be within {name}"
        ));
    }
    if let Some(path) = args.opt_text("if_missing")?
        && Path::new(&path).exists()
    {
        return Ok(Outcome::unchanged(format!("Path {path} exists")));
    }
    let (user, group) = (args.get("user"), args.get("group"));
    let uid = user.is_truthy().then(|| file::uid(user));
    if uid == Some(None) {
        return failed(format!("User {} does not exist", python::text(user)));
    }
    let gid = group.is_truthy().then(|| file::gid(group));
    if gid == Some(None) {
        return failed(format!("Group {} does not exist", python::text(group)));
    }
    let chosen = match source::choose(run, args.get("source"), args.get("source_hash")) {
        Ok(chosen) => chosen,
        Err(error) => return failed(error),
    };
    let Some((address, hash)) = chosen else {
        return failed(format!(
            "Invalid source \"{}\"",
            python::text(args.get("source"))
        ));
    };
    let plain = crate::host::http::without_login(&address).0;
    let bare = plain.split(['?', '#']).next().unwrap_or(&plain);
    let kind = match args.opt_text("archive_format")? {
        Some(word) if !word.is_empty() => match Kind::named(&word) {
            Some(kind) => kind,
            None => {
                return failed(format!(
                    "Invalid archive_format '{}'. Either set it to a supported value (tar, rar, zip) or remove this argument and the archive format will be guessed based on file extension.",
                    word.to_lowercase()
                ));
            }
        },
        _ => match Kind::guess(bare.trim_end_matches('/')) {
            Some(kind) => kind,
            None => {
                return failed(
                    "Could not guess archive_format from the value of the 'source' argument. Please set this archive_format to one of the following: tar, rar, zip",
                );
            }
        },
    };
    if args.flag("password") && kind != Kind::Zip {
        return failed("The 'password' argument is only supported for zip archives");
    }
    let options = args.opt_text("options")?;
    if options.as_deref().is_some_and(|o| !o.is_empty()) && kind == Kind::Rar {
        return failed(
            "The 'options' argument is only compatible with the following archive formats: tar, zip",
        );
    }
    let options = match options.as_deref().map(shlex::split) {
        None => None,
        Some(Ok(words)) => Some(words),
        Some(Err(error)) => return failed(format!("Invalid CLI options: {error}")),
    };
    let job = Job {
        ctx,
        run,
        name,
        source: plain,
        kind,
        options,
        uid: uid.flatten(),
        gid: gid.flatten(),
    };
    match job.fetch(&address, &hash)? {
        Ok(cached) => job.go(&cached),
        Err(refused) => Ok(refused),
    }
}

impl Job<'_> {
    /// The archive as a file here, verified.
    fn fetch(&self, address: &str, hash: &Value) -> Result<Result<PathBuf, Outcome>, Error> {
        let (run, source) = (self.run, &self.source);
        let refuse = |comment: String| Ok(Err(Outcome::failed(comment)));
        let local = matches!(scheme(address), "" | "file");
        let sum = if hash.is_truthy() && !run.args.flag("skip_verify") {
            match source::parse_hash(run, &self.name, address, hash) {
                Ok(sum) => Some(sum),
                Err(error) => return refuse(error),
            }
        } else {
            None
        };
        if local {
            let path = perms::expand_user(address.strip_prefix("file://").unwrap_or(address));
            let path = fs::canonicalize(&path).unwrap_or(path);
            if !path.is_file() {
                return refuse(format!("Source file '{}' does not exist", path.display()));
            }
            if let Some(sum) = sum {
                let got = digest::file(&path, &sum.hash_type).unwrap_or_default();
                if got != sum.hsum {
                    return refuse(format!(
                        "{} does not match the desired source_hash {}",
                        path.display(),
                        sum.hsum
                    ));
                }
            }
            return Ok(Ok(path));
        }
        if run.test {
            return Ok(Err(Outcome::would(
                Map::new(),
                format!(
                    "Archive {source} would be cached (if necessary) and checked to discover if extraction is needed"
                ),
            )));
        }
        if sum.is_none() && scheme(address) != "salt" && !run.args.flag("skip_verify") {
            return refuse(format!(
                "Unable to verify upstream hash of source file {source}, please set source_hash or set skip_verify or use_etag to True"
            ));
        }
        let wanted = sum.as_ref().map(|s| s.hsum.as_str());
        let cached = match run.files.cache_file(address, &file::saltenv(run), wanted) {
            Ok(Some(path)) => path,
            Ok(None) => {
                return refuse(format!(
                    "Failed to cache {source}, check minion log for more information"
                ));
            }
            Err(error) => return refuse(error.to_string()),
        };
        if let Some(sum) = sum {
            let got = digest::file(&cached, &sum.hash_type).unwrap_or_default();
            if got != sum.hsum {
                return refuse(format!(
                    "File is cached to {}, but the hash ({got}) does not match the specified hash ({})",
                    cached.display(),
                    sum.hsum
                ));
            }
        }
        Ok(Ok(cached))
    }

    /// How many leading parts of names the options leave out.
    fn strip(&self) -> usize {
        let mut words = self.options.iter().flatten().peekable();
        while let Some(word) = words.next() {
            for flag in ["--strip-components", "--strip"] {
                let value = match word.strip_prefix(flag) {
                    Some("") => words.peek().map(|w| w.as_str()),
                    Some(rest) => rest.strip_prefix('='),
                    None => continue,
                };
                if let Some(Ok(count)) = value.map(str::parse) {
                    return if self.kind == Kind::Tar { count } else { 0 };
                }
            }
        }
        0
    }

    fn go(&self, cached: &Path) -> Done {
        let (args, name) = (self.run.args, &self.name);
        let programs = self.ctx.programs();
        if self.kind == Kind::Zip
            && !args.flag("password")
            && archive::is_encrypted(&programs, cached).unwrap_or(false)
        {
            return failed(format!(
                "Archive {} is password-protected, but no password was specified. Please set the 'password' argument.",
                self.source
            ));
        }
        let contents = match archive::list(&programs, cached, self.kind, self.strip()) {
            Ok(contents) => contents,
            Err(error) => return failed(error),
        };
        let top_files = Contents::top(&contents.files);
        if args.flag("enforce_toplevel") && (contents.top_dirs().len() > 1 || !top_files.is_empty())
        {
            return failed(format!(
                "Archive does not have a single top-level directory. To allow this archive to be extracted, set 'enforce_toplevel' to False. To avoid a '{}-bomb' it may also be advisable to set a top-level directory by adding it to the 'name' value (for example, setting 'name' to {name}some_dir instead of {name}).",
                self.kind.word()
            ));
        }
        if args.flag("clean") && args.flag("clean_parent") {
            return failed("Only one of 'clean' and 'clean_parent' can be set to True");
        }
        let mut out = Outcome::unchanged("");
        let (missing, wrong) = self.compare(&contents);
        if !wrong.is_empty()
            && let Some(refused) = self.wrong(&wrong, &mut out)
        {
            return Ok(refused);
        }
        let needed = missing || args.flag("overwrite") || out.changes.contains_key("removed");
        let because = if missing {
            ", due to absence of one or more files/dirs"
        } else {
            ""
        };
        let mut files = Value::Null;
        if needed {
            if self.run.test {
                let clean = if args.flag("clean") {
                    ", after cleaning destination path(s)"
                } else {
                    ""
                };
                return Ok(Outcome {
                    changes: out.changes,
                    ..Outcome::would(
                        Map::new(),
                        format!(
                            "Archive {} would be extracted to {name}{clean}{because}",
                            self.source
                        ),
                    )
                });
            }
            match self.extract(cached, &contents, &mut out)? {
                Ok(told) => files = told,
                Err(refused) => return Ok(refused),
            }
        }
        let (absent, unowned) = self.own(&contents, &mut out);
        if needed {
            if !files.is_truthy() {
                return failed(format!("No files were extracted from {}", self.source));
            }
            out.changes.insert("extracted_files".into(), files);
            out.comment = format!("{} extracted to {name}{because}", self.source);
            if let Some(count) = self.trim() {
                out.comment += &format!(". Output was trimmed to {count} number of lines");
            }
        } else {
            out.comment = "All files in archive are already present".to_owned();
            if self.run.test && out.changes.contains_key("updated ownership") {
                out.result = None;
                out.comment += ". Ownership would be updated on one or more files/directories.";
            }
        }
        let mut list = |what: &str, paths: &[String]| {
            if !paths.is_empty() {
                out.result = Some(false);
                out.comment +=
                    &format!("\n\nWhile trying to enforce user/group ownership, {what}:\n");
                for path in paths {
                    out.comment += &format!("\n- {path}");
                }
            }
        };
        list("the following paths were missing", &absent);
        list(
            "Salt was unable to change ownership on the following paths",
            &unowned,
        );
        let keep = ["keep_source", "keep"]
            .iter()
            .find_map(|k| args.extra.get(*k));
        if keep.is_some_and(|k| !k.is_truthy()) && !matches!(scheme(&self.source), "" | "file") {
            drop(fs::remove_file(cached));
        }
        Ok(out)
    }

    /// Whether something is missing, and what is there but something else.
    fn compare(&self, contents: &Contents) -> (bool, Vec<String>) {
        let (mut missing, mut wrong) = (false, Vec::new());
        type Fits = fn(&fs::FileType) -> bool;
        let lists: [(&Vec<String>, Fits); 3] = [
            (&contents.dirs, |t| t.is_dir()),
            (&contents.files, |t| !t.is_symlink() && !t.is_dir()),
            (&contents.links, |t| t.is_symlink()),
        ];
        for (paths, fits) in lists {
            for path in paths {
                let full = format!("{}{path}", self.name);
                match fs::symlink_metadata(full.trim_end_matches('/')) {
                    Ok(meta) if !fits(&meta.file_type()) => wrong.push(path.clone()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => missing = true,
                    Err(_) => {}
                }
            }
        }
        (missing, wrong)
    }

    /// Makes way where something else is in the way; `Some` when that is not wanted.
    fn wrong(&self, wrong: &[String], out: &mut Outcome) -> Option<Outcome> {
        let args = self.run.args;
        let list: Vec<_> = wrong.iter().map(|p| format!("- {p}")).collect();
        let list = format!("\n\n{}", list.join("\n"));
        let text = format!(
            "The below paths (relative to {}) exist, but are the incorrect type (file instead of directory, symlink instead of file, etc.).",
            self.name
        );
        let (clean, parent) = (args.flag("clean"), args.flag("clean_parent"));
        if self.run.test && clean {
            return Some(Outcome::would(
                Map::new(),
                format!(
                    "{text} Since the 'clean' option is enabled, the destination paths would be cleared and the archive would be extracted.{list}"
                ),
            ));
        }
        if self.run.test && parent {
            return Some(Outcome::would(
                Map::new(),
                format!(
                    "{text} Since the 'clean_parent' option is enabled, the destination parent directory would be removed first and then re-created and the archive would be extracted"
                ),
            ));
        }
        if clean {
            return None;
        }
        if !args.flag("force") {
            return Some(Outcome::failed(format!(
                "{text} To proceed with extraction, set 'force' to True. Note that this will remove these paths before extracting.{list}"
            )));
        }
        let paths: Vec<_> = wrong.iter().map(|p| format!("{}{p}", self.name)).collect();
        if !self.run.test {
            for path in &paths {
                drop(remove(path));
            }
        }
        out.changes.insert("removed".into(), paths.into());
        None
    }

    fn trim(&self) -> Option<usize> {
        match self.run.args.get("trim_output") {
            Value::Bool(true) => Some(100),
            Value::Bool(false) | Value::Null => None,
            other => python::text(other).parse().ok(),
        }
    }

    /// Takes it out; the names that it tells of.
    fn extract(
        &self,
        cached: &Path,
        contents: &Contents,
        out: &mut Outcome,
    ) -> Result<Result<Value, Outcome>, Error> {
        let (args, name) = (self.run.args, &self.name);
        let dir = Path::new(name);
        if args.flag("clean_parent") && dir.exists() {
            remove(name).map_err(|e| Error::execution(format!("{name}: {e}")))?;
            let text = format!("Directory {name} was removed prior to the extraction");
            out.changes.insert("removed".into(), text.into());
        }
        if args.flag("clean") {
            let mut removed = Vec::new();
            for path in contents
                .top_dirs()
                .iter()
                .chain(&Contents::top(&contents.files))
            {
                let full = format!("{name}{path}");
                match remove(&full) {
                    Ok(()) => removed.push(full),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Ok(Err(Outcome::failed(format!(
                            "One or more paths could not be cleaned. The following errors were observed:\n\n- {full}: {error}"
                        ))));
                    }
                }
            }
            if !removed.is_empty() {
                out.changes.insert("removed".into(), removed.into());
            }
        }
        let made = !dir.is_dir();
        if made {
            let given = map! { "name" => name.as_str(), "user" => args.get("user").clone(), "makedirs" => true };
            let done = file::call(self.ctx, "file.directory", given, false)?;
            if done.result == Some(false) {
                return Ok(Err(done));
            }
        }
        let order = Order {
            options: self.options.clone(),
            password: args.opt_text("password")?.filter(|p| !p.is_empty()),
            modes: args.flag("extract_perms"),
        };
        match archive::extract(&self.ctx.programs(), cached, self.kind, dir, &order) {
            Ok(told) => {
                if made {
                    let dirs = vec![name.clone()];
                    out.changes
                        .insert("directories_created".into(), dirs.into());
                }
                let zip_members = || -> Vec<String> {
                    let all = contents
                        .dirs
                        .iter()
                        .chain(&contents.files)
                        .chain(&contents.links);
                    all.cloned().collect()
                };
                let mut files = match told {
                    Some(lines) => lines,
                    None if self.kind == Kind::Zip => zip_members(),
                    None => contents.members.clone(),
                };
                if let Some(count) = self.trim() {
                    files.truncate(count);
                }
                Ok(Ok(files.into()))
            }
            Err((code, stdout, stderr)) => {
                if made {
                    drop(fs::remove_dir(dir));
                }
                Ok(Err(Outcome {
                    changes: map! { "retcode" => code, "stdout" => stdout, "stderr" => stderr },
                    ..Outcome::failed("")
                }))
            }
        }
    }

    /// Gives what was taken out to its owner; what was missing, and what could not be given.
    fn own(&self, contents: &Contents, out: &mut Outcome) -> (Vec<String>, Vec<String>) {
        let (mut absent, mut unowned) = (Vec::new(), Vec::new());
        if self.uid.is_none() && self.gid.is_none() {
            return (absent, unowned);
        }
        let tops = match self.run.args.get("enforce_ownership_on") {
            path if path.is_truthy() => vec![python::text(path)],
            _ => {
                let mut tops = contents.top_dirs();
                tops.extend(Contents::top(&contents.files));
                tops.extend(Contents::top(&contents.links));
                tops.iter().map(|t| format!("{}{t}", self.name)).collect()
            }
        };
        for top in tops {
            let mut open = vec![PathBuf::from(top.trim_end_matches('/'))];
            while let Some(path) = open.pop() {
                let Ok(now) = perms::stats(&path, false) else {
                    if !self.run.test {
                        absent.push(path.display().to_string());
                    }
                    continue;
                };
                let differs = self.uid.is_some_and(|u| u != now.uid)
                    || self.gid.is_some_and(|g| g != now.gid);
                if differs {
                    if self.run.test || perms::chown(&path, self.uid, self.gid, false).is_ok() {
                        out.changes.insert("updated ownership".into(), true.into());
                    } else {
                        unowned.push(path.display().to_string());
                    }
                }
                if path.is_dir() && !now.is_link {
                    let below = fs::read_dir(&path).into_iter().flatten().flatten();
                    open.extend(below.map(|e| e.path()));
                }
            }
        }
        (absent, unowned)
    }
}

fn remove(path: &str) -> io::Result<()> {
    let path = Path::new(path.trim_end_matches('/'));
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}
