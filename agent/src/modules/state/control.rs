//! Runs seen from outside: which one is under way, held, let go or ended; functions that may not run; and runs that
//! are asked for now and done later.

use salt_wire::{Map, Value, map};

use super::prepare::{conflict, lock_path};
use crate::context::{Args, Context, Error, Result, python};
use crate::highstate::split_input;
use crate::host::{fs, lock};

pub(super) fn running(ctx: &Context, args: &Args) -> Result {
    if args.flag("concurrent") {
        return Ok(Value::List(Vec::new()));
    }
    let texts: Vec<String> = lock::holder(&lock_path(ctx))
        .map(|note| conflict(&note))
        .into_iter()
        .collect();
    Ok(texts.into())
}

/// Reads, changes and writes what holds a run.
fn change_pause(ctx: &Context, args: &Args, change: impl FnOnce(&mut Map, &str)) -> Result {
    let jid = args.text("jid")?;
    if jid.is_empty() || !jid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Error::invocation(format!("'{jid}' is no job id")));
    }
    let id = args
        .opt_text("state_id")?
        .unwrap_or_else(|| "__all__".to_owned());
    let dir = ctx.settings.cachedir.join("state_pause");
    let path = dir.join(jid);
    let failed = |e: std::io::Error| Error::execution(format!("{}: {e}", path.display()));
    crate::host::fs::make_dirs(&dir, 0o700).map_err(failed)?;
    let mut data = std::fs::read(&path)
        .ok()
        .and_then(|b| Value::from_msgpack(&b).ok())
        .and_then(|v| v.as_map().cloned())
        .unwrap_or_default();
    change(&mut data, &id);
    crate::host::fs::write_atomic(&path, &Value::Map(data).to_msgpack(), 0o600).map_err(failed)?;
    Ok(Value::Null)
}

pub(super) fn pause(ctx: &Context, args: &Args) -> Result {
    let duration = args.get("duration").clone();
    change_pause(ctx, args, |data, id| {
        let mut entry = Map::new();
        if duration.is_truthy() {
            entry.insert("duration".into(), duration);
        }
        data.insert(id.into(), entry.into());
    })
}

pub(super) fn resume(ctx: &Context, args: &Args) -> Result {
    change_pause(ctx, args, |data, id| {
        data.shift_remove(id);
        if id == "__all__" {
            data.clear();
        }
    })
}

pub(super) fn soft_kill(ctx: &Context, args: &Args) -> Result {
    change_pause(ctx, args, |data, id| {
        data.insert(id.into(), map! { "kill" => true }.into());
    })
}

/// What is held, by job: only of runs that are still under way.
pub(super) fn get_pauses(ctx: &Context, args: &Args) -> Result {
    let dir = ctx.settings.cachedir.join("state_pause");
    let wanted: Option<Vec<String>> = match args.get("jid") {
        Value::Null => None,
        jids => Some(split_input(jids)),
    };
    let active: Vec<String> = ctx
        .minion
        .running()
        .iter()
        .filter_map(|job| job.get("jid").map(python::text))
        .collect();
    let mut found = Map::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        let jid = entry.file_name().to_string_lossy().into_owned();
        if wanted.as_ref().is_some_and(|w| !w.contains(&jid)) {
            continue;
        }
        if !active.contains(&jid) {
            drop(std::fs::remove_file(entry.path()));
            continue;
        }
        let data = std::fs::read(entry.path()).unwrap_or_default();
        let data = Value::from_msgpack(&data).unwrap_or_default();
        found.insert(jid.into(), data);
    }
    Ok(found.into())
}

/// The grain that lists what may not run.
const DISABLED: &str = "state_runs_disabled";

fn switched_off(ctx: &Context) -> Vec<Value> {
    let grains = ctx.facts.grains();
    let list = grains.get(DISABLED).and_then(Value::as_list);
    list.unwrap_or_default().to_vec()
}

pub(super) fn list_disabled(ctx: &Context, _: &Args) -> Result {
    let grains = ctx.facts.grains();
    Ok(grains.get(DISABLED).cloned().unwrap_or_else(|| "".into()))
}

pub(super) fn disable(ctx: &Context, args: &Args) -> Result {
    switch(ctx, args, true)
}

pub(super) fn enable(ctx: &Context, args: &Args) -> Result {
    switch(ctx, args, false)
}

fn switch(ctx: &Context, args: &Args, off: bool) -> Result {
    let mut list = switched_off(ctx);
    let before = list.len();
    let word = if off { "disabled" } else { "enabled" };
    let mut texts = Vec::new();
    for state in split_input(args.get("states")) {
        let name = Value::from(state.as_str());
        let already = if list.contains(&name) == off {
            " already"
        } else {
            ""
        };
        texts.push(format!("Info: {state} state{already} {word}."));
        if off && already.is_empty() {
            list.push(name);
        } else {
            list.retain(|s| off || *s != name);
        }
    }
    if list.len() != before {
        let call = [DISABLED.into(), Value::List(list)];
        ctx.call("grains.setval", &call, &Map::new())?;
    }
    Ok(Value::Map(
        map! { "res" => true, "msg" => texts.join("\n") },
    ))
}

fn request_path(ctx: &Context) -> std::path::PathBuf {
    ctx.settings.cachedir.join("req_state.p")
}

fn requests(ctx: &Context) -> Map {
    std::fs::read(request_path(ctx))
        .ok()
        .and_then(|b| Value::from_msgpack(&b).ok())
        .and_then(|v| v.as_map().cloned())
        .unwrap_or_default()
}

fn keep_requests(ctx: &Context, requests: Map) -> Result<()> {
    let path = request_path(ctx);
    let bytes = Value::Map(requests).to_msgpack();
    fs::write_atomic(&path, &bytes, 0o600)
        .map_err(|e| Error::execution(format!("{}: {e}", path.display())))
}

/// Tests a run and keeps it, to be done by `state.run_request`.
pub(super) fn request(ctx: &Context, args: &Args) -> Result {
    let mods = args.get("mods").clone();
    let mut kwargs = super::super::clean(&args.extra);
    kwargs.insert("test".into(), true.into());
    let mut given = args.clone();
    given.extra.insert("test".into(), true.into());
    let tested = super::apply(ctx, &given)?;
    let name = kwargs
        .get("name")
        .cloned()
        .unwrap_or_else(|| "default".into());
    let mut all = requests(ctx);
    let entry = map! { "test_run" => tested.clone(), "mods" => mods, "kwargs" => kwargs };
    all.insert(name, entry.into());
    keep_requests(ctx, all)?;
    Ok(tested)
}

pub(super) fn check_request(ctx: &Context, args: &Args) -> Result {
    let all = requests(ctx);
    let name = args.get("name");
    if !name.is_truthy() {
        return Ok(all.into());
    }
    all.get(name)
        .cloned()
        .ok_or_else(|| Error::key(name.clone()))
}

pub(super) fn clear_request(ctx: &Context, args: &Args) -> Result {
    let path = request_path(ctx);
    if !path.is_file() {
        return Ok(true.into());
    }
    let name = args.get("name");
    if !name.is_truthy() {
        drop(std::fs::remove_file(path));
        return Ok(true.into());
    }
    let mut all = requests(ctx);
    if all.shift_remove(name).is_none() {
        return Ok(false.into());
    }
    keep_requests(ctx, all)?;
    Ok(true.into())
}

pub(super) fn run_request(ctx: &Context, args: &Args) -> Result {
    let all = requests(ctx);
    let entry = all.get(args.get("name"));
    let parts = entry.and_then(|e| Some((e.get("mods")?, e.get("kwargs")?.as_map()?)));
    let Some((mods, kwargs)) = parts else {
        return Ok(Map::new().into());
    };
    let mut given = args.clone();
    given.named.insert("mods".into(), mods.clone());
    given.extra = kwargs.clone();
    given.extra.shift_remove("test");
    given.extra.extend(args.extra.clone());
    let ran = super::apply(ctx, &given)?;
    drop(std::fs::remove_file(request_path(ctx)));
    Ok(ran)
}

/// Takes away what Salt keeps of compiled runs.
pub(super) fn clear_cache(ctx: &Context, _: &Args) -> Result {
    let mut gone = Vec::new();
    for entry in std::fs::read_dir(&ctx.settings.cachedir)
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".cache.p") && entry.path().is_file() {
            std::fs::remove_file(entry.path())
                .map_err(|e| Error::execution(format!("{}: {e}", entry.path().display())))?;
            gone.push(name);
        }
    }
    Ok(gone.into())
}
