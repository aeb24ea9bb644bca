//! `listen`: the watch functions of those that listen to a changed state, once each, at the end of a run.

use indexmap::IndexMap;
use salt_wire::{Map, Value, map};

use super::graph::ChunkId;
use super::low::{REQUISITES, field, tag};
use super::run::Runner;
use crate::context::{Result, python};

impl Runner<'_> {
    /// Calls the watch functions of those that listen to a changed state, once each, at the end.
    pub(super) fn call_listeners(&mut self, order: &[ChunkId]) -> Result<()> {
        let chunks: Vec<Map> = order
            .iter()
            .map(|id| self.graph.chunks[*id].clone())
            .collect();
        let is = |chunk: &Map, state: &str, name: &str| {
            field(chunk, "state") == state
                && (field(chunk, "__id__") == name || field(chunk, "name") == name)
        };
        let mut wishes: Vec<(String, String, String, String)> = Vec::new();
        for chunk in &chunks {
            let (state, id) = (field(chunk, "state"), field(chunk, "__id__"));
            for target in references(chunk.get("listen"), &chunks) {
                wishes.push((state.into(), id.into(), target.0, target.1));
            }
            for target in references(chunk.get("listen_in"), &chunks) {
                wishes.push((target.0, target.1, state.into(), id.into()));
            }
        }
        let mut errors: IndexMap<String, Map> = IndexMap::new();
        let mut missing = |state: &str, name: &str| {
            let tag = format!("Listen_Error_|-listen_{name}_|-listen_{state}_|-Listen_Error");
            let error = map! {
                "comment" => format!("Referenced state {state}: {name} does not exist"),
                "name" => format!("listen_{state}:{name}"), "result" => false, "changes" => Map::new(),
            };
            errors.insert(tag, error);
        };
        let mut watchers = Vec::new();
        for (state, id, to_state, to_name) in wishes {
            let targets: Vec<_> = chunks
                .iter()
                .filter(|c| is(c, &to_state, &to_name))
                .collect();
            if targets.is_empty() {
                missing(&to_state, &to_name);
                continue;
            }
            let changed = targets.iter().any(|c| {
                self.running
                    .get(&tag(c))
                    .and_then(|r| r.get("changes"))
                    .is_some_and(Value::is_truthy)
            });
            if !changed {
                continue;
            }
            let listeners: Vec<_> = chunks.iter().filter(|c| is(c, &state, &id)).collect();
            if listeners.is_empty() {
                missing(&state, &id);
            }
            for listener in listeners {
                let mut low = listener.clone();
                let fun = low.get("fun").cloned().unwrap_or_default();
                low.insert("sfun".into(), fun);
                low.insert("fun".into(), "mod_watch".into());
                let id = format!("listener_{}", field(listener, "__id__"));
                low.insert("__id__".into(), id.into());
                low.retain(|k, _| !k.as_str().is_some_and(|k| REQUISITES.contains(&k)));
                watchers.push(self.graph.add_chunk(low));
            }
        }
        self.call_chunks(&watchers)?;
        for (tag, mut error) in errors {
            error.insert("__run_num__".into(), self.run_num.into());
            self.run_num += 1;
            self.running.insert(tag, error);
        }
        Ok(())
    }
}

/// The pairs of state and name that a `listen` means.
fn references(value: Option<&Value>, chunks: &[Map]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for item in value.and_then(Value::as_list).unwrap_or_default() {
        match item {
            Value::Map(map) => {
                found.extend(map.iter().map(|(k, v)| (python::text(k), python::text(v))));
            }
            other => {
                let name = python::text(other);
                let chunk = chunks
                    .iter()
                    .find(|c| field(c, "__id__") == name || field(c, "name") == name);
                if let Some(chunk) = chunk {
                    found.push((field(chunk, "state").into(), field(chunk, "__id__").into()));
                }
            }
        }
    }
    found
}
