//! `file.patch`: a patch applied to a file or to a directory.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::source;
use super::{Done, failed, path_of};
use crate::context::{Context, Error, Ran, python};
use crate::fileclient::SaltUrl;
use crate::host::env::which;
use crate::host::fs::write_atomic;
use crate::host::scratch::Scratch;
use crate::host::{patch as tool, shlex};
use crate::states::{Outcome, Run};

/// Options that would put the result elsewhere, or that are the state's own.
const FORBIDDEN: [&str; 6] = ["-N", "--forward", "-r", "--reject-file", "-o", "--output"];

pub(super) fn patch(ctx: &Context, run: &Run<'_>) -> Done {
    if which("patch").is_none() {
        return failed("patch executable not found on minion");
    }
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("A file/directory to be patched is required");
    }
    let path = Path::new(&name);
    if !path.is_absolute() {
        return failed(format!("{name} is not an absolute path"));
    }
    if !path.exists() {
        return failed(format!("{name} does not exist"));
    }
    let rejects = args.opt_text("reject_file")?;
    if let Some(rejects) = &rejects {
        let above = Path::new(rejects).parent().unwrap_or(Path::new(""));
        if !above.is_absolute() {
            return failed(format!("'{rejects}' is not an absolute path"));
        }
        if !above.is_dir() {
            return failed(format!(
                "Parent directory for reject_file '{rejects}' either does not exist, or is not a directory"
            ));
        }
    }
    let options = match options(&python::text(args.get("options")), args.get("strip"))? {
        Ok(options) => options,
        Err(wrong) => return failed(wrong),
    };
    let chosen = match source::choose(run, args.get("source"), args.get("source_hash")) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => return failed("Unable to manage file: no source was given"),
        Err(wrong) => return failed(wrong),
    };
    let bytes = match fetched(ctx, run, chosen)? {
        Ok(bytes) => bytes,
        // What another state brings may not be there yet.
        Err(_) if run.test => Vec::new(),
        Err(wrong) => return failed(wrong),
    };
    let scratch = Scratch::new().map_err(|e| Error::execution(format!("temporary files: {e}")))?;
    let file = scratch.file("patch");
    write_atomic(&file, &bytes, 0o600).map_err(|e| Error::execution(super::os_error(&file, &e)))?;
    let work = Work {
        ctx,
        path,
        file: &file,
        options: &options.plain,
        strip: options.strip.filter(|_| path.is_dir()),
        saved: rejects.is_some(),
        rejects: rejects.map_or_else(|| scratch.file("rejects"), PathBuf::from),
        output: scratch.file("output"),
    };
    let mut outcome = work.done(run.test)?;
    let warnings: Vec<String> = ["hash", "dry_run_first"]
        .iter()
        .filter(|old| args.extra.contains_key(**old))
        .map(|old| format!("The '{old}' argument is no longer used and has been ignored."))
        .collect();
    if !warnings.is_empty() {
        outcome.extra.insert("warnings".into(), warnings.into());
    }
    Ok(outcome)
}

struct Options {
    plain: Vec<String>,
    strip: Option<i64>,
}

/// `options` without what says how much of a path is cut off; the inner error is the state's comment.
fn options(text: &str, strip: &Value) -> Result<Result<Options, String>, Error> {
    let words = shlex::split(text).map_err(Error::execution)?;
    let mut found = Options {
        plain: Vec::new(),
        strip: strip.as_int().and_then(|n| i64::try_from(n).ok()),
    };
    if let Some(text) = strip.as_str() {
        found.strip = text.parse().ok();
    }
    let wrong = |option: &str| {
        format!(
            "Invalid format for '{option}' CLI option. Consider using the 'strip' option for this state."
        )
    };
    let mut forbidden = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if FORBIDDEN.iter().any(|f| word.starts_with(f)) {
            forbidden.push(word.clone());
        }
        if let Some(number) = word.strip_prefix("-p") {
            match number.parse() {
                Ok(number) => found.strip = Some(number),
                Err(_) => return Ok(Err(wrong("-p"))),
            }
        } else if word.starts_with("--strip") {
            let next = || words.next().unwrap_or_default();
            let number = word
                .rsplit_once('=')
                .map_or_else(next, |(_, n)| n.to_owned());
            match number.parse() {
                Ok(number) => found.strip = Some(number),
                Err(_) => return Ok(Err(wrong("-strip"))),
            }
        } else {
            found.plain.push(word);
        }
    }
    if !forbidden.is_empty() {
        return Ok(Err(format!(
            "The following CLI options are not allowed: {}",
            forbidden.join(", ")
        )));
    }
    Ok(Ok(found))
}

/// The patch itself; the inner error is the state's comment.
fn fetched(
    ctx: &Context,
    run: &Run<'_>,
    (mut address, hash): (String, Value),
) -> Result<Result<Vec<u8>, String>, Error> {
    let args = run.args;
    if let Some(env) = args.opt_text("saltenv")?
        && SaltUrl::parse(&address).is_some_and(|url| url.saltenv.is_none())
    {
        address = format!("{address}?saltenv={env}");
    }
    let found = source::fetch(ctx, run, "", &address, &hash);
    let name = args.text("name")?;
    Ok(found
        .and_then(|source| source.verified(&name))
        .map_err(|e| format!("Unable to manage file: {e}")))
}

struct Work<'a> {
    ctx: &'a Context,
    path: &'a Path,
    file: &'a Path,
    options: &'a [String],
    strip: Option<i64>,
    saved: bool,
    rejects: PathBuf,
    output: PathBuf,
}

impl Work<'_> {
    /// What patch says, as `cmd.run_all` has it.
    fn patch(&self, file: &Path, more: &[String], dry_run: bool) -> Result<Ran, Error> {
        let options: Vec<String> = self.options.iter().chain(more).cloned().collect();
        let words = tool::words(self.path, file, &options, dry_run);
        self.ctx.run_all(words, Map::new())
    }

    fn strip(&self) -> Vec<String> {
        self.strip.iter().map(|n| format!("-p{n}")).collect()
    }

    fn done(&self, test: bool) -> Done {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut apart = vec!["-N".to_owned(), "-r".into(), text(&self.rejects)];
        apart.extend(["-o".to_owned(), text(&self.output)]);
        apart.extend(self.strip());
        let check = self.patch(self.file, &apart, false)?;
        if !check.is_fine() {
            if fs::metadata(&self.rejects).map_or(0, |m| m.len()) == 0 {
                return failed(check.stderr());
            }
            // What applies backwards was applied before.
            let back = ["-R".to_owned(), "-f".to_owned()];
            let backwards = self.patch(&self.rejects, &back, true)?;
            if check.code() == Some(2) && !check.stderr().is_empty() {
                return failed(check.stderr());
            }
            if backwards.is_fine() {
                return Ok(Outcome::unchanged("Patch was already applied"));
            }
            let hint = if self.saved {
                ""
            } else {
                " Run state again using the reject_file option to save rejects to a persistent file."
            };
            return failed(format!(
                "Patch would not apply cleanly, no changes made. Results of dry-run are below.{hint}\n\n{}",
                shown(&check.0)
            ));
        }
        if test {
            return Ok(Outcome::would(check.0, "The patch would be applied"));
        }
        let told = self.patch(self.file, &self.strip(), false)?;
        Ok(if told.is_fine() {
            Outcome::changed(told.0, "Patch successfully applied")
        } else {
            Outcome {
                changes: told.0,
                ..Outcome::failed("Failed to apply patch")
            }
        })
    }
}

/// What a program said, as Salt's nested output shows it fourteen columns in.
fn shown(told: &Map) -> String {
    let mut keys: Vec<&str> = told.keys().filter_map(Value::as_str).collect();
    keys.sort_unstable();
    let mut lines = vec![format!("{:14}----------", "")];
    for key in keys {
        lines.push(format!("{:14}{key}:", ""));
        let value = told.get(key).map(python::text).unwrap_or_default();
        lines.extend(value.lines().map(|line| format!("{:18}{line}", "")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_out() {
        let of = |text: &str| options(text, &Value::Null).unwrap();
        let found = of("-p1 --ignore-whitespace --strip 2").unwrap();
        assert_eq!((found.plain.len(), found.strip), (1, Some(2)));
        assert!(of("-px").is_err_and(|e| e.contains("'-p'")));
        assert!(of("-o x").is_err_and(|e| e.ends_with(": -o")));
    }
}
