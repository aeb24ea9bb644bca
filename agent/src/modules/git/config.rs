//! Git's configuration, a repository's or the account's own.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Call, cwd, extras, lines};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::program::Said;
use crate::modules::{Function, row};

/// The rows about the configuration.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "git.config_get",
        "key, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        config_get,
        "Return the value of a key, with ``all=True`` all its values.",
        "salt myminion git.config_get user.name cwd=/path/to/repo\n    salt myminion git.config_get user.email global=True"
    ),
    row!(
        "git.config_get_regex",
        "key, value_regex=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        config_get_regexp,
        "Return the values of all keys that a pattern finds.",
        "salt myminion git.config_get_regex 'foo.*' cwd=/path/to/repo"
    ),
    row!(
        "git.config_get_regexp",
        "key, value_regex=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        config_get_regexp,
        "Return the values of all keys that a pattern finds.",
        "salt myminion git.config_get_regexp 'foo.*' cwd=/path/to/repo"
    ),
    row!(
        "git.config_set",
        "key, value=None, multivar=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        config_set,
        "Set a key to a value, or to several.",
        "salt myminion git.config_set user.email me@example.com cwd=/path/to/repo"
    ),
    row!(
        "git.config_unset",
        "key, value_regex=None, cwd=None, user=None, password=None, ignore_retcode=False, output_encoding=None, **kwargs",
        config_unset,
        "Take a key away.",
        "salt myminion git.config_unset foo.bar cwd=/path/to/repo"
    ),
];

/// Which configuration a call means: the account's own (`None` of a place is fine then), or a repository's.
fn place(args: &Args, more: &Map) -> Result<(bool, Option<PathBuf>)> {
    let global = more.get("global").is_some_and(Value::is_truthy);
    if !args.get("cwd").is_null() {
        return Ok((global, Some(cwd(args)?)));
    }
    if !global {
        return Err(Error::invocation(
            "'cwd' argument required unless global=True",
        ));
    }
    Ok((true, None))
}

fn flag(more: &Map, name: &str) -> bool {
    more.get(name).is_some_and(Value::is_truthy)
}

fn asked(ctx: &Context, args: &Args, more: &Map, words: &[&str]) -> Result<Said> {
    let (global, dir) = place(args, more)?;
    let which = if global { "--global" } else { "--local" };
    let mut call = Call::new(ctx, args, &["config", which])?;
    call.add(words).said(dir.as_deref(), false)
}

fn config_get(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["all", "global"])?;
    got(ctx, args, &more, flag(&more, "all"))
}

fn got(ctx: &Context, args: &Args, more: &Map, all: bool) -> Result {
    let said = asked(ctx, args, more, &["--get-all", &args.text("key")?])?;
    if said.retcode == 1 {
        return Ok(Value::Null);
    }
    Ok(if all {
        lines(&said.stdout)
    } else {
        said.stdout.lines().next_back().unwrap_or_default().into()
    })
}

fn config_get_regexp(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["global"])?;
    let key = args.text("key")?;
    let value = args.opt_text("value_regex")?;
    let mut words = vec!["--get-regexp", &key];
    words.extend(value.as_deref());
    let said = asked(ctx, args, &more, &words)?;
    let mut all: indexmap::IndexMap<&str, Vec<&str>> = indexmap::IndexMap::new();
    for line in said.stdout.lines().filter(|_| said.retcode != 1) {
        if let Some((key, value)) = line.split_once(char::is_whitespace) {
            all.entry(key).or_default().push(value.trim_start());
        }
    }
    let all: Map = all.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
    Ok(all.into())
}

fn config_set(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["add", "global"])?;
    let (global, dir) = place(args, &more)?;
    let (value, several) = (args.get("value"), args.get("multivar"));
    if !value.is_null() && !several.is_null() {
        return Err(Error::invocation(
            "Only one of 'value' and 'multivar' is permitted",
        ));
    }
    let values = if value.is_null() {
        super::commas(several)
    } else {
        vec![python::text(value)]
    };
    let key = args.text("key")?;
    for (at, value) in values.iter().enumerate() {
        let add = at > 0 || several.is_null() && flag(&more, "add");
        let how = if add { "--add" } else { "--replace-all" };
        let mut call = Call::new(ctx, args, &["config"])?;
        call.add_if(global, &["--global"]).add(&[how, &key, value]);
        call.run(dir.as_deref(), false)?;
    }
    got(ctx, args, &more, true)
}

fn config_unset(ctx: &Context, args: &Args) -> Result {
    let more = extras(args, &["all", "global"])?;
    let (global, dir) = place(args, &more)?;
    let key = args.text("key")?;
    let how = if flag(&more, "all") {
        "--unset-all"
    } else {
        "--unset"
    };
    let which = if global { "--global" } else { "--local" };
    let value = args.opt_text("value_regex")?;
    let mut call = Call::new(ctx, args, &["config", how, which, &key])?;
    call.words.extend(value.clone());
    let said = call.said(dir.as_deref(), false)?;
    let text = match said.retcode {
        0 => return Ok(true.into()),
        1 => "Section or key is invalid".to_owned(),
        5 if got(ctx, args, &more, false)?.is_null() => format!("Key '{key}' does not exist"),
        5 => {
            let more = value.map_or("", |_| " and value_regex matches multiple values");
            format!("Multiple values exist for key '{key}'{more}")
        }
        6 => "The value_regex is invalid".to_owned(),
        code => {
            let words = if said.stderr.is_empty() {
                String::new()
            } else {
                format!("; {}", said.stderr)
            };
            format!("Failed to unset key '{key}', git config returned exit code {code}{words}")
        }
    };
    Err(Error::execution(text))
}
