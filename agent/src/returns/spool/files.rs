//! The spool's files: a directory for each master, a file for each return.

use std::fs;
use std::io;
use std::path::Path;

use salt_wire::{Map, Value};
use tracing::error;

use super::{Body, EntryId, State, Waiting};
use crate::host;

/// What an earlier run left.
pub(super) fn read(dir: &Path, state: &mut State) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(master) = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(decode)
            .filter(|_| path.is_dir())
            && let Err(error) = read_master(&path, &master, state)
        {
            error!(path = %path.display(), %error, "Spooled returns cannot be read; they stay where they are.");
        }
    }
    Ok(())
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
pub(super) fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    host::fs::replace(path, bytes, 0o600)
}

pub(super) fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::rename(from, to)
}

pub(super) fn parse(bytes: &[u8]) -> Result<Map, String> {
    match Value::from_msgpack(bytes) {
        Ok(Value::Map(load)) => Ok(load),
        Ok(_) => Err("it is no map".into()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn job_id(load: &Map) -> String {
    load.get("jid")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// A text as a file name: everything but letters, digits, dots, dashes and underscores in hex.
pub(super) fn encode(text: &str) -> String {
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

pub(super) fn decode(name: &str) -> Option<String> {
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
