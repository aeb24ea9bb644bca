//! From high data to low chunks in their order.

use std::collections::BTreeSet;

use salt_wire::{Map, Value};

use super::callee::has_sibling;
use super::graph::{ChunkId, Graph};
use super::low::{declarations, first_key};
use super::{Compiler, earlier, extend, requisite_in, verify};
use crate::config::Release;
use crate::context::{Context, python};
use crate::fnmatch::fnmatch;

/// A compiled run.
#[derive(Default)]
pub(crate) struct Compiled {
    pub(crate) graph: Graph,
    pub(crate) order: Vec<ChunkId>,
    /// Functions that `state.disable` turned off.
    pub(crate) disabled: Vec<Map>,
    /// The SLS that had a part in it, those without a state among them.
    pub(crate) rendered: BTreeSet<String>,
}

impl Compiled {
    /// The chunks in their order, each once.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        self.order
            .iter()
            .map(|id| Value::Map(self.graph.chunks[*id].clone()))
            .collect()
    }
}

/// How much of the road from high data to low chunks is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    /// All of it.
    All,
    /// Without extensions: `state.show_low_sls` leaves them out, as Salt does.
    VerifyOnly,
    /// Without extensions of other files, with requisites of the other end.
    RequisiteIn,
}

impl Compiler<'_> {
    /// Extensions, checks, requisites of the other end, exclusions, chunks, order. All errors of one step
    /// end the way there.
    pub(crate) fn compile_high(
        &self,
        mut high: Map,
        through: Through,
    ) -> Result<Compiled, Vec<String>> {
        let mut errors = Vec::new();
        if through == Through::All {
            errors.extend(extend::reconcile(&mut high, false));
        }
        errors.extend(verify::verify_high(&high, self.options.release));
        if !errors.is_empty() {
            return Err(errors);
        }
        if through != Through::VerifyOnly {
            errors.extend(requisite_in::resolve(
                &mut high,
                &self.options.disabled_requisites,
                self.options.release,
            ));
        }
        if through == Through::All {
            extend::apply_exclude(&mut high);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        self.compile_high_data(&high)
    }

    fn compile_high_data(&self, high: &Map) -> Result<Compiled, Vec<String>> {
        let mut compiled = Compiled::default();
        for (id, body) in high {
            let (Some(id), Value::Map(body)) = (id.as_str(), body) else {
                continue;
            };
            if id.starts_with("__") {
                continue;
            }
            for (state, run) in declarations(body) {
                if let Value::List(run) = run {
                    for chunk in chunks_of(id, body, state, run) {
                        match self.disabled_by(&chunk) {
                            Some(pattern) => compiled.disabled.push(disabled(chunk, &pattern)),
                            None => {
                                compiled.graph.add_chunk(chunk);
                            }
                        }
                    }
                }
            }
        }
        compiled.rendered = self.rendered.borrow().clone();
        if self.options.release < Release::V3008 {
            let chunks = &mut compiled.graph.chunks;
            let cap = chunks.iter().fold(1, above);
            compiled.order = earlier::order(chunks, cap);
        } else {
            self.order_chunks(&mut compiled)?;
        }
        Ok(compiled)
    }

    /// Requisites to edges, then the order.
    pub(crate) fn order_chunks(&self, compiled: &mut Compiled) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        let mut cap = 1;
        for id in 0..compiled.graph.chunks.len() {
            watch_to_require(self.ctx, &mut compiled.graph.chunks[id]);
            if let Err(error) = compiled
                .graph
                .add_requisites(id, &self.options.disabled_requisites)
            {
                errors.push(error);
            } else {
                cap = above(cap, &compiled.graph.chunks[id]);
            }
        }
        match compiled.graph.order(cap) {
            Ok(order) => compiled.order = order,
            Err(error) => errors.push(error),
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn disabled_by(&self, chunk: &Map) -> Option<String> {
        let grains = self.ctx.facts.grains();
        let list = grains.get("state_runs_disabled")?.as_list()?;
        let function = super::low::function(chunk);
        list.iter()
            .filter_map(Value::as_str)
            .find(|pattern| fnmatch(&function, pattern))
            .map(str::to_owned)
    }
}

/// The number that is above all orders so far.
fn above(cap: i128, chunk: &Map) -> i128 {
    match chunk.get("order") {
        Some(Value::Int(order)) if *order > cap - 1 && *order > 0 => order + 100,
        _ => cap,
    }
}

fn disabled(mut chunk: Map, pattern: &str) -> Map {
    let function = super::low::function(&chunk);
    chunk.insert(
        "__disabled__".into(),
        format!(
            "The state function \"{function}\" is currently disabled by \"{pattern}\", to re-enable, run state.enable {pattern}."
        )
        .into(),
    );
    chunk
}

/// Without a watch function, watching is requiring.
pub(super) fn watch_to_require(ctx: &Context, chunk: &mut Map) {
    let watches = chunk.contains_key("watch") || chunk.contains_key("watch_any");
    if !watches || has_sibling(ctx, chunk, "mod_watch") {
        return;
    }
    for (watch, require) in [("watch", "require"), ("watch_any", "require_any")] {
        if let Some(Value::List(watched)) = chunk.shift_remove(watch) {
            match chunk
                .entry(require.into())
                .or_insert_with(|| Value::List(Vec::new()))
            {
                Value::List(list) => list.extend(watched),
                other => *other = Value::List(watched),
            }
        }
    }
}

/// The chunks of one declaration: one, or one for each of its names.
fn chunks_of(id: &str, body: &Map, state: &str, run: &[Value]) -> Vec<Map> {
    let mut chunk = salt_wire::map! { "state" => state, "name" => id };
    for key in ["__sls__", "__env__", "__sls_included_from__"] {
        if let Some(value) = body.get(key) {
            chunk.insert(key.into(), value.clone());
        }
    }
    chunk.insert("__id__".into(), id.into());
    let mut function = None;
    let mut names: Vec<Value> = Vec::new();
    for argument in run {
        match argument {
            Value::Str(name) => function = Some(name.clone()),
            Value::Map(argument) => {
                for (key, value) in argument {
                    match (key.as_str(), value) {
                        (Some("names"), Value::List(list)) => {
                            for name in list {
                                if !names.contains(name) {
                                    names.push(name.clone());
                                }
                            }
                        }
                        // A state may not be another one than it says.
                        (Some("state"), _) => {}
                        (Some("name"), value) if value.as_str().is_none() => {
                            chunk.insert("name".into(), id.into());
                        }
                        _ => {
                            chunk.insert(key.clone(), value.clone());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let Some(function) = function else {
        return Vec::new();
    };
    if names.is_empty() {
        chunk.insert("fun".into(), function.into());
        return vec![chunk];
    }
    let mut chunks = Vec::new();
    for (at, entry) in names.iter().enumerate() {
        let mut live = chunk.clone();
        match entry {
            Value::Map(entry) => {
                live.insert("name".into(), first_key(entry).into());
                let overrides = entry.first().map(|(_, v)| v);
                for map in overrides
                    .and_then(Value::as_list)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Value::as_map)
                {
                    live.extend(map.iter().map(|(k, v)| (k.clone(), v.clone())));
                }
            }
            Value::Str(_) => {
                live.insert("name".into(), entry.clone());
            }
            other => {
                live.insert("name".into(), python::text(other).into());
            }
        }
        live.insert("name_order".into(), (at + 1).into());
        live.insert("fun".into(), function.as_str().into());
        chunks.push(live);
    }
    chunks
}
