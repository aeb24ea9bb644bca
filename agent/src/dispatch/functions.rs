//! Execution functions by name, with their arguments bound: what stands behind [`Functions`].

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use salt_wire::{Map, Value};

use crate::context::worker::{Kind, Spec};
use crate::context::{Context, Error, Functions, Result, Signature, arguments};
use crate::modules::{self, Function};
use crate::returns::load::Docs;

/// All native functions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

/// A function, with its signature once somebody has called it: of a thousand an agent needs a few.
struct Known {
    function: &'static Function,
    signature: OnceLock<Box<Signature>>,
}

impl Known {
    fn signature(&self) -> &Signature {
        // A test parses every one.
        let parse = || Signature::parse(self.function.signature).unwrap_or_default();
        self.signature.get_or_init(|| Box::new(parse()))
    }
}

fn known() -> &'static HashMap<&'static str, Known> {
    static KNOWN: OnceLock<HashMap<&'static str, Known>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let known = |function| Known {
            function,
            signature: OnceLock::new(),
        };
        modules::all().map(|f| (f.name, known(f))).collect()
    })
}

impl Registry {
    /// Calls `fun` as a job does: `arg` as the publication has it, `load` for functions that take any keyword.
    pub fn run(self, ctx: &Context, fun: &str, arg: &[Value], load: Option<&Map>) -> Result {
        let known = match find(ctx, fun)? {
            Found::Native(known) => known,
            Found::Salts(spec) => {
                let (args, kwargs) = arguments::split(&spec.signature, arg, load)?;
                ctx.job.set_retcode(0);
                return ctx.worker.call(ctx, fun, &args, &kwargs);
            }
        };
        let (positional, keywords) = arguments::split(known.signature(), arg, load)?;
        let mut args = known.signature().bind(fun, &positional, &keywords)?;
        args.direct = true;
        ctx.job.set_retcode(0);
        (known.function.run)(ctx, &args)
    }

    /// The parsed signature of a function.
    pub fn signature(self, fun: &str) -> Option<&'static Signature> {
        known().get(fun).map(Known::signature)
    }
}

impl Functions for Registry {
    fn call(&self, ctx: &Context, fun: &str, args: &[Value], kwargs: &Map) -> Result {
        match find(ctx, fun)? {
            Found::Native(known) => {
                let args = known.signature().bind(fun, args, kwargs)?;
                (known.function.run)(ctx, &args)
            }
            Found::Salts(_) => ctx.worker.call(ctx, fun, args, kwargs),
        }
    }

    fn has(&self, ctx: &Context, fun: &str) -> bool {
        match find(ctx, fun) {
            Ok(_) => true,
            Err(Error::NotAvailable(_)) => false,
            Err(error) => {
                tracing::warn!(fun, %error, "Whether Salt has this function is not known.");
                false
            }
        }
    }

    fn has_module(&self, ctx: &Context, module: &str) -> bool {
        let native = known().keys().any(|name| {
            name.strip_prefix(module)
                .is_some_and(|rest| rest.starts_with('.'))
        });
        native || (ctx.worker.ready(ctx).is_ok() && ctx.worker.has_module(ctx, module))
    }
}

impl Docs for Registry {
    fn doc(&self, fun: &str) -> String {
        modules::find(fun)
            .map(|f| f.doc.to_owned())
            .unwrap_or_default()
    }

    fn starting_with(&self, prefix: &str) -> Map {
        // As Salt, whose `sys.doc 'name*'` is a glob over the full names.
        modules::all()
            .filter(|f| f.name.starts_with(prefix))
            .map(|f| (f.name.into(), f.doc.into()))
            .collect()
    }
}

/// Who runs a function.
enum Found {
    Native(&'static Known),
    Salts(Arc<Spec>),
}

/// Native, unless a synced module takes its place; else Salt's own, where this machine has one.
fn find(ctx: &Context, fun: &str) -> Result<Found> {
    let missing = || Error::NotAvailable(fun.to_owned());
    if !modules::is_enabled(&ctx.settings, fun) {
        return Err(missing());
    }
    let module = fun.split_once('.').ok_or_else(missing)?.0;
    let native = known()
        .get(fun)
        .filter(|_| !Kind::Functions.is_elsewhere(ctx, module));
    let replaced = ctx.worker.replaces(ctx, Kind::Functions, module);
    if let Some(native) = native.filter(|_| !replaced) {
        return Ok(Found::Native(native));
    }
    match (ctx.worker.ready(ctx), native) {
        (Ok(()), _) => {}
        (Err(why), Some(native)) => {
            tracing::warn!(
                fun,
                why,
                "A synced module would take the place of this function."
            );
            return Ok(Found::Native(native));
        }
        (Err(_), None) => return Err(missing()),
    }
    match ctx.worker.find(ctx, Kind::Functions, fun)? {
        Ok(spec) => Ok(Found::Salts(spec)),
        Err(why) => {
            tracing::debug!(fun, why, "Salt has no such function either.");
            native.map(Found::Native).ok_or_else(missing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_parses_and_every_name_is_there_once() {
        for function in modules::all() {
            Signature::parse(function.signature)
                .unwrap_or_else(|e| panic!("{}: {e}", function.name));
        }
        assert_eq!(known().len(), modules::all().count());
    }
}
