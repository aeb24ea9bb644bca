//! Calls: of macros, of methods, of functions.

use std::rc::Rc;

use salt_wire::{Map, Value};

use super::{Frame, Interp, attr, builtin};
use crate::ast::{Arguments, Expr, MacroDef, Name};
use crate::error::{Error, Result};
use crate::methods;
use crate::python::quote;
use crate::value::{Dict, Key, Val};

/// Evaluated arguments.
#[derive(Default, Clone)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Val>,
    pub(crate) keywords: Vec<(Name, Val)>,
}

impl Args {
    pub(crate) fn of(positional: Vec<Val>) -> Self {
        Self {
            positional,
            keywords: Vec::new(),
        }
    }

    /// Gives each parameter its argument, by place or by name.
    pub(crate) fn bind<const N: usize>(
        &self,
        fun: &str,
        names: [&str; N],
    ) -> Result<[Option<Val>; N]> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return Err(Error::type_error(format!(
                "{fun}() takes at most {N} arguments ({} given)",
                self.positional.len()
            )));
        }
        for (slot, value) in bound.iter_mut().zip(&self.positional) {
            *slot = Some(value.clone());
        }
        for (name, value) in &self.keywords {
            let Some(at) = names.iter().position(|n| *n == &**name) else {
                return Err(Error::type_error(format!(
                    "{fun}() got an unexpected keyword argument '{name}'"
                )));
            };
            if bound[at].is_some() {
                return Err(Error::type_error(format!(
                    "{fun}() got multiple values for argument '{name}'"
                )));
            }
            bound[at] = Some(value.clone());
        }
        Ok(bound)
    }
}

/// A macro and the scope that it sees.
pub(crate) struct Macro {
    def: Rc<MacroDef>,
    frame: Frame,
}

impl Macro {
    pub(crate) fn new(def: Rc<MacroDef>, frame: Frame) -> Self {
        Self { def, frame }
    }

    pub(crate) fn name(&self) -> &str {
        &self.def.name
    }

    pub(crate) fn attr(&self, name: &str) -> Option<Val> {
        Some(match name {
            "name" => self.name().into(),
            "arguments" => {
                let names = self.def.params.iter().map(|(n, _)| n.clone().into());
                Val::tuple(names.collect())
            }
            "catch_kwargs" => self.def.uses_kwargs.into(),
            "catch_varargs" => self.def.uses_varargs.into(),
            "caller" => self.def.uses_caller.into(),
            _ => return None,
        })
    }
}

impl Interp<'_> {
    /// Calls what an expression names; a call block's body comes along as `caller`.
    pub(crate) fn call_expr(
        &self,
        callee: &Expr,
        arguments: &Arguments,
        caller: Option<Val>,
        frame: &Frame,
    ) -> Result {
        // `x.y(…)` without making a bound method first.
        if let Expr::Attr(object, name) = callee {
            let object = self.eval(object, frame)?;
            if methods::has(&object, name) {
                let args = self.arguments(arguments, frame)?;
                return methods::call(self, &object, name, &args);
            }
            let function = attr(self, &object, name)?;
            let args = self.with_caller(arguments, caller, frame)?;
            return self.call(&function, &args);
        }
        let function = self.eval(callee, frame)?;
        if let Val::Function("show_full_context") = function {
            return Ok(builtin::full_context(self, frame));
        }
        let args = self.with_caller(arguments, caller, frame)?;
        self.call(&function, &args)
    }

    fn with_caller(
        &self,
        arguments: &Arguments,
        caller: Option<Val>,
        frame: &Frame,
    ) -> Result<Args> {
        let mut args = self.arguments(arguments, frame)?;
        if let Some(caller) = caller {
            args.keywords.push(("caller".into(), caller));
        }
        Ok(args)
    }

    /// Calls a value.
    pub(crate) fn call(&self, function: &Val, args: &Args) -> Result {
        self.spend(1)?;
        match function {
            Val::Undefined(u) => Err(u.error()),
            Val::Macro(m) => self.call_macro(m, args),
            Val::Function(name) => builtin::call(self, name, args),
            Val::Method(bound) => methods::call(self, &bound.0, &bound.1, args),
            Val::Joiner(joiner) => Ok(if joiner.used.replace(true) {
                Val::Str(joiner.separator.clone())
            } else {
                "".into()
            }),
            Val::Loop(l) => self.recurse(l, args),
            Val::Block(block) => self.call_block(block),
            Val::Object(object) if object.callable() => {
                let positional: Vec<Value> = args
                    .positional
                    .iter()
                    .map(Val::to_value)
                    .collect::<Result<_>>()?;
                let mut keywords = Map::new();
                for (name, value) in &args.keywords {
                    keywords.insert((&**name).into(), value.to_value()?);
                }
                let result = Val::from(&object.call(&positional, &keywords)?);
                let first = || {
                    let named = args.keywords.iter().find(|(n, _)| &**n == "dest");
                    args.positional.first().or(named.map(|(_, v)| v))
                };
                if object.changes_first(&positional, &keywords)
                    && let (Some(Val::Dict(first)), Val::Dict(changed)) = (first(), &result)
                {
                    first.replace(changed.take());
                    return Ok(Val::Dict(first.clone()));
                }
                Ok(result)
            }
            other => Err(Error::type_error(format!(
                "'{}' object is not callable",
                other.type_name()
            ))),
        }
    }

    /// The text that a macro makes.
    fn call_macro(&self, called: &Macro, args: &Args) -> Result {
        let def = &called.def;
        let frame = called.frame.inner();
        let mut keywords = args.keywords.clone();
        let take = |keywords: &mut Vec<(Name, Val)>, name: &str| {
            let at = keywords.iter().position(|(n, _)| &**n == name)?;
            Some(keywords.remove(at).1)
        };
        let given = args.positional.len().min(def.params.len());
        self.deeper(|| {
            // Defaults are seen from inside, where the parameters before them are already set.
            for (at, (name, default)) in def.params.iter().enumerate() {
                let value = if at < given {
                    args.positional[at].clone()
                } else if let Some(value) = take(&mut keywords, name) {
                    value
                } else if let Some(default) = default {
                    self.eval(default, &frame)?
                } else {
                    self.undefined(format!("parameter {} was not provided", quote(name)))
                };
                frame.scope.set(name, value);
            }
            if def.uses_caller {
                let caller = take(&mut keywords, "caller")
                    .unwrap_or_else(|| self.undefined("No caller defined"));
                frame.scope.set(&"caller".into(), caller);
            }
            let quoted = quote(&def.name);
            if def.uses_kwargs {
                let entries = keywords.drain(..).map(|(n, v)| (Key(n.into()), v));
                let dict: Dict = entries.collect();
                frame.scope.set(&"kwargs".into(), Val::dict(dict));
            } else if let Some((name, _)) = keywords.first() {
                if &**name == "caller" {
                    return Err(Error::type_error(format!(
                        "macro {quoted} was invoked with two values for the special caller argument. This is most likely a bug."
                    )));
                }
                return Err(Error::type_error(format!(
                    "macro {quoted} takes no keyword argument {}",
                    quote(name)
                )));
            }
            let rest = &args.positional[given..];
            if def.uses_varargs {
                frame
                    .scope
                    .set(&"varargs".into(), Val::tuple(rest.to_vec()));
            } else if !rest.is_empty() {
                return Err(Error::type_error(format!(
                    "macro {quoted} takes not more than {} argument(s)",
                    def.params.len()
                )));
            }
            let text = self.capture(&def.body, &frame).map_err(|mut error| {
                if error.line == 0 {
                    error.line = def.line;
                }
                error
            })?;
            Ok(self.made(text))
        })
    }
}
