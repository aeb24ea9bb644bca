//! Files from the file server into the minion's cache, as Salt lays it out: `files/<saltenv>/<path>`,
//! `localfiles/…`, `extrn_files/…`. Only files whose checksum differs travel, piece by piece.
//!
//! The server is the master ([`Remote`]) or the minion's own `file_roots` ([`Local`]); a further kind
//! is one more implementation of [`FileServer`]. Nothing that a server says leads outside the cache.

pub mod local;
pub mod remote;
pub mod server;
pub mod url;

mod ahead;
mod cache;
mod fetch;

pub use ahead::Wanted;
pub use fetch::{Web, included};

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use salt_wire::{Map, Value};

pub use local::Local;
pub use remote::Remote;
pub use server::{Chunk, FileHash, FileServer, Listing};
pub use url::SaltUrl;

use crate::context::{Context, Error, MasterError};
use crate::host::digest;
use ahead::Ahead;

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The master gave no answer.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// The master's answer has not the form that the request has.
    #[error("the master's answer to {cmd} is not {expected}")]
    Malformed {
        /// The request.
        cmd: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// Reading or writing failed here.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that would lead out of the cache.
    #[error("'{name}' leads outside of the cache, refused")]
    Escape {
        /// The path or environment.
        name: String,
    },
    /// An address of a kind that is not fetched.
    #[error("Unsupported path: {0}")]
    Unsupported(String),
    /// Every try gave other bytes than the server announced.
    #[error("bad download of {path}: checksum {got} instead of {announced}")]
    Corrupt {
        /// The path on the server.
        path: String,
        /// The checksum of what came.
        got: String,
        /// The announced one.
        announced: String,
    },
    /// A web server did not give it.
    #[error("Error: {detail} reading {path}")]
    Download {
        /// The path in its address.
        path: String,
        /// What it said.
        detail: String,
    },
    /// The job was told to end.
    #[error("fetching {0} was cancelled")]
    Cancelled(String),
}

impl FileError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Master(_) | FileError::Unsupported(_) => Self::invocation(error.to_string()),
            _ => Self::execution(error.to_string()),
        }
    }
}

/// An SLS file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFile {
    /// Its `salt://` address.
    pub source: String,
    /// The cached file.
    pub dest: PathBuf,
}

/// Names by kind and environment.
type Lists = HashMap<(Listing, String), Arc<Vec<String>>>;

/// Access to one file server through the cache. One client serves one run: it asks for a list once.
pub struct FileClient {
    server: Arc<dyn FileServer>,
    cachedir: PathBuf,
    hash_type: String,
    bundle: Option<String>,
    cancel: crate::host::Cancel,
    lists: Mutex<Lists>,
    ahead: Ahead,
}

impl FileClient {
    /// The client that this context's settings ask for: of its master, or of the local roots.
    pub fn new(ctx: &Context) -> Self {
        let server: Arc<dyn FileServer> = match &ctx.master {
            Some(master) => Arc::new(Remote::new(
                master.clone(),
                &ctx.settings.id,
                ctx.facts.clone(),
            )),
            None => Arc::new(Local::new(&ctx.settings.opts)),
        };
        Self::with_server(ctx, server)
    }

    /// A client of this server.
    pub fn with_server(ctx: &Context, server: Arc<dyn FileServer>) -> Self {
        Self {
            server,
            cachedir: ctx.settings.cachedir.clone(),
            hash_type: ctx
                .settings
                .opts
                .get("hash_type")
                .and_then(Value::as_str)
                .unwrap_or("sha256")
                .to_lowercase(),
            bundle: ctx.settings.ca_bundle(),
            cancel: ctx.job.cancel.clone(),
            lists: Mutex::default(),
            ahead: Ahead::default(),
        }
    }

    /// These files are about to be asked for: a server that is far away is asked for their checksums now.
    pub fn expect(&self, files: impl Iterator<Item = Wanted>) {
        if self.server.is_far() {
            self.ahead.expect(&self.server, files);
        }
    }

    /// The server may serve other bytes of these paths from now on.
    pub fn forget_expected(&self, changed: impl Fn(&str) -> bool) {
        self.ahead.forget(changed);
    }

    /// The checksum of a file on the server, as it is or was a moment ago.
    fn checksum(&self, path: &str, saltenv: &str) -> Result<Option<FileHash>, FileError> {
        match self.ahead.get(&(path.to_owned(), saltenv.to_owned())) {
            Some(known) => Ok(known),
            None => self.server.hash(path, saltenv),
        }
    }

    /// Names on the server; asked once per environment.
    pub fn list(
        &self,
        kind: Listing,
        saltenv: &str,
        prefix: &str,
    ) -> Result<Vec<String>, FileError> {
        let key = (kind, saltenv.to_owned());
        let known = self.lists().get(&key).cloned();
        let all = match known {
            Some(list) => list,
            None => {
                let list = Arc::new(self.server.list(kind, saltenv, "")?);
                self.lists().insert(key, list.clone());
                list
            }
        };
        let prefix = prefix.trim_matches('/');
        Ok(all
            .iter()
            .filter(|n| n.starts_with(prefix))
            .cloned()
            .collect())
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Links on the server.
    pub fn symlinks(&self, saltenv: &str, prefix: &str) -> Result<Map, FileError> {
        self.server.symlinks(saltenv, prefix)
    }

    /// Environments of the server.
    pub fn envs(&self) -> Result<Vec<String>, FileError> {
        self.server.envs()
    }

    /// The master's options for a state run.
    pub fn master_opts(&self) -> Result<Map, FileError> {
        self.server.master_opts()
    }

    /// What the master tops systems add to the top file.
    pub fn master_tops(&self) -> Result<Map, FileError> {
        self.server.master_tops()
    }

    /// The checksum of a file: on the server for a `salt://` address, else here.
    pub fn hash_file(&self, path: &str, saltenv: &str) -> Result<Option<FileHash>, FileError> {
        match SaltUrl::parse(path) {
            Some(url) => {
                let env = url.saltenv.as_deref().unwrap_or(saltenv);
                self.checksum(&url.path, env)
            }
            None if Path::new(path).is_file() => {
                let hsum = digest::file(Path::new(path), &self.hash_type)
                    .map_err(|e| FileError::io(Path::new(path), e))?;
                Ok(Some(FileHash {
                    hsum,
                    hash_type: self.hash_type.clone(),
                }))
            }
            None => Ok(None),
        }
    }

    /// The `stat` numbers of a file, mode first.
    pub fn stat_file(&self, path: &str, saltenv: &str) -> Result<Option<Vec<Value>>, FileError> {
        match SaltUrl::parse(path) {
            Some(url) => {
                let env = url.saltenv.as_deref().unwrap_or(saltenv);
                self.server.stat(&url.path, env)
            }
            None => Ok(std::fs::metadata(path).ok().map(|m| local::stat_list(&m))),
        }
    }

    /// All SLS names of an environment, sorted.
    pub fn list_states(&self, saltenv: &str) -> Result<Vec<String>, FileError> {
        let mut states: Vec<_> = self
            .list(Listing::Files, saltenv, "")?
            .iter()
            .filter_map(|path| path.strip_suffix(".sls"))
            .map(|path| path.strip_suffix("/init").unwrap_or(path).replace('/', "."))
            .collect();
        states.sort();
        states.dedup();
        Ok(states)
    }

    /// The file of an SLS, in the cache: `a/b.sls`, else `a/b/init.sls`.
    pub fn get_state(&self, sls: &str, saltenv: &str) -> Result<Option<StateFile>, FileError> {
        let path = sls.replace('.', "/");
        for path in [format!("{path}.sls"), format!("{path}/init.sls")] {
            let source = url::create(&path);
            if let Some(dest) = self.cache_file(&source, saltenv, None)? {
                return Ok(Some(StateFile { source, dest }));
            }
        }
        Ok(None)
    }

    /// Where the cache is.
    pub fn cachedir(&self) -> &Path {
        &self.cachedir
    }
}

#[cfg(test)]
mod tests;
