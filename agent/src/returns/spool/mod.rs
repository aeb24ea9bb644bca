//! The disk spool: what was returned and not yet acknowledged by the master that asked for it.
//!
//! One directory per master, one file per return, named by a number that only grows. A return leaves
//! the spool when its master acknowledged it, or when a bound is hit, which is logged and counted.
//! Returns of one job go out in the order in which they came in.

mod files;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use salt_wire::{Map, Value};
use tokio::sync::watch;
use tracing::{error, warn};

use crate::config::SpoolLimits;
use crate::host::crash;
use files::{encode, job_id, move_file, parse, read, store};

/// What the spool may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all waiting returns together; the oldest ones go first.
    pub bytes: u64,
    /// Older returns are given up.
    pub age: Duration,
    /// Most returns.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            age: Duration::from_hours(7 * 24),
            entries: 10_000,
        }
    }
}

impl From<&SpoolLimits> for Limits {
    fn from(limits: &SpoolLimits) -> Self {
        Self {
            bytes: limits.max_size,
            age: limits.max_age,
            entries: limits.max_entries,
        }
    }
}

/// Bytes kept in memory while the disk takes nothing.
const MEMORY_LIMIT: u64 = 32 << 20;
/// A return that its master does not store is tried again after this time, which doubles up to [`LONGEST_PARK`].
const FIRST_PARK: Duration = Duration::from_secs(60);
const LONGEST_PARK: Duration = Duration::from_hours(1);

/// The number of a waiting return; it stays the same over restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

/// A return handed out for sending. It stays in the spool until [`Spool::ack`].
#[derive(Debug)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// The job's id.
    pub jid: String,
    /// The `_return` load, without the fields that the channel adds.
    pub load: Map,
}

/// What waits and what was given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Waiting returns.
    pub waiting: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that the disk did not take.
    pub in_memory: usize,
    /// Those of them that their master has answered with a no, or could not store.
    pub parked: usize,
    /// Given up because the spool was full.
    pub dropped_full: u64,
    /// Given up because they were too old.
    pub dropped_old: u64,
    /// Given up because their file could not be read.
    pub dropped_broken: u64,
}

/// The spool. Shared by what makes returns and what sends them.
pub struct Spool {
    dir: PathBuf,
    limits: Limits,
    state: Mutex<State>,
    pushed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: BTreeMap<EntryId, Waiting>,
    out: HashSet<EntryId>,
    stats: Stats,
    memory_bytes: u64,
    parked: HashMap<EntryId, Parked>,
}

/// Kept away from a master that does not store it.
struct Parked {
    until: Instant,
    pause: Duration,
    /// What the master said.
    why: String,
}

struct Waiting {
    master: String,
    jid: String,
    bytes: u64,
    since: SystemTime,
    body: Body,
}

enum Body {
    File(PathBuf),
    // The disk is full: better held here than lost.
    Memory(Vec<u8>, Stored),
}

/// Lets go of what is kept of a job.
type Stored = Box<dyn FnOnce() + Send>;

impl Spool {
    /// Opens the spool at `dir` with what an earlier run left in it. A directory that cannot be used is no reason to
    /// stay away from the master: returns wait in memory until it can.
    pub fn open(dir: &Path, limits: Limits) -> Self {
        let mut state = State::default();
        if let Err(error) = read(dir, &mut state) {
            error!(path = %dir.display(), %error, "The spool cannot be used; returns wait in memory until it can.");
        }
        let spool = Self {
            dir: dir.to_owned(),
            limits,
            pushed: watch::Sender::new(state.next),
            state: Mutex::new(state),
        };
        spool.trim(&mut spool.state(), SystemTime::now());
        spool
    }

    /// Puts a return in for `master`. It is on disk (or, with a full disk, in memory) when this is back.
    pub fn push(&self, master: &str, load: Map) -> EntryId {
        self.push_then(master, load, Box::new(|| ()))
    }

    /// The same; what is kept of its job goes with `stored`, before anybody can send the return: whenever the agent is
    /// killed, one of both is there, and never nothing.
    pub fn push_then(&self, master: &str, load: Map, stored: Stored) -> EntryId {
        let jid = job_id(&load);
        let bytes = Value::Map(load).to_msgpack();
        let mut state = self.state();
        let id = EntryId(state.next);
        state.next += 1;
        let size = bytes.len() as u64;
        let since = SystemTime::now();
        let path = self.path(master, id, &jid);
        // The number is taken, so the file needs no lock; others may push meanwhile.
        drop(state);
        let body = match store(&path, &bytes) {
            Ok(()) => {
                // The disk takes what it is given (again).
                stored();
                self.settle();
                Body::File(path)
            }
            Err(error) => {
                error!(
                    %jid, master, path = %path.display(), %error,
                    "A return cannot be written to the spool; it is kept in memory."
                );
                Body::Memory(bytes, stored)
            }
        };
        crash::point(format_args!("return stored"));
        let mut state = self.state();
        state.add(
            id,
            Waiting {
                master: master.to_owned(),
                jid,
                bytes: size,
                since,
                body,
            },
        );
        self.trim(&mut state, since);
        drop(state);
        self.pushed.send_modify(|n| *n += 1);
        id
    }

    /// The next return for `master` that may go out now: the oldest one that is not out already and has
    /// no older return of the same job before it. Give it back with [`Spool::ack`] or [`Spool::release`].
    pub fn next(&self, master: &str) -> Option<Entry> {
        loop {
            let mut state = self.state();
            self.trim(&mut state, SystemTime::now());
            let mut blocked = HashSet::new();
            let (id, waiting) = state.waiting.iter().find(|(id, w)| {
                w.master == master && !(state.is_away(**id) || blocked.contains(w.jid.as_str()))
                    || {
                        if w.master == master {
                            blocked.insert(w.jid.as_str());
                        }
                        false
                    }
            })?;
            let (id, jid) = (*id, waiting.jid.clone());
            let body = match &waiting.body {
                Body::Memory(bytes, _) => Ok(bytes.clone()),
                Body::File(path) => Err(path.clone()),
            };
            state.out.insert(id);
            drop(state);
            let read = match body {
                Ok(bytes) => parse(&bytes),
                Err(path) => fs::read(&path)
                    .map_err(|e| e.to_string())
                    .and_then(|bytes| parse(&bytes)),
            };
            match read {
                Ok(load) => return Some(Entry { id, jid, load }),
                Err(reason) => {
                    error!(%jid, master, reason, "A spooled return cannot be read; it is given up.");
                    let mut state = self.state();
                    state.stats.dropped_broken += 1;
                    state.remove(id);
                }
            }
        }
    }

    /// Writes what had to stay in memory, as far as the disk takes it now.
    pub fn settle(&self) {
        loop {
            let state = self.state();
            let found = state.waiting.iter().find_map(|(id, w)| match &w.body {
                Body::Memory(bytes, _) => {
                    Some((*id, self.path(&w.master, *id, &w.jid), bytes.clone()))
                }
                Body::File(_) => None,
            });
            drop(state);
            let Some((id, path, bytes)) = found else {
                return;
            };
            if store(&path, &bytes).is_err() {
                return;
            }
            let mut state = self.state();
            match state.waiting.get_mut(&id) {
                Some(waiting) => {
                    let before = std::mem::replace(&mut waiting.body, Body::File(path));
                    // Somebody else may have written it meanwhile.
                    if let Body::Memory(_, stored) = before {
                        stored();
                        state.memory_bytes -= bytes.len() as u64;
                        state.stats.in_memory -= 1;
                    }
                }
                // It was delivered meanwhile.
                None => drop(fs::remove_file(&path)),
            }
        }
    }

    /// The master answered, and did not store it: it waits for longer than others, until [`Spool::unpark`] or until
    /// the pause is over, which is given back. Its bounds of size and age stay.
    pub fn park(&self, id: EntryId, why: &str) -> Duration {
        let mut state = self.state();
        state.out.remove(&id);
        let pause = state
            .parked
            .get(&id)
            .map_or(FIRST_PARK, |parked| (parked.pause * 2).min(LONGEST_PARK));
        if state.waiting.contains_key(&id) {
            let parked = Parked {
                until: Instant::now() + pause,
                pause,
                why: why.to_owned(),
            };
            state.parked.insert(id, parked);
            state.stats.parked = state.parked.len();
        }
        pause
    }

    /// Lets everything that is parked for `master` try again: it is there anew, and may have been mended.
    pub fn unpark(&self, master: &str) {
        let now = Instant::now();
        let State {
            waiting, parked, ..
        } = &mut *self.state();
        for (id, parked) in parked {
            if waiting.get(id).is_some_and(|w| w.master == master) {
                parked.until = now;
            }
        }
    }

    /// When the next parked return may try again.
    pub fn parked_until(&self) -> Option<Instant> {
        let state = self.state();
        let parked = state
            .parked
            .iter()
            .filter(|(id, _)| !state.out.contains(id));
        parked.map(|(_, parked)| parked.until).min()
    }

    /// Since when the oldest return waits.
    pub fn oldest(&self) -> Option<SystemTime> {
        let state = self.state();
        let oldest = state.waiting.first_key_value();
        oldest.map(|(_, waiting)| waiting.since)
    }

    /// What a master said about the oldest return that it does not store.
    pub fn complaint(&self) -> Option<String> {
        let state = self.state();
        let oldest = state.parked.iter().min_by_key(|(id, _)| **id);
        oldest.map(|(_, parked)| parked.why.clone())
    }

    /// The master has it: it leaves the spool.
    pub fn ack(&self, id: EntryId) {
        self.state().remove(id);
    }

    /// It was not delivered: it waits again, in its old place, and now also survives a power cut.
    pub fn release(&self, id: EntryId) {
        let mut state = self.state();
        state.out.remove(&id);
        let path = state.waiting.get(&id).and_then(|w| match &w.body {
            Body::File(path) => Some(path.clone()),
            Body::Memory(..) => None,
        });
        drop(state);
        if let Some(path) = path
            && let Err(error) = fs::File::open(&path).and_then(|f| f.sync_all())
        {
            warn!(path = %path.display(), %error, "A spooled return cannot be synced to disk.");
        }
    }

    /// Hands everything that waits for `from` to `to`: for a master that is gone for good.
    pub fn rehome(&self, from: &str, to: &str) -> usize {
        let mut state = self.state();
        let mut moved = 0;
        for (id, waiting) in &mut state.waiting {
            if waiting.master != from {
                continue;
            }
            if let Body::File(path) = &mut waiting.body {
                let target = self.path(to, *id, &waiting.jid);
                if let Err(error) = move_file(path, &target) {
                    warn!(path = %path.display(), %error, "A spooled return cannot be moved.");
                    continue;
                }
                *path = target;
            }
            to.clone_into(&mut waiting.master);
            moved += 1;
        }
        drop(state);
        if moved > 0 {
            self.pushed.send_modify(|n| *n += 1);
        }
        moved
    }

    /// Changes whenever something new waits.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.pushed.subscribe()
    }

    /// What waits and what was given up.
    pub fn stats(&self) -> Stats {
        self.state().stats
    }

    /// Whether a return of this job waits for this master.
    pub fn holds(&self, master: &str, jid: &str) -> bool {
        let state = self.state();
        let mut waiting = state.waiting.values();
        waiting.any(|w| w.master == master && w.jid == jid)
    }

    /// The masters for which returns wait.
    pub fn masters(&self) -> BTreeSet<String> {
        let state = self.state();
        state.waiting.values().map(|w| w.master.clone()).collect()
    }

    /// Waiting returns for one master.
    pub fn waiting(&self, master: &str) -> usize {
        let state = self.state();
        state
            .waiting
            .values()
            .filter(|w| w.master == master)
            .count()
    }

    fn trim(&self, state: &mut State, now: SystemTime) {
        while let Some((&id, oldest)) = state.waiting.first_key_value() {
            let age = now.duration_since(oldest.since).unwrap_or_default();
            let (jid, master) = (oldest.jid.clone(), oldest.master.clone());
            if age > self.limits.age {
                warn!(%jid, master, age = age.as_secs(), limit = self.limits.age.as_secs(), "A return waited too long for its master; it is given up.");
                state.stats.dropped_old += 1;
            } else if state.stats.bytes > self.limits.bytes && state.waiting.len() > 1
                || state.waiting.len() > self.limits.entries
                || state.memory_bytes > MEMORY_LIMIT && matches!(oldest.body, Body::Memory(..))
            {
                warn!(%jid, master, bytes = state.stats.bytes, limit = self.limits.bytes, "The spool is full; its oldest return is given up.");
                state.stats.dropped_full += 1;
            } else {
                break;
            }
            state.remove(id);
        }
    }

    fn path(&self, master: &str, id: EntryId, jid: &str) -> PathBuf {
        let mut path = self.dir.join(encode(master));
        path.push(format!("{:020}-{}.p", id.0, encode(jid)));
        path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, id: EntryId, waiting: Waiting) {
        self.stats.waiting += 1;
        self.stats.bytes += waiting.bytes;
        if matches!(waiting.body, Body::Memory(..)) {
            self.memory_bytes += waiting.bytes;
            self.stats.in_memory += 1;
        }
        self.next = self.next.max(id.0 + 1);
        self.waiting.insert(id, waiting);
    }

    /// Out for sending, or kept away for now.
    fn is_away(&self, id: EntryId) -> bool {
        let parked = self.parked.get(&id);
        self.out.contains(&id) || parked.is_some_and(|p| p.until > Instant::now())
    }

    fn remove(&mut self, id: EntryId) {
        self.out.remove(&id);
        self.parked.remove(&id);
        self.stats.parked = self.parked.len();
        let Some(gone) = self.waiting.remove(&id) else {
            return;
        };
        self.stats.waiting -= 1;
        self.stats.bytes -= gone.bytes;
        match gone.body {
            Body::Memory(_, stored) => {
                stored();
                self.memory_bytes -= gone.bytes;
                self.stats.in_memory -= 1;
            }
            Body::File(path) => {
                if let Err(error) = fs::remove_file(&path) {
                    warn!(jid = gone.jid, path = %path.display(), %error, "A delivered return cannot be removed; it may be sent again.");
                }
            }
        }
    }
}
