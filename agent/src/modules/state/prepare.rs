//! What comes before and after each run: the lock, the run's own options and pillar, its return and return code.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use crate::config::CompatMode;
use crate::context::{Args, Context, Error, Facts, Result, python};
use crate::fileclient::FileClient;
use crate::highstate::report::{COMPILER_ERROR, PILLAR_FAILURE};
use crate::highstate::{self, Compiler, Native, Options, Outcome};
use crate::host::lock;
use crate::pillar::Request;

/// How long a queued run waits for the one before it; Salt's own limit.
const QUEUE_LIMIT: Duration = Duration::from_secs(86_400);

/// A run's context: its own options and pillar, and the lock while it lasts.
pub(super) struct Prepared {
    pub(super) ctx: Context,
    pub(super) files: FileClient,
    pub(super) seams: Native,
    pub(super) options: Options,
    _lock: Option<lock::Held>,
}

impl Prepared {
    pub(super) fn compiler(&self) -> Compiler<'_> {
        Compiler::new(&self.ctx, &self.files, &self.seams, self.options.clone())
    }

    /// Environment of `state.sls` and its like.
    pub(super) fn saltenv(&self) -> String {
        self.options
            .saltenv
            .clone()
            .unwrap_or_else(|| "base".to_owned())
    }
}

/// What stands in a run's way: its return, with the return code set.
pub(super) type Blocked = Value;

pub(super) fn prepare(
    ctx: &Context,
    args: &Args,
    holds: bool,
) -> Result<std::result::Result<Prepared, Blocked>> {
    if ctx.settings.agent.compat.mode == CompatMode::Require
        && let Err(why) = ctx.worker.ready(ctx)
    {
        ctx.job.set_retcode(COMPILER_ERROR);
        return Err(Error::execution(format!(
            "{why}; without it no state runs here (option agent: compat is require)"
        )));
    }
    let lock = match take_lock(ctx, args, holds)? {
        Ok(lock) => lock,
        Err(conflict) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            return Ok(Err(conflict));
        }
    };
    let overrides = match args.get("pillar") {
        Value::Null => Map::new(),
        Value::Map(map) => map.clone(),
        _ => {
            return Err(Error::invocation(
                "Pillar data must be formatted as a dictionary, unless pillar_enc is specified.",
            ));
        }
    };
    if args.flag("pillar_enc") {
        return Err(Error::execution(
            "pillar_enc: encrypted pillar overrides cannot be read by this agent",
        ));
    }
    let mut settings = (*ctx.settings).clone();
    let mut request = Request::of(ctx);
    if args.extra.contains_key("saltenv") {
        let env = args.opt_text("saltenv")?;
        let locked = settings
            .opts
            .get("lock_saltenv")
            .is_some_and(Value::is_truthy);
        if locked && env != request.saltenv {
            return Err(Error::execution(
                "lock_saltenv is enabled, saltenv cannot be changed",
            ));
        }
        settings.opts.insert("saltenv".into(), env.clone().into());
        if settings
            .opts
            .get("pillarenv_from_saltenv")
            .is_some_and(Value::is_truthy)
        {
            request.pillarenv.clone_from(&env);
        }
        request.saltenv = env;
    }
    if args.extra.contains_key("pillarenv") {
        request.pillarenv = args.opt_text("pillarenv")?;
    }
    let own = request.saltenv == Request::of(ctx).saltenv
        && request.pillarenv == Request::of(ctx).pillarenv
        && overrides.is_empty();
    request.overrides = overrides;
    settings
        .opts
        .insert("pillarenv".into(), request.pillarenv.clone().into());
    let test = test_value(ctx, args);
    settings.opts.insert("test".into(), test.into());
    let mut run = ctx.clone();
    run.settings = Arc::new(settings);
    // A local pillar is compiled already; a master's is asked for anew, as Salt does for each run.
    let pillar = if own && ctx.master.is_none() {
        (*ctx.facts.pillar()).clone()
    } else {
        highstate::gather(&run, &request)?
    };
    if let Some(errors) = pillar.get("_errors")
        && !args.flag("force")
    {
        ctx.job.set_retcode(PILLAR_FAILURE);
        if !holds {
            let texts: Vec<_> = errors
                .as_list()
                .unwrap_or_default()
                .iter()
                .map(|e| format!("\n- {}", python::text(e)))
                .collect();
            return Err(Error::execution(format!(
                "Pillar failed to render. Additional info follows:\n{}",
                texts.concat()
            )));
        }
        let mut texts = vec!["Pillar failed to render with the following messages:".into()];
        texts.extend(errors.as_list().unwrap_or_default().iter().cloned());
        return Ok(Err(Value::List(texts)));
    }
    run.facts = Arc::new(Facts::new((*ctx.facts.grains()).clone(), pillar));
    let files = FileClient::new(&run);
    let mut options = Options::new(&run, &files);
    // Templates and targets of the run see what the master decided.
    let mut settings = (*run.settings).clone();
    settings.opts.extend(
        options
            .overrides
            .iter()
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    run.settings = Arc::new(settings);
    options.mocked = args.flag("mock");
    if !args.get("state_events").is_null() {
        options.events = args.flag("state_events");
    }
    Ok(Ok(Prepared {
        ctx: run,
        files,
        seams: Native { request },
        options,
        _lock: lock,
    }))
}

fn test_value(ctx: &Context, args: &Args) -> bool {
    match args.get("test") {
        Value::Null => {}
        Value::Bool(test) => return *test,
        _ => return true,
    }
    let asked = args
        .extra
        .iter()
        .any(|(k, v)| k.as_str().is_some_and(|k| k.starts_with("test")) && v.is_truthy());
    let told = |map: &Map| map.get("test") == Some(&Value::Bool(true));
    asked
        || told(&ctx.facts.pillar())
        || told(&ctx.facts.grains())
        || ctx.settings.opts.get("test").is_some_and(Value::is_truthy)
}

pub(super) fn lock_path(ctx: &Context) -> std::path::PathBuf {
    ctx.settings.cachedir.join("state.lock")
}

/// One state run at a time, unless `concurrent`; `queue` waits for its turn.
fn take_lock(
    ctx: &Context,
    args: &Args,
    holds: bool,
) -> Result<std::result::Result<Option<lock::Held>, Value>> {
    // A state that runs states belongs to the run that holds the lock already.
    let nested = ctx.job.load.get("__state_run__").is_some();
    if args.flag("concurrent") || nested {
        return Ok(Ok(None));
    }
    let path = lock_path(ctx);
    let queue = match args.get("queue") {
        Value::Null => ctx
            .settings
            .opts
            .get("state_queue")
            .is_some_and(Value::is_truthy),
        other => other.is_truthy(),
    };
    let fun = ctx
        .job
        .load
        .get("fun")
        .map_or("state.apply".into(), python::text);
    let note = map! {
        "fun" => fun, "pid" => i64::from(std::process::id()), "jid" => ctx.job.jid.as_str(),
    };
    let note = Value::Map(note).to_msgpack();
    let failed = |e: std::io::Error| Error::execution(format!("{}: {e}", path.display()));
    let start = Instant::now();
    loop {
        let other = if holds {
            match lock::try_lock(&path, &note).map_err(failed)? {
                Ok(held) => return Ok(Ok(Some(held))),
                Err(other) => other,
            }
        } else {
            match lock::holder(&path) {
                None => return Ok(Ok(None)),
                Some(other) => other,
            }
        };
        if !queue || start.elapsed() > QUEUE_LIMIT {
            return Ok(Err(Value::List(vec![conflict(&other).into()])));
        }
        if ctx.job.cancel.sleep(Duration::from_millis(200)) {
            return Err(Error::execution("the queued state run was told to end"));
        }
    }
}

pub(super) fn conflict(note: &[u8]) -> String {
    let note = Value::from_msgpack(note).unwrap_or_default();
    let text = |key: &str| python::text(note.get(key).unwrap_or(&Value::Null));
    let jid = text("jid");
    format!(
        "The function \"{}\" is running as PID {} and was started at {} with jid {jid}",
        text("fun"),
        text("pid"),
        jid_to_time(&jid)
    )
}

/// The time in a job id, as Salt prints it; empty when it has none.
fn jid_to_time(jid: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    if jid.len() < 20 || !jid.bytes().take(20).all(|b| b.is_ascii_digit()) {
        return String::new();
    }
    let month = jid[4..6]
        .parse::<usize>()
        .ok()
        .and_then(|m| MONTHS.get(m.wrapping_sub(1)))
        .copied()
        .unwrap_or_default();
    format!(
        "{}, {month} {} {}:{}:{}.{}",
        &jid[..4],
        &jid[6..8],
        &jid[8..10],
        &jid[10..12],
        &jid[12..14],
        &jid[14..20]
    )
}

pub(super) fn finish(ctx: &Context, args: &Args, outcome: Outcome) -> Value {
    let terse = args.flag("terse")
        || ctx.settings.opts.get("state_data").and_then(Value::as_str) == Some("terse");
    let (value, code) = outcome.into_return(terse);
    ctx.job.set_retcode(code);
    value
}

/// SLS names that `state.disable` turned off.
pub(super) fn disabled(ctx: &Context, names: &[String]) -> Vec<String> {
    let grains = ctx.facts.grains();
    let list = grains
        .get("state_runs_disabled")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let mut texts = Vec::new();
    for name in names {
        for pattern in list.iter().filter_map(Value::as_str) {
            if pattern.contains(".*") {
                let module = pattern.split('.').next().unwrap_or_default();
                if name.starts_with(&format!("{module}.")) {
                    texts.push(format!(
                        "The state file \"{name}\" is currently disabled by \"{pattern}\", to re-enable, run state.enable {pattern}."
                    ));
                }
            } else if pattern == name {
                texts.push(format!(
                    "The state file \"{name}\" is currently disabled, to re-enable, run state.enable {name}."
                ));
            }
        }
    }
    texts
}

macro_rules! prepared {
    ($ctx:expr, $args:expr, $holds:expr) => {
        match prepare($ctx, $args, $holds)? {
            Ok(prepared) => prepared,
            Err(blocked) => return Ok(blocked),
        }
    };
}

pub(super) use prepared;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_jid() {
        assert_eq!(
            jid_to_time("20261121015654448075"),
            "2026, Nov 21 01:56:54.448075"
        );
        assert_eq!(jid_to_time("req"), "");
    }
}
