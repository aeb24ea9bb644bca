//! Expressions.

use indexmap::IndexMap;

use super::{Args, Frame, Interp, attr, item};
use crate::ast::{Arguments, Cmp, Expr, FilterCall};
use crate::error::{Error, ErrorKind, Result};
use crate::filters::html;
use crate::value::{Key, Val, ops, repr};
use crate::{filters, tests};

impl Interp<'_> {
    /// The value of an expression.
    pub(crate) fn eval(&self, expr: &Expr, frame: &Frame) -> Result {
        self.spend(1)?;
        match expr {
            Expr::None => Ok(Val::None),
            Expr::Bool(b) => Ok(Val::Bool(*b)),
            Expr::Int(i) => Ok(Val::Int(*i)),
            Expr::Float(f) => Ok(Val::Float(*f)),
            Expr::Str(s) => Ok(s.clone().into()),
            Expr::Name(name) => Ok(self.lookup(name, frame)),
            _ => self.nested(|| self.compound(expr, frame)),
        }
    }

    fn all(&self, exprs: &[Expr], frame: &Frame) -> Result<Vec<Val>> {
        exprs.iter().map(|e| self.eval(e, frame)).collect()
    }

    fn compound(&self, expr: &Expr, frame: &Frame) -> Result {
        match expr {
            Expr::List(items) => Ok(Val::list(self.all(items, frame)?)),
            Expr::Tuple(items) => Ok(Val::tuple(self.all(items, frame)?)),
            Expr::Dict(entries) => {
                let mut dict = IndexMap::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = Key::new(self.eval(key, frame)?)?;
                    let value = self.eval(value, frame)?;
                    dict.insert(key, value);
                }
                Ok(Val::dict(dict))
            }
            Expr::Not(inner) => Ok(Val::Bool(!self.eval(inner, frame)?.truth()?)),
            Expr::Neg(inner) => ops::unary(&self.eval(inner, frame)?, true),
            Expr::Pos(inner) => ops::unary(&self.eval(inner, frame)?, false),
            Expr::And(left, right) => {
                let left = self.eval(left, frame)?;
                if left.truth()? {
                    self.eval(right, frame)
                } else {
                    Ok(left)
                }
            }
            Expr::Or(left, right) => {
                let left = self.eval(left, frame)?;
                if left.truth()? {
                    Ok(left)
                } else {
                    self.eval(right, frame)
                }
            }
            Expr::Binary(op, left, right) => {
                let left = self.eval(left, frame)?;
                ops::binary(*op, &left, &self.eval(right, frame)?)
            }
            Expr::Compare(first, rest) => self.comparison(first, rest, frame),
            Expr::Concat(parts) => {
                let parts = self.all(parts, frame)?;
                // Where output is escaped, one piece of markup makes markup of all.
                let markup = self.escapes() && parts.iter().any(is_markup);
                let mut text = String::new();
                for part in &parts {
                    let piece = repr::str(part)?;
                    if markup && !is_markup(part) {
                        self.write(&mut text, &html::escape(&piece))?;
                    } else {
                        self.write(&mut text, &piece)?;
                    }
                }
                Ok(if markup {
                    Val::markup(&text)
                } else {
                    text.into()
                })
            }
            Expr::Cond {
                test,
                then,
                otherwise,
            } => {
                if self.eval(test, frame)?.truth()? {
                    return self.eval(then, frame);
                }
                match otherwise {
                    Some(otherwise) => self.eval(otherwise, frame),
                    None => Ok(Val::undefined(
                        format!(
                            "the inline if-expression on line {} evaluated to false and no else section was defined.",
                            self.line.get()
                        ),
                        // Lenient in every environment, as in Jinja2.
                        true,
                    )),
                }
            }
            Expr::Attr(object, name) => {
                let object = self.eval(object, frame)?;
                attr(self, &object, name)
            }
            Expr::Item(object, key) => {
                let object = self.eval(object, frame)?;
                let key = self.eval(key, frame)?;
                item(self, &object, &key)
            }
            Expr::Slice(object, parts) => {
                let object = self.eval(object, frame)?;
                let mut bounds = [None; 3];
                for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                    if let Some(part) = part {
                        let value = self.eval(part, frame)?;
                        *bound = match &value {
                            Val::None => None,
                            other => Some(other.as_index().ok_or_else(|| {
                                Error::type_error(
                                    "slice indices must be integers or None or have an __index__ method",
                                )
                            })?),
                        };
                    }
                }
                match ops::slice(&object, &bounds) {
                    // Jinja2 makes of what cannot be sliced an undefined value.
                    Err(e) if e.kind == ErrorKind::Python("TypeError") => {
                        let shown = bounds.map(|b| b.map_or("None".into(), |b| b.to_string()));
                        Ok(self.undefined(format!(
                            "{} has no element slice({}, {}, {})",
                            object.described(),
                            shown[0],
                            shown[1],
                            shown[2]
                        )))
                    }
                    other => other,
                }
            }
            Expr::Call(callee, arguments) => self.call_expr(callee, arguments, None, frame),
            Expr::Filter(value, call) => {
                filters::find(&call.name).ok_or_else(|| no_filter(call))?;
                let value = self.eval(value, frame)?;
                self.filter(call, value, frame)
            }
            Expr::Test {
                value,
                call,
                negated,
            } => {
                let test = tests::find(&call.name).ok_or_else(|| no_test(call))?;
                let value = self.eval(value, frame)?;
                let args = self.arguments(&call.args, frame)?;
                Ok(Val::Bool(test(self, &value, &args)? != *negated))
            }
            Expr::None
            | Expr::Bool(_)
            | Expr::Int(_)
            | Expr::Float(_)
            | Expr::Str(_)
            | Expr::Name(_) => self.eval(expr, frame),
        }
    }

    fn comparison(&self, first: &Expr, rest: &[(Cmp, Expr)], frame: &Frame) -> Result {
        let mut left = self.eval(first, frame)?;
        for (cmp, right) in rest {
            let right = self.eval(right, frame)?;
            if !compare(*cmp, &left, &right)? {
                return Ok(Val::Bool(false));
            }
            left = right;
        }
        Ok(Val::Bool(true))
    }

    /// Evaluates a call's arguments.
    pub(crate) fn arguments(&self, arguments: &Arguments, frame: &Frame) -> Result<Args> {
        let mut args = Args {
            positional: self.all(&arguments.args, frame)?,
            ..Args::default()
        };
        for (name, value) in &arguments.kwargs {
            args.keywords.push((name.clone(), self.eval(value, frame)?));
        }
        if let Some(star) = &arguments.star {
            let more = self.eval(star, frame)?;
            args.positional.extend(ops::items(&more)?);
        }
        if let Some(star_star) = &arguments.star_star {
            let Val::Dict(more) = self.eval(star_star, frame)? else {
                return Err(Error::type_error("argument after ** must be a mapping"));
            };
            for (key, value) in more.borrow().iter() {
                let Some(name) = key.0.as_str() else {
                    return Err(Error::type_error("keywords must be strings"));
                };
                args.keywords.push((name.into(), value.clone()));
            }
        }
        Ok(args)
    }

    /// Applies a filter.
    pub(crate) fn filter(&self, call: &FilterCall, value: Val, frame: &Frame) -> Result {
        let filter = filters::find(&call.name).ok_or_else(|| no_filter(call))?;
        let args = self.arguments(&call.args, frame)?;
        self.spend(1)?;
        filter(self, value, &args)
    }

    /// Applies a filter without arguments.
    pub(crate) fn apply(&self, name: &str, value: Val, _frame: &Frame) -> Result {
        match filters::find(name) {
            Some(filter) => filter(self, value, &Args::default()),
            None => Err(Error::runtime(format!("No filter named '{name}'."))),
        }
    }
}

fn is_markup(value: &Val) -> bool {
    matches!(value, Val::Str(t) if t.markup)
}

/// One comparison.
pub(crate) fn compare(cmp: Cmp, left: &Val, right: &Val) -> Result<bool> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    Ok(match cmp {
        Cmp::Eq => ops::equal(left, right)?,
        Cmp::Ne => !ops::equal(left, right)?,
        Cmp::Lt => ops::compare(left, right, "<")? == Some(Less),
        Cmp::Le => matches!(ops::compare(left, right, "<=")?, Some(Less | Equal)),
        Cmp::Gt => ops::compare(left, right, ">")? == Some(Greater),
        Cmp::Ge => matches!(ops::compare(left, right, ">=")?, Some(Greater | Equal)),
        Cmp::In => ops::contains(right, left)?,
        Cmp::NotIn => !ops::contains(right, left)?,
    })
}

fn no_filter(call: &FilterCall) -> Box<Error> {
    let mut error = Error::new(
        ErrorKind::Assertion,
        format!("No filter named '{}'.", call.name),
    );
    error.line = call.line;
    error
}

fn no_test(call: &FilterCall) -> Box<Error> {
    let mut error = Error::new(
        ErrorKind::Assertion,
        format!("No test named '{}'.", call.name),
    );
    error.line = call.line;
    error
}
