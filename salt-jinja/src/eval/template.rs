//! Templates that take in others: include, import, inheritance.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::scope::{Definition, Root};
use super::{Flow, Frame, Interp, Scope};
use crate::ast::{Ast, Expr, Name, Stmt, StmtKind};
use crate::error::{Error, ErrorKind, Result};
use crate::parser;
use crate::python::quote;
use crate::value::repr::str;
use crate::value::{Val, ops};

/// A parsed template.
pub(crate) struct Source {
    /// `None`: given as text.
    pub(crate) name: Option<Name>,
    pub(crate) ast: Ast,
}

/// An imported template: its text, and the names that it exports.
pub(crate) struct Module {
    name: String,
    text: String,
    exports: HashMap<Name, Val>,
}

impl Module {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn attr(&self, name: &str) -> Option<Val> {
        self.exports.get(name).cloned()
    }
}

/// `self`, `self.name` or `super()`: a block that can be called.
pub(crate) struct BlockRef {
    name: Option<Name>,
    level: usize,
    frame: Frame,
}

impl BlockRef {
    pub(crate) fn is_callable(&self) -> bool {
        self.name.is_some()
    }

    pub(crate) fn attr(&self, name: &str) -> Option<Val> {
        let name = Name::from(name);
        let known = self.name.is_none() && self.frame.root.blocks.borrow().contains_key(&name);
        known.then(|| {
            Val::Block(Rc::new(Self {
                name: Some(name),
                level: 0,
                frame: self.frame.clone(),
            }))
        })
    }
}

impl Interp<'_> {
    /// Runs a template from its beginning; a parent that it names runs behind it.
    pub(crate) fn run(
        &self,
        source: &Rc<Source>,
        parent: Option<&Rc<Scope>>,
        is_module: bool,
        out: &mut String,
    ) -> Result<Frame> {
        let scope = Scope::below(parent);
        let root = Rc::new(Root {
            scope: scope.clone(),
            is_module,
            exported: RefCell::default(),
            blocks: RefCell::default(),
            parent: RefCell::default(),
            in_parent: Cell::new(false),
        });
        let frame = Frame {
            scope,
            root,
            source: source.clone(),
        };
        if !source.ast.blocks.is_empty() {
            self.note_ring(&frame.scope);
            let itself = BlockRef {
                name: None,
                level: 0,
                frame: frame.clone(),
            };
            frame.scope.set(&"self".into(), Val::Block(Rc::new(itself)));
        }
        add_blocks(&frame, source);
        self.body(&source.ast.body, &frame, out)?;
        let mut current = frame.clone();
        while let Some(parent) = frame.root.parent.take() {
            self.spend(100)?;
            add_blocks(&frame, &parent);
            current.source = parent.clone();
            self.deeper(|| self.body(&parent.ast.body, &current, out))?;
        }
        Ok(frame)
    }

    /// Runs the block of this name, the overriding one first.
    pub(crate) fn block(&self, name: &Name, frame: &Frame, out: &mut String) -> Result<()> {
        self.block_at(name, 0, frame, out)
    }

    fn block_at(&self, name: &Name, level: usize, frame: &Frame, out: &mut String) -> Result<()> {
        let Some((def, source)) = block_def(frame, name, level) else {
            return Ok(());
        };
        if def.required {
            return Err(Error::runtime(format!(
                "Required block {} not found",
                quote(name)
            )));
        }
        let around = if def.scoped {
            &frame.scope
        } else {
            &frame.root.scope
        };
        let inner = Frame {
            scope: Scope::below(Some(around)),
            root: frame.root.clone(),
            source,
        };
        if block_def(frame, name, level + 1).is_some() {
            let above = BlockRef {
                name: Some(name.clone()),
                level: level + 1,
                frame: frame.clone(),
            };
            inner.scope.set(&"super".into(), Val::Block(Rc::new(above)));
        } else {
            let text = format!("there is no parent block called {}.", quote(name));
            inner.scope.set(&"super".into(), self.undefined(text));
        }
        self.deeper(|| self.body(&def.body, &inner, out))?;
        Ok(())
    }

    pub(crate) fn call_block(&self, block: &BlockRef) -> Result {
        let Some(name) = &block.name else {
            return Err(Error::type_error(
                "'TemplateReference' object is not callable",
            ));
        };
        let mut out = String::new();
        self.block_at(name, block.level, &block.frame, &mut out)?;
        Ok(self.made(out))
    }

    /// A parsed template by name, loaded once.
    fn source(&self, name: &str) -> Result<Rc<Source>> {
        let key = Name::from(name);
        if let Some(found) = self.sources.borrow().get(&key) {
            return Ok(found.clone());
        }
        let not_found = || Error::new(ErrorKind::NotFound, name);
        let Some(loader) = self.env.loader.as_deref() else {
            return Err(Error::type_error(
                "no loader for this environment specified",
            ));
        };
        let directory = self.global_text("tpldir");
        let loaded = loader.load(name, directory.as_deref());
        let loaded = loaded.map_err(Error::runtime)?.ok_or_else(not_found)?;
        for (name, value) in &loaded.globals {
            self.set_global(name, value);
        }
        let ast = parser::parse(&loaded.text, &self.env.options).map_err(|mut error| {
            error.template = Some(key.to_string());
            error
        })?;
        let source = Rc::new(Source {
            name: Some(key.clone()),
            ast,
        });
        self.sources.borrow_mut().insert(key, source.clone());
        Ok(source)
    }

    /// The template that an expression names; of a list the first that there is.
    fn named(&self, expr: &Expr, frame: &Frame) -> Result<Rc<Source>> {
        let value = self.eval(expr, frame)?;
        let names = match &value {
            Val::List(_) | Val::Tuple(_) => ops::items(&value)?,
            Val::Undefined(u) => return Err(u.error()),
            other => return self.source(&str(other)?),
        };
        for name in &names {
            match self.source(&str(name)?) {
                Err(e) if e.kind == ErrorKind::NotFound => {}
                other => return other,
            }
        }
        let names: Vec<_> = names.iter().map(str).collect::<Result<_>>()?;
        Err(Error::new(
            ErrorKind::NoneFound,
            format!(
                "none of the templates given were found: {}",
                names.join(", ")
            ),
        ))
    }

    fn module(&self, template: &Expr, with_context: bool, frame: &Frame) -> Result<Rc<Module>> {
        let source = self.named(template, frame)?;
        let name = source.name.clone().unwrap_or_else(|| "".into());
        if !with_context && let Some(found) = self.modules.borrow().get(&name) {
            return Ok(found.clone());
        }
        let mut text = String::new();
        let parent = with_context.then_some(&frame.scope);
        let ran = self.deeper(|| self.run(&source, parent, !with_context, &mut text))?;
        let exported = ran.root.exported.borrow();
        let exports = exported
            .iter()
            .filter_map(|name| Some((name.clone(), ran.scope.own(name)?)));
        let module = Rc::new(Module {
            name: name.to_string(),
            text,
            exports: exports.collect(),
        });
        if !with_context {
            self.modules.borrow_mut().insert(name, module.clone());
        }
        Ok(module)
    }

    /// `extends`, `include` and the imports.
    pub(crate) fn load_statement(
        &self,
        stmt: &Stmt,
        frame: &Frame,
        out: &mut String,
    ) -> Result<Flow> {
        match &stmt.kind {
            StmtKind::Extends(template) => {
                let parent = self.named(template, frame)?;
                let before = frame.root.parent.replace(Some(parent));
                if before.is_some() {
                    return Err(Error::runtime("extended multiple times"));
                }
            }
            StmtKind::Include {
                template,
                ignore_missing,
                with_context,
            } => {
                let source = match self.named(template, frame) {
                    Err(e)
                        if *ignore_missing
                            && matches!(e.kind, ErrorKind::NotFound | ErrorKind::NoneFound) =>
                    {
                        return Ok(Flow::Next);
                    }
                    other => other?,
                };
                let parent = with_context.then_some(&frame.scope);
                self.deeper(|| self.run(&source, parent, !with_context, out))?;
            }
            StmtKind::Import {
                template,
                target,
                with_context,
            } => {
                let module = self.module(template, *with_context, frame)?;
                frame.assign_import(target, Val::Module(module));
            }
            StmtKind::FromImport {
                template,
                names,
                with_context,
            } => {
                let module = self.module(template, *with_context, frame)?;
                for (name, alias) in names {
                    let value = module.attr(name).unwrap_or_else(|| {
                        let mut place = format!("line {}", stmt.line);
                        if let Some(here) = &frame.source.name {
                            place.push_str(&format!(" in {}", quote(here)));
                        }
                        self.undefined(format!(
                            "the template {} (imported on {place}) does not export the requested name {}",
                            quote(&module.name),
                            quote(name)
                        ))
                    });
                    frame.assign_import(alias, value);
                }
            }
            StmtKind::ImportData {
                filter,
                template,
                target,
                with_context,
            } => {
                let module = self.module(template, *with_context, frame)?;
                let value = self.apply(filter, module.text().into(), frame)?;
                frame.assign(target, value);
            }
            _ => {}
        }
        Ok(Flow::Next)
    }
}

fn add_blocks(frame: &Frame, source: &Rc<Source>) {
    let mut blocks = frame.root.blocks.borrow_mut();
    for (name, def) in &source.ast.blocks {
        blocks
            .entry(name.clone())
            .or_default()
            .push((def.clone(), source.clone()));
    }
}

fn block_def(frame: &Frame, name: &Name, level: usize) -> Option<Definition> {
    let blocks = frame.root.blocks.borrow();
    blocks.get(name).and_then(|defs| defs.get(level)).cloned()
}
