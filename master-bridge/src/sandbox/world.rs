//! All that there is in the sandbox: tables of documents, kept in one file, and what will happen later.
//!
//! Handlers change it under one lock and never wait; what takes time in a real cloud is an entry in
//! `later`, done by [`World::tick`].

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::faults::Faults;
use super::request::{Caller, text};

/// What the sandbox was started with.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The folder with all that it keeps.
    pub(super) folder: PathBuf,
    /// Where clients reach it: `http://127.0.0.1:PORT`.
    pub(super) url: String,
    /// How long each stage of work takes.
    pub(super) pace: Duration,
    /// The program that plays a VM.
    pub(super) agent: Option<PathBuf>,
    /// The program of a VM that is a salt-master.
    pub(super) salt_master: Option<PathBuf>,
}

/// Something that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Later {
    /// A server of this id goes one step on.
    Server(String),
    /// A volume or snapshot of this id goes one step on.
    Volume(String),
    /// The stack of this id goes one step on.
    Stack(String),
    /// The image of this id has its data: web-download and import.
    Image(String),
}

/// Something that is done outside of the lock, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Lay out the disk if it is new, and start the agent.
    Start(String),
    /// End the agent.
    Stop(String),
    /// End the agent and remove the disk.
    Remove(String),
    /// Write the disk of this server as data of that image.
    Snapshot {
        /// The server.
        server: String,
        /// The image.
        image: String,
    },
    /// Lay out the disk anew from the image.
    Rebuild(String),
    /// Floating IPs or their rules are others now.
    Forwards,
    /// Get an image's data from a URL.
    Download {
        /// The image.
        image: String,
        /// Where from.
        url: String,
    },
}

/// The sandbox's whole state.
pub(super) struct World {
    pub(super) config: Config,
    /// Kind → id → document.
    tables: Map<String, Value>,
    pub(super) faults: Faults,
    later: Vec<(Instant, Later)>,
    effects: VecDeque<Effect>,
    changed: bool,
}

impl World {
    /// Reads what was kept in the folder, or begins anew.
    pub(super) fn open(config: Config) -> io::Result<Self> {
        fs::create_dir_all(config.folder.join("images"))?;
        fs::create_dir_all(config.folder.join("vm"))?;
        let tables = match fs::read(state_file(&config.folder)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(e),
        };
        Ok(Self {
            config,
            tables,
            faults: Faults::default(),
            later: Vec::new(),
            effects: VecDeque::new(),
            changed: false,
        })
    }

    /// Whether nothing was ever made here.
    pub(super) fn is_new(&self) -> bool {
        self.tables.is_empty()
    }

    /// All documents of a kind, the oldest first.
    pub(super) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.tables
            .get(kind)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values)
    }

    /// One document.
    pub(super) fn one(&self, kind: &str, id: &str) -> Option<&Value> {
        self.tables.get(kind)?.get(id)
    }

    /// One document, to be changed.
    pub(super) fn change(&mut self, kind: &str, id: &str) -> Option<&mut Value> {
        self.changed = true;
        self.tables.get_mut(kind)?.get_mut(id)
    }

    /// Sets one field of a document, if it is there.
    pub(super) fn set(&mut self, kind: &str, id: &str, field: &str, value: impl Into<Value>) {
        if let Some(document) = self.change(kind, id) {
            document[field] = value.into();
        }
    }

    /// Adds or replaces a document.
    pub(super) fn put(&mut self, kind: &str, id: &str, document: Value) {
        self.changed = true;
        let table = self
            .tables
            .entry(kind)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(table) = table.as_object_mut() {
            table.insert(id.to_owned(), document);
        }
    }

    /// Removes a document.
    pub(super) fn remove(&mut self, kind: &str, id: &str) -> Option<Value> {
        self.changed = true;
        // The order of the others is what clients see.
        self.tables.get_mut(kind)?.as_object_mut()?.shift_remove(id)
    }

    /// Whether the caller may see a document: its project's, or everybody's.
    pub(super) fn may_see(caller: &Caller, document: &Value) -> bool {
        caller.admin
            || [
                text(document, "tenant_id"),
                text(document, "project_id"),
                text(document, "owner"),
            ]
            .contains(&caller.project.as_str())
            || document["shared"] == true
            || document["router:external"] == true
            || document["visibility"] == "public"
    }

    /// One document that the caller may see.
    pub(super) fn seen(&self, caller: &Caller, kind: &str, id: &str) -> Option<&Value> {
        self.one(kind, id).filter(|d| Self::may_see(caller, d))
    }

    /// Something to happen after so many stages of work.
    pub(super) fn later(&mut self, stages: u32, what: Later) {
        let at = Instant::now() + self.config.pace * stages;
        self.later.push((at, what));
    }

    /// What is due by now.
    pub(super) fn due(&mut self) -> Vec<Later> {
        let now = Instant::now();
        let (due, rest) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.later = rest;
        let due: Vec<(Instant, Later)> = due;
        due.into_iter().map(|(_, what)| what).collect()
    }

    /// Something to be done on this machine.
    pub(super) fn effect(&mut self, effect: Effect) {
        // The same look at floating IPs twice in a row finds nothing new.
        if self.effects.back() != Some(&effect) {
            self.effects.push_back(effect);
        }
    }

    /// The next thing to be done on this machine.
    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The file with an image's data.
    pub(super) fn image_file(&self, id: &str) -> PathBuf {
        self.config.folder.join("images").join(id)
    }

    /// The folder of a VM.
    pub(super) fn vm_dir(&self, id: &str) -> PathBuf {
        self.config.folder.join("vm").join(id)
    }

    /// Writes the state, if it has changed.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let path = state_file(&self.config.folder);
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&self.tables)?)?;
        fs::rename(new, path)
    }
}

fn state_file(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// A random UUID.
pub(super) fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness two ids would be one: the counter below keeps them apart.
    if getrandom::fill(&mut bytes).is_err() {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// This second, as Nova, Glance and Heat write it.
pub(super) fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// This moment with its microseconds and without a zone, as Cinder and Nova's usage fields have it.
pub(super) fn now_fine() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.6f")
        .to_string()
}
