//! What a host hands in besides data: functions, and `salt`, through which they are found.

use std::fmt;
use std::sync::Arc;

use salt_wire::{Map, Value};

use super::Val;
use crate::error::{Error, ErrorKind};

/// A failed call of the host's function.
#[derive(Debug, Clone)]
pub struct CallError {
    /// The exception that it would be.
    pub kind: ErrorKind,
    /// Its text.
    pub message: String,
}

impl CallError {
    /// A Salt function that failed (`CommandExecutionError`, `SaltInvocationError`).
    pub fn salt(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Salt,
            message: message.into(),
        }
    }

    /// One of Python's own exceptions.
    pub fn python(class: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Python(class),
            message: message.into(),
        }
    }
}

impl From<CallError> for Box<Error> {
    fn from(error: CallError) -> Self {
        Error::new(error.kind, error.message)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

/// What an attribute or item of a host's object is.
pub enum Found {
    /// Data.
    Value(Value),
    /// Another object.
    Object(Arc<dyn Object>),
}

impl From<Found> for Val {
    fn from(found: Found) -> Self {
        match found {
            Found::Value(value) => Self::from(&value),
            Found::Object(object) => Self::Object(object),
        }
    }
}

/// Something of the host. Every method has a default; an object says what it can.
pub trait Object: Send + Sync {
    /// Python's name of its type, module included, for messages.
    fn type_name(&self) -> &str {
        "object"
    }

    /// `object.name`
    fn attr(&self, _name: &str) -> Option<Found> {
        None
    }

    /// `object[key]`; `Err` is what the lookup raises, `Ok(None)` a missing key.
    fn item(&self, _key: &Value) -> Result<Option<Found>, CallError> {
        Ok(None)
    }

    /// Whether `key in object`.
    fn contains(&self, key: &Value) -> bool {
        matches!(self.item(key), Ok(Some(_)))
    }

    /// Whether it can be called.
    fn callable(&self) -> bool {
        false
    }

    /// Calls it.
    fn call(&self, _args: &[Value], _kwargs: &Map) -> Result<Value, CallError> {
        Err(CallError::python(
            "TypeError",
            format!("'{}' object is not callable", self.type_name()),
        ))
    }

    /// Whether this call changes its first argument, a map, into what it returns: data goes to the host as a
    /// copy, and the template sees the change all the same.
    fn changes_first(&self, _args: &[Value], _kwargs: &Map) -> bool {
        false
    }

    /// The keys, if it can be iterated.
    fn keys(&self) -> Option<Vec<Value>> {
        None
    }

    /// How it prints.
    fn repr(&self) -> String {
        format!("<{} object>", self.type_name())
    }
}

impl dyn Object {
    pub(crate) fn items(&self) -> Option<Vec<Val>> {
        self.keys().map(|keys| keys.iter().map(Val::from).collect())
    }

    pub(crate) fn length(&self) -> Option<usize> {
        self.keys().map(|keys| keys.len())
    }

    pub(crate) fn truth(&self) -> bool {
        self.length() != Some(0)
    }
}
