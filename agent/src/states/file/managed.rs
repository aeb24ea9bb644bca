//! `file.managed`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::contents;
use super::perms::{self, Wanted};
use super::source::{self, Source};
use super::{Done, check_user, failed, mode_bits, normal_mode, os_error, owner, path_of, saltenv};
use crate::context::{Context, Error, Ran, python};
use crate::fileclient::FileHash;
use crate::fileclient::url::scheme;
use crate::host::fs::{Pending, make_dirs};
use crate::host::{clock, diff, digest, perms as owners};
use crate::states::{Outcome, Run};

pub(super) fn managed(ctx: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    let args = run.args;
    if name.is_empty() {
        return failed("Destination file name is required");
    }
    let keep_mode = args
        .get("mode")
        .as_str()
        .is_some_and(|m| m.eq_ignore_ascii_case("keep"));
    let mode = if keep_mode {
        None
    } else {
        normal_mode(args.get("mode"))
    };
    let given = ["contents", "contents_pillar", "contents_grains"]
        .iter()
        .filter(|k| !args.get(k).is_null())
        .count();
    let has_source = args.flag("source");
    if has_source && given > 0 {
        return failed(
            "'source' cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'",
        );
    }
    if keep_mode && given > 0 {
        return failed(
            "Mode preservation cannot be used in combination with 'contents', 'contents_pillar', or 'contents_grains'",
        );
    }
    if given > 1 {
        return failed(
            "Only one of 'contents', 'contents_pillar', and 'contents_grains' is permitted",
        );
    }
    let replace = args.flag("replace") && (has_source || given > 0);
    let contents = match contents::of(ctx, run) {
        Ok(contents) => contents,
        Err(comment) => return failed(comment),
    };
    let (user, group) = (owner(run), args.get("group").clone());
    let path = Path::new(&name);
    let mut file = File {
        ctx,
        run,
        name: &name,
        path,
        user,
        group,
        mode,
        keep_mode,
        follow: args.flag("follow_symlinks"),
    };
    let mut outcome = file.manage(contents, replace)?;
    if args.extra.contains_key("file_mode") {
        outcome.extra.insert(
            "warnings".into(),
            vec!["The 'file_mode' argument will be ignored.  Please use 'mode' instead to set file permissions."].into(),
        );
    }
    Ok(outcome)
}

struct File<'a> {
    ctx: &'a Context,
    run: &'a Run<'a>,
    name: &'a str,
    path: &'a Path,
    user: Value,
    group: Value,
    mode: Option<String>,
    keep_mode: bool,
    follow: bool,
}

impl File<'_> {
    fn manage(&mut self, contents: Option<Vec<u8>>, replace: bool) -> Done {
        let (run, args, name) = (self.run, self.run.args, self.name);
        if !args.flag("create") && !self.path.is_file() {
            return Ok(Outcome::unchanged(format!(
                "File {name} is not present and is not set for creation"
            )));
        }
        if let Some(error) = check_user(&self.user, &self.group, run.test) {
            return failed(error);
        }
        if !self.path.is_absolute() {
            return failed(format!("Specified file {name} is not an absolute path"));
        }
        if self.path.is_dir() {
            return failed(format!("Specified target {name} is a directory"));
        }
        for (key, text) in [("context", "Context"), ("defaults", "Defaults")] {
            if args.flag(key) && !matches!(args.get(key), Value::Map(_)) {
                return failed(format!("{text} must be formed as a dict"));
            }
        }
        if !replace && self.path.exists() {
            return self.only_perms();
        }
        let chosen = match source::choose(run, args.get("source"), args.get("source_hash")) {
            Ok(chosen) => chosen,
            Err(error) => return failed(format!("Unable to manage file: {error}")),
        };
        let source = match chosen.filter(|_| contents.is_none()) {
            None => None,
            Some((address, hash)) => match source::fetch(self.ctx, run, name, &address, &hash) {
                Ok(source) => Some(source),
                Err(error) if run.test => return failed(error),
                Err(error) => return failed(format!("Unable to manage file: {error}")),
            },
        };
        if self.keep_mode
            && let Some(source) = &source
            && let Some(mode) = self.mode_of(&source.address)
        {
            self.mode = Some(mode);
        }
        if run.test {
            return Ok(self.would(source.as_ref(), contents.as_deref()));
        }
        if args.flag("check_cmd")
            && let Some(refused) = self.check_cmd(source.as_ref(), contents.as_deref())?
        {
            return Ok(refused);
        }
        let written = self.write(source.as_ref(), contents.as_deref());
        if *args.get("keep_source") == Value::Bool(false)
            && let Some(copy) = source.and_then(|s| s.cached)
        {
            drop(fs::remove_file(copy));
        }
        match written {
            Ok(outcome) => Ok(outcome),
            Err(error) => failed(format!("Unable to manage file: {error}")),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            user: &self.user,
            group: &self.group,
            mode: self.mode.as_deref(),
            follow: self.follow,
        }
    }

    /// The content stays as it is; only owner and mode count.
    fn only_perms(&self) -> Done {
        let mut out = Outcome::unchanged("");
        let before = owners::stats(self.path, self.follow).map(|s| s.mode_text());
        perms::check(self.path, &self.wanted(), self.run.test, &mut out)?;
        let name = self.name;
        if self.run.test {
            out.comment = match (&self.mode, before) {
                (Some(mode), Ok(now)) if *mode != now => format!(
                    "File {name} will be updated with permissions {mode} from its current state of {now}"
                ),
                _ => format!("File {name} not updated"),
            };
        } else if out.changes.is_empty() && out.result == Some(true) {
            out.comment = format!("File {name} exists with proper permissions. No changes made.");
        }
        Ok(out)
    }

    /// What would change, for test mode.
    fn would(&self, source: Option<&Source>, contents: Option<&[u8]>) -> Outcome {
        let name = self.name;
        let mut changes = Map::new();
        match owners::stats(self.path, self.follow) {
            Err(_) if self.run.args.flag("new_file_diff") => {
                let new = contents.or(source.map(|s| s.bytes.as_slice()));
                if let Some(text) = new.and_then(|n| diff::files(b"", n)) {
                    changes.insert("diff".into(), text.into());
                }
            }
            Err(_) => {
                changes.insert("newfile".into(), name.into());
            }
            Ok(stats) => {
                let new = contents.or(source.map(|s| s.bytes.as_slice()));
                if let Some(new) = new
                    && let Ok(old) = fs::read(self.path)
                    && let Some(text) = diff::files(&old, new)
                {
                    let shown = self.run.args.flag("show_changes");
                    let text = if shown {
                        text
                    } else {
                        "<show_changes=False>".into()
                    };
                    changes.insert("diff".into(), text.into());
                }
                let mode = self.mode.clone().into();
                changes.extend(perms::differences(&stats, &self.user, &self.group, &mode));
            }
        }
        if changes.is_empty() {
            return Outcome::unchanged(format!("The file {name} is in the correct state"));
        }
        Outcome::would(
            changes,
            format!(
                "The file {name} is set to be changed\nNote: No changes made, actual changes may\nbe different due to other states."
            ),
        )
    }

    /// Runs `check_cmd` on the content before it is put in place; `Some` when it refuses.
    fn check_cmd(
        &self,
        source: Option<&Source>,
        contents: Option<&[u8]>,
    ) -> Result<Option<Outcome>, Error> {
        let args = self.run.args;
        let new = contents
            .or(source.map(|s| s.bytes.as_slice()))
            .unwrap_or_default();
        if fs::read(self.path).is_ok_and(|old| old == new) {
            return Ok(None);
        }
        let dir = args
            .opt_text("tmp_dir")?
            .map_or_else(std::env::temp_dir, PathBuf::from);
        let mut file = dir.join(format!(
            "__salt.tmp.{}{}",
            std::process::id(),
            self.run
                .chunk
                .get("order")
                .map(python::text)
                .unwrap_or_default()
        ));
        file.as_mut_os_string().push(args.text("tmp_ext")?);
        crate::host::fs::write_atomic(&file, new, 0o600)
            .map_err(|e| Error::execution(os_error(&file, &e)))?;
        let command = format!("{} {}", args.text("check_cmd")?, file.display());
        let mut kwargs = Map::new();
        if let Some(shell) = self.ctx.facts.grains().get("shell") {
            kwargs.insert("shell".into(), shell.clone());
        }
        let told = self.ctx.call("cmd.run_all", &[command.into()], &kwargs);
        drop(fs::remove_file(&file));
        let told = Ran::from(told?);
        if told.is_fine() {
            return Ok(None);
        }
        let mut comment = "check_cmd execution failed".to_owned();
        for text in [told.stdout(), told.stderr()] {
            if !text.is_empty() {
                comment += &format!("\n{text}");
            }
        }
        let mut out = Outcome::failed(comment);
        out.extra.insert("skip_watch".into(), true.into());
        Ok(Some(out))
    }

    fn write(&self, source: Option<&Source>, contents: Option<&[u8]>) -> Result<Outcome, Error> {
        if self.path.is_file() || self.path.is_symlink() {
            self.replace(source, contents)
        } else {
            self.create(source, contents)
        }
    }

    /// Whether a source that is not the file server's has the checksum that it was given.
    fn verify(&self, source: &Source) -> Option<Outcome> {
        let announced = source.announced.as_ref()?;
        let got = digest::bytes(&source.bytes, &announced.hash_type).unwrap_or_default();
        if got == announced.hsum {
            return None;
        }
        Some(Outcome::failed(other_sum(
            announced,
            &got,
            self.path,
            &source.address,
        )))
    }

    fn replace(&self, source: Option<&Source>, contents: Option<&[u8]>) -> Result<Outcome, Error> {
        let mut out = Outcome::unchanged("");
        let real = if self.path.is_symlink() && self.follow {
            fs::canonicalize(self.path).map_err(|e| Error::execution(os_error(self.path, &e)))?
        } else {
            self.path.to_path_buf()
        };
        let new = contents.or(source.map(|s| s.bytes.as_slice()));
        if let Some(new) = new {
            let old = fs::read(&real).unwrap_or_default();
            if let Some(text) = diff::files(&old, new) {
                if let Some(refused) = source.and_then(|s| self.verify(s)) {
                    return Ok(refused);
                }
                let hidden = self
                    .ctx
                    .settings
                    .opts
                    .get("obfuscate_templates")
                    .is_some_and(Value::is_truthy);
                let text = if hidden {
                    "<Obfuscated Template>".to_owned()
                } else if self.run.args.flag("show_changes") {
                    text
                } else {
                    "<show_changes=False>".to_owned()
                };
                out.changes.insert("diff".into(), text.into());
                self.backup(&real)?;
                if let Err(error) = self.put(&real, new) {
                    return Ok(Outcome {
                        changes: out.changes,
                        ..Outcome::failed(format!("Failed to commit change: {error}"))
                    });
                }
            }
            if self.path.is_symlink() && !self.follow {
                fs::remove_file(self.path)
                    .and_then(|()| self.put(self.path, new))
                    .map_err(|e| Error::execution(format!("Failed to commit change: {e}")))?;
                out.changes.insert(
                    "diff".into(),
                    "Replace symbolic link with regular file".into(),
                );
            }
        }
        perms::check(self.path, &self.wanted(), false, &mut out)?;
        if !out.changes.is_empty() {
            out.comment = format!("File {} updated", self.name);
        } else if out.result == Some(true) {
            out.comment = format!("File {} is in the correct state", self.name);
        }
        Ok(out)
    }

    fn create(&self, source: Option<&Source>, contents: Option<&[u8]>) -> Result<Outcome, Error> {
        let mut out = Outcome::unchanged("");
        if let Some(refused) = source.and_then(|s| self.verify(s)) {
            return Ok(refused);
        }
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        if !dir.is_dir() {
            if !self.run.args.flag("makedirs") {
                return Ok(Outcome::failed("Parent directory not present"));
            }
            let mode = normal_mode(self.run.args.get("dir_mode"))
                .or_else(|| self.mode.as_deref().map(passable));
            let wanted = Wanted {
                mode: mode.as_deref(),
                ..self.wanted()
            };
            perms::make_dirs(dir, &wanted)?;
        }
        let new = contents.or(source.map(|s| s.bytes.as_slice()));
        let open = 0o666 & !owners::umask();
        // What Salt's way of writing leaves before it looks at the mode: content from a source comes
        // from a private temporary file, everything else is touched first.
        let first = if source.is_some() || self.mode.is_some() {
            0o600
        } else {
            open
        };
        if new.is_some() {
            out.changes.insert("diff".into(), "New file".into());
            if self.run.args.flag("new_file_diff")
                && let Some(text) = new.and_then(|n| diff::files(b"", n))
            {
                out.changes.insert("diff".into(), text.into());
            }
        } else {
            let text = format!("file {} created", self.name);
            out.changes.insert("new".into(), text.into());
            out.comment = "Empty file".to_owned();
        }
        let mut pending = Pending::create(self.path, first)
            .map_err(|e| Error::execution(os_error(self.path, &e)))?;
        pending
            .write_all(new.unwrap_or_default())
            .and_then(|()| pending.commit())
            .map_err(|e| Error::execution(os_error(self.path, &e)))?;
        let mode = self.mode.clone().unwrap_or_else(|| owners::mode_text(open));
        let wanted = Wanted {
            mode: Some(&mode),
            ..self.wanted()
        };
        perms::check(self.path, &wanted, false, &mut out)?;
        if out.comment.is_empty() {
            out.comment = format!("File {} updated", self.name);
        }
        Ok(out)
    }

    /// Replaces a file's content; owner and mode stay as they were.
    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let before = owners::stats(path, true).ok();
        let mut pending = Pending::create(path, before.as_ref().map_or(0o600, |s| s.mode))?;
        pending.write_all(bytes)?;
        if let Some(stats) = before {
            let now = owners::stats(pending.temporary(), true)?;
            if (now.uid, now.gid) != (stats.uid, stats.gid) {
                owners::chown(pending.temporary(), Some(stats.uid), Some(stats.gid), true)?;
                owners::set_mode(pending.temporary(), stats.mode)?;
            }
        }
        pending.commit()
    }

    /// Keeps the old content in the minion's cache when `backup` asks for it.
    fn backup(&self, path: &Path) -> Result<(), Error> {
        let wish = self.run.args.get("backup");
        let mode = if wish.is_truthy() {
            python::text(wish)
        } else {
            self.ctx
                .settings
                .opts
                .get("backup_mode")
                .map(python::text)
                .unwrap_or_default()
        };
        if !matches!(mode.as_str(), "minion" | "both") || !path.exists() {
            return Ok(());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let dir = self.ctx.settings.cachedir.join("file_backup").join(
            path.parent()
                .unwrap_or(path)
                .strip_prefix("/")
                .unwrap_or(path),
        );
        let failed = |e: std::io::Error| Error::execution(os_error(&dir, &e));
        make_dirs(&dir, 0o700).map_err(failed)?;
        let copy = dir.join(format!("{name}_{}", clock::backup_stamp()));
        fs::copy(path, &copy).map_err(failed)?;
        if let Ok(stats) = owners::stats(path, true) {
            owners::chown(&copy, Some(stats.uid), Some(stats.gid), true).map_err(failed)?;
        }
        Ok(())
    }

    fn mode_of(&self, address: &str) -> Option<String> {
        let address = match scheme(address) {
            "salt" => address.to_owned(),
            _ => address
                .strip_prefix("file://")
                .unwrap_or(address)
                .to_owned(),
        };
        let stat = self
            .run
            .files
            .stat_file(&address, &saltenv(self.run))
            .ok()??;
        let mode = u32::try_from(stat.first()?.as_int()?).ok()? & 0o7777;
        Some(owners::mode_text(mode))
    }
}

/// The mode of directories on the way to a file of this mode: whoever may read it may pass.
fn passable(mode: &str) -> String {
    let bits = mode_bits(mode).unwrap_or(0o755) & 0o777;
    let mut out = 0;
    for shift in [6, 3, 0] {
        let part = (bits >> shift) & 7;
        out |= (if part == 0 { 0 } else { part | 1 }) << shift;
    }
    format!("{out:04o}")
}

/// What there is to say of a source whose checksum is not the announced one.
pub(crate) fn other_sum(announced: &FileHash, got: &str, path: &Path, address: &str) -> String {
    let (kind, sum) = (&announced.hash_type, &announced.hsum);
    if path.is_file() {
        format!(
            "Specified {kind} checksum for {address} ({sum}) does not match actual checksum ({got}). If the 'source_hash' value refers to a remote file with multiple possible matches, then it may be necessary to set 'source_hash_name'."
        )
    } else {
        format!(
            "Specified {kind} checksum for {} ({sum}) does not match actual checksum ({got})",
            path.display()
        )
    }
}
