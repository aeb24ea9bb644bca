//! The job table: what runs, what waits, what was seen already, and how to stop it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use salt_wire::{Map, Value};
use tracing::{info, warn};

use crate::host::{self, Cancel};

/// Waiting jobs beyond this are refused.
const QUEUE_LIMIT: usize = 10_000;

/// A job as it came from a master.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The master that asked and gets the return.
    pub master: String,
    /// The decrypted load.
    pub load: Map,
}

/// What runs and what waits. Shared by the dispatcher and the daemon's services.
pub struct Jobs {
    proc_dir: PathBuf,
    queue_dir: PathBuf,
    state_queue_dir: PathBuf,
    hwm: usize,
    most: usize,
    state: Mutex<State>,
    /// Rung when something was killed or got a deadline.
    bell: Condvar,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    number: u64,
    running: BTreeMap<u64, Arc<Running>>,
    /// Threads that work for jobs, those of killed jobs included.
    threads: usize,
    queued: VecDeque<Queued>,
    seen: VecDeque<String>,
    killed: Vec<u64>,
    interrupted: Vec<Interrupted>,
    closing: bool,
}

struct Queued {
    path: PathBuf,
    publication: Publication,
}

/// One running job.
pub struct Running {
    number: u64,
    /// Its publication.
    pub publication: Publication,
    /// Its stop signal.
    pub cancel: Cancel,
    /// When it began.
    since: SystemTime,
    /// When it is stopped, at the latest.
    pub deadline: Option<Instant>,
    /// Its file of the time when it waited.
    queued: Option<PathBuf>,
    claimed: AtomicBool,
    answered: AtomicBool,
}

impl Running {
    /// The job's id.
    pub fn jid(&self) -> &str {
        jid(&self.publication.load)
    }

    /// True for the first caller only: the one that sends the return.
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }
}

/// A job that ran when an earlier run of the agent was stopped, by a power cut or in haste.
pub struct Interrupted {
    path: PathBuf,
    /// Its publication.
    pub publication: Publication,
}

impl Interrupted {
    /// Its master was told.
    pub fn forget(&self) {
        drop(fs::remove_file(&self.path));
    }
}

/// What becomes of a new publication.
pub enum Admission {
    /// It may run now.
    Run(Arc<Running>),
    /// It waits for its turn.
    Queued,
    /// Too many wait already.
    Refused,
}

/// Why a job must be ended by somebody other than its own thread.
pub enum Overdue {
    /// It was killed.
    Killed(Arc<Running>),
    /// Its time is over.
    TimedOut(Arc<Running>),
}

impl Jobs {
    /// A table that keeps its files below `cachedir`, runs at most `most` jobs and remembers `hwm` job ids.
    /// Jobs that an earlier run left in the queue wait again.
    pub fn open(cachedir: &Path, most: usize, hwm: usize) -> Self {
        let jobs = Self {
            proc_dir: cachedir.join("proc"),
            queue_dir: cachedir.join("job_queue"),
            state_queue_dir: cachedir.join("state_queue"),
            hwm,
            most: most.max(1),
            state: Mutex::default(),
            bell: Condvar::new(),
            idle: Condvar::new(),
        };
        // Where the disk takes nothing, `write_proc` tries again with each job.
        if let Err(error) = fs::create_dir_all(&jobs.proc_dir) {
            warn!(path = %jobs.proc_dir.display(), %error, "The directory of running jobs cannot be made.");
        }
        jobs.sweep_proc();
        jobs.read_queue();
        jobs
    }

    /// Whether this job came already, through another master or twice; remembers it.
    pub fn seen(&self, jid: &str) -> bool {
        let mut state = self.state();
        if state.seen.iter().any(|s| s == jid) {
            return true;
        }
        state.seen.push_back(jid.to_owned());
        if state.seen.len() > self.hwm {
            state.seen.pop_front();
        }
        false
    }

    /// Lets a job run, or wait when as many as may run do already.
    pub fn admit(&self, publication: Publication, limit: Option<Duration>) -> Admission {
        let mut state = self.state();
        if state.threads < self.most && !state.closing {
            return Admission::Run(self.start(&mut state, publication, None, limit));
        }
        if state.queued.len() >= QUEUE_LIMIT {
            return Admission::Refused;
        }
        info!(
            jid = jid(&publication.load),
            running = state.threads,
            most = self.most,
            "Job waits: as many as may run do already."
        );
        // Under the lock, so that nobody sees a job that is neither running nor waiting.
        let path = self.write_queued(&publication);
        state.queued.push_back(Queued { path, publication });
        Admission::Queued
    }

    /// A waiting job for a thread that is free.
    pub fn next(&self, limit: Option<Duration>) -> Option<Arc<Running>> {
        let mut state = self.state();
        if state.threads >= self.most || state.closing {
            return None;
        }
        let queued = state.queued.pop_front()?;
        Some(self.start(&mut state, queued.publication, Some(queued.path), limit))
    }

    /// Puts a job that could not get a thread back in front of the queue.
    pub fn put_back(&self, running: &Running) {
        let path = match &running.queued {
            Some(path) => path.clone(),
            None => self.write_queued(&running.publication),
        };
        let mut state = self.state();
        state.running.remove(&running.number);
        state.threads -= 1;
        state.queued.push_front(Queued {
            path,
            publication: running.publication.clone(),
        });
    }

    fn start(
        &self,
        state: &mut State,
        publication: Publication,
        queued: Option<PathBuf>,
        limit: Option<Duration>,
    ) -> Arc<Running> {
        state.number += 1;
        state.threads += 1;
        let running = Arc::new(Running {
            number: state.number,
            publication,
            cancel: Cancel::new(),
            since: SystemTime::now(),
            deadline: limit.and_then(|l| Instant::now().checked_add(l)),
            queued,
            claimed: AtomicBool::new(false),
            answered: AtomicBool::new(false),
        });
        state.running.insert(running.number, running.clone());
        if running.deadline.is_some() {
            self.bell.notify_all();
        }
        running
    }

    /// Writes `proc/<jid>` as salt-minion does, for tools that look there. Only then it is no longer queued: whenever
    /// the agent is killed, one of both is there.
    pub fn write_proc(&self, running: &Running) {
        let path = self.proc_file(running);
        let publication = &running.publication;
        let mut data = with_pid(&publication.load, std::process::id().into());
        data.insert(MASTER.into(), publication.master.as_str().into());
        let bytes = Value::Map(data).to_msgpack();
        let write = || host::fs::replace(&path, &bytes, 0o600);
        let written =
            write().or_else(|_| fs::create_dir_all(&self.proc_dir).and_then(|()| write()));
        if let Err(error) = written {
            warn!(jid = running.jid(), path = %path.display(), %error, "The job's proc file cannot be written.");
        }
        if let Some(path) = &running.queued {
            drop(fs::remove_file(path));
        }
    }

    /// The job is no longer running as far as anybody can see. Its proc file stays until its return is stored.
    pub fn leave(&self, running: &Running) {
        self.state().running.remove(&running.number);
    }

    /// Forgets the interrupted jobs that had ended.
    pub fn forget_interrupted(&self, ended: impl Fn(&Publication) -> bool) {
        self.state().interrupted.retain(|interrupted| {
            let over = ended(&interrupted.publication);
            if over {
                interrupted.forget();
            }
            !over
        });
    }

    /// The jobs that an earlier run of the agent was stopped in, once.
    pub fn take_interrupted(&self) -> Vec<Interrupted> {
        std::mem::take(&mut self.state().interrupted)
    }

    /// The job's return is stored: its proc file goes.
    pub fn answered(&self, running: &Running) {
        running.answered.store(true, Ordering::Release);
        drop(fs::remove_file(self.proc_file(running)));
    }

    /// The thread of a job that was answered in its place has ended. It may have written its proc file after that.
    pub fn outlived(&self, running: &Running) {
        if running.answered.load(Ordering::Acquire) {
            drop(fs::remove_file(self.proc_file(running)));
        }
    }

    /// A job's thread ends.
    pub fn thread_ended(&self) {
        let mut state = self.state();
        state.threads -= 1;
        if state.threads == 0 {
            self.idle.notify_all();
        }
    }

    /// Loads of the running jobs, each with `pid`; then those that wait, with `queued` and `queue_type`.
    pub fn list(&self) -> Vec<Map> {
        self.timed().into_iter().map(|(load, _)| load).collect()
    }

    /// The same, each with the time when it began to run or to wait.
    pub fn timed(&self) -> Vec<(Map, SystemTime)> {
        let state = self.state();
        let pid = std::process::id();
        let mut list: Vec<_> = state
            .running
            .values()
            .map(|r| (with_pid(&r.publication.load, pid.into()), r.since))
            .collect();
        list.extend(state.queued.iter().map(|q| {
            let load = as_queued(q.publication.load.clone(), "job_queue");
            (load, queued_at(&q.path))
        }));
        drop(state);
        list.extend(
            queue_files(&self.state_queue_dir)
                .into_iter()
                .filter_map(|path| {
                    let load = as_queued(read_map(&path)?, "state_queue");
                    Some((load, queued_at(&path)))
                }),
        );
        list
    }

    /// How many of this master's jobs run or wait.
    pub fn of_master(&self, master: &str) -> usize {
        let state = self.state();
        let running = state.running.values().map(|r| &r.publication);
        let all = running.chain(state.queued.iter().map(|q| &q.publication));
        all.filter(|p| p.master == master).count()
    }

    /// How many run and how many wait.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.running.len(), state.queued.len())
    }

    /// Sends a signal to a running job: Salt's answer, or `None` when no such job runs.
    pub fn signal(&self, wanted: &str, number: i32) -> Option<String> {
        let mut state = self.state();
        let running = state.running.values().find(|r| r.jid() == wanted)?.clone();
        if let Ok(signal) = Signal::try_from(number) {
            running.cancel.signal(signal);
            if signal == Signal::SIGKILL {
                state.killed.push(running.number);
                self.bell.notify_all();
            }
        }
        Some(format!(
            "Signal {number} sent to job {wanted} at pid {}",
            std::process::id()
        ))
    }

    /// Waits for the next job that must be ended from outside; `None` when the table closes.
    pub fn overdue(&self) -> Option<Overdue> {
        let mut state = self.state();
        loop {
            if let Some(number) = state.killed.pop() {
                if let Some(running) = state.running.get(&number) {
                    return Some(Overdue::Killed(running.clone()));
                }
                continue;
            }
            if state.closing && state.running.is_empty() {
                return None;
            }
            let now = Instant::now();
            let next = state
                .running
                .values()
                .filter_map(|r| r.deadline.map(|d| (d, r)))
                .min_by_key(|(deadline, _)| *deadline);
            match next {
                Some((deadline, running)) if deadline <= now => {
                    return Some(Overdue::TimedOut(running.clone()));
                }
                Some((deadline, _)) => {
                    state = self
                        .bell
                        .wait_timeout(state, deadline - now)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                None => {
                    state = self
                        .bell
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Starts nothing more; true when everything that runs ended within `grace`.
    pub fn close(&self, grace: Duration) -> bool {
        let end = Instant::now() + grace;
        let mut state = self.state();
        state.closing = true;
        self.bell.notify_all();
        while state.threads > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .idle
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Signals everything that runs; for the end of the daemon.
    pub fn signal_all(&self, signal: Signal) {
        for running in self.state().running.values() {
            running.cancel.signal(signal);
        }
    }

    fn write_queued(&self, publication: &Publication) -> PathBuf {
        let micros = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros();
        let name = format!("queued_{micros}_{}.p", file_name(jid(&publication.load)));
        let path = self.queue_dir.join(name);
        let mut data = publication.load.clone();
        data.insert(MASTER.into(), publication.master.as_str().into());
        let written = fs::create_dir_all(&self.queue_dir)
            .and_then(|()| host::fs::replace(&path, &Value::Map(data).to_msgpack(), 0o600));
        if let Err(error) = written {
            warn!(path = %path.display(), %error, "A waiting job cannot be written to disk; it would be lost with the process.");
        }
        path
    }

    fn read_queue(&self) {
        let mut state = self.state();
        for path in queue_files(&self.queue_dir) {
            match read_map(&path) {
                Some(mut load) => {
                    let master = load
                        .shift_remove(MASTER)
                        .and_then(|m| m.as_str().map(str::to_owned))
                        .unwrap_or_default();
                    // Its proc file may have been written already, but it had not begun.
                    drop(state);
                    self.forget_interrupted(|job| jid(&job.load) == jid(&load));
                    state = self.state();
                    let publication = Publication { master, load };
                    state.queued.push_back(Queued { path, publication });
                }
                None => {
                    warn!(path = %path.display(), "A waiting job cannot be read; it is removed.");
                    drop(fs::remove_file(&path));
                }
            }
        }
    }

    /// Removes the proc files of processes that are gone, as every salt-minion does when it looks there. Those of
    /// our own jobs stay until somebody was told.
    fn sweep_proc(&self) {
        let Ok(entries) = fs::read_dir(&self.proc_dir) else {
            return;
        };
        let mut interrupted = Vec::new();
        for path in entries.flatten().map(|e| e.path()) {
            let mut data = read_map(&path).unwrap_or_default();
            let pid = data.shift_remove("pid").and_then(|pid| pid.as_int());
            let master = data.shift_remove(MASTER);
            let master = master.and_then(|m| m.as_str().map(str::to_owned));
            // What nobody waits for: the schedule's, and those that we gave ourselves.
            let asked = !data.contains_key("schedule") && jid(&data) != "req";
            if let Some(master) = master.filter(|m| asked && !m.is_empty()) {
                let publication = Publication { master, load: data };
                interrupted.push(Interrupted { path, publication });
                continue;
            }
            let alive = pid.is_some_and(|pid| {
                pid != i128::from(std::process::id()) && Path::new(&format!("/proc/{pid}")).exists()
            });
            if !alive {
                drop(fs::remove_file(&path));
            }
        }
        self.state().interrupted = interrupted;
    }

    fn proc_file(&self, running: &Running) -> PathBuf {
        self.proc_dir.join(file_name(running.jid()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a queue file and a proc file, beside the load: who asked.
const MASTER: &str = "__master";

/// The job id of a load.
pub fn jid(load: &Map) -> &str {
    load.get("jid").and_then(Value::as_str).unwrap_or_default()
}

/// A job id as a file name: it comes from outside.
fn file_name(jid: &str) -> String {
    let name: String = jid
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .take(64)
        .collect();
    if name.is_empty() { "none".into() } else { name }
}

fn with_pid(load: &Map, pid: i64) -> Map {
    let mut data = salt_wire::map! {"pid" => pid};
    data.extend(load.iter().map(|(k, v)| (k.clone(), v.clone())));
    data
}

fn as_queued(load: Map, kind: &str) -> Map {
    let mut data = load;
    if !data.contains_key("pid") {
        data.insert("pid".into(), 0.into());
    }
    data.insert("queued".into(), true.into());
    data.insert("queue_type".into(), kind.into());
    data
}

/// When a job began to wait: its queue file's name says it, in microseconds.
fn queued_at(path: &Path) -> SystemTime {
    let name = path.file_name().and_then(|n| n.to_str());
    let micros = name
        .and_then(|n| n.strip_prefix("queued_")?.split('_').next()?.parse().ok())
        .unwrap_or_default();
    UNIX_EPOCH + Duration::from_micros(micros)
}

/// Queue files, the oldest first: their names begin with the time.
fn queue_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            p.file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|n| n.starts_with("queued_") && n.ends_with(".p"))
        })
        .collect();
    files.sort();
    files
}

fn read_map(path: &Path) -> Option<Map> {
    match Value::from_msgpack(&fs::read(path).ok()?) {
        Ok(Value::Map(map)) => Some(map),
        _ => None,
    }
}
