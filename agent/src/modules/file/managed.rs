//! The parts of `file.managed` that can be asked for one by one: which source it is, its checksum, what would change,
//! and the file itself.

use std::path::Path;

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileHash;
use crate::host::digest;
use crate::host::perms::expand_user;
use crate::modules::{Function, row};
use crate::states::file as states;
use crate::states::{Outcome, limits};

/// The rows about managed files.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.check_managed",
        "name, source, source_hash, source_hash_name, user, group, mode, attrs, template, context, defaults, saltenv, contents=None, skip_verify=False, seuser=None, serole=None, setype=None, serange=None, follow_symlinks=False, **kwargs",
        check_managed,
        "Return whether a file is as it should be, or in words what would change.",
        "salt '*' file.check_managed /etc/httpd/conf.d/httpd.conf salt://http/httpd.conf '{hash_type: 'md5', 'hsum': <md5sum>}' '' root root '755' '' jinja '' '' base"
    ),
    row!(
        "file.check_managed_changes",
        "name, source, source_hash, source_hash_name, user, group, mode, attrs, template, context, defaults, saltenv, contents=None, skip_verify=False, keep_mode=False, seuser=None, serole=None, setype=None, serange=None, verify_ssl=True, follow_symlinks=False, ignore_ordering=False, ignore_whitespace=False, ignore_comment_characters=None, new_file_diff=False, **kwargs",
        |ctx, args| {
            let out = foreseen(ctx, args)?;
            Ok(match out.result {
                Some(false) => vec![false.into(), Value::from(out.comment)].into(),
                _ => out.changes.into(),
            })
        },
        "Return what would change of a file.",
        "salt '*' file.check_managed_changes /etc/httpd/conf.d/httpd.conf salt://http/httpd.conf '{hash_type: 'md5', 'hsum': <md5sum>}' '' root root '755' '' jinja '' '' base"
    ),
    row!(
        "file.get_source_sum",
        "file_name='', source='', source_hash=None, source_hash_name=None, saltenv='base', verify_ssl=True, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, sig_backend='gpg'",
        get_source_sum,
        "Return the checksum that a ``source_hash`` means, and its kind.",
        "salt '*' file.get_source_sum /tmp/foo.tar.gz source=http://mydomain.tld/foo.tar.gz source_hash=https://mydomain.tld/hashes.md5"
    ),
    row!(
        "file.manage_file",
        "name, sfn, ret, source, source_sum, user, group, mode, attrs, saltenv, backup, makedirs=False, template=None, show_changes=True, contents=None, dir_mode=None, follow_symlinks=True, skip_verify=False, keep_mode=False, encoding=None, encoding_errors='strict', seuser=None, serole=None, setype=None, serange=None, verify_ssl=True, use_etag=False, signature=None, source_hash_sig=None, signed_by_any=None, signed_by_all=None, keyring=None, gnupghome=None, ignore_ordering=False, ignore_whitespace=False, ignore_comment_characters=None, new_file_diff=False, sig_backend='gpg', **kwargs",
        manage_file,
        "Put a file in place, and return what changed.",
        "salt '*' file.manage_file /etc/httpd/conf.d/httpd.conf '' '{}' salt://http/httpd.conf '{hash_type: 'md5', 'hsum': <md5sum>}' root root '755' '' base ''"
    ),
    row!(
        "file.source_list",
        "source, source_hash, saltenv",
        |ctx, args| {
            let env = args.text("saltenv")?;
            let (source, hash) =
                states::choose_source(ctx, args.get("source"), args.get("source_hash"), &env)?;
            Ok(vec![source, hash].into())
        },
        "Return the first of several sources that is there, and its checksum.",
        "salt '*' file.source_list salt://http/httpd.conf '{hash_type: 'md5', 'hsum': <md5sum>}' base"
    ),
];

/// Arguments that `file.managed` takes by the same name; what is blank is not set.
fn same(args: &Args, keys: &[&str]) -> Map {
    let set = |key: &&&str| match args.get(key) {
        Value::Null => false,
        Value::Str(text) => !text.is_empty() || **key == "mode",
        _ => true,
    };
    keys.iter()
        .filter(set)
        .map(|key| ((*key).into(), args.get(key).clone()))
        .collect()
}

/// A checksum as `source_hash` takes it: a map as one text.
fn hash_text(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let field = |key: &str| map.get(key).map(python::text).unwrap_or_default();
            format!("{}={}", field("hash_type"), field("hsum")).into()
        }
        other => other.clone(),
    }
}

/// An argument that would not be carried out is refused, before anything is looked at.
fn refuse(function: &str, args: &Args) -> Result<()> {
    let mut asked = limits::asked("file.managed", &args.named);
    let labels = ["seuser", "serole", "setype", "serange"];
    asked.extend(labels.into_iter().filter(|key| args.flag(key)));
    if asked.is_empty() {
        return Ok(());
    }
    Err(Error::execution(limits::refusal(function, &asked)))
}

/// Why a file that was fetched before is not the one that its checksum is of.
fn other_bytes(args: &Args, sfn: &str) -> Result<Option<String>> {
    let source = args.text("source")?;
    let served = source.starts_with("salt://") || args.flag("skip_verify") || args.flag("use_etag");
    let sum = args.get("source_sum");
    let field = |key| sum.get(key).and_then(Value::as_str).map(str::to_lowercase);
    let (Some(hash_type), Some(hsum)) = (field("hash_type"), field("hsum")) else {
        return Ok(None);
    };
    if served {
        return Ok(None);
    }
    let got = digest::file(Path::new(sfn), &hash_type)
        .map_err(|error| Error::execution(format!("{sfn}: {error}")))?;
    let announced = FileHash { hsum, hash_type };
    let name = expand_user(&args.text("name")?);
    Ok((got != announced.hsum).then(|| states::other_sum(&announced, &got, &name, &source)))
}

/// What the state would do.
fn foreseen(ctx: &Context, args: &Args) -> Result<Outcome> {
    refuse("file.check_managed", args)?;
    let env = args.text("saltenv")?;
    let hash = hash_text(args.get("source_hash"));
    let (source, hash) = states::choose_source(ctx, args.get("source"), &hash, &env)?;
    let keys = [
        "name",
        "source_hash_name",
        "user",
        "group",
        "mode",
        "template",
        "context",
        "defaults",
        "contents",
        "skip_verify",
        "verify_ssl",
        "follow_symlinks",
        "new_file_diff",
    ];
    let mut given = same(args, &keys);
    if args.flag("keep_mode") {
        given.insert("mode".into(), "keep".into());
    }
    if args.get("contents").is_null() {
        given.insert("source".into(), source);
        given.insert("source_hash".into(), hash);
    }
    given.insert("contents_newline".into(), false.into());
    states::call_in(ctx, "file.managed", given, true, &env)
}

fn check_managed(ctx: &Context, args: &Args) -> Result {
    let mut out = foreseen(ctx, args)?;
    // In a place for everybody's files only the content counts.
    let temporary = std::env::temp_dir();
    if args
        .text("name")?
        .starts_with(&*temporary.to_string_lossy())
    {
        for key in ["user", "group", "mode"] {
            out.changes.shift_remove(key);
        }
    }
    let (result, comment) = match out.result {
        Some(false) => (Value::Bool(false), out.comment),
        _ if out.changes.is_empty() => {
            let name = args.text("name")?;
            let comment = format!("The file {name} is in the correct state");
            (Value::Bool(true), comment)
        }
        _ => {
            let lines = out.changes.iter();
            let lines = lines.map(|(k, v)| format!("{}: {}\n", python::text(k), python::text(v)));
            let lines: String = lines.collect();
            let comment = format!("The following values are set to be changed:\n{lines}");
            (Value::Null, comment)
        }
    };
    Ok(vec![result, comment.into()].into())
}

fn get_source_sum(ctx: &Context, args: &Args) -> Result {
    let mut given = same(args, &["source", "source_hash", "source_hash_name"]);
    given.insert("name".into(), args.get("file_name").clone());
    given.insert("verify_ssl".into(), args.get("verify_ssl").clone());
    let sum = states::source_sum(ctx, given, &args.text("saltenv")?)?;
    Ok(sum.into())
}

/// The mode of the source; what was fetched of it has the cache's.
fn kept_mode(ctx: &Context, args: &Args) -> Result {
    if !args.flag("sfn") || !args.flag("source") {
        return Ok("keep".into());
    }
    let known = map! { "saltenv" => args.get("saltenv").clone(), "octal" => true };
    let source = std::slice::from_ref(args.get("source"));
    ctx.call("cp.stat_file", source, &known)
}

fn manage_file(ctx: &Context, args: &Args) -> Result {
    refuse("file.manage_file", args)?;
    let name = expand_user(&args.text("name")?);
    let name = name.display().to_string();
    let keys = [
        "user",
        "group",
        "mode",
        "backup",
        "makedirs",
        "show_changes",
        "contents",
        "dir_mode",
        "follow_symlinks",
        "skip_verify",
        "encoding",
        "encoding_errors",
        "verify_ssl",
        "use_etag",
        "new_file_diff",
    ];
    let mut given = same(args, &keys);
    given.insert("name".into(), name.as_str().into());
    given.insert("contents_newline".into(), false.into());
    if args.flag("keep_mode") {
        given.insert("mode".into(), kept_mode(ctx, args)?);
    }
    let mut ret = match args.get("ret") {
        Value::Map(ret) if !ret.is_empty() => ret.clone(),
        _ => map! { "name" => name, "changes" => Map::new(), "comment" => "", "result" => true },
    };
    if args.get("contents").is_null() && args.flag("source") {
        // What was fetched and rendered before is taken as it is.
        let fetched = args.flag("sfn");
        let from = if fetched { "sfn" } else { "source" };
        if fetched && let Some(why) = other_bytes(args, &args.text("sfn")?)? {
            ret.insert("comment".into(), why.into());
            ret.insert("result".into(), false.into());
            return Ok(ret.into());
        }
        given.insert("source".into(), args.get(from).clone());
        if args.flag("source_sum") && !fetched {
            given.insert("source_hash".into(), hash_text(args.get("source_sum")));
        }
    }
    let test = ctx.settings.opts.get("test").is_some_and(Value::is_truthy);
    let env = args.opt_text("saltenv")?.filter(|e| !e.is_empty());
    let env = env.as_deref().unwrap_or("base");
    let out = states::call_in(ctx, "file.managed", given, test, env)?;
    ret.insert("changes".into(), out.changes.into());
    ret.insert("comment".into(), out.comment.into());
    let result = out.result.map_or(Value::Null, Value::Bool);
    ret.insert("result".into(), result);
    Ok(ret.into())
}
