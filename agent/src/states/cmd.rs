//! `cmd`: commands as states. They always report a change, so guard them with `onlyif`, `unless`, `creates`
//! or `onchanges`.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::shell::{Request, Script, Streams};
use crate::host::shlex;

/// The rows of `cmd`.
pub const STATES: &[State] = &[
    State {
        name: "cmd.run",
        signature: "name, cwd=None, root=None, runas=None, password=None, shell=None, env=None, prepend_path=None, stateful=False, output_loglevel='debug', hide_output=False, timeout=None, ignore_timeout=False, use_vt=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "Run a command if its guards allow it.",
        run,
    },
    State {
        name: "cmd.wait",
        signature: "name, cwd=None, root=None, runas=None, shell=None, env=(), stateful=False, output_loglevel='debug', hide_output=False, use_vt=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "Run a command only when a watched state changed.",
        run: wait,
    },
    State {
        name: "cmd.script",
        signature: "name, source=None, template=None, cwd=None, runas=None, password=None, shell=None, env=None, stateful=False, timeout=None, use_vt=False, output_loglevel='debug', hide_output=False, defaults=None, context=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "Fetch a script and run it.",
        run: script,
    },
    State {
        name: "cmd.wait_script",
        signature: "name, source=None, template=None, cwd=None, runas=None, shell=None, env=None, stateful=False, use_vt=False, output_loglevel='debug', hide_output=False, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "Fetch a script and run it only when a watched state changed.",
        run: wait,
    },
    State {
        name: "cmd.mod_watch",
        signature: "name, sfun=None, **kwargs",
        doc: "Run the command of a state whose watched state changed.",
        run: mod_watch,
    },
];

type Done = Result<Outcome, Error>;

/// Arguments that the state keeps to itself; the others are the command's.
const OWN: &[&str] = &[
    "name",
    "stateful",
    "ignore_timeout",
    "source",
    "sfun",
    "defaults",
];

fn wait(_: &Context, _: &Run<'_>) -> Done {
    Ok(Outcome::unchanged(""))
}

fn mod_watch(ctx: &Context, run_: &Run<'_>) -> Done {
    match python::text(run_.args.get("sfun")).as_str() {
        "wait" | "run" | "watch" => run(ctx, run_),
        "wait_script" | "script" => script(ctx, run_),
        other => Ok(Outcome::failed(format!(
            "cmd.{other} does not work with the watch requisite, please use cmd.wait or cmd.wait_script"
        ))),
    }
}

/// How the output is to be read: not at all, or as a report of the command itself.
struct Stateful {
    on: bool,
    test_name: Option<String>,
}

impl Stateful {
    fn of(run: &Run<'_>) -> Self {
        match run.args.get("stateful") {
            Value::List(list) => Self {
                on: !list.is_empty(),
                test_name: list
                    .first()
                    .and_then(|first| first.get("test_name"))
                    .map(python::text),
            },
            other => Self {
                on: *other == Value::Bool(true),
                test_name: None,
            },
        }
    }
}

fn kwargs(ctx: &Context, run: &Run<'_>) -> Map {
    let mut kwargs: Map = run
        .args
        .named
        .iter()
        .chain(&run.args.extra)
        .filter(|(k, v)| {
            !v.is_null()
                && !k
                    .as_str()
                    .is_some_and(|k| OWN.contains(&k) || k.starts_with("__"))
        })
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    // The functions that watch hand their own words on; a command knows none of them.
    kwargs.shift_remove("root");
    if !run.args.flag("shell")
        && let Some(shell) = ctx.facts.grains().get("shell")
    {
        kwargs.insert("shell".into(), shell.clone());
    }
    // The engine keeps this one from watch functions; Salt hands it on beside the arguments.
    if let Some(runas) = run.chunk.get("runas").filter(|r| r.is_truthy()) {
        kwargs.insert("runas".into(), runas.clone());
    }
    if let Some(umask) = run.chunk.get("__umask__").and_then(Value::as_int) {
        kwargs.insert("umask".into(), format!("{umask:o}").into());
    }
    kwargs.insert("python_shell".into(), true.into());
    kwargs
}

fn run(ctx: &Context, run: &Run<'_>) -> Done {
    let stateful = Stateful::of(run);
    let mut name = run.args.text("name")?;
    if run.test
        && let Some(test_name) = &stateful.test_name
    {
        name.clone_from(test_name);
    }
    if let Some(refused) = check(run) {
        return Ok(refused);
    }
    if run.test && stateful.test_name.is_none() {
        let out = Outcome::would(
            map! { "cmd" => name.as_str() },
            format!("Command \"{name}\" would have been executed"),
        );
        return Ok(if stateful.on { reinterpret(out) } else { out });
    }
    if let Some(refused) = directory(run)? {
        return Ok(refused);
    }
    let mut words = kwargs(ctx, run);
    words.insert("cmd".into(), name.as_str().into());
    let answer = run_all(ctx, words);
    finish(run, &stateful, answer, format!("Command \"{name}\" run"))
}

fn script(ctx: &Context, run: &Run<'_>) -> Done {
    let stateful = Stateful::of(run);
    let mut name = run.args.text("name")?;
    if run.test
        && let Some(test_name) = &stateful.test_name
    {
        name.clone_from(test_name);
    }
    if let Some(refused) = check(run) {
        return Ok(refused);
    }
    for key in ["context", "defaults"] {
        let value = run.args.get(key);
        if value.is_truthy() && !matches!(value, Value::Map(_)) {
            return Ok(Outcome::failed(format!(
                "Invalidly-formatted '{key}' parameter. Must be formed as a dict."
            )));
        }
    }
    if run.test && stateful.test_name.is_none() {
        let out = Outcome::would(
            Map::new(),
            format!("Command '{name}' would have been executed"),
        );
        return Ok(if stateful.on { reinterpret(out) } else { out });
    }
    if let Some(refused) = directory(run)? {
        return Ok(refused);
    }
    let source = run.args.opt_text("source")?.unwrap_or_else(|| name.clone());
    let mut words = kwargs(ctx, run);
    let args = words
        .shift_remove("args")
        .or_else(|| name.split_once(' ').map(|(_, rest)| rest.into()));
    let template = words
        .shift_remove("template")
        .is_some_and(|t| t.is_truthy());
    let env = run.chunk.get("__env__").cloned().unwrap_or("base".into());
    let saltenv = python::text(&env);
    let fetched = match run.files.cache_file(&source, &saltenv, None)? {
        Some(path) if template => render(ctx, run, &path, &saltenv)?,
        Some(path) => std::fs::read(&path).ok(),
        None => None,
    };
    let Some(code) = fetched else {
        let failed = map! {
            "pid" => 0, "retcode" => 1, "stdout" => "", "stderr" => "", "cache_error" => true,
        };
        let comment = format!("Unable to cache script {source} from saltenv '{saltenv}'");
        return finish(run, &stateful, Ok(failed), comment);
    };
    let dir = words
        .get("cwd")
        .map_or_else(std::env::temp_dir, |d| python::text(d).into());
    let file = Script::new(&dir, Script::suffix(&source))?;
    let runas = words.get("runas").map(python::text);
    file.fill(&code, 0o500, runas.as_deref())?;
    let mut line = vec![file.path().display().to_string()];
    match args {
        Some(Value::List(items)) => line.extend(items.iter().map(python::text)),
        Some(other) => {
            line.extend(
                shlex::split(&python::text(&other)).map_err(|e| Error::Exception {
                    kind: "ValueError",
                    message: e.to_owned(),
                })?,
            )
        }
        None => {}
    }
    // Words would only reach the shell as its own parameters.
    if line.len() > 1 {
        words.insert("python_shell".into(), false.into());
    }
    words.insert("cmd".into(), line.into());
    let answer = run_all(ctx, words);
    finish(run, &stateful, answer, format!("Command '{name}' run"))
}

/// The script as a template makes it; none when it does not render.
fn render(
    ctx: &Context,
    run: &Run<'_>,
    path: &Path,
    saltenv: &str,
) -> Result<Option<Vec<u8>>, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
    let mut variables = run.args.extra.clone();
    for key in ["defaults", "context"] {
        if let Value::Map(names) = run.args.get(key) {
            variables.extend(names.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
    }
    let source = crate::render::Source {
        text: &text,
        path: Some(path),
        saltenv,
        sls: None,
        variables: &variables,
        files: run.files,
    };
    match crate::render::template(ctx, &source) {
        Ok(text) => Ok(Some(text.into_bytes())),
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "The script's template does not render.");
            Ok(None)
        }
    }
}

/// Runs a command to its end, as `cmd.run_all` would.
fn run_all(ctx: &Context, words: Map) -> Result<Map, Error> {
    let request = Request::new(words, Streams::Apart)?;
    let ran = request.run(&*ctx.host.exec, &ctx.job.cancel)?;
    let mut all = ran.to_map();
    if request.hides_output() {
        all.insert("stdout".into(), "".into());
        all.insert("stderr".into(), "".into());
    }
    Ok(all)
}

fn check(run: &Run<'_>) -> Option<Outcome> {
    let env = run.args.get("env");
    let fits = matches!(env, Value::Null | Value::List(_) | Value::Map(_));
    (!fits).then(|| Outcome::failed("Invalidly-formatted 'env' parameter. See documentation."))
}

fn directory(run: &Run<'_>) -> Result<Option<Outcome>, Error> {
    let cwd = run.args.opt_text("cwd")?.filter(|c| !c.is_empty());
    Ok(cwd.filter(|c| !Path::new(c).is_dir()).map(|cwd| {
        Outcome::failed(format!(
            "Desired working directory \"{cwd}\" is not available"
        ))
    }))
}

fn finish(run: &Run<'_>, stateful: &Stateful, answer: Result<Map, Error>, comment: String) -> Done {
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Ok(Outcome::failed(error.to_string())),
    };
    let mut retcode = answer.get("retcode").and_then(Value::as_int).unwrap_or(0);
    let timed_out = |a: &Map| {
        a.get("stdout")
            .and_then(Value::as_str)
            .is_some_and(|s| s.contains("Timed out after"))
    };
    if run.args.flag("ignore_timeout") && retcode == 1 && timed_out(&answer) {
        retcode = 0;
        answer.insert("retcode".into(), 0.into());
    }
    let mut out = Outcome {
        result: Some(retcode == 0),
        changes: answer,
        comment,
        extra: Map::new(),
    };
    if stateful.on {
        out = reinterpret(out);
    }
    if run.test && retcode == 0 && !out.changes.is_empty() {
        out.result = None;
    }
    Ok(out)
}

/// Lets the command's own output say what changed: a JSON object, or `name=value` pairs on the last line.
fn reinterpret(mut out: Outcome) -> Outcome {
    let answer = std::mem::take(&mut out.changes);
    out.comment = String::new();
    let text = |key: &str| answer.get(key).filter(|v| v.is_truthy()).map(python::text);
    let Some(stdout) = text("stdout") else {
        out.comment = text("stderr").unwrap_or_default();
        return out;
    };
    let refused = |mut out: Outcome, comment: &str, changes: Map| {
        out.comment = comment.to_owned();
        out.result = Some(false);
        out.changes = changes;
        out
    };
    let (mut data, is_json, body) = match salt_json(&stdout) {
        Some(Value::Map(map)) => (map, true, String::new()),
        Some(_) => {
            return refused(
                out,
                "script JSON output must be a JSON object (e.g., {})!",
                Map::new(),
            );
        }
        None => {
            let (body, last) = match stdout.trim_end().rfind('\n') {
                Some(at) => (stdout[..at].to_owned(), &stdout[at + 1..]),
                // Salt cuts at the line break that it did not find, which takes the last sign away.
                None => {
                    let mut body = stdout.clone();
                    body.pop();
                    (body, stdout.as_str())
                }
            };
            let mut data = Map::new();
            for word in shlex::split(last).unwrap_or_default() {
                let parts: Vec<_> = word.split('=').collect();
                let [key, value] = parts.as_slice() else {
                    return refused(
                        out,
                        "Failed parsing script output! Stdout must be JSON or a line of name=value pairs.",
                        answer,
                    );
                };
                data.insert((*key).into(), (*value).into());
            }
            (data, false, body)
        }
    };
    let changed = data
        .get("changed")
        .map(|v| python::text(v).to_lowercase())
        .is_some_and(|v| matches!(v.as_str(), "true" | "yes" | "1"));
    if let Some(comment) = data.shift_remove("comment") {
        out.comment = python::text(&comment);
    }
    if changed {
        for (key, value) in &answer {
            data.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let stdout = if is_json { String::new() } else { body };
        data.insert("stdout".into(), stdout.into());
        out.changes = data;
    }
    out
}

/// A JSON text as a value; `None` when it is none.
fn salt_json(text: &str) -> Option<Value> {
    fn value(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => n
                .as_i64()
                .map_or_else(|| Value::Float(n.as_f64().unwrap_or_default()), Value::from),
            serde_json::Value::String(s) => Value::Str(s),
            serde_json::Value::Array(a) => Value::List(a.into_iter().map(value).collect()),
            serde_json::Value::Object(o) => {
                Value::Map(o.into_iter().map(|(k, v)| (k.into(), value(v))).collect())
            }
        }
    }
    serde_json::from_str(text).ok().map(value)
}
