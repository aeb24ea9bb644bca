//! Statements.

use std::rc::Rc;

use super::{Flow, Frame, Interp, Macro};
use crate::ast::{Expr, FilterCall, MacroDef, Stmt, StmtKind, Target};
use crate::error::{Error, Result};
use crate::value::{Key, Val, ops};

impl Interp<'_> {
    /// Runs statements until one of them leaves the loop.
    pub(crate) fn body(&self, body: &[Stmt], frame: &Frame, out: &mut String) -> Result<Flow> {
        for stmt in body {
            self.spend(1)?;
            self.line.set(stmt.line);
            let flow = self
                .nested(|| self.statement(stmt, frame, out))
                .map_err(|mut error| {
                    // The innermost line is the one that is reported.
                    if error.line == 0 {
                        error.line = stmt.line;
                        error.template = frame.source.name.as_deref().map(str::to_owned);
                    }
                    error
                })?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// The text that a body makes.
    pub(crate) fn capture(&self, body: &[Stmt], frame: &Frame) -> Result<String> {
        let mut out = String::new();
        self.body(body, frame, &mut out)?;
        Ok(out)
    }

    /// A child's own text is not printed, only its blocks are.
    fn silent(frame: &Frame) -> bool {
        frame.root.parent.borrow().is_some() && frame.is_top() && !frame.root.in_parent.get()
    }

    fn statement(&self, stmt: &Stmt, frame: &Frame, out: &mut String) -> Result<Flow> {
        match &stmt.kind {
            StmtKind::Data(text) => {
                if !Self::silent(frame) {
                    self.write(out, text)?;
                }
            }
            StmtKind::Output(expr) => {
                if !Self::silent(frame) {
                    let value = self.eval(expr, frame)?;
                    self.write(out, &self.shown(&value)?)?;
                }
            }
            StmtKind::Do(expr) => {
                self.eval(expr, frame)?;
            }
            StmtKind::If {
                branches,
                otherwise,
            } => {
                for (test, body) in branches {
                    if self.eval(test, frame)?.truth()? {
                        return self.body(body, frame, out);
                    }
                }
                return self.body(otherwise, frame, out);
            }
            StmtKind::For(def) => {
                let iterable = self.eval(&def.iter, frame)?;
                self.run_loop(def, &iterable, frame, 0, out)?;
            }
            StmtKind::Break => return Ok(Flow::Break),
            StmtKind::Continue => return Ok(Flow::Continue),
            StmtKind::Set { target, value } => {
                let value = self.eval(value, frame)?;
                self.assign(target, value, frame)?;
            }
            StmtKind::SetBlock {
                target,
                filters,
                body,
            } => {
                let text = self.capture(body, &frame.inner())?;
                let value = self.filtered(self.made(text), filters, frame)?;
                self.assign(target, value, frame)?;
            }
            StmtKind::With { bindings, body } => {
                let inner = frame.inner();
                for (target, value) in bindings {
                    // Each value is seen from outside of the block.
                    let value = self.eval(value, frame)?;
                    self.assign(target, value, &inner)?;
                }
                return self.body(body, &inner, out);
            }
            StmtKind::Macro(def) => {
                let value = self.macro_value(def, frame);
                frame.assign(&def.name, value);
            }
            StmtKind::CallBlock { caller, call } => {
                let caller = self.macro_value(caller, frame);
                if let Expr::Call(callee, arguments) = call {
                    let value = self.call_expr(callee, arguments, Some(caller), frame)?;
                    if !Self::silent(frame) {
                        self.write(out, &self.shown(&value)?)?;
                    }
                }
            }
            StmtKind::FilterBlock { filters, body } => {
                let text = self.capture(body, &frame.inner())?;
                let value = self.filtered(self.made(text), filters, frame)?;
                self.write(out, &self.shown(&value)?)?;
            }
            StmtKind::Block { name } => {
                if !Self::silent(frame) {
                    self.block(name, frame, out)?;
                }
            }
            StmtKind::Load {
                filter,
                target,
                body,
            } => {
                let text = self.deeper(|| self.capture(body, &frame.inner()))?;
                let value = self.apply(filter, text.into(), frame)?;
                self.assign(target, value, frame)?;
            }
            StmtKind::AutoEscape { on, body } => {
                let on = self.eval(on, frame)?.truth()?;
                let before = self.escaping.replace(on);
                let flow = self.body(body, &frame.inner(), out);
                self.escaping.set(before);
                return flow;
            }
            StmtKind::Plain(body) => return self.body(body, frame, out),
            StmtKind::Extends(_)
            | StmtKind::Include { .. }
            | StmtKind::Import { .. }
            | StmtKind::FromImport { .. }
            | StmtKind::ImportData { .. } => {
                if !Self::silent(frame) || !matches!(stmt.kind, StmtKind::Include { .. }) {
                    self.load_statement(stmt, frame, out)?;
                }
            }
        }
        Ok(Flow::Next)
    }

    fn macro_value(&self, def: &Rc<MacroDef>, frame: &Frame) -> Val {
        self.note_ring(&frame.scope);
        Val::Macro(Rc::new(Macro::new(def.clone(), frame.clone())))
    }

    pub(crate) fn filtered(&self, mut value: Val, filters: &[FilterCall], frame: &Frame) -> Result {
        for filter in filters {
            value = self.filter(filter, value, frame)?;
        }
        Ok(value)
    }

    pub(crate) fn assign(&self, target: &Target, value: Val, frame: &Frame) -> Result<()> {
        match target {
            Target::Name(name) => frame.assign(name, value),
            Target::Attr(name, attr) => match self.lookup(name, frame) {
                Val::Namespace(dict) => {
                    dict.borrow_mut().insert(Key(attr.clone().into()), value);
                }
                other => {
                    other.strict()?;
                    return Err(Error::runtime(
                        "cannot assign attribute on non-namespace object",
                    ));
                }
            },
            Target::Tuple(targets) => {
                let items = unpack(&value)?;
                let (want, got) = (targets.len(), items.len());
                if got < want {
                    return Err(Error::value_error(format!(
                        "not enough values to unpack (expected {want}, got {got})"
                    )));
                }
                if got > want {
                    return Err(Error::value_error(format!(
                        "too many values to unpack (expected {want})"
                    )));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item, frame)?;
                }
            }
        }
        Ok(())
    }
}

fn unpack(value: &Val) -> Result<Vec<Val>> {
    if !value.is_iterable() {
        return Err(Error::type_error(format!(
            "cannot unpack non-iterable {} object",
            value.type_name()
        )));
    }
    ops::items(value)
}
