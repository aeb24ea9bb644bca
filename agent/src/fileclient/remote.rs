//! The master's file server, asked over the session.

use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use salt_wire::{Map, Value, map};

use super::FileError;
use super::server::{Chunk, FileHash, FileServer, Listing};
use crate::context::{Facts, Master};

/// A master sends a piece of at most its `file_buffer_size` (1 MiB by default); no honest one is near this.
const MAX_CHUNK: u64 = 64 << 20;

/// The file server of a master.
pub struct Remote {
    master: Arc<dyn Master>,
    id: String,
    facts: Arc<Facts>,
}

impl Remote {
    /// Asks this master, as this minion.
    pub fn new(master: Arc<dyn Master>, id: &str, facts: Arc<Facts>) -> Self {
        Self {
            master,
            id: id.to_owned(),
            facts,
        }
    }

    fn send(&self, cmd: &'static str, mut load: Map) -> Result<Value, FileError> {
        load.insert("cmd".into(), cmd.into());
        Ok(self.master.request(load)?)
    }
}

fn malformed(cmd: &'static str, expected: &'static str) -> FileError {
    FileError::Malformed { cmd, expected }
}

fn texts(cmd: &'static str, value: &Value) -> Result<Vec<String>, FileError> {
    match value {
        Value::List(items) => Ok(items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()),
        // A handler without an answer.
        Value::Null => Ok(Vec::new()),
        Value::Map(m) if m.is_empty() => Ok(Vec::new()),
        Value::Str(s) if s.is_empty() => Ok(Vec::new()),
        _ => Err(malformed(cmd, "a list of names")),
    }
}

fn hash(value: &Value) -> Option<FileHash> {
    Some(FileHash {
        hsum: value.get("hsum")?.as_str()?.to_owned(),
        hash_type: value.get("hash_type")?.as_str()?.to_owned(),
    })
}

impl FileServer for Remote {
    fn is_far(&self) -> bool {
        true
    }

    fn list(&self, kind: Listing, saltenv: &str, prefix: &str) -> Result<Vec<String>, FileError> {
        let cmd = match kind {
            Listing::Files => "_file_list",
            Listing::Dirs => "_dir_list",
            Listing::EmptyDirs => "_file_list_emptydirs",
        };
        let reply = self.send(cmd, map! { "saltenv" => saltenv, "prefix" => prefix })?;
        texts(cmd, &reply)
    }

    fn symlinks(&self, saltenv: &str, prefix: &str) -> Result<Map, FileError> {
        let reply = self.send(
            "_symlink_list",
            map! { "saltenv" => saltenv, "prefix" => prefix },
        )?;
        Ok(reply.as_map().cloned().unwrap_or_default())
    }

    fn hash(&self, path: &str, saltenv: &str) -> Result<Option<FileHash>, FileError> {
        let reply = self.send("_file_hash", map! { "path" => path, "saltenv" => saltenv })?;
        Ok(hash(&reply))
    }

    fn stat(&self, path: &str, saltenv: &str) -> Result<Option<Vec<Value>>, FileError> {
        let reply = self.send("_file_find", map! { "path" => path, "saltenv" => saltenv })?;
        Ok(reply
            .get("stat")
            .and_then(Value::as_list)
            .map(<[Value]>::to_vec))
    }

    fn chunk(
        &self,
        path: &str,
        saltenv: &str,
        loc: u64,
        gzip: Option<i64>,
    ) -> Result<Chunk, FileError> {
        let mut load = map! { "path" => path, "saltenv" => saltenv, "loc" => loc };
        if let Some(level) = gzip {
            load.insert("gzip".into(), level.into());
        }
        let reply = self.send("_serve_file", load)?;
        let data = reply
            .get("data")
            .and_then(Value::as_bytes)
            .ok_or_else(|| malformed("_serve_file", "a map with data"))?;
        let found = reply
            .get("dest")
            .and_then(Value::as_bytes)
            .is_some_and(|d| !d.is_empty());
        let packed = reply.get("gzip").is_some_and(Value::is_truthy) && !data.is_empty();
        let data = if packed { unpack(data)? } else { data.to_vec() };
        Ok(Chunk {
            data,
            found,
            hash: hash(&reply),
        })
    }

    fn envs(&self) -> Result<Vec<String>, FileError> {
        texts("_file_envs", &self.send("_file_envs", Map::new())?)
    }

    fn master_opts(&self) -> Result<Map, FileError> {
        match self.send("_master_opts", Map::new())? {
            Value::Map(opts) => Ok(opts),
            _ => Err(malformed("_master_opts", "a map of options")),
        }
    }

    fn master_tops(&self) -> Result<Map, FileError> {
        let grains = Value::Map((*self.facts.grains()).clone());
        let opts = map! { "grains" => grains, "id" => self.id.as_str() };
        let reply = self.send(
            "_master_tops",
            map! { "id" => self.id.as_str(), "opts" => opts },
        )?;
        Ok(reply.as_map().cloned().unwrap_or_default())
    }
}

fn unpack(data: &[u8]) -> Result<Vec<u8>, FileError> {
    let mut out = Vec::new();
    MultiGzDecoder::new(data)
        .take(MAX_CHUNK + 1)
        .read_to_end(&mut out)
        .map_err(|_| malformed("_serve_file", "gzip data"))?;
    if out.len() as u64 > MAX_CHUNK {
        return Err(malformed("_serve_file", "a piece of at most 64 MiB"));
    }
    Ok(out)
}
