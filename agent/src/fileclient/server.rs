//! What a file server answers, wherever it is.

use salt_wire::{Map, Value};

use super::FileError;

/// A checksum with the algorithm that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHash {
    /// Lower-case hex.
    pub hsum: String,
    /// `sha256` and the like.
    pub hash_type: String,
}

impl From<FileHash> for Value {
    fn from(hash: FileHash) -> Self {
        Self::Map(salt_wire::map! { "hsum" => hash.hsum, "hash_type" => hash.hash_type })
    }
}

/// A piece of a file.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// The bytes, unpacked; empty at the end.
    pub data: Vec<u8>,
    /// Whether the file exists at all.
    pub found: bool,
    /// The checksum of the whole file, from servers that give it with the last piece.
    pub hash: Option<FileHash>,
}

/// Which of a server's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    /// Files.
    Files,
    /// Directories.
    Dirs,
    /// Directories without content.
    EmptyDirs,
}

/// A file server. Paths are relative; the answers of a remote one are not to be trusted.
pub trait FileServer: Send + Sync {
    /// Whether an answer takes so long that it pays to ask before it is needed.
    fn is_far(&self) -> bool {
        false
    }
    /// Sorted names below `prefix`.
    fn list(&self, kind: Listing, saltenv: &str, prefix: &str) -> Result<Vec<String>, FileError>;
    /// Links and what they point to.
    fn symlinks(&self, saltenv: &str, prefix: &str) -> Result<Map, FileError>;
    /// The checksum; `None` when there is no such file.
    fn hash(&self, path: &str, saltenv: &str) -> Result<Option<FileHash>, FileError>;
    /// The `stat` numbers in Python's order, mode first; `None` when unknown.
    fn stat(&self, path: &str, saltenv: &str) -> Result<Option<Vec<Value>>, FileError>;
    /// The bytes from `loc` on, as many as the server likes to give.
    fn chunk(
        &self,
        path: &str,
        saltenv: &str,
        loc: u64,
        gzip: Option<i64>,
    ) -> Result<Chunk, FileError>;
    /// The environments.
    fn envs(&self) -> Result<Vec<String>, FileError>;
    /// The master's options that govern a state run.
    fn master_opts(&self) -> Result<Map, FileError>;
    /// What the master tops systems say: environment to list of SLS.
    fn master_tops(&self) -> Result<Map, FileError>;
}
