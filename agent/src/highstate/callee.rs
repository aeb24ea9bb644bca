//! Who runs a state function: this program, or the Salt of this machine through the compat worker.

use std::borrow::Cow;
use std::sync::Arc;

use salt_wire::{Map, Value};

use super::low::{field, function, is_internal};
use crate::context::worker::{Kind, Spec, StateCall};
use crate::context::{Args, Context, Error, Result, Signature};
use crate::states::{self, Outcome, Run, State, limits};

/// A state function that can be called.
#[derive(Clone)]
pub(super) enum Callee {
    Native(&'static State),
    Salts(String, Arc<Spec>),
}

/// The function that a chunk asks for. One that is native, but for an argument of this chunk, is Salt's where there is a
/// Salt.
pub(super) fn of(ctx: &Context, low: &Map) -> std::result::Result<Callee, String> {
    let full = function(low);
    if limits::asked(&full, low).is_empty() || ctx.worker.ready(ctx).is_err() {
        return find(ctx, &full);
    }
    match ctx.worker.find(ctx, Kind::States, &full) {
        Ok(Ok(spec)) => Ok(Callee::Salts(full, spec)),
        _ => find(ctx, &full),
    }
}

/// The function of this name; else why there is none, in Salt's words.
fn find(ctx: &Context, full: &str) -> std::result::Result<Callee, String> {
    let module = full.split('.').next().unwrap_or(full);
    let native = states::find(full);
    if let Some(native) = native
        && !ctx.worker.replaces(ctx, Kind::States, module)
    {
        return Ok(Callee::Native(native));
    }
    ctx.worker.ready(ctx)?;
    match ctx.worker.find(ctx, Kind::States, full) {
        Ok(Ok(spec)) => Ok(Callee::Salts(full.to_owned(), spec)),
        Ok(Err(why)) => match native {
            Some(native) => Ok(Callee::Native(native)),
            None => Err(why),
        },
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the module of a chunk has this function, which the engine calls by itself: `mod_watch` and its like.
pub(super) fn has_sibling(ctx: &Context, chunk: &Map, name: &str) -> bool {
    let (module, fun) = (field(chunk, "state"), field(chunk, "fun"));
    if states::find(&format!("{module}.{name}")).is_some() {
        return true;
    }
    // Native modules have native ones only.
    let native = states::find(&format!("{module}.{fun}")).is_some();
    if native && !ctx.worker.replaces(ctx, Kind::States, module) {
        return false;
    }
    match find(ctx, &format!("{module}.{fun}")) {
        Ok(Callee::Salts(_, spec)) => spec.siblings.iter().any(|s| s == name),
        _ => false,
    }
}

impl Callee {
    pub(super) fn signature(&self) -> Result<Cow<'_, Signature>> {
        match self {
            Self::Native(state) => Signature::parse(state.signature)
                .map(Cow::Owned)
                .map_err(Error::execution),
            Self::Salts(_, spec) => Ok(Cow::Borrowed(&spec.signature)),
        }
    }

    /// The function's arguments out of its chunk.
    pub(super) fn arguments(&self, full: &str, low: &Map) -> Result<Args> {
        let signature = self.signature()?;
        let mut args = Args::default();
        let mut extra: Vec<&str> = Vec::new();
        for (name, default) in &signature.params {
            let value = low.get(name.as_str()).cloned();
            if value.is_none() && matches!(self, Self::Salts(..)) {
                // Python fills in its own defaults, which are no data at times.
                continue;
            }
            let value = value.or_else(|| default.clone()).unwrap_or_default();
            args.named.insert(name.as_str().into(), value);
        }
        for (key, value) in low {
            let Some(name) = key.as_str() else { continue };
            if args.named.contains_key(name) || is_internal(name) {
                continue;
            }
            if signature.kwargs.is_some() {
                args.extra.insert(key.clone(), value.clone());
            } else {
                extra.push(name);
            }
        }
        match extra.as_slice() {
            [] => Ok(args),
            [one] => Err(Error::invocation(format!(
                "'{one}' is an invalid keyword argument for '{full}'"
            ))),
            [head @ .., last] => {
                let head: Vec<_> = head.iter().map(|e| format!("'{e}'")).collect();
                Err(Error::invocation(format!(
                    "{} and '{last}' are invalid keyword arguments for '{full}'",
                    head.join(", ")
                )))
            }
        }
    }

    /// Calls it; its words, or those of its failure.
    pub(super) fn call(&self, ctx: &Context, run: &Run<'_>) -> Map {
        let returned = match self {
            Self::Native(state) => {
                native(ctx, state, run).map(|outcome| super::call::report(outcome, run.chunk))
            }
            Self::Salts(fun, _) => {
                let mut kwargs = run.args.named.clone();
                kwargs.extend(run.args.extra.clone());
                let call = StateCall {
                    fun,
                    kwargs: &kwargs,
                    low: run.chunk,
                    test: run.test,
                };
                ctx.worker.state(ctx, &call).map(|mut ret| {
                    ret.entry("name".into())
                        .or_insert_with(|| run.chunk.get("name").cloned().unwrap_or(Value::Null));
                    ret
                })
            }
        };
        returned.unwrap_or_else(|error| super::call::failure(&error, run.chunk))
    }
}

/// A native function, unless this call asks for what it does not do.
fn native(ctx: &Context, state: &State, run: &Run<'_>) -> Result<Outcome> {
    match limits::asked(state.name, run.chunk).as_slice() {
        [] => (state.run)(ctx, run),
        asked => Ok(Outcome::failed(limits::refusal(state.name, asked))),
    }
}
