//! `aggregate`: the package states of a run that say the same in as many calls become one.

use indexmap::{IndexMap, IndexSet};
use salt_wire::{Map, Value, map};

use super::graph::ChunkId;
use super::low::{REQUISITES, field, tag};
use super::run::Runner;
use crate::config::Release;
use crate::context::python;

const FUNCTIONS: [&str; 4] = ["installed", "latest", "removed", "purged"];

/// Packages with the versions (or addresses) that are asked for.
type Wanted = IndexMap<String, IndexSet<Option<String>>>;

impl Runner<'_> {
    /// Takes into a package state what later ones of the same kind want.
    pub(super) fn aggregate(&mut self, id: ChunkId) {
        let low = &self.graph.chunks[id];
        if field(low, "state") != "pkg"
            || !FUNCTIONS.contains(&field(low, "fun"))
            || low.contains_key("__agg__")
            || !self.aggregates(low)
        {
            return;
        }
        let kind = if low.contains_key("sources") {
            "sources"
        } else {
            "pkgs"
        };
        let (fun, repo) = (field(low, "fun").to_owned(), low.get("fromrepo").cloned());
        let others: Vec<ChunkId> = (0..self.graph.chunks.len())
            .filter(|other| {
                let chunk = &self.graph.chunks[*other];
                *other != id
                    && field(chunk, "state") == "pkg"
                    && field(chunk, "fun") == fun
                    && chunk.get("fromrepo").cloned() == repo
                    && !chunk.contains_key("__agg__")
                    && !chunk.contains_key("hold")
                    && !self.running.contains_key(&tag(chunk))
                    && self.aggregates(chunk)
                    && self.is_free(*other)
            })
            .collect();
        self.graph.chunks[id].insert("__agg__".into(), true.into());
        let mut wanted = Wanted::new();
        for other in others {
            let chunk = &mut self.graph.chunks[other];
            if kind == "sources" && !chunk.contains_key("sources") {
                continue;
            }
            match chunk.get(kind) {
                Some(Value::List(items)) => combine(&mut wanted, &items.clone()),
                _ => {
                    let version = chunk.shift_remove("version").map(|v| python::text(&v));
                    let name = field(chunk, "name").to_owned();
                    wanted.entry(name).or_default().insert(version);
                }
            }
            chunk.insert("__agg__".into(), true.into());
        }
        if wanted.is_empty() {
            return;
        }
        let low = &mut self.graph.chunks[id];
        let mut all = Wanted::new();
        match low.get(kind) {
            Some(Value::List(items)) => combine(&mut all, &items.clone()),
            _ => {
                let version = low.shift_remove("version").map(|v| python::text(&v));
                let name = field(low, "name").to_owned();
                all.entry(name).or_default().insert(version);
            }
        }
        for (name, versions) in wanted {
            all.entry(name).or_default().extend(versions);
        }
        let list: Vec<Value> = all
            .into_iter()
            .flat_map(|(name, versions)| {
                versions.into_iter().map(move |version| match version {
                    None => Value::from(name.as_str()),
                    Some(version) => map! { name.as_str() => version }.into(),
                })
            })
            .collect();
        low.insert(kind.into(), list.into());
    }

    /// Whether all that a chunk waits for is done: only then may it go ahead of its place.
    fn is_free(&self, id: ChunkId) -> bool {
        if self.options.release < Release::V3008 {
            // There is no graph to ask.
            let chunk = &self.graph.chunks[id];
            return !REQUISITES.iter().any(|r| chunk.contains_key(*r));
        }
        self.graph
            .dependencies(id)
            .iter()
            .all(|(_, d)| self.running.contains_key(&tag(&self.graph.chunks[*d])))
    }

    /// Whether a chunk, or the run, asks for it.
    fn aggregates(&self, chunk: &Map) -> bool {
        let asked = chunk.get("aggregate").unwrap_or(&self.options.aggregate);
        match asked {
            Value::List(modules) => modules.contains(&field(chunk, "state").into()),
            Value::Str(module) => module == field(chunk, "state"),
            other => other == &Value::Bool(true),
        }
    }
}

fn combine(wanted: &mut Wanted, items: &[Value]) {
    for item in items {
        match item {
            Value::Map(map) => {
                for (name, version) in map {
                    let version = (!version.is_null()).then(|| python::text(version));
                    wanted
                        .entry(python::text(name))
                        .or_default()
                        .insert(version);
                }
            }
            name => {
                wanted.entry(python::text(name)).or_default().insert(None);
            }
        }
    }
}
