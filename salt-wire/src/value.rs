//! The value that travels in every Salt message, and msgpack in both directions.
//!
//! Salt writes text and bytes with the same msgpack types and lets the content decide: valid UTF-8 is
//! text, anything else is bytes. Maps keep their order and may have any scalar as key.

use std::fmt;
use std::hash::{Hash, Hasher};

use indexmap::IndexMap;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A map in the order in which it was written.
pub type Map = IndexMap<Value, Value>;

/// Deepest nesting that is decoded; a deeper message is malformed.
pub const MAX_DEPTH: usize = 128;

/// One value, as Python's data model has it on Salt's wire.
#[derive(Clone, Default)]
pub enum Value {
    /// Python's `None`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer; outside of -2^63..2^64 it travels as decimal text.
    Int(i128),
    /// A 64-bit float.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes that are no valid UTF-8.
    Bytes(Vec<u8>),
    /// A list, a tuple or a set.
    List(Vec<Self>),
    /// A map in order.
    Map(Map),
}

impl Value {
    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The raw bytes of text or bytes: for fields that are binary by definition.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Str(s) => Some(s.as_bytes()),
            Self::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The number as a float, if this is a number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(l) => Some(l),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The entry under a text key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map().and_then(|m| m.get(key))
    }

    /// What Python's `bool()` says.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::Bytes(b) => !b.is_empty(),
            Self::List(l) => !l.is_empty(),
            Self::Map(m) => !m.is_empty(),
        }
    }

    /// Whether this is `None`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Reads one msgpack value; anything left over is an error.
    pub fn from_msgpack(bytes: &[u8]) -> Result<Self, MsgpackError> {
        let (value, rest) = Self::from_msgpack_prefix(bytes)?;
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(MsgpackError::Leftover { bytes: rest.len() })
        }
    }

    /// Reads the first msgpack value and gives back what follows it: for streams of values.
    pub fn from_msgpack_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), MsgpackError> {
        let mut rest = bytes;
        let mut decoder = rmp_serde::Deserializer::new(&mut rest);
        decoder.set_max_depth(MAX_DEPTH);
        let value = Self::deserialize(&mut decoder)?;
        Ok((value, rest))
    }

    /// Writes msgpack in the modern dialect, which every master reads.
    pub fn to_msgpack(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_msgpack(&mut out);
        out
    }

    /// Appends msgpack to a buffer.
    pub fn write_msgpack(&self, out: &mut Vec<u8>) {
        write_msgpack(self, out);
    }
}

/// Appends the msgpack of anything whose encoding cannot fail.
pub(crate) fn write_msgpack(value: &impl Serialize, out: &mut Vec<u8>) {
    #[expect(
        clippy::expect_used,
        reason = "a Vec takes every write and each variant has an encoding"
    )]
    value
        .serialize(&mut rmp_serde::Serializer::new(out))
        .expect("encoding into memory");
}

/// Why bytes are no msgpack value.
#[derive(Debug, thiserror::Error)]
pub enum MsgpackError {
    /// Truncated, too deep, or not msgpack at all.
    #[error("not a msgpack value: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// A complete value is followed by more bytes.
    #[error("{bytes} bytes follow the msgpack value")]
    Leftover {
        /// How many.
        bytes: usize,
    },
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(i) => match (i64::try_from(*i), u64::try_from(*i)) {
                (Ok(i), _) => serializer.serialize_i64(i),
                (_, Ok(u)) => serializer.serialize_u64(u),
                _ => serializer.serialize_str(&i.to_string()),
            },
            Self::Float(f) => serializer.serialize_f64(*f),
            Self::Str(s) => serializer.serialize_str(s),
            Self::Bytes(b) => serializer.serialize_bytes(b),
            Self::List(l) => {
                let mut seq = serializer.serialize_seq(Some(l.len()))?;
                for item in l {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(m) => {
                let mut map = serializer.serialize_map(Some(m.len()))?;
                for (k, v) in m {
                    map.serialize_entry(k, v)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tolerant)
    }
}

/// Takes whatever comes; text and bytes are told apart by content alone.
struct Tolerant;

impl<'de> Visitor<'de> for Tolerant {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Int(i.into()))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Value, E> {
        Ok(Value::Int(u.into()))
    }

    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        Ok(Value::Float(f))
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::Str(s.to_owned()))
    }

    fn visit_bytes<E>(self, b: &[u8]) -> Result<Value, E> {
        Ok(Value::from(b.to_vec()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, ext: D) -> Result<Value, D::Error> {
        // An extension: Salt reads every code but its own as the bare data, and its datetimes are text.
        ext.deserialize_any(Ext)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        // The announced length is the peer's word: grow with what is really there.
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<Value, Value>()? {
            if matches!(key, Value::List(_) | Value::Map(_)) {
                return Err(de::Error::custom("a list or map cannot be a map key"));
            }
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

/// The pair of code and data that a msgpack extension is.
struct Ext;

impl<'de> Visitor<'de> for Ext {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a msgpack extension")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Value, A::Error> {
        let short = || de::Error::custom("a msgpack extension lacks its data");
        let _code: i8 = parts.next_element()?.ok_or_else(short)?;
        parts.next_element()?.ok_or_else(short)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|e| Self::Bytes(e.into_bytes()), Self::Str)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::Str(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::Str(s)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(i: i64) -> Self {
        Self::Int(i.into())
    }
}

impl From<i32> for Value {
    fn from(i: i32) -> Self {
        Self::Int(i.into())
    }
}

impl From<u64> for Value {
    fn from(i: u64) -> Self {
        Self::Int(i.into())
    }
}

impl From<usize> for Value {
    fn from(i: usize) -> Self {
        Self::Int(i as i128)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

impl From<Map> for Value {
    fn from(m: Map) -> Self {
        Self::Map(m)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value
where
    Vec<T>: NotBytes,
{
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// Keeps `Vec<u8>` (bytes) apart from lists of values.
pub trait NotBytes {}
impl NotBytes for Vec<Value> {}
impl NotBytes for Vec<String> {}
impl NotBytes for Vec<&str> {}
impl NotBytes for Vec<Map> {}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            // By bits, so that a map with a NaN key still finds it.
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// Text keys are looked up without making a `Value`: the hash of text is the hash of its `str`.
impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => 0u8.hash(state),
            Self::Bool(b) => b.hash(state),
            Self::Int(i) => i.hash(state),
            Self::Float(f) => f.to_bits().hash(state),
            Self::Str(s) => s.as_str().hash(state),
            Self::Bytes(b) => b.hash(state),
            Self::List(l) => l.hash(state),
            Self::Map(m) => m.len().hash(state),
        }
    }
}

impl indexmap::Equivalent<Value> for str {
    fn equivalent(&self, key: &Value) -> bool {
        key.as_str() == Some(self)
    }
}

/// As JSON without its secrets' protection: for tests and logs of harmless values.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(i) => i.fmt(f),
            Self::Float(x) => x.fmt(f),
            Self::Str(s) => s.fmt(f),
            Self::Bytes(b) => write!(f, "<{} bytes>", b.len()),
            Self::List(l) => f.debug_list().entries(l).finish(),
            Self::Map(m) => f.debug_map().entries(m).finish(),
        }
    }
}

/// Builds a [`Map`] from `key => value` pairs.
#[macro_export]
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "an empty map is never changed")]
        let mut map = $crate::Map::new();
        $(map.insert($crate::Value::from($key), $crate::Value::from($value));)*
        map
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_told_apart_by_content() {
        // Old dialect: raw16 with text, fixstr with bytes that are no UTF-8.
        let wire = [0x92, 0xda, 0, 2, b'o', b'k', 0xa2, 0xff, 0xfe];
        let value = Value::from_msgpack(&wire).unwrap();
        assert_eq!(
            value,
            Value::List(vec!["ok".into(), Value::Bytes(vec![0xff, 0xfe])])
        );
        // Modern dialect: bin that happens to be text.
        assert_eq!(Value::from_msgpack(&[0xc4, 1, b'x']).unwrap(), "x".into());
    }

    #[test]
    fn a_datetime_extension_is_its_text() {
        let mut wire = vec![0xc7, 0x18, 0x4e];
        wire.extend(b"20260102T03:04:05.000006");
        assert_eq!(
            Value::from_msgpack(&wire).unwrap(),
            "20260102T03:04:05.000006".into()
        );
    }

    #[test]
    fn order_and_odd_keys_survive() {
        let map = map! { "z" => 1, 7 => "seven", Value::Null => true, "a" => 1.5 };
        let value = Value::Map(map);
        let back = Value::from_msgpack(&value.to_msgpack()).unwrap();
        assert_eq!(back, value);
        let keys: Vec<_> = back.as_map().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["z".into(), 7.into(), Value::Null, "a".into()]);
    }

    #[test]
    fn a_great_integer_travels_as_text() {
        let big = Value::Int(i128::from(u64::MAX) + 1);
        assert_eq!(
            Value::from_msgpack(&big.to_msgpack()).unwrap(),
            "18446744073709551616".into()
        );
        let most = Value::Int(u64::MAX.into());
        assert_eq!(Value::from_msgpack(&most.to_msgpack()).unwrap(), most);
    }

    #[test]
    fn leftovers_truncation_and_depth_are_refused() {
        assert!(matches!(
            Value::from_msgpack(&[0xc0, 0xc0]),
            Err(MsgpackError::Leftover { bytes: 1 })
        ));
        assert!(Value::from_msgpack(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'x']).is_err());
        assert!(Value::from_msgpack(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
        let deep = vec![0x91; 100_000];
        assert!(Value::from_msgpack(&deep).is_err());
    }
}
