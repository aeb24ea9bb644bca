//! Carrying out a compiled run: each chunk once its requisites allow it, results in the order of running.

use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use salt_wire::{Map, Value, map};

use super::compile::Compiled;
use super::graph::{ChunkId, Graph, Requisite};
use super::low::{REQUISITES, field, tag};
use super::{Options, Seams};
use crate::context::{Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::host::clock;

/// Results by tag.
pub(crate) type Running = IndexMap<String, Map>;

/// What the requisites say about a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Unmet,
    Met,
    Fail,
    SkipReq,
    SkipWatch,
    Change,
    Pre,
    Onfail,
    Onchanges,
}

/// A run under way.
pub(crate) struct Runner<'a> {
    pub(super) ctx: &'a Context,
    pub(super) files: &'a FileClient,
    pub(super) seams: &'a dyn Seams,
    pub(super) options: &'a Options,
    pub(super) graph: Graph,
    order: Vec<ChunkId>,
    pub(super) running: Running,
    /// Results of test runs on behalf of a `prereq`.
    pre: Running,
    pub(super) run_num: i64,
    /// Set when a failed requisite with `failhard` ends the run.
    ended: bool,
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
            ended: false,
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
        for chunk in chosen {
            self.call_chunk(chunk, 0)?;
        }
        Ok(self.running)
    }

    pub(super) fn call_chunks(&mut self, order: &[ChunkId]) -> Result<()> {
        for &id in order {
            if self.ctx.job.cancel.is_cancelled() {
                return Err(Error::execution("the state run was told to end"));
            }
            let tag = tag(&self.graph.chunks[id]);
            if self.running.contains_key(&tag) {
                continue;
            }
            if self.paused(id) == Paused::Killed {
                break;
            }
            self.call_chunk(id, 0)?;
            if self.ended || self.fails_hard(id) {
                self.ended = true;
                break;
            }
        }
        Ok(())
    }

    fn fails_hard(&self, id: ChunkId) -> bool {
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

    fn is_prereq(&self, id: ChunkId) -> bool {
        self.graph.chunks[id]
            .get("__prereq__")
            .is_some_and(Value::is_truthy)
    }

    fn call_chunk(&mut self, id: ChunkId, depth: usize) -> Result<()> {
        let tag = tag(&self.graph.chunks[id]);
        let prereq = self.is_prereq(id);
        let (status, requisites) = self.check_requisites(id);
        match status {
            Status::Unmet => {
                self.call_unmet(id, &tag, depth)?;
                // What it leads to has reported for itself.
                return Ok(());
            }
            Status::Change if !prereq => {
                let mut result = self.call(id)?;
                let changed = result.get("changes").is_some_and(Value::is_truthy);
                let skip = result.get("skip_watch").is_some_and(Value::is_truthy);
                if !changed && !skip {
                    let mut low = self.graph.chunks[id].clone();
                    let fun = low.get("fun").cloned().unwrap_or_default();
                    low.insert("sfun".into(), fun);
                    low.insert("fun".into(), "mod_watch".into());
                    low.insert("__reqs__".into(), self.changed(&requisites).into());
                    result = self.call_low(&mut low, 1)?;
                }
                self.running.insert(tag.clone(), result);
            }
            Status::Met | Status::Change => {
                let result = self.call(id)?;
                let results = if prereq {
                    &mut self.pre
                } else {
                    &mut self.running
                };
                results.insert(tag.clone(), result);
            }
            Status::SkipWatch => {
                let mut result = self.call(id)?;
                let comment = format!(
                    "{} mod_watch was not run because requisites were skipped by another state",
                    python::text(result.get("comment").unwrap_or(&Value::Null))
                );
                result.insert("comment".into(), comment.into());
                self.running.insert(tag.clone(), result);
            }
            Status::SkipReq => self.not_run(
                id,
                true,
                "State was not run because requisites were skipped by another state",
            ),
            Status::Fail => self.requisite_failed(id, &tag, &requisites),
            Status::Pre => self.not_run(id, true, "No changes detected"),
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
        if self.running.contains_key(&tag) {
            self.finished(id, &tag);
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
    fn call_unmet(&mut self, id: ChunkId, tag: &str, depth: usize) -> Result<()> {
        for (_, dependency) in self.graph.dependencies(id) {
            let dependency_tag = super::low::tag(&self.graph.chunks[dependency]);
            if self.running.contains_key(&dependency_tag) {
                continue;
            }
            self.call_chunk(dependency, 0)?;
            if self.ended || self.fails_hard(dependency) {
                self.ended = true;
                return Ok(());
            }
        }
        if self.is_prereq(id) {
            let (status, _) = self.check_requisites(id);
            if status == Status::Pre {
                let result = self.skipped(id, true, "No changes detected");
                self.pre.insert(tag.to_owned(), result);
            } else {
                let mut result = self.call(id)?;
                let changed = result.get("changes").is_some_and(Value::is_truthy);
                if !changed && status == Status::Change {
                    result.insert("changes".into(), map! { "watch" => "watch" }.into());
                    result.insert("result".into(), Value::Null);
                }
                self.pre.insert(tag.to_owned(), result);
            }
        } else if depth >= 20 {
            let chunk = &self.graph.chunks[id];
            let mut result = map! {
                "changes" => Map::new(), "result" => false,
                "comment" => "Recursive requisite found", "__run_num__" => self.run_num,
            };
            for key in ["__sls__", "__id__", "name"] {
                result.insert(key.into(), chunk.get(key).cloned().unwrap_or_default());
            }
            self.running.insert(tag.to_owned(), result);
        } else {
            self.call_chunk(id, depth + 1)?;
        }
        if self.fails_hard(id) {
            self.ended = true;
        }
        Ok(())
    }

    fn check_requisites(&self, id: ChunkId) -> (Status, Vec<(Requisite, ChunkId)>) {
        let dependencies = self.graph.dependencies(id);
        let kinds: IndexSet<_> = dependencies.iter().map(|(k, _)| *k).collect();
        let mut all = BTreeSet::new();
        for kind in kinds {
            let results = if kind == Requisite::Prereq {
                &self.pre
            } else {
                &self.running
            };
            let mut found = BTreeSet::new();
            for (_, chunk) in dependencies.iter().filter(|(k, _)| *k == kind) {
                let Some(result) = results.get(&tag(&self.graph.chunks[*chunk])) else {
                    found.insert("unmet");
                    continue;
                };
                judge(kind, result, &mut found);
            }
            soften(kind, &mut found);
            all.extend(found);
        }
        (status(&all), dependencies)
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
        self.not_run(
            id,
            false,
            &format!("One or more requisite failed: {}", names.join(", ")),
        );
    }

    fn not_run(&mut self, id: ChunkId, result: bool, comment: &str) {
        let result = self.skipped(id, result, comment);
        let chunk = &self.graph.chunks[id];
        let tag = tag(chunk);
        if self.is_prereq(id) {
            self.pre.insert(tag.clone(), result.clone());
        }
        self.running.insert(tag, result);
    }

    fn skipped(&mut self, id: ChunkId, result: bool, comment: &str) -> Map {
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
    fn call(&mut self, id: ChunkId) -> Result<Map> {
        let mut low = self.graph.chunks[id].clone();
        let result = self.call_low(&mut low, 1)?;
        self.graph.chunks[id] = low;
        Ok(result)
    }

    /// Tells the master about a finished state, and takes in the results that it brought along.
    fn finished(&mut self, id: ChunkId, tag: &str) {
        let chunk = self.graph.chunks[id].clone();
        if let Some(result) = self.running.get(tag) {
            self.event(result, chunk.get("fire_event").unwrap_or(&Value::Null));
        }
        let sub = self
            .running
            .get_mut(tag)
            .and_then(|r| r.shift_remove("sub_state_run"));
        let Some(Value::List(sub)) = sub else { return };
        for state in sub.iter().filter_map(Value::as_map) {
            self.run_num += 1;
            let Some(Value::Map(low)) = state.get("low") else {
                continue;
            };
            let get = |key: &str| state.get(key).cloned().unwrap_or_default();
            let mut result = map! {
                "name" => low.get("name").cloned().unwrap_or_default(),
                "changes" => get("changes"), "result" => get("result"),
                "duration" => state.get("duration").cloned().unwrap_or(Value::Float(0.001)),
                "start_time" => state.get("start_time").cloned().unwrap_or_else(|| clock::time_of_day().into()),
                "comment" => state.get("comment").cloned().unwrap_or_else(|| "".into()),
                "__state_ran__" => true, "__run_num__" => self.run_num,
            };
            for key in ["__sls__", "__id__", "name"] {
                result.insert(key.into(), chunk.get(key).cloned().unwrap_or_default());
            }
            self.running.insert(super::low::tag(low), result);
        }
    }

    fn event(&self, result: &Map, fire: &Value) {
        let Some(master) = self.ctx.master.as_ref().filter(|_| !self.options.local) else {
            return;
        };
        if !self.options.events && !fire.is_truthy() {
            return;
        }
        let (jid, id) = (self.ctx.job.jid.as_str(), self.ctx.settings.id.as_str());
        let text = |key: &str| python::text(result.get(key).unwrap_or(&Value::Null));
        let mut data = map! { "ret" => result.clone() };
        let tag = match fire {
            Value::Bool(true) => format!("salt/state_result/{jid}/{id}/{}", text("name")),
            Value::Str(name) => format!("salt/state_result/{jid}/{id}/{name}"),
            _ => {
                data.insert("len".into(), self.order.len().into());
                format!("salt/job/{jid}/prog/{id}/{}", text("__run_num__"))
            }
        };
        let load = map! {
            "id" => id, "tag" => tag, "data" => data, "cmd" => "_minion_event",
            "pretag" => Value::Null, "jid" => jid,
        };
        if let Err(error) = master.request(load) {
            tracing::warn!(%error, jid, "The master did not take a state's progress event.");
        }
    }

    /// Waits while `state.pause` holds this chunk.
    fn paused(&self, id: ChunkId) -> Paused {
        if self.ctx.job.jid.is_empty() {
            return Paused::No;
        }
        let path = self
            .ctx
            .settings
            .cachedir
            .join("state_pause")
            .join(&self.ctx.job.jid);
        let own = field(&self.graph.chunks[id], "__id__");
        let start = std::time::Instant::now();
        loop {
            let Some(Value::Map(data)) = std::fs::read(&path)
                .ok()
                .and_then(|b| Value::from_msgpack(&b).ok())
            else {
                return Paused::No;
            };
            let Some(entry) = data.get(own).or_else(|| data.get("__all__")) else {
                return Paused::No;
            };
            if entry
                .get("duration")
                .and_then(Value::as_float)
                .is_some_and(|d| start.elapsed().as_secs_f64() > d)
            {
                return Paused::No;
            }
            if entry.get("kill").is_some() {
                return Paused::Killed;
            }
            if self.ctx.job.cancel.sleep(std::time::Duration::from_secs(1)) {
                return Paused::Killed;
            }
        }
    }

    /// Calls the watch functions of those that listen to a changed state, once each, at the end.
    fn call_listeners(&mut self, order: &[ChunkId]) -> Result<()> {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paused {
    No,
    Killed,
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

/// What one finished requisite means for the one that waits for it.
fn judge(kind: Requisite, result: &Map, found: &mut BTreeSet<&'static str>) {
    let changed = result.get("changes").is_some_and(Value::is_truthy);
    let outcome = result.get("result").unwrap_or(&Value::Null);
    if result.get("skip_req").is_some_and(Value::is_truthy) {
        found.insert("skip_req");
    }
    match kind {
        Requisite::Onfail | Requisite::OnfailAny | Requisite::OnfailAll
            if *outcome == Value::Bool(true) =>
        {
            found.insert("onfail");
            return;
        }
        Requisite::Onfail | Requisite::OnfailAny | Requisite::OnfailAll => {}
        Requisite::Onchanges | Requisite::OnchangesAny => {
            found.insert(if *outcome == Value::Bool(false) || !changed {
                "onchanges"
            } else {
                "onchangesmet"
            });
            return;
        }
        _ if *outcome == Value::Bool(false) => {
            found.insert("fail");
            return;
        }
        _ => {}
    }
    match kind {
        Requisite::Watch | Requisite::WatchAny if changed => {
            found.insert("change");
        }
        Requisite::Prereq => {
            found.insert(if outcome.is_null() { "premet" } else { "pre" });
        }
        _ if result.get("__state_ran__").is_none_or(Value::is_truthy) => {
            found.insert("met");
        }
        _ => {}
    }
}

/// `_any` is content with one, `onfail` too; `onfail_all` is not.
fn soften(kind: Requisite, found: &mut BTreeSet<&'static str>) {
    let any = matches!(
        kind,
        Requisite::RequireAny
            | Requisite::WatchAny
            | Requisite::OnchangesAny
            | Requisite::OnfailAny
            | Requisite::Onfail
    );
    if any {
        if found.contains("met") || found.contains("change") {
            found.remove("fail");
        }
        if found.contains("onchangesmet") {
            found.remove("onchanges");
            found.remove("fail");
        }
        if found.contains("met") {
            found.remove("onfail");
        }
    }
    if kind == Requisite::OnfailAll && found.contains("onfail") {
        found.remove("met");
    }
}

fn status(found: &BTreeSet<&'static str>) -> Status {
    let has = |name: &str| found.contains(name);
    if has("unmet") {
        Status::Unmet
    } else if has("fail") {
        Status::Fail
    } else if has("skip_req") && (has("onchangesmet") || has("premet")) {
        Status::SkipReq
    } else if has("skip_req") && has("change") {
        Status::SkipWatch
    } else if has("pre") {
        if has("premet") {
            Status::Met
        } else {
            Status::Pre
        }
    } else if has("onfail") && !has("onchangesmet") {
        Status::Onfail
    } else if has("onchanges") && !has("onchangesmet") {
        Status::Onchanges
    } else if has("change") {
        Status::Change
    } else if has("onfail") {
        Status::Onfail
    } else {
        Status::Met
    }
}
