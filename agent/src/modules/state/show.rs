//! The functions that show what a run would consist of.

use salt_wire::{Map, Value};

use super::prepare::{prepare, prepared};
use crate::context::{Args, Context, Result};
use crate::highstate::report::{COMPILER_ERROR, STATE_FAILURE};
use crate::highstate::split_input;

fn shown<T: Into<Value>>(ctx: &Context, found: std::result::Result<T, Vec<String>>) -> Value {
    match found {
        Ok(value) => value.into(),
        Err(texts) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            texts.into()
        }
    }
}

pub(super) fn show_top(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    Ok(shown(ctx, prepared.compiler().show_top()?))
}

pub(super) fn show_highstate(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    let high = prepared.compiler().show_highstate()?;
    if high.as_ref().is_ok_and(Map::is_empty) {
        ctx.job.set_retcode(STATE_FAILURE);
    }
    Ok(shown(ctx, high))
}

pub(super) fn show_lowstate(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    // Errors are shown as they are, without a return code, as Salt does.
    Ok(match prepared.compiler().show_lowstate()? {
        Ok(chunks) => Value::List(chunks),
        Err(texts) => texts.into(),
    })
}

pub(super) fn show_sls(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    let mods = split_input(args.get("mods"));
    let high = prepared.compiler().show_sls(&prepared.saltenv(), &mods)?;
    Ok(shown(ctx, high))
}

pub(super) fn show_low_sls(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    let mods = split_input(args.get("mods"));
    let chunks = prepared
        .compiler()
        .show_low_sls(&prepared.saltenv(), &mods)?;
    Ok(shown(ctx, chunks.map(Value::List)))
}

pub(super) fn show_states(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    Ok(match prepared.compiler().show_lowstate()? {
        Ok(chunks) => {
            let mut names: Vec<Value> = Vec::new();
            for sls in chunks.iter().filter_map(|c| c.get("__sls__")) {
                if !names.contains(sls) {
                    names.push(sls.clone());
                }
            }
            Value::List(names)
        }
        Err(texts) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            texts.into()
        }
    })
}

pub(super) fn sls_exists(ctx: &Context, args: &Args) -> Result {
    Ok(matches!(show_sls(ctx, args)?, Value::Map(_)).into())
}

pub(super) fn id_exists(ctx: &Context, args: &Args) -> Result {
    let chunks = show_low_sls(ctx, args)?;
    let known: Vec<&str> = chunks
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(|c| c.get("__id__").and_then(Value::as_str))
        .collect();
    let all = split_input(args.get("ids"))
        .iter()
        .all(|id| known.contains(&id.as_str()));
    Ok(all.into())
}
