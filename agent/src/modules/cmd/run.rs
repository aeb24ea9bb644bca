//! From a call to a command: what only a function knows (who asks, templates, what is permitted) on top of
//! [`crate::host::shell`].

use salt_wire::{Map, Value};

use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::fnmatch::fnmatch;
use crate::host::shell::{Line, Ran, Request, Streams};
use crate::render::{Source, template};

/// Runs what the arguments say; its exit code is the job's.
pub(super) fn run(ctx: &Context, args: &Args, streams: Streams) -> Result<Ran> {
    let request = request(ctx, args, streams)?;
    let ran = request.run(&*ctx.host.exec, &ctx.job.cancel)?;
    if let Some(code) = ran.code {
        ctx.job.set_retcode(code);
    }
    Ok(ran)
}

/// Whether the command's failure is logged, which is what Salt ties `raise_err` to.
pub(super) fn is_logged(args: &Args) -> bool {
    args.get("output_loglevel").as_str() != Some("quiet")
}

fn request(ctx: &Context, args: &Args, streams: Streams) -> Result<Request> {
    let from_job = args.extra.contains_key("__pub_jid");
    let mut words = args.extra.clone();
    words.extend(args.named.iter().map(|(k, v)| (k.clone(), v.clone())));
    if args.get("python_shell").is_null() {
        let shell = from_job || ctx.settings.opts.get("cmd_safe") == Some(&false.into());
        words.insert("python_shell".into(), shell.into());
    }
    let mut request = Request::new(words, streams)?;
    let engine = args.get("template");
    if engine.is_truthy() {
        let engine = python::text(engine);
        let text = match &request.line {
            Line::Text(text) => text.clone(),
            Line::Words(words) => python::repr(&words.clone().into()),
        };
        request.line = Line::Text(render(ctx, args, &engine, &text)?);
        request.cwd = render(ctx, args, &engine, &request.cwd)?;
    }
    if from_job && !is_permitted(ctx, &request.line.joined()) {
        let text = match &request.line {
            Line::Text(text) => text.clone(),
            Line::Words(words) => python::repr(&words.clone().into()),
        };
        return Err(Error::execution(format!(
            "The shell command \"{text}\" is not permitted"
        )));
    }
    Ok(request)
}

fn render(ctx: &Context, args: &Args, engine: &str, text: &str) -> Result<String> {
    if engine != "jinja" {
        return Err(Error::execution(format!(
            "Attempted to render file paths with unavailable engine {engine}"
        )));
    }
    let saltenv = match args.get("saltenv") {
        Value::Null => "base".to_owned(),
        given => python::text(given),
    };
    let files = FileClient::new(ctx);
    let source = Source {
        text,
        path: None,
        saltenv: &saltenv,
        sls: None,
        variables: &Map::new(),
        files: &files,
    };
    template(ctx, &source).map_err(|e| Error::Exception {
        kind: "salt.exceptions.SaltRenderError",
        message: e.to_string(),
    })
}

/// `cmd_blacklist_glob` and `cmd_whitelist_glob`.
fn is_permitted(ctx: &Context, text: &str) -> bool {
    let matches = |option: &str| {
        let value = ctx.call("config.get", &[option.into()], &Map::new());
        let value = value
            .ok()
            .or_else(|| ctx.settings.opts.get(option).cloned())
            .unwrap_or_default();
        let globs: Vec<String> = match &value {
            Value::List(items) => items.iter().map(python::text).collect(),
            Value::Str(one) if !one.is_empty() => vec![one.clone()],
            _ => return None,
        };
        (!globs.is_empty()).then(|| globs.iter().any(|g| fnmatch(text, g)))
    };
    matches("cmd_blacklist_glob") != Some(true) && matches("cmd_whitelist_glob") != Some(false)
}
