//! The outside: what a host sets up once and renders with.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use salt_wire::{Map, Value};

use crate::error::Error;
use crate::eval::{Interp, Source};
use crate::options::Options;
use crate::parser;
use crate::value::{Object, Val};

/// The stack of a rendering; only what is used of it is ever backed by memory. The bounds on nesting in
/// `eval` and [`crate::Limits`] keep within it with room to spare.
const STACK: usize = 64 << 20;

/// A template that another one asked for.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Its source.
    pub text: String,
    /// Variables that are set for every template from now on, as Salt's loader sets `tpldir`.
    pub globals: Vec<(String, Value)>,
}

/// Finds the templates that `import`, `include` and `extends` name.
pub trait Loader: Sync {
    /// The template; `directory` is the current `tpldir`, for names that begin with a dot. `Ok(None)`: there
    /// is none.
    fn load(&self, name: &str, directory: Option<&str>) -> Result<Option<Loaded>, String>;
}

impl Loader for IndexMap<String, String> {
    fn load(&self, name: &str, _directory: Option<&str>) -> Result<Option<Loaded>, String> {
        Ok(self.get(name).map(|text| Loaded {
            text: text.clone(),
            globals: Vec::new(),
        }))
    }
}

/// A variable of the context.
enum Variable {
    Value(Value),
    Map(Arc<Map>, &'static str),
    Object(Arc<dyn Object>),
}

/// Options, variables and a loader: everything that a rendering needs besides the template.
#[derive(Default)]
pub struct Environment<'a> {
    pub(crate) options: Options,
    pub(crate) loader: Option<Box<dyn Loader + 'a>>,
    variables: IndexMap<String, Variable>,
}

impl<'a> Environment<'a> {
    /// An environment with these options.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Sets the loader.
    pub fn set_loader(&mut self, loader: impl Loader + 'a) {
        self.loader = Some(Box::new(loader));
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.variables
            .insert(name.into(), Variable::Value(value.into()));
    }

    /// Sets a variable to a map that others hold too, such as the grains; `type_name` is what messages call
    /// it.
    pub fn set_map(&mut self, name: impl Into<String>, map: Arc<Map>, type_name: &'static str) {
        self.variables
            .insert(name.into(), Variable::Map(map, type_name));
    }

    /// Sets a variable to something of the host.
    pub fn set_object(&mut self, name: impl Into<String>, object: Arc<dyn Object>) {
        self.variables.insert(name.into(), Variable::Object(object));
    }

    pub(crate) fn variable(&self, name: &str) -> Option<Val> {
        self.variables.get(name).map(|variable| match variable {
            Variable::Value(value) => value.into(),
            Variable::Map(map, _) => (&**map).into(),
            Variable::Object(object) => Val::Object(object.clone()),
        })
    }

    /// What messages call a variable's value, if not by its kind.
    pub(crate) fn type_name(&self, name: &str) -> Option<&'static str> {
        match self.variables.get(name)? {
            Variable::Map(_, type_name) => Some(type_name),
            _ => None,
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Renders a template given as text.
    ///
    /// This runs on a thread of its own: how deep a template may nest must not depend on the stack of
    /// whoever renders it, and a fault of ours must not end the host.
    pub fn render(&self, source: &str) -> Result<String, Error> {
        let failed = |what: String| *Error::python("RuntimeError", what);
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("render".into())
                .stack_size(STACK)
                .spawn_scoped(scope, || self.render_here(source))
                .map_err(|e| failed(format!("no thread to render on: {e}")))?
                .join()
                .unwrap_or_else(|_| Err(failed("the renderer failed on this template".into())))
        })
    }

    fn render_here(&self, source: &str) -> Result<String, Error> {
        let ast = parser::parse(source, &self.options).map_err(|e| *e)?;
        let source = Rc::new(Source { name: None, ast });
        let interp = Interp::new(self);
        let mut out = String::new();
        match interp.run(&source, None, false, &mut out) {
            Ok(_) => Ok(out),
            Err(error) => Err(*error),
        }
    }

    /// Parses a template without rendering it, on the caller's stack.
    pub fn check(&self, source: &str) -> Result<(), Error> {
        parser::parse(source, &self.options)
            .map(|_| ())
            .map_err(|e| *e)
    }
}
