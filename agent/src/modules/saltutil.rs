//! `saltutil`: jobs, refreshes and caches of this minion.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use salt_wire::{Map, Value, map};

use super::{Function, clean, python_int, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fnmatch::fnmatch;

/// The rows of `saltutil`; those that sync are in `saltutil_sync.rs`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "saltutil.clear_cache",
        "",
        clear_cache,
        "Remove all files of the minion's cache.",
        "salt '*' saltutil.clear_cache"
    ),
    row!(
        "saltutil.clear_job_cache",
        "hours=24",
        clear_job_cache,
        "Remove cached jobs that are older than this.",
        "salt '*' saltutil.clear_job_cache hours=12"
    ),
    row!(
        "saltutil.find_cached_job",
        "jid",
        find_cached_job,
        "Return the cached return of a job; ``cache_jobs`` must be on.",
        "salt '*' saltutil.find_cached_job <job id>"
    ),
    row!(
        "saltutil.find_job",
        "jid",
        find_job,
        "Return what is known of a job that runs or waits; an empty map if there is no such job.",
        "salt '*' saltutil.find_job <job id>"
    ),
    row!(
        "saltutil.is_running",
        "fun",
        is_running,
        "Return the running jobs whose function fits a glob.",
        "salt '*' saltutil.is_running state.highstate"
    ),
    row!(
        "saltutil.kill_all_jobs",
        "",
        |ctx, _| Ok(signal_all(ctx, Signal::SIGKILL)),
        "End all running jobs at once (SIGKILL 9).",
        "salt '*' saltutil.kill_all_jobs"
    ),
    row!(
        "saltutil.kill_job",
        "jid",
        |ctx, args| signal(ctx, args, Signal::SIGKILL as i32),
        "End a job at once (SIGKILL 9).",
        "salt '*' saltutil.kill_job <job id>"
    ),
    row!(
        "saltutil.pillar_refresh",
        "wait=False, timeout=30, clean_cache=True",
        refresh_pillar,
        "Other name of ``saltutil.refresh_pillar``.",
        "salt '*' saltutil.pillar_refresh"
    ),
    row!(
        "saltutil.refresh_beacons",
        "",
        |ctx, _| fire(ctx, "beacons_refresh"),
        "Read the beacons anew.",
        "salt '*' saltutil.refresh_beacons"
    ),
    row!(
        "saltutil.refresh_grains",
        "**kwargs",
        refresh_grains,
        "Read the grains anew, and the pillar, which depends on them. ``refresh_pillar=False`` leaves the pillar as it is.",
        "salt '*' saltutil.refresh_grains"
    ),
    row!(
        "saltutil.refresh_matchers",
        "",
        |ctx, _| fire(ctx, "matchers_refresh"),
        "Load the matchers anew.",
        "salt '*' saltutil.refresh_matchers"
    ),
    row!(
        "saltutil.refresh_modules",
        "**kwargs",
        refresh_modules,
        "Load modules and grains anew.",
        "salt '*' saltutil.refresh_modules"
    ),
    row!(
        "saltutil.refresh_pillar",
        "wait=False, timeout=30, clean_cache=True",
        refresh_pillar,
        "Fetch the pillar anew; with ``wait=True`` answer when it is there.",
        "salt '*' saltutil.refresh_pillar\n    salt '*' saltutil.refresh_pillar wait=True timeout=60"
    ),
    row!(
        "saltutil.regen_keys",
        "",
        regen_keys,
        "Make new keys: everything in the key directory is removed, the next authentication begins anew.",
        "salt '*' saltutil.regen_keys"
    ),
    row!(
        "saltutil.revoke_auth",
        "preserve_minion_cache=False",
        revoke_auth,
        "Ask the master to forget this minion's key.",
        "salt '*' saltutil.revoke_auth"
    ),
    row!(
        "saltutil.running",
        "",
        |ctx, _| Ok(running(ctx).into()),
        "Return all running jobs.",
        "salt '*' saltutil.running"
    ),
    row!(
        "saltutil.signal_job",
        "jid, sig",
        signal_job,
        "Send a signal to a job.",
        "salt '*' saltutil.signal_job <job id> 15"
    ),
    row!(
        "saltutil.term_all_jobs",
        "",
        |ctx, _| Ok(signal_all(ctx, Signal::SIGTERM)),
        "Ask all running jobs to end (SIGTERM 15).",
        "salt '*' saltutil.term_all_jobs"
    ),
    row!(
        "saltutil.term_job",
        "jid",
        |ctx, args| signal(ctx, args, Signal::SIGTERM as i32),
        "Ask a job to end (SIGTERM 15).",
        "salt '*' saltutil.term_job <job id>"
    ),
];

/// Running jobs without the one that asks.
fn running(ctx: &Context) -> Vec<Map> {
    let mut jobs = ctx.minion.running();
    jobs.retain(|job| {
        let own = job.get("jid").and_then(Value::as_str) == Some(&ctx.job.jid);
        !job.contains_key("queued") && (!own || ctx.job.jid.is_empty())
    });
    jobs
}

fn find_job(ctx: &Context, args: &Args) -> Result {
    let jid = args.text("jid")?;
    let found = ctx
        .minion
        .running()
        .into_iter()
        .find(|job| job.get("jid").and_then(Value::as_str) == Some(&jid));
    Ok(found.unwrap_or_default().into())
}

fn is_running(ctx: &Context, args: &Args) -> Result {
    let wanted = args.text("fun")?;
    let mut jobs = running(ctx);
    jobs.retain(|job| {
        job.get("fun")
            .and_then(Value::as_str)
            .is_some_and(|fun| fnmatch(fun, &wanted))
    });
    Ok(jobs.into())
}

fn signal(ctx: &Context, args: &Args, number: i32) -> Result {
    let answer = ctx.minion.signal_job(&args.text("jid")?, number);
    Ok(answer.unwrap_or_default().into())
}

/// The number is looked at only when there is a job to send it to.
fn signal_job(ctx: &Context, args: &Args) -> Result {
    let jid = args.text("jid")?;
    let known = |job: &Map| job.get("jid").and_then(Value::as_str) == Some(&jid);
    if !ctx.minion.running().iter().any(known) {
        return Ok("".into());
    }
    signal(ctx, args, signal_number(args.get("sig"))?)
}

fn signal_number(value: &Value) -> Result<i32> {
    i32::try_from(python_int(value)?)
        .ok()
        .filter(|n| (0..65).contains(n))
        .ok_or_else(|| Error::invocation(format!("{} is no signal", python::text(value))))
}

fn signal_all(ctx: &Context, signal: Signal) -> Value {
    running(ctx)
        .iter()
        .filter_map(|job| job.get("jid").and_then(Value::as_str))
        .map(|jid| {
            ctx.minion
                .signal_job(jid, signal as i32)
                .unwrap_or_default()
        })
        .collect::<Vec<_>>()
        .into()
}

fn find_cached_job(ctx: &Context, args: &Args) -> Result {
    let jid = args.text("jid")?;
    let safe = !jid.contains('/') && !jid.starts_with('.') && !jid.is_empty();
    let dir = ctx.settings.cachedir.join("minion_jobs").join(&jid);
    if !safe || !dir.is_dir() {
        return Ok(if ctx.settings.jobs.cache_jobs {
            format!("Local jobs cache directory {} not found", dir.display())
        } else {
            "Local jobs cache directory not found; you may need to enable cache_jobs on this minion"
                .to_owned()
        }
        .into());
    }
    let path = dir.join("return.p");
    let bytes = fs::read(&path).map_err(|e| Error::Exception {
        kind: "FileNotFoundError",
        message: format!("{}: {e}", path.display()),
    })?;
    Ok(Value::from_msgpack(&bytes)
        .ok()
        .filter(|data| data.as_map().is_some())
        .unwrap_or_default())
}

fn fire(ctx: &Context, tag: &str) -> Result {
    ctx.minion.fire(tag, Map::new());
    Ok(true.into())
}

/// Refreshes at work or waiting, and how many are enough.
static REFRESHING: AtomicUsize = AtomicUsize::new(0);
const MOST_REFRESHING: usize = 4;

/// Does `work` while the answer is already on its way, unless told to wait.
fn aside(
    ctx: &Context,
    wait: bool,
    what: &'static str,
    work: fn(&Context) -> Result<()>,
) -> Result {
    if wait {
        // As with Salt a refresh that fails is logged, not returned.
        report(what, work(ctx));
        return Ok(true.into());
    }
    // Those that wait for their turn will see what is new now.
    if REFRESHING.fetch_add(1, Ordering::AcqRel) >= MOST_REFRESHING {
        REFRESHING.fetch_sub(1, Ordering::AcqRel);
        return Ok(true.into());
    }
    let ctx = ctx.clone();
    let spawned = thread::Builder::new().name(what.into()).spawn(move || {
        report(what, work(&ctx));
        REFRESHING.fetch_sub(1, Ordering::AcqRel);
    });
    match spawned {
        Ok(_) => Ok(true.into()),
        Err(error) => {
            REFRESHING.fetch_sub(1, Ordering::AcqRel);
            Err(Error::execution(format!("no thread for {what}: {error}")))
        }
    }
}

fn report(what: &'static str, done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "The {what} failed.");
    }
}

fn refresh_pillar(ctx: &Context, args: &Args) -> Result {
    aside(ctx, args.flag("wait"), "pillar refresh", |ctx| {
        ctx.minion.refresh_pillar(ctx)
    })
}

fn refresh_grains(ctx: &Context, args: &Args) -> Result {
    let mut kwargs = clean(&args.extra);
    kwargs.shift_remove("clean_pillar_cache");
    // Fresh grains may mean another pillar: it comes with them, whatever is asked for.
    kwargs.shift_remove("refresh_pillar");
    if !kwargs.is_empty() {
        let unknown: Vec<String> = kwargs
            .iter()
            .map(|(k, v)| format!("{}={}", python::text(k), python::text(v)))
            .collect();
        return Err(Error::invocation(format!(
            "The following keyword arguments are not valid: {}",
            unknown.join(", ")
        )));
    }
    aside(ctx, false, "grains refresh", |ctx| {
        ctx.minion.refresh_grains(ctx)
    })
}

fn refresh_modules(ctx: &Context, args: &Args) -> Result {
    let wait = args.extra.get("async").is_some_and(|a| !a.is_truthy());
    ctx.worker.refresh();
    aside(ctx, wait, "module refresh", |ctx| {
        ctx.minion.refresh_grains(ctx)
    })
}

/// What the daemon itself keeps below the cache directory and a cleared cache must not take from it.
const KEPT: &[&str] = &["spool", "remaster", "proc", "job_queue", "control.sock"];

fn clear_cache(ctx: &Context, _: &Args) -> Result {
    let Ok(entries) = fs::read_dir(&ctx.settings.cachedir) else {
        return Ok(true.into());
    };
    let done = entries
        .flatten()
        .filter(|e| !KEPT.iter().any(|kept| e.file_name() == **kept))
        .all(|entry| clear(&entry.path()));
    Ok(done.into())
}

/// Removes the files below a path, not the directories, as Salt does.
fn clear(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return true;
    };
    if meta.is_dir() {
        return fs::read_dir(path)
            .map(|entries| entries.flatten().all(|e| clear(&e.path())))
            .unwrap_or(true);
    }
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "Attempt to clear cache with saltutil.clear_cache FAILED.");
            false
        }
    }
}

fn clear_job_cache(ctx: &Context, args: &Args) -> Result {
    let hours = args
        .get("hours")
        .as_float()
        .ok_or_else(|| Error::Arguments("unsupported operand type(s) for *".into()))?;
    let age = Duration::try_from_secs_f64(hours * 3600.0).unwrap_or_default();
    let Ok(entries) = fs::read_dir(ctx.settings.cachedir.join("minion_jobs")) else {
        return Ok(true.into());
    };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|m| m.modified())
            .is_ok_and(|time| SystemTime::now().duration_since(time).unwrap_or_default() > age);
        if old && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::error!(path = %entry.path().display(), %error, "Attempt to clear cache with saltutil.clear_job_cache FAILED.");
            return Ok(false.into());
        }
    }
    Ok(true.into())
}

fn regen_keys(ctx: &Context, _: &Args) -> Result {
    let dir = &ctx.settings.pki_dir;
    let entries = fs::read_dir(dir).map_err(|e| Error::Exception {
        kind: "FileNotFoundError",
        message: format!("{}: {e}", dir.display()),
    })?;
    for entry in entries.flatten() {
        // A directory stays, as with Salt.
        fs::remove_file(entry.path()).ok();
    }
    ctx.minion.fire("regen_keys", Map::new());
    Ok(Value::Null)
}

fn revoke_auth(ctx: &Context, args: &Args) -> Result {
    let Some(master) = &ctx.master else {
        return Err(Error::execution("there is no master to ask"));
    };
    let load = map! {
        "cmd" => "revoke_auth", "id" => ctx.settings.id.as_str(),
        "preserve_minion_cache" => args.get("preserve_minion_cache").clone(),
    };
    match master.request(load) {
        Ok(_) => Ok(true.into()),
        Err(error) => {
            tracing::warn!(%error, "The master did not answer to revoke_auth.");
            Ok(false.into())
        }
    }
}
