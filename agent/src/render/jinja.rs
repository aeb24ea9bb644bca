//! The jinja renderer: Salt's variables, options and errors around the engine.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use salt_jinja::{Environment, Options};
use salt_wire::{Map, Value, map};

use super::loader::{Files, Seen};
use super::salt::Salt;
use super::{RenderError, Source};
use crate::context::Context;

/// What messages of 3008 call its facts and its options.
const PROXY: &str = "salt.utils.optsdict.DictProxy";
const OPTS: &str = "salt.utils.optsdict.OptsDict";

/// Renders a template to text.
pub(super) fn render(
    ctx: &Context,
    source: &Source<'_>,
    text: &str,
) -> Result<String, RenderError> {
    let opts = &ctx.settings.opts;
    let mut options = options(opts, source.sls.is_some_and(|sls| !sls.is_empty()));
    let text = file_options(text, &mut options);
    let mut environment = Environment::new(options);
    environment.set_object("salt", Arc::new(Salt::new(ctx)));
    environment.set_map("grains", ctx.facts.grains(), PROXY);
    environment.set_map("pillar", ctx.facts.pillar(), PROXY);
    environment.set_map("opts", Arc::new(opts.clone()), OPTS);
    environment.set("saltenv", source.saltenv);
    environment.set("proxy", Map::new());
    if let Some(sls) = source.sls {
        environment.set("sls", sls);
        for (name, value) in names(source.path, sls) {
            set(&mut environment, &name, value);
        }
    }
    for (name, value) in source.variables {
        set(&mut environment, name, value.clone());
    }
    let seen: Seen = Arc::new(Mutex::new(HashMap::new()));
    environment.set_loader(Files {
        files: source.files,
        saltenv: source.saltenv,
        seen: seen.clone(),
    });
    let mut out = environment.render(&text).map_err(|error| {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let imported = error.template.as_deref().and_then(|name| seen.get(name));
        RenderError::jinja(&error, &text, imported)
    })?;
    // Jinja2 drops the last newline, Salt puts it back.
    if text.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

fn set(environment: &mut Environment<'_>, name: &Value, value: Value) {
    if let Some(name) = name.as_str() {
        environment.set(name, value);
    }
}

/// The engine's options: `jinja_sls_env` for SLS, `jinja_env` for other files.
fn options(opts: &Map, is_sls: bool) -> Options {
    let mut options = Options {
        allow_undefined: flag(opts, "allow_undefined"),
        ..Options::default()
    };
    options.trim_blocks = flag(opts, "jinja_trim_blocks");
    options.lstrip_blocks = flag(opts, "jinja_lstrip_blocks");
    let name = if is_sls { "jinja_sls_env" } else { "jinja_env" };
    if let Some(changes) = opts.get(name).and_then(Value::as_map) {
        apply(changes, &mut options);
    }
    options
}

fn flag(opts: &Map, name: &str) -> bool {
    opts.get(name).is_some_and(Value::is_truthy)
}

fn apply(changes: &Map, options: &mut Options) {
    for (name, value) in changes {
        let name = name.as_str().unwrap_or_default().to_lowercase();
        let text = value.as_str().filter(|t| !t.is_empty());
        let mark = match name.as_str() {
            "trim_blocks" => {
                options.trim_blocks = value.is_truthy();
                continue;
            }
            "lstrip_blocks" => {
                options.lstrip_blocks = value.is_truthy();
                continue;
            }
            "keep_trailing_newline" => {
                options.keep_trailing_newline = value.is_truthy();
                continue;
            }
            "block_start_string" => &mut options.block_start,
            "block_end_string" => &mut options.block_end,
            "variable_start_string" => &mut options.variable_start,
            "variable_end_string" => &mut options.variable_end,
            "comment_start_string" => &mut options.comment_start,
            "comment_end_string" => &mut options.comment_end,
            _ => {
                tracing::warn!(
                    option = name,
                    "Jinja2 environment option is not recognized."
                );
                continue;
            }
        };
        if let Some(text) = text {
            text.clone_into(mark);
        }
    }
}

/// A header `#jinja2: {…}` on the first line, or behind a `#!` line: options for this file alone. Gives the
/// text without it.
fn file_options(text: &str, options: &mut Options) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = usize::from(
        lines
            .first()
            .is_some_and(|l| l.starts_with("#!") && !l.starts_with("#!/")),
    );
    let Some(header) = lines.get(at).and_then(|l| l.strip_prefix("#jinja2:")) else {
        return text.to_owned();
    };
    match serde_json::from_str::<serde_json::Value>(header) {
        Ok(parsed @ serde_json::Value::Object(_)) => {
            if let Value::Map(changes) = super::from_json(&parsed) {
                apply(&changes, options);
            }
            lines.remove(at);
            lines.concat()
        }
        _ => {
            if !header.trim().is_empty() {
                tracing::warn!("Ignoring malformed '#jinja2:' header in template.");
            }
            text.to_owned()
        }
    }
}

/// `slspath`, `tpldir` and their like.
fn names(path: Option<&Path>, sls: &str) -> Map {
    let mut found = Map::new();
    let dotted = sls.replace('.', "/");
    let mut slspath = dotted.trim_end_matches('/').to_owned();
    if let Some(path) = path {
        let full = path.to_string_lossy().into_owned();
        let tail = |suffix: &str| {
            let end = format!("{slspath}{suffix}");
            full.ends_with(&end).then_some(end)
        };
        let file = if sls.is_empty() {
            full.rsplit('/').next().unwrap_or_default().to_owned()
        } else if let Some(file) = tail(".sls").or_else(|| tail("/init.sls")) {
            file
        } else {
            // Some other file, named by its path: a template of `file.managed`.
            let dir = Path::new(sls).parent().map(|p| p.display().to_string());
            let dir = dir.filter(|d| !d.is_empty()).unwrap_or_else(|| ".".into());
            return map! {"tplpath" => full, "tplfile" => sls, "tpldir" => dir};
        };
        slspath = file
            .rsplit_once('/')
            .map_or(String::new(), |(dir, _)| dir.to_owned());
        let dir = if slspath.is_empty() { "." } else { &slspath };
        found.extend(map! {
            "tplpath" => full.as_str(),
            "tplfile" => file.as_str(),
            "tpldir" => dir,
            "tpldot" => slspath.replace('/', "."),
        });
    }
    found.extend(map! {
        "slspath" => slspath.as_str(),
        "slsdotpath" => slspath.replace('/', "."),
        "slscolonpath" => slspath.replace('/', ":"),
        "sls_path" => slspath.replace('/', "_"),
    });
    found
}
