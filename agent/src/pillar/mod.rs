//! The pillar: asked of the master, or compiled from `pillar_roots` when there is none.
//!
//! [`fetch`] is the master's, `compile` the local one; both take the overrides of a command line.

mod compile;
pub mod merge;

use std::path::Path;

use salt_wire::{Map, Value, map};

pub use compile::compile;

use crate::context::{Context, Error, Result};
use crate::fileclient::FileClient;

/// A file to be rendered.
pub struct Template<'a> {
    /// The cached file.
    pub path: &'a Path,
    /// Its `salt://` address.
    pub source: &'a str,
    /// Its environment.
    pub saltenv: &'a str,
    /// Its SLS name; empty for a top file.
    pub sls: &'a str,
    /// The pipe when the file names none.
    pub renderer: &'a str,
    /// Where imports come from.
    pub files: &'a FileClient,
    /// Further names that it sees.
    pub defaults: &'a Map,
}

/// What compiling needs from above.
pub trait Seams {
    /// Renders a file to data; the error is the renderer's own text.
    fn render(&self, ctx: &Context, template: &Template<'_>) -> std::result::Result<Value, String>;
    /// Whether this minion is meant by a target of a top file; `data` may choose the matcher.
    fn matches(
        &self,
        ctx: &Context,
        target: &str,
        data: &[Value],
        nodegroups: &Map,
    ) -> Result<bool>;
}

/// Which pillar is wanted.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The environment of states.
    pub saltenv: Option<String>,
    /// The environment of the pillar itself.
    pub pillarenv: Option<String>,
    /// Laid over the pillar; the master sees it while it renders.
    pub overrides: Map,
    /// The master is to forget what it has cached for us.
    pub clean_cache: bool,
}

impl Request {
    /// What the minion's own options ask for.
    pub fn of(ctx: &Context) -> Self {
        let text = |key: &str| {
            ctx.settings
                .opts
                .get(key)
                .and_then(Value::as_str)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
        };
        Self {
            saltenv: text("saltenv"),
            pillarenv: text("pillarenv"),
            ..Self::default()
        }
    }
}

/// The pillar from the master, with the grains that decide about it.
pub fn fetch(ctx: &Context, request: &Request) -> Result<Map> {
    let master = ctx
        .master
        .as_ref()
        .ok_or_else(|| Error::execution("there is no master to ask for the pillar"))?;
    let mut load = map! {
        "id" => ctx.settings.id.as_str(),
        "grains" => (*ctx.facts.grains()).clone(),
        "saltenv" => request.saltenv.clone(),
        "pillarenv" => request.pillarenv.clone(),
        "pillar_override" => request.overrides.clone(),
        "extra_minion_data" => Map::new(),
        "ver" => "2",
        "cmd" => "_pillar",
    };
    if request.clean_cache {
        load.insert("clean_cache".into(), true.into());
    }
    master
        .pillar(load)
        .map_err(|e| Error::invocation(e.to_string()))
}
