//! The disk spool: what was returned and not yet acknowledged by the master that asked for it.
//!
//! One directory per master, one file per return, named by a number that only grows. A return leaves
//! the spool when its master acknowledged it, or when a bound is hit, which is logged and counted.
//! Returns of one job go out in the order in which they came in.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use salt_wire::{Map, Value};
use tokio::sync::watch;
use tracing::{error, warn};

use crate::config::SpoolLimits;
use crate::host;

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
    in_memory: u64,
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
    Memory(Vec<u8>),
}

impl Spool {
    /// Opens the spool at `dir` with what an earlier run left in it.
    pub fn open(dir: &Path, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut state = State::default();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if let Some(master) = path
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(decode)
                .filter(|_| path.is_dir())
            {
                read_master(&path, &master, &mut state)?;
            }
        }
        let spool = Self {
            dir: dir.to_owned(),
            limits,
            pushed: watch::Sender::new(state.next),
            state: Mutex::new(state),
        };
        spool.trim(&mut spool.state(), SystemTime::now());
        Ok(spool)
    }

    /// Puts a return in for `master`. It is on disk (or, with a full disk, in memory) when this is back.
    pub fn push(&self, master: &str, load: Map) -> EntryId {
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
            Ok(()) => Body::File(path),
            Err(error) => {
                error!(
                    %jid, master, path = %path.display(), %error,
                    "A return cannot be written to the spool; it is kept in memory."
                );
                Body::Memory(bytes)
            }
        };
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
                w.master == master && !(state.out.contains(id) || blocked.contains(w.jid.as_str()))
                    || {
                        if w.master == master {
                            blocked.insert(w.jid.as_str());
                        }
                        false
                    }
            })?;
            let (id, jid) = (*id, waiting.jid.clone());
            let body = match &waiting.body {
                Body::Memory(bytes) => Ok(bytes.clone()),
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
            Body::Memory(_) => None,
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
                || state.in_memory > MEMORY_LIMIT && matches!(oldest.body, Body::Memory(_))
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
        if matches!(waiting.body, Body::Memory(_)) {
            self.in_memory += waiting.bytes;
        }
        self.next = self.next.max(id.0 + 1);
        self.waiting.insert(id, waiting);
    }

    fn remove(&mut self, id: EntryId) {
        self.out.remove(&id);
        let Some(gone) = self.waiting.remove(&id) else {
            return;
        };
        self.stats.waiting -= 1;
        self.stats.bytes -= gone.bytes;
        match gone.body {
            Body::Memory(_) => self.in_memory -= gone.bytes,
            Body::File(path) => {
                if let Err(error) = fs::remove_file(&path) {
                    warn!(jid = gone.jid, path = %path.display(), %error, "A delivered return cannot be removed; it may be sent again.");
                }
            }
        }
    }
}

fn read_master(dir: &Path, master: &str, state: &mut State) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let parsed = name
            .strip_suffix(".p")
            .and_then(|n| n.split_once('-'))
            .and_then(|(id, jid)| Some((id.parse().ok()?, decode(jid)?)));
        let Some((id, jid)) = parsed else {
            // A write that was cut short.
            drop(fs::remove_file(&path));
            continue;
        };
        let meta = fs::metadata(&path)?;
        state.add(
            EntryId(id),
            Waiting {
                master: master.to_owned(),
                jid,
                bytes: meta.len(),
                since: meta.modified()?,
                body: Body::File(path),
            },
        );
    }
    Ok(())
}

/// Writes where a killed process cannot leave half a file. Syncing waits until a delivery fails: most
/// returns are acknowledged within milliseconds.
fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    host::fs::replace(path, bytes, 0o600)
}

fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::rename(from, to)
}

fn parse(bytes: &[u8]) -> Result<Map, String> {
    match Value::from_msgpack(bytes) {
        Ok(Value::Map(load)) => Ok(load),
        Ok(_) => Err("it is no map".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn job_id(load: &Map) -> String {
    load.get("jid")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// A text as a file name: everything but letters, digits, dots, dashes and underscores in hex.
fn encode(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || (matches!(byte, b'.' | b'-' | b'_') && !name.is_empty());
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name
}

fn decode(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn open(dir: &Path) -> Spool {
        Spool::open(dir, Limits::default()).unwrap()
    }

    #[test]
    fn what_is_not_acknowledged_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        spool.push("[::1]:4506", map! {"jid" => "1", "return" => true});
        spool.push(
            "[::1]:4506",
            map! {"jid" => "2", "return" => Value::Bytes(vec![255])},
        );
        spool.push("other:4506", map! {"jid" => "3"});
        let first = spool.next("[::1]:4506").unwrap();
        assert_eq!(first.jid, "1");
        spool.ack(first.id);
        // Handed out and never acknowledged, as a kill leaves it.
        assert_eq!(spool.next("[::1]:4506").unwrap().jid, "2");
        drop(spool);

        let spool = open(dir.path());
        assert_eq!(spool.stats().waiting, 2);
        let second = spool.next("[::1]:4506").unwrap();
        assert_eq!(
            second.load,
            map! {"jid" => "2", "return" => Value::Bytes(vec![255])}
        );
        spool.ack(second.id);
        assert!(spool.next("[::1]:4506").is_none());
        let newer = spool.push("other:4506", map! {"jid" => "4"});
        assert!(newer > second.id);
        assert_eq!(spool.rehome("other:4506", "new"), 2);
        assert_eq!(spool.next("new").unwrap().jid, "3");
    }

    #[test]
    fn returns_of_one_job_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        for (jid, n) in [("a", 1), ("a", 2), ("b", 3)] {
            spool.push("m", map! {"jid" => jid, "return" => n});
        }
        let a1 = spool.next("m").unwrap();
        let b = spool.next("m").unwrap();
        assert_eq!((a1.jid.as_str(), b.jid.as_str()), ("a", "b"));
        assert!(spool.next("m").is_none(), "a's second waits for its first");
        spool.release(a1.id);
        assert_eq!(spool.next("m").unwrap().id, a1.id);
        spool.ack(a1.id);
        assert_eq!(spool.next("m").unwrap().load["return"], 2.into());
    }

    #[test]
    fn bounds_of_size_and_age_are_kept_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            bytes: 3000,
            age: Duration::from_hours(1),
            entries: 100,
        };
        let spool = Spool::open(dir.path(), limits).unwrap();
        for n in 0..4 {
            spool.push(
                "m",
                map! {"jid" => n.to_string(), "return" => "x".repeat(1000)},
            );
        }
        assert_eq!(spool.stats().dropped_full, 2);
        assert_eq!(spool.waiting("m"), 2);
        assert_eq!(spool.next("m").unwrap().jid, "2");
        let later = SystemTime::now() + Duration::from_hours(2);
        spool.trim(&mut spool.state(), later);
        assert_eq!((spool.stats().dropped_old, spool.stats().waiting), (2, 0));
        assert_eq!(spool.stats().bytes, 0);
    }

    #[test]
    fn a_broken_file_is_given_up_and_a_half_written_one_cleaned_away() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        spool.push("m", map! {"jid" => "1"});
        spool.push("m", map! {"jid" => "2"});
        drop(spool);
        let folder = dir.path().join("m");
        fs::write(folder.join(format!("{:020}-1.p", 0)), b"\xdf").unwrap();
        fs::write(folder.join(".tmp"), b"half").unwrap();
        let spool = open(dir.path());
        assert_eq!(spool.next("m").unwrap().jid, "2");
        assert_eq!(spool.stats().dropped_broken, 1);
        assert!(!folder.join(".tmp").exists());
    }

    #[test]
    fn a_disk_that_takes_nothing_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(&dir.path().join("spool"));
        // A file where the directory should be fails every write.
        fs::remove_dir_all(dir.path().join("spool")).unwrap();
        fs::write(dir.path().join("spool"), "").unwrap();
        let id = spool.push("m", map! {"jid" => "1", "return" => 5});
        assert_eq!(spool.next("m").unwrap().load["return"], 5.into());
        spool.ack(id);
        assert_eq!(spool.stats().waiting, 0);
    }

    #[test]
    fn a_new_return_wakes_its_sender() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        let mut news = spool.subscribe();
        assert!(!news.has_changed().unwrap());
        spool.push("m", map! {"jid" => "1"});
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
    }

    #[test]
    fn names_of_masters_survive_as_file_names() {
        for name in ["..", "a/b", "[::1]:4506", "salt.example.com:4506", "ü"] {
            let file = encode(name);
            assert!(!file.contains('/') && !file.starts_with('.'), "{file}");
            assert_eq!(decode(&file).as_deref(), Some(name));
        }
    }
}
