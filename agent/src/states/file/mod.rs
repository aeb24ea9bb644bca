//! `file`: files, directories and links as they should be. One state function a file; what they share is here.

mod absent;
mod append;
mod block;
mod cached;
mod contents;
mod directory;
mod edit;
mod keyvalue;
mod line;
mod managed;
mod mknod;
mod moves;
mod patch;
mod pattern;
mod perms;
mod recurse;
mod replace;
mod retention;
mod serialize;
pub(super) mod source;
mod symlink;
mod tidy;
mod touch;

pub(crate) use managed::other_sum;

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::python::{self, os_error};
use crate::context::{Args, Context, Error, Signature};
use crate::fileclient::{FileClient, FileHash, SaltUrl, Wanted};
use crate::host::perms as owners;

/// The rows of `file`.
pub const STATES: &[State] = &[
    State {
        name: "file.managed",
        signature: "name, source=None, source_hash='', source_hash_name=None, keep_source=True, user=None, group=None, mode=None, attrs=None, template=None, makedirs=False, dir_mode=None, context=None, replace=True, defaults=None, backup='', show_changes=True, create=True, contents=None, tmp_dir=None, tmp_ext='', contents_pillar=None, contents_grains=None, contents_newline=True, contents_delimiter=':', encoding=None, encoding_errors='strict', allow_empty=True, follow_symlinks=True, check_cmd=None, skip_verify=False, selinux=None, verify_ssl=True, use_etag=False, signature=None, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, ignore_ordering=False, ignore_whitespace=False, ignore_comment_characters=None, new_file_diff=False, sig_backend='gpg', **kwargs",
        doc: "Manage a file: its content from ``source``, ``contents``, ``contents_pillar`` or ``contents_grains``, its owner and mode.",
        run: managed::managed,
    },
    State {
        name: "file.directory",
        signature: "name, user=None, group=None, recurse=None, max_depth=None, dir_mode=None, file_mode=None, makedirs=False, clean=False, require=None, exclude_pat=None, follow_symlinks=False, force=False, backupname=None, allow_symlink=True, children_only=False, **kwargs",
        doc: "Ensure that a directory is there and has the right owner and mode, on wish with everything below it.",
        run: directory::directory,
    },
    State {
        name: "file.symlink",
        signature: "name, target, force=False, backupname=None, makedirs=False, user=None, group=None, mode=None, atomic=False, disallow_copy_and_unlink=False, inherit_user_and_group=False, follow_symlinks=True, **kwargs",
        doc: "Ensure that a symbolic link is there and points where it should.",
        run: symlink::symlink,
    },
    State {
        name: "file.absent",
        signature: "name, **kwargs",
        doc: "Ensure that a file or a directory is not there; a directory goes with its content.",
        run: absent::absent,
    },
    State {
        name: "file.append",
        signature: "name, text=None, makedirs=False, source=None, source_hash=None, template='jinja', sources=None, source_hashes=None, defaults=None, context=None, ignore_whitespace=True, show_changes=True",
        doc: "Ensure that lines are in a file; those that are not are put at its end.",
        run: append::append,
    },
    State {
        name: "file.prepend",
        signature: "name, text=None, makedirs=False, source=None, source_hash=None, template='jinja', sources=None, source_hashes=None, defaults=None, context=None, header=None, show_changes=True",
        doc: "Ensure that lines are in a file; those that are not are put at its beginning.",
        run: append::prepend,
    },
    State {
        name: "file.replace",
        signature: "name, pattern, repl, count=0, flags=8, bufsize=1, append_if_not_found=False, prepend_if_not_found=False, not_found_content=None, backup='.bak', show_changes=True, ignore_if_missing=False, backslash_literal=False, encoding=None",
        doc: "Replace what a regular expression finds in a file.",
        run: replace::replace,
    },
    State {
        name: "file.comment",
        signature: "name, regex, char='#', backup='.bak', ignore_missing=False",
        doc: "Comment out the lines that a regular expression finds.",
        run: replace::comment,
    },
    State {
        name: "file.uncomment",
        signature: "name, regex, char='#', backup='.bak'",
        doc: "Take the comment signs from lines that a regular expression finds.",
        run: replace::uncomment,
    },
    State {
        name: "file.line",
        signature: "name, content=None, match=None, mode=None, location=None, before=None, after=None, show_changes=True, backup=False, quiet=False, indent=True, create=False, user=None, group=None, file_mode=None",
        doc: "Delete, replace, insert or ensure one line of a file.",
        run: line::line,
    },
    State {
        name: "file.keyvalue",
        signature: "name, key=None, value=None, key_values=None, separator='=', append_if_not_found=False, prepend_if_not_found=False, search_only=False, show_changes=True, ignore_if_missing=False, count=1, uncomment=None, key_ignore_case=False, value_ignore_case=False, create_if_missing=False, prune=False",
        doc: "Ensure keys with their values, a line each.",
        run: keyvalue::keyvalue,
    },
    State {
        name: "file.blockreplace",
        signature: "name, marker_start='#-- start managed zone --', marker_end='#-- end managed zone --', source=None, source_hash=None, template='jinja', sources=None, source_hashes=None, defaults=None, context=None, content='', append_if_not_found=False, prepend_if_not_found=False, backup='.bak', show_changes=True, append_newline=None, insert_before_match=None, insert_after_match=None",
        doc: "Ensure what stands between two markers of a file.",
        run: block::blockreplace,
    },
    State {
        name: "file.accumulated",
        signature: "name, filename, text, **kwargs",
        doc: "Gather text for ``file.blockreplace`` or for the template of ``file.managed``.",
        run: block::accumulated,
    },
    State {
        name: "file.copy",
        signature: "name, source, force=False, makedirs=False, preserve=False, user=None, group=None, mode=None, dir_mode=None, subdir=False, **kwargs",
        doc: "Ensure that a copy of a local file is there.",
        run: moves::copy,
    },
    State {
        name: "file.rename",
        signature: "name, source, force=False, makedirs=False, **kwargs",
        doc: "Move a file, if it is still at its old place.",
        run: moves::rename,
    },
    State {
        name: "file.hardlink",
        signature: "name, target, force=False, makedirs=False, user=None, group=None, dir_mode=None, **kwargs",
        doc: "Ensure that a hard link is there and leads where it should.",
        run: moves::hardlink,
    },
    State {
        name: "file.touch",
        signature: "name, atime=None, mtime=None, makedirs=False",
        doc: "Ensure that a file is there, with these times.",
        run: touch::touch,
    },
    State {
        name: "file.recurse",
        signature: "name, source, keep_source=True, clean=False, require=None, user=None, group=None, dir_mode=None, file_mode=None, sym_mode=None, template=None, context=None, replace=True, defaults=None, include_empty=False, backup='', include_pat=None, exclude_pat=None, maxdepth=None, keep_symlinks=False, force_symlinks=False, win_owner=None, win_perms=None, win_deny_perms=None, win_inheritance=True, merge=False, **kwargs",
        doc: "Manage a directory from the file server, with everything below it.",
        run: recurse::recurse,
    },
    State {
        name: "file.exists",
        signature: "name, **kwargs",
        doc: "Verify that a path exists.",
        run: absent::exists,
    },
    State {
        name: "file.missing",
        signature: "name, **kwargs",
        doc: "Verify that a path does not exist.",
        run: absent::missing,
    },
    State {
        name: "file.serialize",
        signature: "name, dataset=None, dataset_pillar=None, user=None, group=None, mode=None, backup='', makedirs=False, show_changes=True, create=True, merge_if_exists=False, encoding=None, encoding_errors='strict', serializer=None, serializer_opts=None, deserializer_opts=None, check_cmd=None, tmp_dir=None, tmp_ext='', **kwargs",
        doc: "Manage a file whose content is data, as YAML, JSON or an INI file.",
        run: serialize::serialize,
    },
    State {
        name: "file.decode",
        signature: "name, encoded_data=None, contents_pillar=None, encoding_type='base64', checksum='md5'",
        doc: "Manage a file whose content is given in base64.",
        run: serialize::decode,
    },
    State {
        name: "file.cached",
        signature: "name, source_hash='', source_hash_name=None, skip_verify=False, saltenv='base', use_etag=False, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, sig_backend='gpg'",
        doc: "Ensure that a file of a server is in the cache.",
        run: cached::cached,
    },
    State {
        name: "file.not_cached",
        signature: "name, saltenv='base'",
        doc: "Ensure that a file of a server is not in the cache.",
        run: cached::not_cached,
    },
    State {
        name: "file.tidied",
        signature: "name, age=0, matches=None, rmdirs=False, size=0, exclude=None, full_path_match=False, followlinks=False, time_comparison='atime', age_size_logical_operator='OR', age_size_only=None, rmlinks=True, **kwargs",
        doc: "Remove what is old or large from a directory.",
        run: tidy::tidied,
    },
    State {
        name: "file.pruned",
        signature: "name, recurse=False, ignore_errors=False, older_than=None",
        doc: "Remove an empty directory, with ``recurse`` the empty ones below it first.",
        run: tidy::pruned,
    },
    State {
        name: "file.mknod",
        signature: "name, ntype, major=0, minor=0, user=None, group=None, mode='0600'",
        doc: "Ensure that a device or a named pipe is there.",
        run: mknod::mknod,
    },
    State {
        name: "file.patch",
        signature: "name, source=None, source_hash=None, source_hash_name=None, skip_verify=False, template=None, context=None, defaults=None, options='', reject_file=None, strip=None, saltenv=None, **kwargs",
        doc: "Ensure that a patch is applied to a file or a directory.",
        run: patch::patch,
    },
    State {
        name: "file.retention_schedule",
        signature: "name, retain, strptime_format=None, timezone=None",
        doc: "Keep some of the files of a directory by their time, and remove the others.",
        run: retention::retention_schedule,
    },
    State {
        name: "file.mod_run_check_cmd",
        signature: "name, **kwargs",
        doc: "Marks that ``check_cmd`` of ``file.managed`` is its own argument.",
        run: absent::exists,
    },
];

type Done = Result<Outcome, Error>;

/// Arguments of another function of this module as a call would bind them.
fn bound(function: &str, given: Map) -> Result<Args, Error> {
    let state = super::find(function).ok_or_else(|| Error::NotAvailable(function.to_owned()))?;
    let signature = Signature::parse(state.signature).map_err(Error::execution)?;
    let mut args = Args::default();
    for (name, default) in signature.params {
        args.named.insert(name.into(), default.unwrap_or_default());
    }
    for (key, value) in given {
        let known = key.as_str().is_some_and(|k| args.named.contains_key(k));
        let into = if known {
            &mut args.named
        } else {
            &mut args.extra
        };
        into.insert(key, value);
    }
    Ok(args)
}

/// One of these states called by itself, for the execution functions that do the same.
pub(crate) fn call(ctx: &Context, function: &str, given: Map, test: bool) -> Done {
    call_in(ctx, function, given, test, "base")
}

/// The same with the files of an environment.
pub(crate) fn call_in(ctx: &Context, function: &str, given: Map, test: bool, env: &str) -> Done {
    let state = super::find(function).ok_or_else(|| Error::NotAvailable(function.to_owned()))?;
    let run = Run {
        args: &bound(function, given)?,
        test,
        chunk: &map! { "saltenv" => env },
        chunks: &[],
        files: &FileClient::new(ctx),
    };
    (state.run)(ctx, &run)
}

/// The first of several sources that is there, with its checksum.
pub(crate) fn choose_source(
    ctx: &Context,
    source: &Value,
    hash: &Value,
    env: &str,
) -> Result<(Value, Value), Error> {
    if !matches!(source, Value::List(_)) {
        return Ok((source.clone(), hash.clone()));
    }
    let run = Run {
        args: &bound("file.managed", Map::new())?,
        test: false,
        chunk: &map! { "saltenv" => env },
        chunks: &[],
        files: &FileClient::new(ctx),
    };
    match source::choose(&run, source, hash).map_err(Error::Execution)? {
        Some((address, hash)) => Ok((address.into(), hash)),
        None => Ok((Value::Null, hash.clone())),
    }
}

/// The checksum that a `source_hash` means; `given` as `file.managed` takes it.
pub(crate) fn source_sum(ctx: &Context, given: Map, env: &str) -> Result<FileHash, Error> {
    let run = Run {
        args: &bound("file.managed", given)?,
        test: false,
        chunk: &map! { "saltenv" => env },
        chunks: &[],
        files: &FileClient::new(ctx),
    };
    let text = |key: &str| python::text(run.args.get(key));
    let hash = run.args.get("source_hash");
    source::parse_hash(&run, &text("name"), &text("source"), hash).map_err(Error::Execution)
}

/// Whether a pattern with these flags is found in a file.
pub(crate) fn search(
    path: &Path,
    pattern: &str,
    flags: &Value,
    multiline: bool,
) -> Result<bool, Error> {
    let mut number = pattern::flags(flags)?;
    if multiline {
        number |= pattern::MULTILINE;
    }
    let regex = pattern::compile(pattern, number)?;
    pattern::search(&regex, &edit::read(path)?)
}

fn failed(text: impl Into<String>) -> Done {
    Ok(Outcome::failed(text))
}

/// The path of a state, with a leading `~` resolved.
fn path_of(run: &Run<'_>) -> Result<String, Error> {
    let name = run.args.text("name")?;
    Ok(owners::expand_user(&name).to_string_lossy().into_owned())
}

/// `user`, or the `owner` that people write for it.
fn owner(run: &Run<'_>) -> Value {
    let user = run.args.get("user");
    if user.is_truthy() {
        return user.clone();
    }
    run.args.extra.get("owner").unwrap_or(user).clone()
}

/// The number of an account given by name or number.
pub(super) fn uid(value: &Value) -> Option<u32> {
    match value {
        Value::Int(i) => u32::try_from(*i).ok(),
        other => owners::uid_of(&python::text(other)),
    }
}

pub(super) fn gid(value: &Value) -> Option<u32> {
    match value {
        Value::Int(i) => u32::try_from(*i).ok(),
        other => owners::gid_of(&python::text(other)),
    }
}

/// Names the user or group that is not there. In test mode another state may yet make it.
fn check_user(user: &Value, group: &Value, test: bool) -> Option<String> {
    let mut error = String::new();
    if user.is_truthy() && uid(user).is_none() {
        error += &format!("User {} is not available ", python::text(user));
    }
    if group.is_truthy() && gid(group).is_none() {
        error += &format!("Group {} is not available", python::text(group));
    }
    (!error.is_empty() && !test).then_some(error)
}

/// A mode as Salt compares it: `0644` of 644, `'0644'` or `0o644`.
fn normal_mode(mode: &Value) -> Option<String> {
    if mode.is_null() {
        return None;
    }
    let text = python::text(mode).replace("0o", "0");
    let digits = text
        .trim_matches('"')
        .trim_matches('\'')
        .trim_start_matches('0');
    Some(format!("{digits:0>4}"))
}

fn mode_bits(mode: &str) -> Option<u32> {
    u32::from_str_radix(mode, 8).ok().filter(|m| *m <= 0o7777)
}

/// The environment whose files a state means.
pub(super) fn saltenv(run: &Run<'_>) -> String {
    env(run.chunk)
}

fn env(chunk: &Map) -> String {
    chunk
        .get("saltenv")
        .or_else(|| chunk.get("__env__"))
        .filter(|v| v.is_truthy())
        .map_or_else(|| "base".to_owned(), python::text)
}

/// The file of the file server that a chunk will want, if that is plain to see.
pub(crate) fn wants(chunk: &Map) -> Option<Wanted> {
    let text = |key| chunk.get(key).and_then(Value::as_str);
    if text("state") != Some("file") || text("fun") != Some("managed") {
        return None;
    }
    let url = SaltUrl::parse(text("source")?)?;
    Some((url.path, url.saltenv.unwrap_or_else(|| env(chunk))))
}
