//! `parallel: True`: state functions that run beside the others, a bounded number at a time.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use salt_wire::{Map, Value, map};

use super::call::{Retry, milliseconds};
use super::callee::Callee;
use super::low::tag;
use super::run::Running;
use crate::context::{Args, Context, python};
use crate::fileclient::FileClient;
use crate::host::clock;
use crate::states::Run;

/// How many run at a time unless `state_max_parallel` says otherwise. Salt knows no bound by default.
const MOST: usize = 32;

/// One call, with everything that it needs in a thread of its own.
pub(super) struct Call {
    pub(super) ctx: Context,
    pub(super) callee: Callee,
    pub(super) args: Args,
    pub(super) low: Map,
    pub(super) chunks: Vec<Map>,
    pub(super) test: bool,
}

/// The calls under way and those that wait for a place.
pub(super) struct Pool {
    most: usize,
    waiting: VecDeque<(String, Call)>,
    running: IndexMap<String, Receiver<Map>>,
}

impl Pool {
    /// A pool of this size; 0 is the default one.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: if most == 0 { MOST } else { most },
            waiting: VecDeque::new(),
            running: IndexMap::new(),
        }
    }

    /// Starts a call, or puts it in the queue. What is returned stands for its result until it ends.
    pub(super) fn start(&mut self, call: Call) -> Map {
        let name = call.low.get("name").cloned().unwrap_or_default();
        self.waiting.push_back((tag(&call.low), call));
        self.fill();
        map! {
            "name" => name, "result" => Value::Null, "changes" => Map::new(),
            "comment" => "Started in a separate process",
        }
    }

    fn fill(&mut self) {
        while self.running.len() < self.most
            && let Some((tag, call)) = self.waiting.pop_front()
        {
            let (sender, receiver) = channel();
            let thread = std::thread::Builder::new().name("state".into());
            // A thread that cannot start drops its sender, which reads as a call that never returned.
            if let Err(error) = thread.spawn(move || drop(sender.send(call.run()))) {
                tracing::error!(%error, tag, "No thread for a parallel state.");
            }
            self.running.insert(tag, receiver);
        }
    }

    /// Whether this call has not ended yet.
    pub(super) fn holds(&self, tag: &str) -> bool {
        self.running.contains_key(tag) || self.waiting.iter().any(|(t, _)| t == tag)
    }

    /// Takes in the results of those that ended.
    pub(super) fn collect(&mut self, results: &mut Running) {
        let ended: Vec<(String, Map)> = self
            .running
            .iter()
            .filter_map(|(tag, receiver)| {
                let result = match receiver.try_recv() {
                    Ok(result) => result,
                    Err(std::sync::mpsc::TryRecvError::Empty) => return None,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => lost(),
                };
                Some((tag.clone(), result))
            })
            .collect();
        for (tag, result) in ended {
            self.take(&tag, result, results);
        }
    }

    fn take(&mut self, tag: &str, result: Map, results: &mut Running) {
        self.running.shift_remove(tag);
        results.entry(tag.to_owned()).or_default().extend(result);
        self.fill();
    }

    /// Waits for this call, if it is one of ours.
    pub(super) fn wait(&mut self, tag: &str, results: &mut Running) {
        while self.holds(tag) {
            self.collect(results);
            if let Some(receiver) = self.running.get(tag) {
                match receiver.recv_timeout(Duration::from_millis(20)) {
                    Ok(result) => self.take(tag, result, results),
                    Err(RecvTimeoutError::Disconnected) => self.take(tag, lost(), results),
                    Err(RecvTimeoutError::Timeout) => {}
                }
            } else {
                self.pause(results);
            }
        }
    }

    /// Waits a moment for any of them.
    pub(super) fn pause(&mut self, results: &mut Running) {
        let first = self.running.first().map(|(tag, _)| tag.clone());
        if let Some(tag) = first
            && let Some(receiver) = self.running.get(&tag)
            && let Ok(result) = receiver.recv_timeout(Duration::from_millis(10))
        {
            self.take(&tag, result, results);
        }
        self.collect(results);
    }

    /// Waits for all.
    pub(super) fn finish(&mut self, results: &mut Running) {
        while !self.running.is_empty() || !self.waiting.is_empty() {
            self.pause(results);
        }
    }
}

/// The result of a call whose thread died.
fn lost() -> Map {
    map! {
        "result" => false, "comment" => "Parallel process failed to return", "changes" => Map::new(),
    }
}

impl Call {
    fn run(mut self) -> Map {
        let start_time = clock::time_of_day();
        let mut ret = self.timed();
        ret.insert("start_time".into(), start_time.into());
        ret.insert("__parallel__".into(), true.into());
        if let Some(retry) = self.low.get("retry").map(Retry::new) {
            ret = self.retry(&retry, ret);
        }
        ret
    }

    fn timed(&mut self) -> Map {
        let start = Instant::now();
        let files = FileClient::new(&self.ctx);
        let run = Run {
            args: &self.args,
            test: self.test,
            chunk: &self.low,
            chunks: &self.chunks,
            files: &files,
        };
        let mut ret = self.callee.call(&self.ctx, &run);
        ret.insert("duration".into(), milliseconds(start.elapsed()).into());
        ret
    }

    /// As Salt retries in a process of its own, which words it otherwise than in the run itself.
    fn retry(&mut self, retry: &Retry, mut ret: Map) -> Map {
        if self.test {
            retry.announce(&mut ret);
            return ret;
        }
        for attempt in 1..=retry.attempts {
            if ret.get("result") == Some(&Value::Bool(retry.until)) {
                break;
            }
            let interval = retry.pause();
            if self.ctx.job.cancel.sleep(Duration::from_secs(interval)) {
                break;
            }
            let start_time = ret.get("start_time").cloned();
            let before = ret;
            ret = self.timed();
            let text = |map: &Map, key: &str| python::text(map.get(key).unwrap_or(&Value::Null));
            let own = text(&ret, "comment");
            let own = if own.is_empty() {
                String::new()
            } else {
                format!(
                    "Attempt {attempt}: Returned a result of \"{}\", with the following comment: \"{own}\"",
                    text(&ret, "result")
                )
            };
            ret.insert(
                "comment".into(),
                format!("{}\n{own}", text(&before, "comment")).into(),
            );
            let length = |map: &Map| {
                map.get("duration")
                    .and_then(Value::as_float)
                    .unwrap_or_default()
            };
            let total = length(&ret) + length(&before) + interval as f64 * 1000.0;
            ret.insert("duration".into(), total.into());
            if let Some(time) = start_time.filter(|_| attempt == 1) {
                ret.insert("start_time".into(), time);
            }
        }
        ret
    }
}
