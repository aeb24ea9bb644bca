//! The fileserver's requests and replies that need care: bytes stay bytes, and "missing" has three faces.

use crate::error::Error;
use crate::value::{Map, Value};

/// Asks for the hash of a file.
pub fn file_hash(path: &str, saltenv: &str) -> Map {
    crate::map! { "cmd" => "_file_hash", "path" => path, "saltenv" => saltenv }
}

/// Asks for the chunk of a file at `loc`, which counts uncompressed bytes.
pub fn serve_file(path: &str, saltenv: &str, loc: u64, gzip: Option<u8>) -> Map {
    let mut load = crate::map! {
        "cmd" => "_serve_file",
        "path" => path,
        "saltenv" => saltenv,
        "loc" => loc,
    };
    if let Some(level) = gzip {
        load.insert("gzip".into(), i64::from(level).into());
    }
    load
}

/// The hash of a file on the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    /// The hash, such as `sha256`.
    pub hash_type: String,
    /// Lower-case hex.
    pub hsum: String,
}

impl FileHash {
    /// Reads the reply to [`file_hash`]; `None` means that there is no such file.
    pub fn from_value(reply: &Value) -> Result<Option<Self>, Error> {
        match reply {
            Value::Str(text) if text.is_empty() => Ok(None),
            Value::Map(map) if map.is_empty() => Ok(None),
            Value::Null => Ok(None),
            Value::Map(map) => {
                let text = |key| map.get(key).and_then(Value::as_str).map(str::to_owned);
                match (text("hash_type"), text("hsum")) {
                    (Some(hash_type), Some(hsum)) => Ok(Some(Self { hash_type, hsum })),
                    _ => Err(Error::malformed("_file_hash reply", "a map without a hash")),
                }
            }
            _ => Err(Error::malformed("_file_hash reply", "neither map nor text")),
        }
    }
}

/// One chunk of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes; compressed if `gzip` says so. None: the end, or no such file.
    pub data: Vec<u8>,
    /// The path on the master; empty when there is no such file.
    pub dest: String,
    /// Whether `data` is a gzip member of its own.
    pub gzip: bool,
    /// The hash of the whole file, from back-ends that send one at the end.
    pub hsum: Option<String>,
}

impl Chunk {
    /// Reads the reply to [`serve_file`].
    pub fn from_value(reply: Value) -> Result<Self, Error> {
        const WHAT: &str = "_serve_file reply";
        let Value::Map(mut map) = reply else {
            return Err(Error::malformed(WHAT, "it is no map"));
        };
        let data = match map.swap_remove("data") {
            // Chunks that happen to be valid UTF-8 were taken for text.
            Some(Value::Str(text)) => text.into_bytes(),
            Some(Value::Bytes(bytes)) => bytes,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return Err(Error::malformed(WHAT, "\"data\" is neither bytes nor text")),
        };
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            data,
            dest: text("dest").unwrap_or_default(),
            gzip: map.get("gzip").is_some_and(Value::is_truthy),
            hsum: text("hsum"),
        })
    }

    /// Whether the reply to the first request means that there is no such file.
    pub fn is_missing(&self) -> bool {
        self.data.is_empty() && self.dest.is_empty()
    }
}
