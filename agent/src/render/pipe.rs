//! Which renderers a file goes through: `#!jinja|yaml`.

use super::RenderError;
use crate::context::Context;

/// One step of a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Renderer {
    Jinja,
    Yaml,
    Json,
    /// One of Salt's own, run by the compat worker: its name and what stands behind it.
    Salts(String, String),
}

impl Renderer {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Jinja => "jinja",
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Salts(name, _) => name,
        }
    }

    fn find(name: &str) -> Option<Self> {
        [Self::Jinja, Self::Yaml, Self::Json]
            .into_iter()
            .find(|r| r.name() == name)
    }
}

/// The renderers of a text, in order; those that the configuration forbids are left out, as Salt does.
pub(super) fn of(ctx: &Context, text: &str, default: &str) -> Result<Vec<Renderer>, RenderError> {
    let (allowed, forbidden) = (
        &ctx.settings.states.renderer_whitelist,
        &ctx.settings.states.renderer_blacklist,
    );
    let pipe = match shebang(text) {
        Some(pipe) => pipe,
        None => default,
    };
    let mut steps = Vec::new();
    for part in parts(pipe) {
        let (name, argument) = part.split_once(' ').unwrap_or((part, ""));
        let is = |list: &[String]| list.iter().any(|n| n == name);
        if (!allowed.is_empty() && !is(allowed)) || is(forbidden) {
            tracing::warn!(
                renderer = name,
                "The renderer is disallowed by configuration and will be skipped."
            );
            continue;
        }
        let argument = argument.trim();
        steps.push(match Renderer::find(name) {
            Some(_) if !argument.is_empty() && argument != "-s" => {
                return Err(RenderError::plain(format!(
                    "Unknown renderer option: {argument}"
                )));
            }
            Some(native) => native,
            None => match ctx.worker.ready(ctx) {
                Ok(()) => Renderer::Salts(name.to_owned(), argument.to_owned()),
                Err(why) => {
                    return Err(RenderError::plain(format!(
                        "The renderer \"{name}\" of '{pipe}' is not available in this agent, which has jinja, yaml and json; {why}"
                    )));
                }
            },
        });
    }
    Ok(steps)
}

/// What the first line names; a path behind `#!` is another program's.
fn shebang(text: &str) -> Option<&str> {
    let line = text.lines().next()?.strip_prefix("#!")?;
    (!line.starts_with('/')).then(|| line.trim())
}

/// A pipe's renderers; the old joined names have a fixed meaning.
fn parts(pipe: &str) -> Vec<&str> {
    match pipe {
        "yaml_jinja" => vec!["jinja", "yaml"],
        "json_jinja" => vec!["jinja", "json"],
        "yaml_mako" => vec!["mako", "yaml"],
        "json_mako" => vec!["mako", "json"],
        _ => pipe.split('|').map(str::trim).collect(),
    }
}
