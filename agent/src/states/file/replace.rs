//! `file.replace`, `file.comment` and `file.uncomment`: lines changed by regular expressions.

use std::fs;
use std::path::Path;

use salt_wire::{Value, map};

use super::edit::{self, check_file, contains, outcome, put, put_bytes, read, suffix};
use super::pattern::{self, kept_lines};
use super::{Done, failed, path_of};
use crate::context::{Context, Error, python};
use crate::host::charset::Charset;
use crate::host::diff;
use crate::states::{Outcome, Run};

fn text_of(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).unwrap_or_default();
    if !diff::is_text(&bytes) {
        return Err(Error::invocation(format!(
            "Cannot perform string replacements on a binary file: {}",
            path.display()
        )));
    }
    read(path)
}

/// A file's text in an encoding of its own.
fn decoded(path: &Path, charset: Charset) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|e| Error::execution(super::os_error(path, &e)))?;
    charset.decode(&bytes).map_err(Error::Execution)
}

pub(super) fn replace(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.replace");
    }
    if let Err(text) = check_file(&name) {
        if args.flag("ignore_if_missing") && text.contains("file not found") {
            return Ok(Outcome::unchanged("No changes needed to be made"));
        }
        return failed(text);
    }
    let path = edit::real(&name);
    let charset = match args.get("encoding") {
        Value::Null => None,
        name => Some(Charset::named(&python::text(name)).map_err(Error::Execution)?),
    };
    let old = match charset {
        None => text_of(&path)?,
        Some(charset) => decoded(&path, charset)?,
    };
    let (append, prepend) = (
        args.flag("append_if_not_found"),
        args.flag("prepend_if_not_found"),
    );
    if append && prepend {
        return Err(Error::invocation(
            "Only one of append and prepend_if_not_found is permitted",
        ));
    }
    let flags = pattern::flags(args.get("flags"))?;
    let regex = pattern::compile(&python::text(args.get("pattern")), flags)?;
    let repl = python::text(args.get("repl"));
    let count = args
        .get("count")
        .as_int()
        .and_then(|c| usize::try_from(c).ok());
    let (mut new, hits) = pattern::replace(
        &regex,
        &old,
        &repl,
        args.flag("backslash_literal"),
        count.unwrap_or_default(),
    )?;
    if hits == 0 && (append || prepend) {
        let given = args.get("not_found_content");
        let content = if given.is_truthy() {
            python::text(given)
        } else {
            repl.clone()
        };
        let there = format!("^{}($|(?=\r\n))", pattern::escape(&content));
        let there = pattern::compile(&there, flags | pattern::MULTILINE)?;
        if !pattern::search(&there, &old)? {
            let content = if given.is_null() {
                repl
            } else {
                python::text(given)
            };
            if prepend {
                new = format!("{content}\n{new}");
            } else {
                if !new.is_empty() && !new.ends_with('\n') {
                    new.push('\n');
                }
                new += &format!("{content}\n");
            }
        }
    }
    if old == new {
        return Ok(outcome(run, None, ""));
    }
    if !run.test {
        let backup = suffix(args.get("backup"));
        let bytes = match charset {
            None => new.as_bytes().to_vec(),
            Some(charset) => charset.encode(&new).map_err(Error::Execution)?,
        };
        put_bytes(&path, &bytes, backup.as_deref())?;
        if let Some(backup) = backup
            && let Ok(target) = fs::read_link(&name)
        {
            let link = format!("{name}{backup}");
            drop(fs::remove_file(&link));
            std::os::unix::fs::symlink(format!("{}{backup}", target.display()), &link)
                .map_err(|e| Error::execution(super::os_error(Path::new(&link), &e)))?;
        }
    }
    let shown = if args.flag("show_changes") {
        Value::from(diff::unified(old.as_bytes(), new.as_bytes()))
    } else {
        true.into()
    };
    Ok(outcome(
        run,
        Some(map! { "diff" => shown }),
        "Changes would have been made",
    ))
}

/// A pattern without its anchors and leading flag.
fn unanchored(regex: &str) -> &str {
    let rest = match regex.as_bytes() {
        [b'(', b'?', flag, b')', ..] if b"iLmsux".contains(flag) => &regex[4..],
        _ => regex,
    };
    let rest = rest.strip_prefix('^').unwrap_or(rest);
    rest.strip_suffix('$').unwrap_or(rest)
}

/// Each line that fits, changed.
fn edit_lines(text: &str, regex: &str, change: impl Fn(&str) -> String) -> Result<String, Error> {
    let regex = pattern::compile(regex, 0)?;
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if pattern::begins(&regex, line)? {
            new += &change(line);
        } else {
            new += line;
        }
    }
    Ok(new)
}

fn owned(lines: Vec<&str>) -> Vec<String> {
    lines.into_iter().map(str::to_owned).collect()
}

/// Writes the new text; whether it now has what it shall have decides.
fn finish(
    run: &Run<'_>,
    name: &str,
    old: &str,
    new: &str,
    wanted: &str,
    done: (&str, &str),
) -> Done {
    if old != new {
        let backup = suffix(run.args.get("backup"));
        put(&edit::real(name), new, backup.as_deref())?;
    }
    let mut out = if contains(new, wanted)? {
        Outcome::unchanged(done.0)
    } else {
        Outcome::failed(done.1)
    };
    let lines = diff::unified_lines(&owned(kept_lines(old)), &owned(kept_lines(new)));
    if !lines.is_empty() {
        out.changes.insert("diff".into(), lines.concat().into());
    }
    Ok(out)
}

pub(super) fn comment(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.comment");
    }
    if let Err(text) = check_file(&name) {
        return failed(text);
    }
    let (regex, char) = (args.text("regex")?, args.text("char")?);
    let inner = unanchored(&regex);
    let commented = format!("{char}{inner}");
    let old = text_of(&edit::real(&name))?;
    if !contains(&old, &format!("^(?!\\s*{char})\\s*{inner}"))? {
        return if contains(&old, &commented)? {
            Ok(Outcome::unchanged("Pattern already commented"))
        } else if args.flag("ignore_missing") {
            Ok(Outcome::unchanged(
                "Pattern not found and ignore_missing set to True",
            ))
        } else {
            failed(format!("{inner}: Pattern not found"))
        };
    }
    if run.test {
        return Ok(Outcome::would(
            map! { name.as_str() => "updated" },
            format!("File {name} is set to be updated"),
        ));
    }
    let each = format!(
        "{}({}){}",
        if regex.starts_with('^') { "^" } else { "" },
        regex.trim_start_matches('^').trim_end_matches('$'),
        if regex.ends_with('$') { "$" } else { "" }
    );
    let new = edit_lines(&old, &each, |line| format!("{char}{line}"))?;
    let words = (
        "Commented lines successfully",
        "Expected commented lines not found",
    );
    finish(run, &name, &old, &new, &commented, words)
}

pub(super) fn uncomment(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.uncomment");
    }
    if let Err(text) = check_file(&name) {
        return failed(text);
    }
    let (regex, char) = (args.text("regex")?, args.text("char")?);
    let inner = regex.trim_start_matches('^');
    let uncommented = format!("^[ \t]*{inner}");
    let old = text_of(&edit::real(&name))?;
    if !contains(&old, &format!("{char}[ \t]*{inner}"))? {
        return if contains(&old, &uncommented)? {
            Ok(Outcome::unchanged("Pattern already uncommented"))
        } else {
            failed(format!("{regex}: Pattern not found"))
        };
    }
    if run.test {
        return Ok(Outcome::would(
            map! { name.as_str() => "updated" },
            format!("File {name} is set to be updated"),
        ));
    }
    let each = format!(
        "^{char}\\s*({}){}",
        inner.trim_end_matches('$'),
        if regex.ends_with('$') { "$" } else { "" }
    );
    let new = edit_lines(&old, &each, |line| {
        line.trim_start_matches(|c| char.contains(c)).to_owned()
    })?;
    let words = (
        "Uncommented lines successfully",
        "Expected uncommented lines not found",
    );
    finish(run, &name, &old, &new, &uncommented, words)
}
