//! What 3006 and 3007 do otherwise: there is no graph. Chunks stand in a list by their order numbers, and what a chunk
//! waits for is looked up by name when its turn comes, and run before it. A reference that leads nowhere fails that one
//! state and not the run.
//!
//! [`verify`]: checks of high data; [`run`]: the run. Requisites of the other end are in `requisite_in`, `__sls_included_from__`
//! (from 3007 on) in `sls`. Everything that asks for a release below 3008 can go when 3007 does.

mod lookup;
mod run;
pub(super) mod verify;

use salt_wire::{Map, Value};

use super::graph::{ChunkId, settle_order};
use super::low::field;

/// The chunks by their order numbers, then by their text.
pub(super) fn order(chunks: &mut [Map], cap: i128) -> Vec<ChunkId> {
    let keys: Vec<(f64, String)> = chunks
        .iter_mut()
        .map(|chunk| {
            let number = if chunk.contains_key("order") {
                settle_order(chunk, cap)
            } else {
                chunk.insert("order".into(), Value::Int(cap));
                cap as f64
            };
            let text = format!(
                "{}{}{}",
                field(chunk, "state"),
                field(chunk, "name"),
                field(chunk, "fun")
            );
            (number, text)
        })
        .collect();
    let mut order: Vec<ChunkId> = (0..chunks.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&keys[*a], &keys[*b]);
        a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1))
    });
    order
}
