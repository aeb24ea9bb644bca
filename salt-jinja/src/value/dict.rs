//! Keys by Python's rules: `1`, `1.0` and `True` are one key, and lists are none.

use std::hash::{Hash, Hasher};

use indexmap::{Equivalent, IndexMap};

use super::{Val, ops};
use crate::budget;
use crate::error::{Error, Result};

/// A dict, in the order in which its keys came.
pub(crate) type Dict = IndexMap<Key, Val>;

/// Deepest tuple that can be a key.
const MAX_DEPTH: usize = 50;

/// A value that can be a key.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) Val);

impl Key {
    /// The key, or Python's complaint that there is no hash.
    pub(crate) fn new(value: Val) -> Result<Self> {
        check(&value, 0)?;
        Ok(Self(value))
    }
}

fn check(value: &Val, depth: usize) -> Result<()> {
    budget::spend(1)?;
    if depth > MAX_DEPTH {
        return Err(Error::bound("the key is nested too deeply"));
    }
    match value {
        Val::Undefined(_) => value.strict(),
        Val::List(_) | Val::Dict(_) | Val::Set(_) => Err(Error::type_error(format!(
            "unhashable type: '{}'",
            value.type_name()
        ))),
        Val::Tuple(items) => items.iter().try_for_each(|i| check(i, depth + 1)),
        _ => Ok(()),
    }
}

/// Whether `hash(x)` works.
pub(crate) fn hashable(value: &Val) -> bool {
    check(value, 0).is_ok()
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        ops::equal(&self.0, &other.0).unwrap_or(false)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.0, state);
    }
}

fn hash<H: Hasher>(value: &Val, state: &mut H) {
    match value {
        Val::Bool(b) => i128::from(*b).hash(state),
        Val::Int(i) => i.hash(state),
        Val::Float(f) if f.fract() == 0.0 && f.abs() < 1e37 => (*f as i128).hash(state),
        Val::Float(f) => f.to_bits().hash(state),
        Val::Str(t) => (*t.text).hash(state),
        Val::Bytes(b) => b.hash(state),
        Val::Tuple(items) => {
            items.len().hash(state);
            for item in items.iter() {
                hash(item, state);
            }
        }
        other => std::mem::discriminant(other).hash(state),
    }
}

/// Text keys are looked up without making a value.
impl Equivalent<Key> for str {
    fn equivalent(&self, key: &Key) -> bool {
        key.0.as_str() == Some(self)
    }
}
