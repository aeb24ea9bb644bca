//! A run that looks up what a chunk waits for when its turn comes.

use indexmap::IndexMap;
use salt_wire::Value;

use super::super::compile::watch_to_require;
use super::super::graph::{ChunkId, Requisite};
use super::super::low::tag;
use super::super::run::{Requisites, Runner};
use super::super::verdict::{Status, status};
use super::lookup::Reference;
use crate::context::{Error, Result};

/// How deep requisites may lead ahead of the order. Python ends such a run a little earlier or later, too.
const DEEPEST: usize = 950;

/// What a chunk waits for; `other_end`: who waits for its changes, too.
fn kinds(other_end: bool) -> impl Iterator<Item = Requisite> {
    let other_end = other_end.then_some(Requisite::Prerequired);
    Requisite::ALL.into_iter().chain(other_end)
}

impl Runner<'_> {
    /// One chunk of the list, and before it what it waits for.
    pub(in super::super) fn call_in_turn(&mut self, id: ChunkId, list: &[ChunkId]) -> Result<()> {
        let called = self.call_listed(id, list, 0);
        self.active.clear();
        self.depth = 0;
        called
    }

    fn call_listed(&mut self, id: ChunkId, list: &[ChunkId], again: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::execution(format!(
                "Requisites lead more than {DEEPEST} states ahead of the order of states"
            )));
        }
        self.call_one(id, list, again)?;
        self.depth -= 1;
        Ok(())
    }

    fn call_one(&mut self, id: ChunkId, list: &[ChunkId], again: usize) -> Result<()> {
        self.aggregate(id);
        let own = tag(&self.graph.chunks[id]);
        if !self.is(id, "prerequired") {
            self.active.insert(own.clone());
        }
        let prereq = self.is_prereq(id);
        match self.judge_listed(id, list, !prereq)? {
            (Status::Unmet, _) => self.run_first(id, &own, list, again, prereq),
            (status, requisites) => {
                self.carry_out(id, &own, status, &requisites)?;
                if self.running.contains_key(&own) {
                    self.finished(id, &own);
                }
                Ok(())
            }
        }
    }

    fn is(&self, id: ChunkId, key: &str) -> bool {
        self.graph.chunks[id].get(key).is_some_and(Value::is_truthy)
    }

    fn judge_listed(
        &mut self,
        id: ChunkId,
        list: &[ChunkId],
        other_end: bool,
    ) -> Result<(Status, Requisites)> {
        watch_to_require(self.ctx, &mut self.graph.chunks[id]);
        let mut requisites = Requisites::new();
        for kind in kinds(other_end) {
            if self.is_disabled(kind) {
                continue;
            }
            for reference in self.references(id, kind) {
                if reference.name.is_null() {
                    continue;
                }
                let Some(found) = self.named(&reference, list)? else {
                    return Ok((Status::Unmet, Requisites::new()));
                };
                requisites.extend(found.into_iter().map(|chunk| (kind, chunk)));
            }
        }
        for (_, chunk) in &requisites {
            let tag = tag(&self.graph.chunks[*chunk]);
            self.pool.wait(&tag, &mut self.running);
        }
        let mut all = self.verdicts(&requisites);
        // A key of 3008.
        all.remove("skip_req");
        Ok((status(&all), requisites))
    }

    fn is_disabled(&self, kind: Requisite) -> bool {
        let disabled = &self.options.disabled_requisites;
        disabled.iter().any(|d| d == kind.name())
    }

    /// Runs what is not done yet, then the chunk. Those of `onfail_all`, too: Salt dies of one that comes later.
    fn run_first(
        &mut self,
        id: ChunkId,
        own: &str,
        list: &[ChunkId],
        again: usize,
        prereq: bool,
    ) -> Result<()> {
        let mut lost: IndexMap<Requisite, Vec<Reference>> = IndexMap::new();
        let mut first = Vec::new();
        for kind in kinds(!prereq) {
            for reference in self.references(id, kind) {
                let found = match reference.name {
                    Value::Null => None,
                    _ => self.named(&reference, list)?,
                };
                let Some(found) = found else {
                    lost.entry(kind).or_default().push(reference);
                    continue;
                };
                let mark = match kind {
                    Requisite::Prereq => Some("__prereq__"),
                    Requisite::Prerequired if reference.key != "sls" => Some("__prerequired__"),
                    _ => None,
                };
                if let Some(mark) = mark {
                    for chunk in &found {
                        self.graph.chunks[*chunk].insert(mark.into(), true.into());
                    }
                }
                first.extend(found);
            }
        }
        if !lost.is_empty() {
            self.not_found(id, own, &lost);
            return Ok(());
        }
        for chunk in &first {
            if !self.run_one_first(id, own, *chunk, list)? {
                return Ok(());
            }
        }
        // What was run first may have asked for a test run of this one.
        if self.is_prereq(id) {
            let (status, _) = self.judge_listed(id, list, false)?;
            self.test_run(id, own, status)?;
        } else if again + 1 >= 20 {
            self.recursive(id, own);
        } else {
            self.call_listed(id, list, again + 1)?;
        }
        let last = first.last().or(list.last());
        if last.is_some_and(|last| self.fails_hard(*last)) {
            self.ended = true;
        }
        Ok(())
    }

    /// Runs a requisite, if it has not run; false when its chunk cannot go on now.
    fn run_one_first(
        &mut self,
        id: ChunkId,
        own: &str,
        chunk: ChunkId,
        list: &[ChunkId],
    ) -> Result<bool> {
        let other = tag(&self.graph.chunks[chunk]);
        if self.running.contains_key(&other) {
            return Ok(true);
        }
        if self.active.contains(&other) {
            if !self.is(chunk, "__prerequired__") {
                self.recursive(id, own);
                self.run_num += 1;
                self.finished(id, own);
            } else if !self.pre.contains_key(own) {
                // Whether it would change anything is what the other one waits for.
                self.graph.chunks[id].insert("__prereq__".into(), true.into());
                let result = self.call(id)?;
                self.pre.insert(other, result);
            }
            return Ok(false);
        }
        self.call_listed(chunk, list, 0)?;
        if self.ended || self.fails_hard(chunk) {
            self.ended = true;
            return Ok(false);
        }
        Ok(true)
    }

    fn not_found(&mut self, id: ChunkId, own: &str, lost: &IndexMap<Requisite, Vec<Reference>>) {
        let mut comment = "The following requisites were not found:\n".to_owned();
        for (kind, references) in lost {
            comment += &format!("{:19}{}:\n", "", kind.name());
            for reference in references {
                comment += &format!("{:23}{}\n", "", reference.shown());
            }
        }
        let mut result = self.skipped(id, false, &comment);
        result.shift_remove("__state_ran__");
        if self.is_prereq(id) {
            self.pre.insert(own.to_owned(), result);
        } else {
            self.running.insert(own.to_owned(), result);
            self.finished(id, own);
        }
    }
}
