//! Files edited: what the states of the same names do, asked for one by one.

use salt_wire::Value;

use crate::context::{Args, Context, Error, Result, python};
use crate::host::perms::expand_user;
use crate::modules::{Function, row};
use crate::states::file as states;

/// The rows that edit.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "file.blockreplace",
        "path, marker_start='#-- start managed zone --', marker_end='#-- end managed zone --', content='', append_if_not_found=False, prepend_if_not_found=False, backup='.bak', dry_run=False, show_changes=True, append_newline=False, insert_before_match=None, insert_after_match=None",
        |ctx, args| edit(ctx, args, "file.blockreplace"),
        "Replace what stands between two markers of a file; return the difference.",
        "salt '*' file.blockreplace /etc/hosts '#-- start managed zone foobar : DO NOT EDIT --' '#-- end managed zone foobar --' $'10.0.1.1 foo.foobar' True"
    ),
    row!(
        "file.comment",
        "path, regex, char='#', backup='.bak'",
        |ctx, args| edit(ctx, args, "file.comment"),
        "Comment lines out; return the difference.",
        "salt '*' file.comment /etc/modules pcspkr"
    ),
    row!(
        "file.line",
        "path, content=None, match=None, mode=None, location=None, before=None, after=None, show_changes=True, backup=False, quiet=False, indent=True",
        |ctx, args| edit(ctx, args, "file.line"),
        "Delete, replace, insert or ensure one line of a file; return the difference.",
        "salt '*' file.line /etc/nsswitch.conf 'networks:\tfiles dns' after='hosts:.*?' mode='ensure'"
    ),
    row!(
        "file.replace",
        "path, pattern, repl, count=0, flags=8, bufsize=1, append_if_not_found=False, prepend_if_not_found=False, not_found_content=None, backup='.bak', dry_run=False, search_only=False, show_changes=True, ignore_if_missing=False, preserve_inode=True, backslash_literal=False, encoding=None",
        replace,
        "Replace what a pattern finds in a file; return the difference.",
        "salt '*' file.replace /etc/httpd/httpd.conf pattern='LogLevel warn' repl='LogLevel info'"
    ),
    row!(
        "file.search",
        "path, pattern, flags=8, bufsize=1, ignore_if_missing=False, multiline=False",
        search,
        "Whether a pattern is found in a file.",
        "salt '*' file.search /etc/crontab 'mymaintenance.sh'"
    ),
    row!(
        "file.uncomment",
        "path, regex, char='#', backup='.bak'",
        |ctx, args| edit(ctx, args, "file.uncomment"),
        "Take comment signs away; return the difference.",
        "salt '*' file.uncomment /etc/hosts.deny 'ALL: PARANOID'"
    ),
];

/// Runs the state's edit on these arguments.
fn edit(ctx: &Context, args: &Args, state: &str) -> Result {
    let mut given = args.named.clone();
    let path = given.shift_remove("path").unwrap_or_default();
    given.insert("name".into(), path);
    for key in [
        "dry_run",
        "search_only",
        "bufsize",
        "preserve_inode",
        "quiet",
    ] {
        given.shift_remove(key);
    }
    let out = states::call(ctx, state, given, args.flag("dry_run"))?;
    if out.result == Some(false) {
        return Err(Error::execution(out.comment));
    }
    let diff = out.changes.get("diff");
    Ok(match args.get("show_changes") {
        Value::Bool(false) => (!out.changes.is_empty()).into(),
        // Those without the argument say that they changed nothing.
        Value::Null => diff.cloned().unwrap_or(Value::Bool(false)),
        _ => diff.cloned().unwrap_or_else(|| "".into()),
    })
}

fn there(args: &Args) -> Result<bool> {
    let path = expand_user(&args.text("path")?);
    if path.exists() {
        return Ok(true);
    }
    if args.flag("ignore_if_missing") {
        return Ok(false);
    }
    Err(Error::invocation(format!(
        "File not found: {}",
        path.display()
    )))
}

fn replace(ctx: &Context, args: &Args) -> Result {
    if !there(args)? {
        return Ok(false.into());
    }
    let adds = args.flag("append_if_not_found") || args.flag("prepend_if_not_found");
    if !args.flag("search_only") {
        return edit(ctx, args, "file.replace");
    }
    if adds {
        return Err(Error::invocation(
            "search_only cannot be used with append/prepend_if_not_found",
        ));
    }
    found(args, false)
}

fn search(_: &Context, args: &Args) -> Result {
    if !there(args)? {
        return Ok(false.into());
    }
    found(args, args.flag("multiline"))
}

fn found(args: &Args, multiline: bool) -> Result {
    let path = expand_user(&args.text("path")?);
    let pattern = python::text(args.get("pattern"));
    Ok(states::search(&path, &pattern, args.get("flags"), multiline)?.into())
}

#[cfg(test)]
mod tests {
    use salt_wire::Map;

    use super::*;
    use crate::testing;

    fn run(fun: &str, kwargs: Map) -> Result {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), Map::new());
        ctx.call(fun, &[], &kwargs)
    }

    #[test]
    fn a_file_is_edited_and_the_difference_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "one\ntwo\n").unwrap();
        let path = file.to_string_lossy().into_owned();
        let kwargs = |repl: &str| salt_wire::map! { "path" => path.as_str(), "pattern" => "two", "repl" => repl, "backup" => false };
        let diff = run("file.replace", kwargs("three")).unwrap();
        assert!(diff.as_str().unwrap().contains("+three"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\nthree\n");
        assert_eq!(run("file.replace", kwargs("x")).unwrap(), "".into());
        let gone = salt_wire::map! { "path" => "/no/such", "pattern" => "x", "repl" => "y" };
        let error = run("file.replace", gone).unwrap_err();
        assert_eq!(error.to_string(), "File not found: /no/such");
    }
}
