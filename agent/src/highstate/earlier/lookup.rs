//! Which chunks a requisite means.

use salt_wire::{Map, Value};

use super::super::graph::{ChunkId, Requisite};
use super::super::low::{field, first_key};
use super::super::run::Runner;
use crate::context::{Error, Result, python};
use crate::fnmatch::{fnmatch, is_pattern};

/// A requisite as it is written: the module, `id` or `sls`, and the name.
pub(super) struct Reference {
    pub(super) key: String,
    pub(super) name: Value,
}

impl Reference {
    pub(super) fn shown(&self) -> String {
        format!("{}: {}", self.key, python::text(&self.name))
    }
}

impl Runner<'_> {
    /// What a chunk names with this kind of requisite.
    pub(super) fn references(&self, id: ChunkId, kind: Requisite) -> Vec<Reference> {
        let Some(Value::List(list)) = self.graph.chunks[id].get(kind.name()) else {
            return Vec::new();
        };
        list.iter()
            .filter_map(|item| match item {
                Value::Str(_) => Some(Reference {
                    key: "id".to_owned(),
                    name: item.clone(),
                }),
                Value::Map(map) => {
                    let key = first_key(map);
                    // The function is no part of the reference.
                    let key = key.split('.').next().unwrap_or(key);
                    Some(Reference {
                        key: key.to_owned(),
                        name: map.first().map(|(_, v)| v.clone()).unwrap_or_default(),
                    })
                }
                _ => None,
            })
            .collect()
    }

    /// The chunks of the list that a reference means; `None` when it leads nowhere.
    pub(super) fn named(
        &self,
        reference: &Reference,
        list: &[ChunkId],
    ) -> Result<Option<Vec<ChunkId>>> {
        let chunks = list.iter().map(|id| (*id, &self.graph.chunks[*id]));
        let Some(name) = reference.name.as_str() else {
            return match chunks.map(|(_, c)| c).next() {
                None => Ok(None),
                Some(first) => Err(Error::execution(format!(
                    "Could not locate requisite of [{}] present in state with name [{}]",
                    reference.key,
                    field(first, "name")
                ))),
            };
        };
        let is = |text: &str| text == name || (is_pattern(name) && fnmatch(text, name));
        if reference.key == "sls" {
            let found: Vec<_> = chunks
                .filter(|(_, c)| is(field(c, "__sls__")) || includes(c, name))
                .map(|(id, _)| id)
                .collect();
            // An SLS without a state is there all the same.
            let known = !found.is_empty() || self.rendered.iter().any(|sls| is(sls));
            return Ok(known.then_some(found));
        }
        let found: Vec<_> = chunks
            .filter(|(_, c)| is(field(c, "name")) || is(field(c, "__id__")))
            .filter(|(_, c)| reference.key == "id" || field(c, "state") == reference.key)
            .map(|(id, _)| id)
            .collect();
        Ok((!found.is_empty()).then_some(found))
    }
}

/// Whether a chunk's file was included by this one, which only 3007 notes.
fn includes(chunk: &Map, sls: &str) -> bool {
    let from = chunk.get("__sls_included_from__").and_then(Value::as_list);
    from.is_some_and(|from| from.iter().any(|f| f.as_str() == Some(sls)))
}
