//! Quotas: how much of each kind a project may have.

use serde_json::{Value, json};

use super::world::World;

/// One service's.
pub(super) struct Quota {
    /// Where projects' own numbers are kept.
    pub(super) table: &'static str,
    /// What holds unless told otherwise.
    pub(super) defaults: &'static [(&'static str, i64)],
}

impl Quota {
    /// How much of a kind a project may have.
    pub(super) fn limit(&self, world: &World, project: &str, kind: &str) -> i64 {
        let kept = world
            .one(self.table, project)
            .and_then(|q| q[kind].as_i64());
        let default = self.defaults.iter().find(|(k, _)| *k == kind);
        kept.unwrap_or(default.map_or(-1, |(_, n)| *n))
    }

    /// Sets some of a project's numbers.
    pub(super) fn set(&self, world: &mut World, project: &str, numbers: &Value) {
        let mut kept = world
            .one(self.table, project)
            .cloned()
            .unwrap_or_else(|| json!({}));
        for (kind, number) in numbers.as_object().into_iter().flatten() {
            kept[kind] = number.clone();
        }
        world.put(self.table, project, kept);
    }
}
