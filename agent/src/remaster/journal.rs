//! The state on disk, written before each effect and read at start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::effect::Effect;
use super::event::Event;
use super::state::{Millis, State};
use super::step::{Refused, step};
use crate::host::crash;
use crate::host::fs::write_atomic;

const VERSION: u32 = 1;
/// A journal holds one order and two small files; more is no journal.
const MAX_BYTES: u64 = 1 << 20;

/// The machine with its journal: no effect leaves it before the state that asks for it is on disk.
#[derive(Debug)]
pub struct Machine {
    path: PathBuf,
    state: State,
}

/// The journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It could not be read.
    #[error("cannot read the remaster journal {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written, so nothing was done.
    #[error("cannot write the remaster journal {path}; nothing was done")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else. It was put aside as `aside`.
    #[error(
        "the remaster journal {path} is damaged ({problem}); it was put aside as {aside}, and the configured master stays in charge"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// Why an event had no effect.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It has no place in the present state.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The step could not be recorded, so it was not taken.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    state: State,
}

impl Machine {
    /// Reads the journal; no file is a machine at rest. A damaged one is put aside, and the caller goes on
    /// with a new machine and the master that is configured.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let read = |source| JournalError::Read {
            path: path.to_owned(),
            source,
        };
        let text = match fs::metadata(path) {
            Ok(meta) if meta.len() > MAX_BYTES => {
                return Err(Self::put_aside(
                    path,
                    &format!("{} bytes are too many", meta.len()),
                ));
            }
            Ok(_) => fs::read(path).map_err(read)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::at_rest(path)),
            Err(e) => return Err(read(e)),
        };
        match serde_json::from_slice::<Document>(&text) {
            Ok(document) if document.version == VERSION => Ok(Self {
                path: path.to_owned(),
                state: document.state,
            }),
            Ok(document) => Err(Self::put_aside(
                path,
                &format!("version {} is not {VERSION}", document.version),
            )),
            Err(e) => Err(Self::put_aside(path, &e.to_string())),
        }
    }

    /// A machine at rest that keeps its journal there.
    pub fn at_rest(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            state: State::default(),
        }
    }

    /// Where the move stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one step: records the new state, then hands out its effects.
    pub fn apply(&mut self, event: Event, now: Millis) -> Result<Vec<Effect>, ApplyError> {
        let (next, effects) = step(self.state.clone(), event, now)?;
        if next != self.state {
            self.write(&next)?;
            crash::point(format_args!("journaled {}", next.name()));
            self.state = next;
        }
        Ok(effects)
    }

    fn write(&self, state: &State) -> Result<(), JournalError> {
        let failed = |source| JournalError::Write {
            path: self.path.clone(),
            source,
        };
        let document = Document {
            version: VERSION,
            state: state.clone(),
        };
        let text = serde_json::to_vec_pretty(&document).map_err(|e| failed(io::Error::other(e)))?;
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(failed)?;
        }
        write_atomic(&self.path, &text, 0o600).map_err(failed)
    }

    fn put_aside(path: &Path, problem: &str) -> JournalError {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".damaged");
        let aside = PathBuf::from(aside);
        match fs::rename(path, &aside) {
            Ok(()) => JournalError::Damaged {
                path: path.to_owned(),
                aside,
                problem: problem.to_owned(),
            },
            Err(source) => JournalError::Read {
                path: path.to_owned(),
                source,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::order::Order;

    use super::*;

    fn ordered() -> Event {
        let fields = salt_wire::map! {"master" => "new", "finger" => "ab".repeat(32)};
        let order = Order::from_map(&fields, 1000, "o1").unwrap();
        Event::Ordered(order, Box::default())
    }

    #[test]
    fn what_was_recorded_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("remaster/journal.json");
        let mut machine = Machine::open(&path).unwrap();
        assert_eq!(machine.state(), &State::default());
        assert_eq!(machine.apply(ordered(), 1000).unwrap().len(), 2);
        assert_eq!(Machine::open(&path).unwrap().state(), machine.state());
        assert!(matches!(
            machine.apply(Event::Confirm, 1000),
            Err(ApplyError::Refused(_))
        ));
    }

    #[test]
    fn a_step_that_cannot_be_recorded_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let mut machine = Machine::at_rest(&file.join("journal.json"));
        let error = machine.apply(ordered(), 1000).unwrap_err().to_string();
        assert!(error.contains("nothing was done"), "{error}");
        assert_eq!(machine.state().name(), "steady");
    }

    #[test]
    fn a_damaged_journal_is_named_and_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.json");
        let newer = r#"{"version":2,"state":{"name":"steady","last":null}}"#;
        for text in ["", "{", "[]", newer, "{\"version\":1}"] {
            fs::write(&path, text).unwrap();
            let error = Machine::open(&path).unwrap_err().to_string();
            assert!(error.contains("journal.json.damaged"), "{error}");
            assert_eq!(Machine::open(&path).unwrap().state(), &State::default());
        }
    }
}
