//! Carrying out a compiled run: each chunk once its requisites allow it, results in the order of running.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashSet};

use indexmap::{IndexMap, IndexSet};
use salt_wire::{Map, Value, map};

use super::compile::Compiled;
use super::graph::{ChunkId, Graph, Requisite};
use super::low::{field, tag};
use super::parallel::Pool;
use super::progress::Paused;
use super::verdict::{Status, status, verdicts};
use super::{Options, Seams};
use crate::config::Release;
use crate::context::{Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::host::clock;

/// What a chunk waits for, each with the kind of its requisite.
pub(super) type Requisites = Vec<(Requisite, ChunkId)>;

/// Results by tag.
pub(crate) type Running = IndexMap<String, Map>;

/// A run under way.
pub(crate) struct Runner<'a> {
    pub(super) ctx: &'a Context,
    pub(super) files: &'a FileClient,
    pub(super) seams: &'a dyn Seams,
    pub(super) options: &'a Options,
    pub(super) graph: Graph,
    pub(super) order: Vec<ChunkId>,
    pub(super) running: Running,
    /// Results of test runs on behalf of a `prereq`.
    pub(super) pre: Running,
    pub(super) run_num: i64,
    /// States with `parallel` that have not ended yet.
    pub(super) pool: Pool,
    /// `global_state_conditions`, asked for once.
    pub(super) conditions: OnceCell<Map>,
    /// No state runs beside others, where nobody would know when it changes what.
    pub(super) one_by_one: bool,
    /// Set when a failed requisite with `failhard` ends the run.
    pub(super) ended: bool,
    /// Chunks that wait for what they named to be run, before 3008, and how deep that goes.
    pub(super) active: HashSet<String>,
    pub(super) depth: usize,
    /// The SLS of the run.
    pub(super) rendered: BTreeSet<String>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        ctx: &'a Context,
        files: &'a FileClient,
        seams: &'a dyn Seams,
        options: &'a Options,
        compiled: Compiled,
    ) -> Self {
        let mut running = Running::new();
        let mut run_num = 0;
        for chunk in &compiled.disabled {
            let result = map! {
                "changes" => Map::new(), "result" => false,
                "comment" => chunk.get("__disabled__").cloned().unwrap_or_default(),
                "__run_num__" => run_num, "__sls__" => field(chunk, "__sls__"),
            };
            running.insert(tag(chunk), result);
            run_num += 1;
        }
        let beside = |chunk: &Map| chunk.get("parallel").is_some_and(Value::is_truthy);
        let one_by_one = !compiled.graph.chunks.iter().any(beside);
        Self {
            ctx,
            files,
            seams,
            options,
            graph: compiled.graph,
            order: compiled.order,
            running,
            pre: Running::new(),
            run_num,
            pool: Pool::new(options.max_parallel),
            conditions: OnceCell::new(),
            one_by_one,
            ended: false,
            active: HashSet::new(),
            depth: 0,
            rendered: compiled.rendered,
        }
    }

    /// Runs everything, listeners last.
    pub(crate) fn run(mut self) -> Result<Running> {
        self.mark_refresh();
        let order = self.order.clone();
        self.call_chunks(&order)?;
        if !self.ended {
            self.call_listeners(&order)?;
        }
        Ok(self.running)
    }

    /// The first package state of a run that installs something updates apt's lists, and only that one.
    fn mark_refresh(&self) {
        let installs = self.graph.chunks.iter().any(|c| {
            field(c, "state") == "pkg" && matches!(field(c, "fun"), "installed" | "latest")
        });
        let path = self.ctx.settings.cachedir.join("pkg_refresh");
        if installs
            && !self.options.test
            && let Err(error) = crate::host::fs::write_atomic(&path, b"", 0o600)
        {
            tracing::warn!(%error, path = %path.display(), "Package lists will not be updated by themselves.");
        }
    }

    /// Runs the chunks of one ID alone, as `state.sls_id` does.
    pub(crate) fn run_id(mut self, id: &str) -> Result<Running> {
        let chosen: Vec<_> = self
            .order
            .iter()
            .copied()
            .filter(|c| field(&self.graph.chunks[*c], "__id__") == id)
            .collect();
        let order = self.order.clone();
        for chunk in chosen {
            if self.by_name() {
                self.call_in_turn(chunk, &order)?;
            } else {
                self.call_chunk(chunk, 0)?;
            }
        }
        self.pool.finish(&mut self.running);
        Ok(self.running)
    }

    /// Whether requisites are looked up by name, as before 3008.
    fn by_name(&self) -> bool {
        self.options.release < Release::V3008
    }

    pub(super) fn call_chunks(&mut self, order: &[ChunkId]) -> Result<()> {
        // Parallel states whose requisites still run: asked again before each further state, and at the end.
        let mut pending = Vec::new();
        for (at, &id) in order.iter().enumerate() {
            if self.ctx.job.cancel.is_cancelled() {
                return Err(Error::execution("the state run was told to end"));
            }
            self.call_pending(&mut pending)?;
            if self.ended {
                break;
            }
            self.pool.collect(&mut self.running);
            if self.running.contains_key(&tag(&self.graph.chunks[id])) {
                continue;
            }
            if self.paused(id) == Paused::Killed {
                break;
            }
            self.look_ahead(&order[at..]);
            if self.by_name() {
                self.call_in_turn(id, order)?;
                self.ended |= self.fails_hard(id);
            } else {
                self.step(id, &mut pending)?;
            }
            if self.ended {
                break;
            }
        }
        while !self.ended && !pending.is_empty() {
            self.pool.pause(&mut self.running);
            self.call_pending(&mut pending)?;
        }
        self.pool.finish(&mut self.running);
        Ok(())
    }

    fn call_pending(&mut self, pending: &mut Vec<ChunkId>) -> Result<()> {
        for id in std::mem::take(pending) {
            if !self.ended && !self.running.contains_key(&tag(&self.graph.chunks[id])) {
                self.step(id, pending)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, id: ChunkId, pending: &mut Vec<ChunkId>) -> Result<()> {
        if self.call_chunk(id, 0)? {
            pending.push(id);
        }
        if self.fails_hard(id) {
            self.ended = true;
        }
        Ok(())
    }

    pub(super) fn fails_hard(&self, id: ChunkId) -> bool {
        if self.options.test {
            return false;
        }
        let chunk = &self.graph.chunks[id];
        let hard = chunk
            .get("failhard")
            .map_or(self.options.failhard, Value::is_truthy);
        hard && self
            .running
            .get(&tag(chunk))
            .is_some_and(|r| r.get("result") == Some(&Value::Bool(false)))
    }

    pub(super) fn is_prereq(&self, id: ChunkId) -> bool {
        self.graph.chunks[id]
            .get("__prereq__")
            .is_some_and(Value::is_truthy)
    }

    /// Runs a chunk if its requisites allow it; true while they are pending.
    fn call_chunk(&mut self, id: ChunkId, depth: usize) -> Result<bool> {
        self.aggregate(id);
        let tag = tag(&self.graph.chunks[id]);
        let (status, requisites) = self.check_requisites(id);
        match status {
            // What it leads to has reported for itself.
            Status::Unmet => return self.call_unmet(id, &tag, depth),
            Status::Pending => return Ok(true),
            _ => self.carry_out(id, &tag, status, &requisites)?,
        }
        if self.running.contains_key(&tag) {
            self.finished(id, &tag);
        }
        Ok(false)
    }

    /// Does what the requisites of a chunk want, all of which are done.
    pub(super) fn carry_out(
        &mut self,
        id: ChunkId,
        tag: &str,
        status: Status,
        requisites: &[(Requisite, ChunkId)],
    ) -> Result<()> {
        let prereq = self.is_prereq(id);
        match status {
            Status::Unmet | Status::Pending => {}
            Status::Change if !prereq => {
                let mut result = self.call(id)?;
                let changed = result.get("changes").is_some_and(Value::is_truthy);
                let skip = result.get("skip_watch").is_some_and(Value::is_truthy);
                if !changed && !skip {
                    let mut low = self.graph.chunks[id].clone();
                    let fun = low.get("fun").cloned().unwrap_or_default();
                    low.insert("sfun".into(), fun);
                    low.insert("fun".into(), "mod_watch".into());
                    low.insert("__reqs__".into(), self.changed(requisites).into());
                    result = self.call_low(&mut low, 1)?;
                }
                self.running.insert(tag.to_owned(), result);
            }
            Status::Met | Status::Change => {
                let result = self.call(id)?;
                let results = if prereq {
                    &mut self.pre
                } else {
                    &mut self.running
                };
                results.insert(tag.to_owned(), result);
            }
            Status::SkipWatch => {
                let mut result = self.call(id)?;
                let comment = format!(
                    "{} mod_watch was not run because requisites were skipped by another state",
                    python::text(result.get("comment").unwrap_or(&Value::Null))
                );
                result.insert("comment".into(), comment.into());
                self.running.insert(tag.to_owned(), result);
            }
            Status::SkipReq => self.not_run(
                id,
                true,
                "State was not run because requisites were skipped by another state",
            ),
            Status::Fail => self.requisite_failed(id, tag, requisites),
            Status::Pre => self.stopped(id, true, "No changes detected"),
            Status::Onfail => self.not_run(
                id,
                true,
                "State was not run because onfail req did not change",
            ),
            Status::Onchanges => self.not_run(
                id,
                true,
                "State was not run because none of the onchanges reqs changed",
            ),
        }
        Ok(())
    }

    /// The watched states that changed, as a watch function may name them.
    fn changed(&self, requisites: &[(Requisite, ChunkId)]) -> Vec<String> {
        requisites
            .iter()
            .filter(|(kind, _)| *kind == Requisite::Watch)
            .map(|(_, id)| &self.graph.chunks[*id])
            .filter(|chunk| {
                let result = self.running.get(&tag(chunk));
                result.is_some_and(|r| r.get("changes").is_some_and(Value::is_truthy))
            })
            .map(|chunk| format!("{}: {}", field(chunk, "state"), field(chunk, "__id__")))
            .collect()
    }

    /// Runs what a chunk waits for, then the chunk.
    fn call_unmet(&mut self, id: ChunkId, tag: &str, depth: usize) -> Result<bool> {
        let mut pending = false;
        for (_, dependency) in self.graph.dependencies(id) {
            let dependency_tag = super::low::tag(&self.graph.chunks[dependency]);
            if self.running.contains_key(&dependency_tag) {
                continue;
            }
            if self.call_chunk(dependency, 0)? {
                self.await_chunk(dependency)?;
            }
            if self.ended || self.fails_hard(dependency) {
                self.ended = true;
                return Ok(false);
            }
        }
        if self.is_prereq(id) {
            let (status, _) = self.check_requisites(id);
            self.test_run(id, tag, status)?;
        } else if depth >= 20 {
            self.recursive(id, tag);
        } else {
            pending = self.call_chunk(id, depth + 1)?;
        }
        if self.fails_hard(id) {
            self.ended = true;
        }
        Ok(pending)
    }

    /// Waits for the requisites of a parallel chunk, and runs it.
    fn await_chunk(&mut self, id: ChunkId) -> Result<()> {
        loop {
            self.pool.pause(&mut self.running);
            if !self.call_chunk(id, 0)? {
                return Ok(());
            }
        }
    }

    fn check_requisites(&mut self, id: ChunkId) -> (Status, Vec<(Requisite, ChunkId)>) {
        let dependencies = self.graph.dependencies(id);
        let waits = !self.graph.chunks[id]
            .get("parallel")
            .is_some_and(Value::is_truthy);
        let mut pending = false;
        for (_, chunk) in &dependencies {
            let tag = tag(&self.graph.chunks[*chunk]);
            if waits {
                self.pool.wait(&tag, &mut self.running);
            } else {
                pending |= self.pool.holds(&tag);
            }
        }
        let mut all = self.verdicts(&dependencies);
        if pending {
            all.insert("pending");
        }
        (status(&all), dependencies)
    }

    /// What the results so far say of these requisites.
    pub(super) fn verdicts(&self, requisites: &[(Requisite, ChunkId)]) -> BTreeSet<&'static str> {
        verdicts(requisites.iter().map(|(kind, chunk)| {
            let results = if *kind == Requisite::Prereq {
                &self.pre
            } else {
                &self.running
            };
            (*kind, results.get(&tag(&self.graph.chunks[*chunk])))
        }))
    }

    /// Asks a chunk what it would change, for the one that is to run before it.
    pub(super) fn test_run(&mut self, id: ChunkId, tag: &str, status: Status) -> Result<()> {
        let result = if status == Status::Pre && self.options.release != Release::V3007 {
            self.skipped(id, true, "No changes detected")
        } else {
            let mut result = self.call(id)?;
            let changed = result.get("changes").is_some_and(Value::is_truthy);
            if !changed && status == Status::Change {
                result.insert("changes".into(), map! { "watch" => "watch" }.into());
                result.insert("result".into(), Value::Null);
            }
            result
        };
        self.pre.insert(tag.to_owned(), result);
        Ok(())
    }

    /// A loop of requisites, found when it closes.
    pub(super) fn recursive(&mut self, id: ChunkId, own: &str) {
        let chunk = &self.graph.chunks[id];
        let mut result = map! {
            "changes" => Map::new(), "result" => false,
            "comment" => "Recursive requisite found", "__run_num__" => self.run_num,
        };
        for key in ["__sls__", "__id__", "name"] {
            result.insert(key.into(), chunk.get(key).cloned().unwrap_or_default());
        }
        self.running.insert(own.to_owned(), result);
    }

    fn requisite_failed(&mut self, id: ChunkId, tag: &str, requisites: &[(Requisite, ChunkId)]) {
        if let Some(mut result) = self.pre.get(tag).cloned() {
            // It would have changed something; now it will not.
            if result.get("changes").is_some_and(Value::is_truthy) {
                result.insert("changes".into(), Map::new().into());
            }
            result.insert("__run_num__".into(), self.run_num.into());
            for key in ["__sls__", "__id__", "name"] {
                let value = self.graph.chunks[id].get(key).cloned().unwrap_or_default();
                result.insert(key.into(), value);
            }
            self.run_num += 1;
            self.running.insert(tag.to_owned(), result);
            return;
        }
        let mut failed: IndexSet<String> = IndexSet::new();
        for (_, requisite) in requisites {
            let chunk = &self.graph.chunks[*requisite];
            let tag = super::low::tag(chunk);
            let result = self.pre.get(&tag).or_else(|| self.running.get(&tag));
            if result.is_some_and(|r| r.get("result") == Some(&Value::Bool(false))) {
                failed.insert(format!(
                    "{}.{}",
                    python::text(chunk.get("__sls__").unwrap_or(&Value::Null)),
                    field(chunk, "__id__")
                ));
            }
        }
        let names: Vec<_> = failed.into_iter().collect();
        self.stopped(
            id,
            false,
            &format!("One or more requisite failed: {}", names.join(", ")),
        );
    }

    /// A chunk that its requisites stop. Before 3008 a prereq hears of it in any case, and nobody reads that it did not run.
    fn stopped(&mut self, id: ChunkId, result: bool, comment: &str) {
        if !self.by_name() {
            return self.not_run(id, result, comment);
        }
        let mut result = self.skipped(id, result, comment);
        result.shift_remove("__state_ran__");
        let tag = tag(&self.graph.chunks[id]);
        self.pre.insert(tag.clone(), result.clone());
        self.running.insert(tag, result);
    }

    fn not_run(&mut self, id: ChunkId, result: bool, comment: &str) {
        let result = self.skipped(id, result, comment);
        let chunk = &self.graph.chunks[id];
        let tag = tag(chunk);
        if self.is_prereq(id) && !self.by_name() {
            self.pre.insert(tag.clone(), result.clone());
        }
        self.running.insert(tag, result);
    }

    pub(super) fn skipped(&mut self, id: ChunkId, result: bool, comment: &str) -> Map {
        let mut ret = map! {
            "changes" => Map::new(), "result" => result, "duration" => 0.001,
            "start_time" => clock::time_of_day(), "comment" => comment,
            "__state_ran__" => false, "__run_num__" => self.run_num,
        };
        for key in ["__sls__", "__id__", "name"] {
            let value = self.graph.chunks[id].get(key).cloned().unwrap_or_default();
            ret.insert(key.into(), value);
        }
        self.run_num += 1;
        ret
    }

    /// Calls a chunk's function; a test run for a prereq is done with it.
    pub(super) fn call(&mut self, id: ChunkId) -> Result<Map> {
        let mut low = self.graph.chunks[id].clone();
        let result = self.call_low(&mut low, 1)?;
        self.graph.chunks[id] = low;
        Ok(result)
    }
}
