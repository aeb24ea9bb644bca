//! Files to data: a pipe of renderers, named by the file's first line or by the option `renderer`.
//!
//! `pipe.rs` which renderers, `jinja.rs` the template's surroundings, `loader.rs` where imports come from,
//! `salt.rs` the functions behind `salt`, `error.rs` failures in Salt's words. A further renderer is a
//! variant of `pipe::Renderer`; one that this agent does not have is Salt's own, or refused by name.

mod error;
mod jinja;
mod loader;
mod pipe;
mod salt;

use std::path::Path;

use salt_wire::{Map, Value};

pub use error::RenderError;

use crate::context::worker::Rendering;
use crate::context::{Context, Error};
use crate::fileclient::FileClient;
use pipe::Renderer;

/// What is rendered, and what it may see.
pub struct Source<'a> {
    /// The file's text.
    pub text: &'a str,
    /// The file, for `tplpath` and its like; `None` for text of no file.
    pub path: Option<&'a Path>,
    /// Its environment.
    pub saltenv: &'a str,
    /// The name of its SLS; `None` for a file that a state manages.
    pub sls: Option<&'a str>,
    /// Further variables, over all others.
    pub variables: &'a Map,
    /// Where imports come from.
    pub files: &'a FileClient,
}

/// Renders a text of no file, as an SLS without a name.
pub fn text(
    ctx: &Context,
    text: &str,
    files: &FileClient,
    default: &str,
) -> Result<Value, RenderError> {
    let source = Source {
        text,
        path: None,
        saltenv: "base",
        sls: Some(""),
        variables: &Map::new(),
        files,
    };
    render(ctx, &source, default)
}

/// Renders to data by the pipe that the text's first line names, else by `default`.
pub fn render(ctx: &Context, source: &Source<'_>, default: &str) -> Result<Value, RenderError> {
    let mut data = Value::Str(source.text.to_owned());
    for step in pipe::of(ctx, source.text, default)? {
        let text = || match &data {
            Value::Str(text) => Ok(text.as_str()),
            _ => Err(RenderError::not_text(step.name())),
        };
        data = match &step {
            Renderer::Jinja => Value::Str(jinja::render(ctx, source, text()?)?),
            Renderer::Yaml => yaml(text()?)?,
            Renderer::Json => json(text()?)?,
            Renderer::Salts(name, argument) => {
                let rendering = Rendering {
                    name,
                    data: &data,
                    argument,
                    path: source.path.map(|p| p.display().to_string()),
                    saltenv: source.saltenv,
                    sls: source.sls.unwrap_or_default(),
                    variables: source.variables,
                };
                ctx.worker
                    .render(ctx, &rendering)
                    .map_err(|e| RenderError::plain(salts_words(&e)))?
            }
        };
    }
    Ok(data)
}

/// A renderer's failure in Salt's words; its class only where Salt tells it, too.
fn salts_words(error: &Error) -> String {
    match error {
        Error::Python { class, message, .. } if class.ends_with("SaltRenderError") => {
            message.clone()
        }
        other => other.to_string(),
    }
}

/// Renders a template to text: `template: jinja` of managed files.
pub fn template(ctx: &Context, source: &Source<'_>) -> Result<String, RenderError> {
    jinja::render(ctx, source, source.text)
}

/// Salt's yaml renderer: nothing at all is an empty map.
fn yaml(text: &str) -> Result<Value, RenderError> {
    let data = salt_yaml::load(text).map_err(|e| RenderError::yaml(&e))?;
    Ok(if data.is_truthy() {
        data
    } else {
        Value::Map(Map::new())
    })
}

/// Salt's json renderer: nothing at all is an empty map.
pub fn json(text: &str) -> Result<Value, RenderError> {
    let body = match text.strip_prefix("#!") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, body)| body),
        None => text,
    };
    if body.trim().is_empty() {
        return Ok(Value::Map(Map::new()));
    }
    let parsed: serde_json::Value =
        serde_json::from_str(body).map_err(|e| RenderError::plain(e.to_string()))?;
    Ok(from_json(&parsed))
}

/// The first JSON document within a text that may have other words around it.
pub fn json_within(text: &str) -> Option<Value> {
    let starts = text.char_indices().filter(|(_, c)| matches!(c, '{' | '['));
    starts.into_iter().find_map(|(at, _)| {
        let document = serde_json::Deserializer::from_str(&text[at..]);
        let first = document.into_iter::<serde_json::Value>().next()?;
        Some(from_json(&first.ok()?))
    })
}

fn from_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as J;
    match value {
        J::Null => Value::Null,
        J::Bool(b) => Value::Bool(*b),
        J::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => i.into(),
            (_, Some(u)) => u.into(),
            _ => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        J::String(s) => s.as_str().into(),
        J::Array(items) => Value::List(items.iter().map(from_json).collect()),
        J::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(k, v)| (k.as_str().into(), from_json(v)));
            Value::Map(entries.collect())
        }
    }
}

#[cfg(test)]
mod tests;
