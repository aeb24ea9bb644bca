//! The outer envelope: what is in the clear around every message, and how long a message may be.
//!
//! Whoever can reach the port writes these bytes, so they are read without allocating for them: values are
//! borrowed from the frame, maps are short and shallow, and what no field of the protocol can be is skipped.

use std::fmt;

use crate::error::Error;
use crate::value::{MAX_DEPTH, Map, Value};

/// The longest message that is taken from a master: a pillar or one chunk of a file.
pub const MAX_REPLY: usize = 64 * 1024 * 1024;

/// The longest publication that is taken.
pub const MAX_PUBLICATION: usize = 64 * 1024 * 1024;

/// The longest request that we send: Salt's own limit is the master's memory.
pub const MAX_REQUEST: usize = 512 * 1024 * 1024;

/// More entries than any outer map has.
const MAX_FIELDS: usize = 64;

/// Outer maps hold at most an error map, which holds scalars.
const MAX_NESTING: usize = 2;

/// The version of the authentication protocol that a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// Unsigned answers.
    V0,
    /// As 0, with `tok` in requests.
    V1,
    /// Nonces and signed answers.
    V2,
    /// Session keys, and requests bound to their minion. What we speak first.
    V3,
}

impl Version {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// The version of a number; what is above 3 behaves as 3.
    pub fn from_number(number: i128) -> Option<Self> {
        match number {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            3.. => Some(Self::V3),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A received frame: text or bytes, a map, or something that no message is.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// A Crypticle, or an error text: only decrypting tells.
    Blob(&'a [u8]),
    /// A map of fields.
    Fields(Fields<'a>),
}

impl<'a> Frame<'a> {
    /// Reads one frame. `what` and `limit` are for the error.
    pub fn decode(bytes: &'a [u8], what: &'static str, limit: usize) -> Result<Self, Error> {
        if bytes.len() > limit {
            let cause = format!("{} bytes are more than the limit of {limit}", bytes.len());
            return Err(Error::malformed(what, cause));
        }
        match Field::decode(bytes).map_err(|e| Error::malformed(what, e))? {
            Field::Bytes(blob) => Ok(Self::Blob(blob)),
            Field::Map(fields) => Ok(Self::Fields(fields)),
            _ => Err(Error::malformed(what, "neither a map nor text or bytes")),
        }
    }
}

/// The entries of a short map, borrowed from the frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'a>(Vec<(&'a [u8], Field<'a>)>);

/// A value of a short map.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    /// Null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// Text, bytes, or the data of an extension.
    Bytes(&'a [u8]),
    /// A map within the map.
    Map(Fields<'a>),
    /// A list or float: no field of the protocol is one.
    Other,
}

impl<'a> Fields<'a> {
    /// Reads a map on its own, such as the signed part of an answer.
    pub fn decode(bytes: &'a [u8], what: &'static str) -> Result<Self, Error> {
        match Field::decode(bytes).map_err(|e| Error::malformed(what, e))? {
            Field::Map(fields) => Ok(fields),
            _ => Err(Error::malformed(what, "it is no map")),
        }
    }

    /// The value under a key. Of two the last counts, as in Python.
    pub fn get(&self, key: &str) -> Option<&Field<'a>> {
        let found = self.0.iter().rfind(|(k, _)| *k == key.as_bytes());
        found.map(|(_, value)| value)
    }

    /// Text or bytes under a key.
    pub fn bytes(&self, key: &str) -> Option<&'a [u8]> {
        match self.get(key) {
            Some(Field::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Text under a key.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(key)?).ok()
    }

    /// An integer under a key.
    pub fn int(&self, key: &str) -> Option<i128> {
        match self.get(key) {
            Some(Field::Int(int)) => Some(*int),
            _ => None,
        }
    }

    /// A map under a key.
    pub fn map(&self, key: &str) -> Option<&Self> {
        match self.get(key) {
            Some(Field::Map(fields)) => Some(fields),
            _ => None,
        }
    }

    /// Text or bytes that must be there.
    pub(crate) fn need(&self, key: &'static str, what: &'static str) -> Result<&'a [u8], Error> {
        self.bytes(key)
            .ok_or_else(|| Error::malformed(what, format!("\"{key}\" is missing or no text")))
    }
}

impl<'a> Field<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        let field = reader.field(0)?;
        if reader.0.is_empty() {
            Ok(field)
        } else {
            Err("more bytes follow it")
        }
    }
}

/// What is left to read. Own code, since a decoder that borrows does not tell what follows the value.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn field(&mut self, depth: usize) -> Result<Field<'a>, &'static str> {
        Ok(match self.byte()? {
            small @ 0x00..=0x7f => Field::Int(small.into()),
            map @ 0x80..=0x8f => self.map(usize::from(map & 0xf), depth)?,
            list @ 0x90..=0x9f => self.skip(usize::from(list & 0xf), depth)?,
            text @ 0xa0..=0xbf => Field::Bytes(self.take(usize::from(text & 0x1f))?),
            0xc0 => Field::Null,
            0xc1 => return Err("no msgpack"),
            0xc2 => Field::Bool(false),
            0xc3 => Field::Bool(true),
            0xc4 | 0xd9 => self.sized(1)?,
            0xc5 | 0xda => self.sized(2)?,
            0xc6 | 0xdb => self.sized(4)?,
            ext @ 0xc7..=0xc9 => {
                let len = self.uint(1 << (ext - 0xc7))?;
                self.ext(len)?
            }
            0xca => self.other(4)?,
            0xcb => self.other(8)?,
            int @ 0xcc..=0xcf => Field::Int(self.number(1 << (int - 0xcc))?),
            int @ 0xd0..=0xd3 => {
                let size = 1 << (int - 0xd0);
                let unsigned = self.number(size)?;
                let bits = 8 * size as u32;
                let negative = unsigned >> (bits - 1) == 1;
                Field::Int(unsigned - if negative { 1 << bits } else { 0 })
            }
            ext @ 0xd4..=0xd8 => self.ext(1 << (ext - 0xd4))?,
            list @ 0xdc..=0xdd => {
                let len = self.uint(2 << (list - 0xdc))?;
                self.skip(len, depth)?
            }
            map @ 0xde..=0xdf => {
                let len = self.uint(2 << (map - 0xde))?;
                self.map(len, depth)?
            }
            negative @ 0xe0..=0xff => Field::Int(i128::from(negative) - 256),
        })
    }

    fn map(&mut self, entries: usize, depth: usize) -> Result<Field<'a>, &'static str> {
        if depth >= MAX_NESTING {
            return self.skip(entries.saturating_mul(2), depth);
        }
        if entries > MAX_FIELDS {
            return Err("a map with far too many entries");
        }
        let mut fields = Vec::new();
        for _ in 0..entries {
            let key = self.field(depth + 1)?;
            let value = self.field(depth + 1)?;
            if let Field::Bytes(key) = key {
                fields.push((key, value));
            }
        }
        Ok(Field::Map(Fields(fields)))
    }

    /// Passes over the items of a list, or of a map that is too deep to matter.
    fn skip(&mut self, items: usize, depth: usize) -> Result<Field<'a>, &'static str> {
        if depth >= MAX_DEPTH {
            return Err("nested too deeply");
        }
        // Each item has a byte at least, so this ends with the input whatever the length says.
        for _ in 0..items {
            self.field(depth.max(MAX_NESTING) + 1)?;
        }
        Ok(Field::Other)
    }

    fn sized(&mut self, size: usize) -> Result<Field<'a>, &'static str> {
        let len = self.uint(size)?;
        Ok(Field::Bytes(self.take(len)?))
    }

    /// An extension is its bare data, as for [`Value`]: both have to see the same map.
    fn ext(&mut self, len: usize) -> Result<Field<'a>, &'static str> {
        self.byte()?;
        Ok(Field::Bytes(self.take(len)?))
    }

    fn other(&mut self, len: usize) -> Result<Field<'a>, &'static str> {
        self.take(len)?;
        Ok(Field::Other)
    }

    fn uint(&mut self, size: usize) -> Result<usize, &'static str> {
        usize::try_from(self.number(size)?).map_err(|_| "a length that cannot be")
    }

    /// An unsigned number, big endian.
    fn number(&mut self, size: usize) -> Result<i128, &'static str> {
        let bytes = self.take(size)?;
        Ok(bytes.iter().fold(0, |n, b| (n << 8) | i128::from(*b)))
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let (first, rest) = self.0.split_first().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }
}

/// The envelope around a load in the clear.
pub(crate) fn clear(load: Map, version: Version) -> Vec<u8> {
    let mut outer = crate::map! { "enc" => "clear", "load" => load };
    // A missing number means 0, and is how the masters that know nothing else want it.
    if version > Version::V0 {
        outer.insert("version".into(), i64::from(version.number()).into());
    }
    Value::Map(outer).to_msgpack()
}

/// A probe that needs no key: a master answers with the same inner map.
pub fn ping() -> Vec<u8> {
    clear(crate::map! { "cmd" => "ping" }, Version::V3)
}

/// Whether these bytes answer a [`ping`].
pub fn is_pong(bytes: &[u8]) -> bool {
    match Frame::decode(bytes, "ping reply", MAX_REPLY) {
        Ok(Frame::Fields(fields)) => fields.bytes("cmd") == Some(b"ping"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Frame<'_>, Error> {
        Frame::decode(bytes, "frame", 1000)
    }

    #[test]
    fn a_map_is_borrowed_with_its_last_duplicate() {
        let bytes = b"\x85\xa1a\xda\x00\x02\xff\xfe\xa1b\xd0\xff\xa1c\x81\xa3ret\xc3\x01\x02\xa1b\xcd\x01\x00";
        let Ok(Frame::Fields(fields)) = decode(bytes) else {
            panic!("no map");
        };
        assert_eq!(fields.bytes("a"), Some(&b"\xff\xfe"[..]));
        assert_eq!(fields.text("a"), None);
        assert_eq!(fields.int("b"), Some(256));
        let inner = fields.map("c").unwrap();
        assert_eq!(inner.get("ret"), Some(&Field::Bool(true)));
        assert_eq!(fields.get("d"), None);
    }

    #[test]
    fn every_integer_is_read() {
        for value in [
            0,
            1,
            127,
            128,
            255,
            256,
            65535,
            65536,
            u32::MAX.into(),
            u64::MAX.into(),
            -1,
            -32,
            -33,
            -128,
            -129,
            -32769,
            i128::from(i64::MIN),
        ] {
            let bytes = Value::Int(value).to_msgpack();
            assert_eq!(Field::decode(&bytes), Ok(Field::Int(value)));
        }
    }

    #[test]
    fn everything_else_is_skipped_whole() {
        let odd = Value::List(vec![
            Value::Float(1.5),
            Value::List(vec!["x".into(); 40]),
            Value::Map(crate::map! { 1 => Value::Map(crate::map! { "deep" => vec!["er"] }) }),
        ]);
        let bytes = Value::Map(crate::map! { "odd" => odd, "id" => "x" }).to_msgpack();
        let fields = Fields::decode(&bytes, "map").unwrap();
        assert_eq!(fields.get("odd"), Some(&Field::Other));
        assert_eq!(fields.text("id"), Some("x"));
        let ext = b"\x81\xa1a\xc7\x02\x4eab";
        assert_eq!(Fields::decode(ext, "map").unwrap().text("a"), Some("ab"));
        // Found by fuzzing: an extension as a key is text to the full decoder.
        let key = b"\x81\xd5\x01id\x07";
        assert_eq!(Fields::decode(key, "map").unwrap().int("id"), Some(7));
    }

    #[test]
    fn garbage_is_refused() {
        for bytes in [
            &b""[..],
            b"\xc1",
            b"\xc0",
            b"\x07",
            b"\xa5shor",
            b"\x81\xa1a",
            b"\xdf\xff\xff\xff\xff",
            b"\xdd\xff\xff\xff\xff",
            b"\xdb\xff\xff\xff\xffx",
            b"\xa1ab",
            &[0x91; 900],
            &[0x81; 900],
            &[0; 1001],
        ] {
            assert!(decode(bytes).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn a_pong_is_a_ping() {
        assert!(is_pong(
            &Value::Map(crate::map! { "cmd" => "ping" }).to_msgpack()
        ));
        assert!(!is_pong(&Value::from("bad load").to_msgpack()));
        let Ok(Value::Map(outer)) = Value::from_msgpack(&ping()) else {
            panic!("no map");
        };
        assert_eq!(outer.get("version"), Some(&3.into()));
    }
}
