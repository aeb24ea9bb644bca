//! The engine's surroundings as this program has them: its renderers, its matchers, its pillar.

use salt_wire::{Map, Value};

use super::Seams;
use crate::context::{Context, Result, python};
use crate::fileclient::FileClient;
use crate::pillar::{self, Request, Template};
use crate::render;
use crate::targeting::Target;

/// Native renderers and matchers, and a pillar with a run's overrides.
#[derive(Default)]
pub struct Native {
    /// What a reload of the pillar asks for.
    pub request: Request,
}

impl pillar::Seams for Native {
    fn render(&self, ctx: &Context, template: &Template<'_>) -> std::result::Result<Value, String> {
        let text = std::fs::read_to_string(template.path)
            .map_err(|e| format!("{}: {e}", template.path.display()))?;
        let source = render::Source {
            text: &text,
            path: Some(template.path),
            saltenv: template.saltenv,
            sls: Some(template.sls),
            variables: template.defaults,
            files: template.files,
        };
        render::render(ctx, &source, template.renderer).map_err(|e| e.to_string())
    }

    fn matches(
        &self,
        ctx: &Context,
        target: &str,
        data: &[Value],
        _nodegroups: &Map,
    ) -> Result<bool> {
        // The last `match` of a target's list counts.
        let kind = data
            .iter()
            .filter_map(|item| item.get("match"))
            .next_back()
            .map_or_else(|| "compound".to_owned(), python::text);
        Ok(Target::of(ctx).matches(&kind, &target.into(), ":"))
    }
}

impl Seams for Native {
    fn render_text(
        &self,
        ctx: &Context,
        text: &str,
        renderer: &str,
        files: &FileClient,
    ) -> std::result::Result<Value, String> {
        render::text(ctx, text, files, renderer).map_err(|e| e.to_string())
    }

    fn pillar(&self, ctx: &Context) -> Result<Map> {
        gather(ctx, &self.request)
    }
}

/// The pillar, from the master if there is one, else compiled here.
pub fn gather(ctx: &Context, request: &Request) -> Result<Map> {
    if ctx.master.is_some() {
        pillar::fetch(ctx, request)
    } else {
        let seams = Native {
            request: request.clone(),
        };
        pillar::compile(ctx, request, &seams)
    }
}
