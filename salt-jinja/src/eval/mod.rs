//! Running a template: a tree walk with Jinja2's scoping.
//!
//! `scope.rs` names, `stmt.rs` statements, `expr.rs` expressions, `call.rs` calls and macros, `attr.rs`
//! attributes and items, `loops.rs` loops, `template.rs` include, import and inheritance, `builtin.rs` the
//! functions that every template has.

mod attr;
mod builtin;
mod call;
mod expr;
mod loops;
mod lorem;
mod scope;
mod stmt;
mod template;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use salt_wire::Value;

pub(crate) use attr::{attr, item};
pub(crate) use builtin::extend;
pub(crate) use call::{Args, Macro};
pub(crate) use expr::compare;
pub(crate) use loops::Loop;
pub(crate) use scope::{Frame, Scope};
pub(crate) use template::{BlockRef, Module, Source};

use crate::ast::Name;
use crate::budget;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::filters::html;
use crate::value::{Val, repr};

/// What a statement says about the ones behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

/// One rendering.
pub(crate) struct Interp<'e> {
    pub(crate) env: &'e Environment<'e>,
    depth: Cell<usize>,
    nesting: Cell<usize>,
    /// Inside of `{% autoescape true %}`.
    escaping: Cell<bool>,
    /// The line of the statement that runs.
    pub(crate) line: Cell<usize>,
    /// Context variables that were looked up, converted once so that changes to them stay.
    converted: RefCell<HashMap<Name, Val>>,
    /// What loading a template has set for all that come after: `tpldir` and its like.
    overrides: RefCell<HashMap<Name, Val>>,
    sources: RefCell<HashMap<Name, Rc<Source>>>,
    modules: RefCell<HashMap<Name, Rc<Module>>>,
    /// Scopes that hold macros, which hold their scopes: emptied at the end.
    rings: RefCell<Vec<Rc<Scope>>>,
}

/// Deepest nesting of expressions and bodies, over all calls.
const MAX_NESTING: usize = 1500;

impl<'e> Interp<'e> {
    pub(crate) fn new(env: &'e Environment<'e>) -> Self {
        budget::begin(env.options.limits.steps);
        Self {
            env,
            depth: Cell::new(0),
            nesting: Cell::new(0),
            escaping: Cell::new(false),
            line: Cell::new(0),
            converted: RefCell::default(),
            overrides: RefCell::default(),
            sources: RefCell::default(),
            modules: RefCell::default(),
            rings: RefCell::default(),
        }
    }

    /// Spends steps.
    pub(crate) fn spend(&self, steps: usize) -> Result<()> {
        budget::spend(steps)
    }

    /// Runs `inner` one call deeper.
    pub(crate) fn deeper<T>(&self, inner: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.depth.get() >= self.env.options.limits.depth {
            return Err(Error::python(
                "RecursionError",
                "maximum recursion depth exceeded",
            ));
        }
        self.depth.set(self.depth.get() + 1);
        let result = inner();
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// Runs `inner` one level of nesting deeper.
    fn nested<T>(&self, inner: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.nesting.get() >= MAX_NESTING {
            return Err(Error::bound("the template is nested too deeply"));
        }
        self.nesting.set(self.nesting.get() + 1);
        let result = inner();
        self.nesting.set(self.nesting.get() - 1);
        result
    }

    /// Whether text that is put out is escaped as HTML.
    pub(crate) fn escapes(&self) -> bool {
        self.escaping.get()
    }

    /// Text that the template itself made: nothing escapes it again.
    fn made(&self, text: String) -> Val {
        if self.escapes() {
            Val::markup(&text)
        } else {
            text.into()
        }
    }

    /// What `{{ value }}` prints.
    fn shown(&self, value: &Val) -> Result<String> {
        let text = repr::output(value)?;
        let is_markup = matches!(value, Val::Str(t) if t.markup) || matches!(value, Val::Module(_));
        Ok(if self.escapes() && !is_markup {
            html::escape(&text)
        } else {
            text
        })
    }

    /// Adds to the output, within its bound.
    pub(crate) fn write(&self, out: &mut String, text: &str) -> Result<()> {
        if out.len() + text.len() > self.env.options.limits.output {
            return Err(Error::bound("the output is too long"));
        }
        out.push_str(text);
        Ok(())
    }

    pub(crate) fn undefined(&self, message: impl Into<String>) -> Val {
        Val::undefined(message, self.env.options.allow_undefined)
    }

    /// A variable by the scopes around, the context, and what every template has.
    pub(crate) fn lookup(&self, name: &Name, frame: &Frame) -> Val {
        if let Some(found) = frame.scope.find(name) {
            return found;
        }
        if frame.root.is_module
            && let Some(found) = self.overrides.borrow().get(name)
        {
            return found.clone();
        }
        if let Some(found) = self.context(name) {
            return found;
        }
        if let Some(found) = self.overrides.borrow().get(name) {
            return found.clone();
        }
        if let Some(function) = builtin::find(name) {
            return function;
        }
        self.undefined(format!("{} is undefined", crate::python::quote(name)))
    }

    /// A variable of the context.
    pub(crate) fn context(&self, name: &Name) -> Option<Val> {
        if let Some(found) = self.converted.borrow().get(name) {
            return Some(found.clone());
        }
        let value = self.env.variable(name)?;
        self.converted
            .borrow_mut()
            .insert(name.clone(), value.clone());
        Some(value)
    }

    /// How a message about a missing attribute names a value.
    pub(crate) fn described(&self, value: &Val) -> String {
        let Val::Dict(dict) = value else {
            return value.described();
        };
        let converted = self.converted.borrow();
        let named = converted
            .iter()
            .find(|(_, v)| matches!(v, Val::Dict(known) if Rc::ptr_eq(known, dict)));
        match named.and_then(|(name, _)| self.env.type_name(name)) {
            Some(name) => format!("{name} object"),
            None => value.described(),
        }
    }

    /// A global that loading another template depends on.
    pub(crate) fn global_text(&self, name: &str) -> Option<String> {
        let name = Name::from(name);
        let overridden = self.overrides.borrow().get(&name).cloned();
        overridden
            .or_else(|| self.context(&name))
            .and_then(|v| v.as_str().map(str::to_owned))
    }

    pub(crate) fn set_global(&self, name: &str, value: &Value) {
        self.overrides
            .borrow_mut()
            .insert(name.into(), value.into());
    }

    pub(crate) fn note_ring(&self, scope: &Rc<Scope>) {
        let mut rings = self.rings.borrow_mut();
        if !rings.last().is_some_and(|last| Rc::ptr_eq(last, scope)) {
            rings.push(scope.clone());
        }
    }
}

impl Drop for Interp<'_> {
    fn drop(&mut self) {
        for scope in self.rings.borrow_mut().drain(..) {
            scope.clear();
        }
    }
}
