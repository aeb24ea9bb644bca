//! A run and the world around it: events for the master as states finish, and orders to pause or to stop.

use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::graph::ChunkId;
use super::low::field;
use super::run::Runner;
use crate::context::python;
use crate::host::clock;

/// What `state.pause` and its kin want of the next state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paused {
    No,
    Killed,
}

impl Runner<'_> {
    /// Tells the master about a finished state, and takes in the results that it brought along.
    pub(super) fn finished(&mut self, id: ChunkId, tag: &str) {
        self.look_again(id, tag);
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
    pub(super) fn paused(&self, id: ChunkId) -> Paused {
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
        let start = Instant::now();
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
            if self.ctx.job.cancel.sleep(Duration::from_secs(1)) {
                return Paused::Killed;
            }
        }
    }
}
