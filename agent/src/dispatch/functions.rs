//! Execution functions by name, with their arguments bound: what stands behind [`Functions`].

use std::collections::HashMap;
use std::sync::OnceLock;

use salt_wire::{Map, Value};

use crate::config::Settings;
use crate::context::{Context, Error, Functions, Result, Signature, arguments};
use crate::modules::{self, Function};
use crate::returns::load::Docs;

/// All native functions, each with its parsed signature.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

struct Known {
    function: &'static Function,
    signature: Signature,
}

fn known() -> &'static HashMap<&'static str, Known> {
    static KNOWN: OnceLock<HashMap<&'static str, Known>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        modules::all()
            .filter_map(|function| {
                // A test parses every signature.
                let signature = Signature::parse(function.signature).ok()?;
                let known = Known {
                    function,
                    signature,
                };
                Some((function.name, known))
            })
            .collect()
    })
}

impl Registry {
    /// Calls `fun` as a job does: `arg` as the publication has it, `load` for functions that take any keyword.
    pub fn run(self, ctx: &Context, fun: &str, arg: &[Value], load: Option<&Map>) -> Result {
        let known = find(&ctx.settings, fun)?;
        let (positional, keywords) = arguments::split(&known.signature, arg, load)?;
        let mut args = known.signature.bind(fun, &positional, &keywords)?;
        args.direct = true;
        ctx.job.set_retcode(0);
        (known.function.run)(ctx, &args)
    }

    /// The parsed signature of a function.
    pub fn signature(self, fun: &str) -> Option<&'static Signature> {
        known().get(fun).map(|known| &known.signature)
    }
}

impl Functions for Registry {
    fn call(&self, ctx: &Context, fun: &str, args: &[Value], kwargs: &Map) -> Result {
        let known = find(&ctx.settings, fun)?;
        let args = known.signature.bind(fun, args, kwargs)?;
        (known.function.run)(ctx, &args)
    }

    fn has(&self, fun: &str) -> bool {
        known().contains_key(fun)
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

fn find(settings: &Settings, fun: &str) -> Result<&'static Known> {
    known()
        .get(fun)
        .filter(|known| modules::is_enabled(settings, known.function.name))
        .ok_or_else(|| Error::NotAvailable(fun.to_owned()))
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
