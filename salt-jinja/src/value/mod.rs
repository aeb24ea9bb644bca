//! Python's values: shared, mutable lists, dicts and sets, and everything that only templates have.
//!
//! `dict.rs` keys and hashing, `ops.rs` operators and comparison, `repr.rs` text forms, `convert.rs` the way
//! from and to [`salt_wire::Value`], `object.rs` what a host hands in.

pub(crate) mod convert;
pub(crate) mod dict;
pub(crate) mod object;
pub(crate) mod ops;
pub(crate) mod own;
pub(crate) mod repr;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::error::{Error, ErrorKind, Result};
use crate::eval::{Loop, Macro, Module};

pub(crate) use dict::{Dict, Key};
pub(crate) use object::Object;
pub(crate) use own::{Items, Own};

/// Text; `markup` is Python's `Markup`, which escapes what is added to it.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) text: Rc<str>,
    pub(crate) markup: bool,
}

/// One value of a template.
#[derive(Clone)]
pub(crate) enum Val {
    /// Nothing by that name.
    Undefined(Rc<Undef>),
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A float.
    Float(f64),
    /// Text.
    Str(Text),
    /// `bytes`
    Bytes(Rc<[u8]>),
    /// A list.
    List(Rc<Own<Vec<Self>>>),
    /// A tuple.
    Tuple(Rc<Items>),
    /// A dict.
    Dict(Rc<Own<Dict>>),
    /// A set.
    Set(Rc<Own<IndexSet<Key>>>),
    /// `range(start, stop, step)`
    Range(i128, i128, i128),
    /// `dict.keys()` and its like.
    View(View, Rc<Own<Dict>>),
    /// A generator: what `map` and its like give; can be read once.
    Iter(Rc<Iter>),
    /// A method of a value, not yet called.
    Method(Rc<(Self, Rc<str>)>),
    /// A function of ours.
    Function(&'static str),
    /// A macro.
    Macro(Rc<Macro>),
    /// An imported template.
    Module(Rc<Module>),
    /// `namespace()`
    Namespace(Rc<Own<Dict>>),
    /// `loop`
    Loop(Rc<Loop>),
    /// `cycler()`
    Cycler(Rc<Cycler>),
    /// `joiner()`
    Joiner(Rc<Joiner>),
    /// `self` in a template with blocks, and `super()`.
    Block(Rc<crate::eval::BlockRef>),
    /// Something of the host: `salt`, functions.
    Object(Arc<dyn Object>),
}

/// Which view of a dict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// `keys()`
    Keys,
    /// `values()`
    Values,
    /// `items()`
    Items,
}

/// Why something is undefined.
#[derive(Debug)]
pub(crate) struct Undef {
    pub(crate) message: String,
    /// Prints as nothing: `allow_undefined`.
    pub(crate) lenient: bool,
    pub(crate) kind: ErrorKind,
}

/// What is left of a generator.
pub(crate) struct Iter {
    pub(crate) name: &'static str,
    pub(crate) items: Own<VecDeque<Val>>,
}

/// `cycler()`
pub(crate) struct Cycler {
    pub(crate) items: Items,
    pub(crate) at: Cell<usize>,
}

/// `joiner()`
pub(crate) struct Joiner {
    pub(crate) separator: Text,
    pub(crate) used: Cell<bool>,
}

impl Val {
    /// A list.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(Own::new(items)))
    }

    pub(crate) fn tuple(items: Vec<Self>) -> Self {
        Self::Tuple(Rc::new(items.into()))
    }

    pub(crate) fn dict(dict: Dict) -> Self {
        Self::Dict(Rc::new(Own::new(dict)))
    }

    pub(crate) fn set(items: IndexSet<Key>) -> Self {
        Self::Set(Rc::new(Own::new(items)))
    }

    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }

    pub(crate) fn markup(text: &str) -> Self {
        Self::Str(Text {
            text: text.into(),
            markup: true,
        })
    }

    pub(crate) fn generator(items: Vec<Self>) -> Self {
        Self::named_iter("generator", items)
    }

    pub(crate) fn named_iter(name: &'static str, items: Vec<Self>) -> Self {
        Self::Iter(Rc::new(Iter {
            name,
            items: Own::new(items.into()),
        }))
    }

    pub(crate) fn undefined(message: impl Into<String>, lenient: bool) -> Self {
        Self::Undefined(Rc::new(Undef {
            message: message.into(),
            lenient,
            kind: ErrorKind::Undefined,
        }))
    }

    /// The text, if this is text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(t) => Some(&t.text),
            _ => None,
        }
    }

    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// Fails if this is undefined in the strict way.
    pub(crate) fn strict(&self) -> Result<()> {
        match self {
            Self::Undefined(u) if !u.lenient => Err(u.error()),
            _ => Ok(()),
        }
    }

    /// An integer as Python's `__index__` takes it.
    pub(crate) fn as_index(&self) -> Option<i128> {
        match self {
            Self::Int(i) => Some(*i),
            Self::Bool(b) => Some((*b).into()),
            _ => None,
        }
    }

    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(f) => Some(*f),
            _ => self.as_index().map(|i| i as f64),
        }
    }

    /// `bool(x)`
    pub(crate) fn truth(&self) -> Result<bool> {
        Ok(match self {
            Self::Undefined(u) => {
                self.strict()?;
                let _ = u;
                false
            }
            Self::None => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(t) => !t.text.is_empty(),
            Self::Bytes(b) => !b.is_empty(),
            Self::List(l) => !l.borrow().is_empty(),
            Self::Tuple(t) => !t.is_empty(),
            Self::Dict(d) => !d.borrow().is_empty(),
            Self::View(_, d) => !d.borrow().is_empty(),
            Self::Set(s) => !s.borrow().is_empty(),
            Self::Range(..) => self.length()? != 0,
            Self::Object(o) => o.truth(),
            _ => true,
        })
    }

    /// `len(x)`
    pub(crate) fn length(&self) -> Result<usize> {
        Ok(match self {
            Self::Undefined(_) => {
                self.strict()?;
                0
            }
            Self::Str(t) => t.text.chars().count(),
            Self::Bytes(b) => b.len(),
            Self::List(l) => l.borrow().len(),
            Self::Tuple(t) => t.len(),
            Self::Dict(d) | Self::View(_, d) => d.borrow().len(),
            Self::Set(s) => s.borrow().len(),
            Self::Range(start, stop, step) => ops::range_len(*start, *stop, *step),
            Self::Loop(l) => l.length(),
            Self::Object(o) => match o.length() {
                Some(n) => n,
                None => return Err(no_len(self)),
            },
            _ => return Err(no_len(self)),
        })
    }

    /// All items that a `for` would see.
    pub(crate) fn iterate(&self) -> Result<Vec<Self>> {
        Ok(match self {
            Self::Undefined(_) => {
                self.strict()?;
                Vec::new()
            }
            Self::Str(t) => {
                let markup = t.markup;
                let mut buffer = [0u8; 4];
                t.text
                    .chars()
                    .map(|c| {
                        Self::Str(Text {
                            text: (&*c.encode_utf8(&mut buffer)).into(),
                            markup,
                        })
                    })
                    .collect()
            }
            Self::Bytes(b) => b.iter().map(|&b| Self::Int(b.into())).collect(),
            Self::List(l) => l.borrow().clone(),
            Self::Tuple(t) => t.to_vec(),
            Self::Dict(d) | Self::View(View::Keys, d) => {
                d.borrow().keys().map(|k| k.0.clone()).collect()
            }
            Self::View(View::Values, d) => d.borrow().values().cloned().collect(),
            Self::View(View::Items, d) => d
                .borrow()
                .iter()
                .map(|(k, v)| Self::tuple(vec![k.0.clone(), v.clone()]))
                .collect(),
            Self::Set(s) => s.borrow().iter().map(|k| k.0.clone()).collect(),
            Self::Range(start, _, step) => {
                let n = self.length()?;
                (0..n)
                    .map(|i| Self::Int(start + i as i128 * step))
                    .collect()
            }
            Self::Iter(iter) => iter.items.borrow_mut().drain(..).collect(),
            Self::Loop(l) => l.rest(),
            Self::Object(o) => match o.items() {
                Some(items) => items,
                None => return Err(not_iterable(self)),
            },
            _ => return Err(not_iterable(self)),
        })
    }

    pub(crate) fn is_iterable(&self) -> bool {
        match self {
            Self::Undefined(_)
            | Self::Str(_)
            | Self::Bytes(_)
            | Self::List(_)
            | Self::Tuple(_)
            | Self::Dict(_)
            | Self::View(..)
            | Self::Set(_)
            | Self::Range(..)
            | Self::Loop(_)
            | Self::Iter(_) => true,
            Self::Object(o) => o.items().is_some(),
            _ => false,
        }
    }

    pub(crate) fn is_callable(&self) -> bool {
        match self {
            Self::Method(_) | Self::Function(_) | Self::Macro(_) | Self::Joiner(_) => true,
            Self::Block(b) => b.is_callable(),
            Self::Object(o) => o.callable(),
            Self::Loop(l) => l.is_recursive(),
            _ => false,
        }
    }

    /// Python's `type(x).__name__`.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Self::Undefined(u) if u.lenient => "Undefined",
            Self::Undefined(_) => "StrictUndefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(t) if t.markup => "Markup",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
            Self::Range(..) => "range",
            Self::View(View::Keys, _) => "dict_keys",
            Self::View(View::Values, _) => "dict_values",
            Self::View(View::Items, _) => "dict_items",
            Self::Iter(i) => i.name,
            Self::Method(_) => "builtin_function_or_method",
            Self::Function("range" | "dict" | "cycler" | "joiner" | "namespace" | "odict") => {
                "type"
            }
            Self::Function(_) => "function",
            Self::Macro(_) => "Macro",
            Self::Module(_) => "TemplateModule",
            Self::Namespace(_) => "Namespace",
            Self::Loop(_) => "LoopContext",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
            Self::Block(_) => "BlockReference",
            Self::Object(o) => {
                let name = o.type_name();
                return name.rsplit('.').next().unwrap_or(name).to_owned();
            }
        }
        .to_owned()
    }

    /// How a message about a missing attribute names this value.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::None => "None".into(),
            Self::Str(t) if t.markup => "markupsafe.Markup object".into(),
            Self::Macro(_) | Self::Loop(_) | Self::Undefined(_) | Self::Block(_) => {
                format!("jinja2.runtime.{} object", self.type_name())
            }
            Self::Module(_) => "jinja2.environment.TemplateModule object".into(),
            Self::Namespace(_) | Self::Cycler(_) | Self::Joiner(_) => {
                format!("jinja2.utils.{} object", self.type_name())
            }
            Self::Object(o) => format!("{} object", o.type_name()),
            _ => format!("{} object", self.type_name()),
        }
    }
}

impl Undef {
    pub(crate) fn error(&self) -> Box<Error> {
        Error::new(self.kind, self.message.clone())
    }
}

pub(crate) fn not_iterable(value: &Val) -> Box<Error> {
    Error::type_error(format!("'{}' object is not iterable", value.type_name()))
}

fn no_len(value: &Val) -> Box<Error> {
    Error::type_error(format!(
        "object of type '{}' has no len()",
        value.type_name()
    ))
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        crate::budget::text(text.len());
        Self::Str(Text {
            text: text.into(),
            markup: false,
        })
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Rc<str>> for Val {
    fn from(text: Rc<str>) -> Self {
        Self::Str(Text {
            text,
            markup: false,
        })
    }
}

impl From<bool> for Val {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<i128> for Val {
    fn from(i: i128) -> Self {
        Self::Int(i)
    }
}

impl From<usize> for Val {
    fn from(i: usize) -> Self {
        Self::Int(i as i128)
    }
}

impl From<f64> for Val {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

impl<T: Into<Self>> From<Option<T>> for Val {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}
