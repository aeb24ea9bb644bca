//! Names and where they are valid.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexSet;

use super::Source;
use crate::ast::{BlockDef, Name};
use crate::value::Val;

/// The variables of one loop turn, macro call, `with`, … or of a template's top level.
#[derive(Default)]
pub(crate) struct Scope {
    vars: RefCell<HashMap<Name, Val>>,
    parent: Option<Rc<Self>>,
}

impl Scope {
    pub(crate) fn below(parent: Option<&Rc<Self>>) -> Rc<Self> {
        Rc::new(Self {
            vars: RefCell::default(),
            parent: parent.cloned(),
        })
    }

    pub(crate) fn find(&self, name: &Name) -> Option<Val> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(found) = here.vars.borrow().get(name) {
                return Some(found.clone());
            }
            scope = here.parent.as_deref();
        }
        None
    }

    pub(crate) fn set(&self, name: &Name, value: Val) {
        self.vars.borrow_mut().insert(name.clone(), value);
    }

    /// The variable of this very scope.
    pub(crate) fn own(&self, name: &Name) -> Option<Val> {
        self.vars.borrow().get(name).cloned()
    }

    pub(crate) fn clear(&self) {
        let vars = self.vars.take();
        drop(vars);
    }

    /// Everything visible, the outermost first.
    pub(crate) fn all(&self) -> Vec<(Name, Val)> {
        let mut found = self.parent.as_ref().map(|p| p.all()).unwrap_or_default();
        found.extend(
            self.vars
                .borrow()
                .iter()
                .map(|(k, v)| (k.clone(), v.clone())),
        );
        found
    }
}

/// A block and the template that defines it.
pub(crate) type Definition = (Rc<BlockDef>, Rc<Source>);

/// What a template that is being run knows besides its variables.
pub(crate) struct Root {
    /// Its top level.
    pub(crate) scope: Rc<Scope>,
    /// Imported without context: sees what loading has set, before the context.
    pub(crate) is_module: bool,
    /// Names that an import of it may take.
    pub(crate) exported: RefCell<IndexSet<Name>>,
    /// Named blocks, the overriding one first, each with the template that defines it.
    pub(crate) blocks: RefCell<HashMap<Name, Vec<Definition>>>,
    /// The template that this one extends.
    pub(crate) parent: RefCell<Option<Rc<Source>>>,
    /// A child's parent is running: output counts again.
    pub(crate) in_parent: Cell<bool>,
}

/// Where a statement runs.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) scope: Rc<Scope>,
    pub(crate) root: Rc<Root>,
    pub(crate) source: Rc<Source>,
}

impl Frame {
    /// A new scope below this one.
    pub(crate) fn inner(&self) -> Self {
        Self {
            scope: Scope::below(Some(&self.scope)),
            root: self.root.clone(),
            source: self.source.clone(),
        }
    }

    pub(crate) fn is_top(&self) -> bool {
        Rc::ptr_eq(&self.scope, &self.root.scope)
    }

    /// Sets a variable; at the top level it can be imported from then on.
    pub(crate) fn assign(&self, name: &Name, value: Val) {
        if self.is_top() && !name.starts_with('_') {
            self.root.exported.borrow_mut().insert(name.clone());
        }
        self.scope.set(name, value);
    }

    /// Sets a variable that cannot be imported in turn.
    pub(crate) fn assign_import(&self, name: &Name, value: Val) {
        if self.is_top() {
            self.root.exported.borrow_mut().shift_remove(name);
        }
        self.scope.set(name, value);
    }
}
