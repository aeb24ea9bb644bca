//! Scripts from the fileserver, and code given as text.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, Value, map};
use tracing::error;

use super::{all, run};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::shell::{Script, Streams};
use crate::host::shlex;

pub(super) fn script(ctx: &Context, args: &Args) -> Result {
    let source = args.text("source")?;
    let saltenv = match args.get("saltenv") {
        Value::Null => ctx.settings.opts.get("saltenv").filter(|e| !e.is_null()),
        given => Some(given),
    };
    let saltenv = saltenv.cloned().unwrap_or_else(|| "base".into());
    let suffix = Script::suffix(&source);
    let dir = args.opt_text("cwd")?.filter(|d| !d.is_empty());
    let dir = dir.map_or_else(std::env::temp_dir, PathBuf::from);
    let path = Script::new(&dir, suffix)?;
    let failed = || {
        Ok(Value::Map(map! {
            "pid" => 0, "retcode" => 1, "stdout" => "", "stderr" => "", "cache_error" => true,
        }))
    };
    let template = args.get("template");
    let fetched = if template.is_truthy() {
        // The template is rendered to a place of its own first; the script's own file is made private.
        let rendered = Script::new(&std::env::temp_dir(), suffix)?;
        let destination = rendered.path().display().to_string();
        let mut kwargs: Map = args.extra.clone();
        kwargs.retain(|k, _| {
            !k.as_str()
                .is_some_and(|k| k.starts_with("__pub_") || k == "__env__")
        });
        kwargs.insert("template".into(), template.clone());
        kwargs.insert("saltenv".into(), saltenv);
        let call = [source.as_str().into(), destination.into()];
        let done = ctx.call("cp.get_template", &call, &kwargs)?;
        done.is_truthy()
            .then(|| fs::read(rendered.path()).ok())
            .flatten()
    } else {
        let call = [source.as_str().into(), saltenv];
        let cached = ctx.call("cp.cache_file", &call, &Map::new())?;
        cached.as_str().and_then(|p| fs::read(p).ok())
    };
    let Some(bytes) = fetched else {
        return failed();
    };
    path.fill(&bytes, 0o500, args.opt_text("runas")?.as_deref())?;
    let mut words = vec![path.path().display().to_string()];
    let mut request = args.clone();
    match args.get("args") {
        given if !given.is_truthy() => {}
        given => {
            request.named.insert("python_shell".into(), false.into());
            match given {
                Value::List(items) => words.extend(items.iter().map(python::text)),
                other => words.extend(shlex::split(&python::text(other)).map_err(|e| {
                    Error::Exception {
                        kind: "ValueError",
                        message: e.to_owned(),
                    }
                })?),
            }
        }
    }
    let background = args.flag("bg");
    if background {
        // Nobody is here any more when it ends: a shell waits for it and removes the file.
        let wait = "\"$@\"; code=$?; rm -f -- \"$1\"; exit $code";
        let shell = ["/bin/sh", "-c", wait, "sh"].map(str::to_owned);
        words.splice(0..0, shell);
        request.named.insert("python_shell".into(), false.into());
    }
    request.named.insert("cmd".into(), words.into());
    // Already applied to the script itself.
    request.named.insert("template".into(), Value::Null);
    let ran = run::run(ctx, &request, Streams::Apart);
    if background && ran.is_ok() {
        path.hand_over();
    }
    match ran {
        Ok(ran) => Ok(Value::Map(all(args, ran))),
        Err(Error::Execution(text) | Error::Invocation(text)) => {
            error!(
                source,
                reason = text,
                "cmd.script: unable to run the script."
            );
            Ok(Value::Map(Map::new()))
        }
        Err(other) => Err(other),
    }
}

pub(super) fn script_retcode(ctx: &Context, args: &Args) -> Result {
    let done = script(ctx, args)?;
    done.get("retcode")
        .cloned()
        .ok_or_else(|| Error::key("retcode"))
}

pub(super) fn exec_code(ctx: &Context, args: &Args) -> Result {
    let done = exec_code_all(ctx, args)?;
    Ok(done.get("stdout").cloned().unwrap_or_default())
}

pub(super) fn exec_code_all(ctx: &Context, args: &Args) -> Result {
    let lang = args.text("lang")?;
    let file = Script::new(&std::env::temp_dir(), "")?;
    let code = args.text("code")?;
    file.fill(code.as_bytes(), 0o600, args.opt_text("runas")?.as_deref())?;
    let mut words: Vec<Value> = vec![lang.into(), file.path().display().to_string().into()];
    match args.get("args") {
        Value::Str(one) => words.push(one.as_str().into()),
        Value::List(items) => words.extend(items.iter().cloned()),
        _ => {}
    }
    let mut request = args.clone();
    let defaults = map! {
        "cmd" => words,
        "python_shell" => false,
        "shell" => "",
        "output_loglevel" => "debug",
        "rstrip" => true,
        "reset_system_locale" => true,
    };
    for (key, value) in defaults {
        let given = args.extra.get(&key).cloned();
        request.named.insert(key, given.unwrap_or(value));
    }
    let ran = run::run(ctx, &request, Streams::Apart)?;
    Ok(Value::Map(all(&request, ran)))
}
