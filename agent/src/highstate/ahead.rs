//! What the next states of a run will want from the file server, asked for while this one works.

use std::path::Path;

use salt_wire::Value;

use super::graph::ChunkId;
use super::low::field;
use super::run::Runner;
use crate::states::file;

/// So many states before they run, their files are asked for.
const AHEAD: usize = 16;

impl Runner<'_> {
    /// Asks for what the first of these states will want.
    pub(super) fn look_ahead(&self, next: &[ChunkId]) {
        if self.one_by_one {
            let soon = next.iter().take(AHEAD).map(|id| &self.graph.chunks[*id]);
            self.files.expect(soon.filter_map(file::wants));
        }
    }

    /// A state that changed something may have changed what a master beside us serves: a managed file what ends in
    /// its name, any other state whatever it likes.
    pub(super) fn look_again(&self, id: ChunkId, tag: &str) {
        let result = self.running.get(tag);
        if !result.is_some_and(|r| r.get("changes").is_some_and(Value::is_truthy)) {
            return;
        }
        let chunk = &self.graph.chunks[id];
        let managed = field(chunk, "state") == "file" && field(chunk, "fun") == "managed";
        let name = Path::new(field(chunk, "name"));
        self.files
            .forget_expected(|path| !managed || name.ends_with(path));
    }
}
