//! From and to the value that travels in Salt's messages.

use salt_wire::{Map, Value};

use super::{Dict, Key, Val, View, repr};
use crate::budget;
use crate::error::{Error, Result};

/// Deepest value that leaves a template.
const MAX_DEPTH: usize = 100;

impl From<&Value> for Val {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(i) => Self::Int(*i),
            Value::Float(f) => Self::Float(*f),
            Value::Str(s) => s.as_str().into(),
            Value::Bytes(b) => Self::bytes(b.clone()),
            Value::List(items) => Self::list(items.iter().map(Self::from).collect()),
            Value::Map(map) => map.into(),
        }
    }
}

impl From<&Map> for Val {
    fn from(map: &Map) -> Self {
        let entries = map.iter().map(|(k, v)| (Key(k.into()), v.into()));
        Self::dict(entries.collect::<Dict>())
    }
}

impl Val {
    /// The plain value; what has none is its text.
    pub(crate) fn to_value(&self) -> Result<Value> {
        self.plain(0)
    }

    fn plain(&self, depth: usize) -> Result<Value> {
        // A list that holds another one twice, and so on, has few parts and very many items.
        budget::spend(1)?;
        if depth > MAX_DEPTH {
            return Err(Error::bound("the value is nested too deeply"));
        }
        let list = |items: &[Self]| -> Result<Value> {
            let items = items.iter().map(|i| i.plain(depth + 1));
            Ok(Value::List(items.collect::<Result<_>>()?))
        };
        Ok(match self {
            Self::Undefined(_) => {
                self.strict()?;
                Value::Null
            }
            Self::None => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(i) => Value::Int(*i),
            Self::Float(f) => Value::Float(*f),
            Self::Str(t) => Value::Str(t.text.to_string()),
            Self::Bytes(b) => Value::Bytes(b.to_vec()),
            Self::List(l) => list(&l.borrow())?,
            Self::Tuple(t) => list(t)?,
            Self::Dict(d) | Self::Namespace(d) => {
                let mut map = Map::new();
                for (k, v) in d.borrow().iter() {
                    map.insert(k.0.plain(depth + 1)?, v.plain(depth + 1)?);
                }
                Value::Map(map)
            }
            Self::Set(_)
            | Self::Range(..)
            | Self::Iter(_)
            | Self::View(View::Items | View::Keys | View::Values, _) => list(&self.iterate()?)?,
            other => Value::Str(repr::str(other)?),
        })
    }
}
