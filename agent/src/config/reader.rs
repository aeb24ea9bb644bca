//! Reads typed values out of `opts`; an error names the option and the place that set it.

use std::path::PathBuf;
use std::time::Duration;

use salt_wire::{Map, Value};

use super::error::{Error, Origin, kind};
use super::{Origins, units};

/// A look into `opts`, or into a mapping inside of it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    values: &'a Map,
    origins: &'a Origins,
    /// The option that the mapping belongs to, with a colon at its end; empty at the top.
    path: &'a str,
}

type Result<T> = std::result::Result<T, Error>;

impl<'a> Reader<'a> {
    pub(super) fn new(values: &'a Map, origins: &'a Origins) -> Self {
        Self {
            values,
            origins,
            path: "",
        }
    }

    /// The same place, one mapping deeper; `path` ends in a colon.
    pub(super) fn inside(self, values: &'a Map, path: &'a str) -> Self {
        Self {
            values,
            path,
            ..self
        }
    }

    pub(super) fn raw(self, key: &str) -> Option<&'a Value> {
        self.values.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn wrong(self, key: &str, expected: &str, found: impl Into<String>) -> Error {
        let key = format!("{}{key}", self.path);
        Error::Value {
            origin: self.origins.of(&key),
            key,
            expected: expected.to_owned(),
            found: found.into(),
        }
    }

    /// Whether anything but the default set it.
    pub(super) fn is_set(self, key: &str) -> bool {
        self.origins.is_set(key)
    }

    /// Where a key was set, by its whole path.
    pub(super) fn origin(self, path: &str) -> Option<Origin> {
        self.origins.of(path)
    }

    fn mistyped(self, key: &str, expected: &str, value: &Value) -> Error {
        self.wrong(key, expected, describe(value))
    }

    /// Text, empty when not set; a number will do.
    pub(super) fn text(self, key: &str) -> Result<String> {
        match self.raw(key) {
            None => Ok(String::new()),
            Some(Value::Str(text)) => Ok(text.clone()),
            Some(Value::Int(number)) => Ok(number.to_string()),
            Some(other) => Err(self.mistyped(key, "text", other)),
        }
    }

    /// Text that is not empty, if set.
    pub(super) fn some_text(self, key: &str) -> Result<Option<String>> {
        Ok(Some(self.text(key)?).filter(|t| !t.is_empty()))
    }

    pub(super) fn path(self, key: &str) -> Result<PathBuf> {
        Ok(self.text(key)?.into())
    }

    /// What Python's truth of the value is: Salt reads its flags so.
    pub(super) fn flag(self, key: &str) -> Result<bool> {
        match self.raw(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::Int(number @ (0 | 1))) => Ok(*number == 1),
            Some(other) => Err(self.mistyped(key, "true or false", other)),
        }
    }

    /// A whole number in a range; digits in quotes will do, as they do for Salt.
    pub(super) fn number<T: TryFrom<i128>>(self, key: &str, expected: &str) -> Result<T> {
        let value = self.raw(key).unwrap_or(&Value::Int(0));
        let number = match value {
            Value::Int(number) => Some(*number),
            Value::Str(digits) => digits.trim().parse().ok(),
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e15 => Some(*f as i128),
            Value::Bool(flag) => Some((*flag).into()),
            _ => None,
        };
        number
            .and_then(|n| T::try_from(n).ok())
            .ok_or_else(|| self.mistyped(key, expected, value))
    }

    /// Seconds, whole or not; not negative.
    pub(super) fn seconds(self, key: &str) -> Result<Duration> {
        let Some(value) = self.raw(key) else {
            return Ok(Duration::ZERO);
        };
        let seconds = match value {
            Value::Str(digits) => digits.trim().parse().ok(),
            other => other.as_float(),
        };
        seconds
            .and_then(|s| Duration::try_from_secs_f64(s).ok())
            .ok_or_else(|| self.mistyped(key, "a number of seconds, 0 or more", value))
    }

    /// A length of time with its unit, `15s`; a bare number is seconds.
    pub(super) fn duration(self, key: &str) -> Result<Option<Duration>> {
        let Some(value) = self.raw(key) else {
            return Ok(None);
        };
        let read = match value {
            Value::Str(text) => units::duration(text),
            other => other
                .as_float()
                .and_then(|s| Duration::try_from_secs_f64(s).ok()),
        };
        read.map(Some)
            .ok_or_else(|| self.mistyped(key, "a length of time like `15s`, `5m` or `2h`", value))
    }

    /// A number of bytes with its unit, `256MiB`; a bare number is bytes.
    pub(super) fn size(self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.raw(key) else {
            return Ok(None);
        };
        let read = match value {
            Value::Str(text) => units::size(text),
            other => other.as_int().and_then(|n| u64::try_from(n).ok()),
        };
        read.map(Some)
            .ok_or_else(|| self.mistyped(key, "a size like `256MiB`", value))
    }

    /// A list of texts; one text alone is a list of one.
    pub(super) fn texts(self, key: &str) -> Result<Vec<String>> {
        let expected = "a list of texts";
        match self.raw(key) {
            None => Ok(Vec::new()),
            Some(Value::Str(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Value::Str(text)) => Ok(vec![text.clone()]),
            Some(Value::List(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Str(text) => Ok(text.clone()),
                    Value::Int(number) => Ok(number.to_string()),
                    other => Err(self.mistyped(key, expected, other)),
                })
                .collect(),
            Some(other) => Err(self.mistyped(key, expected, other)),
        }
    }

    /// A mapping, empty when not set.
    pub(super) fn map(self, key: &str) -> Result<Map> {
        match self.raw(key) {
            None => Ok(Map::new()),
            Some(Value::Map(map)) => Ok(map.clone()),
            Some(other) if !other.is_truthy() => Ok(Map::new()),
            Some(other) => Err(self.mistyped(key, "a mapping", other)),
        }
    }

    /// One word of a closed set.
    pub(super) fn word<T: Copy>(self, key: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.raw(key) else {
            return Ok(None);
        };
        value
            .as_str()
            .and_then(|text| words.iter().find(|(word, _)| *word == text))
            .map(|(_, meaning)| Some(*meaning))
            .ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                self.mistyped(key, &known.join(" or "), value)
            })
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("\"{text}\""),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => format!("{value:?}"),
        other => kind(other).to_owned(),
    }
}
