//! `salt` in templates: execution functions as `salt['mod.fun'](…)` and `salt.mod.fun(…)`.

use std::sync::Arc;

use salt_jinja::{CallError, Found, Object};
use salt_wire::{Map, Value};

use crate::context::{Context, Error};

/// All functions.
pub(super) struct Salt {
    ctx: Context,
}

impl Salt {
    pub(super) fn new(ctx: &Context) -> Self {
        Self { ctx: ctx.clone() }
    }

    fn function(&self, name: &str) -> Option<Found> {
        self.ctx.functions.has(&self.ctx, name).then(|| {
            Found::Object(Arc::new(Function {
                ctx: self.ctx.clone(),
                name: name.to_owned(),
            }))
        })
    }
}

impl Object for Salt {
    fn type_name(&self) -> &str {
        "salt.utils.templates.AliasedLoader"
    }

    fn attr(&self, name: &str) -> Option<Found> {
        if name == "get" {
            return Some(Found::Object(Arc::new(Get(Self::new(&self.ctx)))));
        }
        self.ctx.functions.has_module(&self.ctx, name).then(|| {
            Found::Object(Arc::new(Module {
                salt: Self::new(&self.ctx),
                name: name.to_owned(),
            }))
        })
    }

    fn item(&self, key: &Value) -> Result<Option<Found>, CallError> {
        Ok(key.as_str().and_then(|name| self.function(name)))
    }
}

/// One module: `salt.test`.
struct Module {
    salt: Salt,
    name: String,
}

impl Object for Module {
    fn type_name(&self) -> &str {
        "function"
    }

    fn attr(&self, name: &str) -> Option<Found> {
        self.salt.function(&format!("{}.{name}", self.name))
    }
}

/// `salt.get`: a function by name, if there is one.
struct Get(Salt);

impl Object for Get {
    fn type_name(&self) -> &str {
        "method"
    }

    fn callable(&self) -> bool {
        true
    }

    fn call(&self, args: &[Value], _kwargs: &Map) -> Result<Value, CallError> {
        // A function is no value that could be given back here; whether there is one is.
        let known = args
            .first()
            .and_then(Value::as_str)
            .is_some_and(|name| self.0.function(name).is_some());
        Ok(if known {
            args[0].clone()
        } else {
            args.get(1).cloned().unwrap_or(Value::Null)
        })
    }
}

/// One function.
struct Function {
    ctx: Context,
    name: String,
}

impl Object for Function {
    fn type_name(&self) -> &str {
        "function"
    }

    fn callable(&self) -> bool {
        true
    }

    fn call(&self, args: &[Value], kwargs: &Map) -> Result<Value, CallError> {
        self.ctx.call(&self.name, args, kwargs).map_err(failure)
    }

    fn changes_first(&self, args: &[Value], kwargs: &Map) -> bool {
        let in_place = || kwargs.get("in_place").or(args.get(3));
        match self.name.as_str() {
            "slsutil.update" => true,
            "defaults.merge" | "defaults.update" => in_place().is_none_or(Value::is_truthy),
            _ => false,
        }
    }
}

/// How Salt would see a function's failure.
fn failure(error: Error) -> CallError {
    match error {
        Error::Execution(text) | Error::Invocation(text) => CallError::salt(text),
        Error::Arguments(text) => CallError::python("TypeError", text),
        Error::MissingCommand(text) => CallError::python("CommandNotFoundError", text),
        Error::NotAvailable(name) => CallError::python("KeyError", format!("'{name}'")),
        Error::Exception { kind, message } => CallError::python(kind, message),
        Error::Python { .. } => CallError::salt(error.to_string()),
    }
}
