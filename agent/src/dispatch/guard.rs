//! What a publication may call at all: blackout, and the functions that this minion lets its masters run.

use salt_wire::{Map, Value};

use crate::config::Profile;
use crate::context::{Context, Error, Result, arguments};
use crate::fnmatch::fnmatch;

/// Functions of `agent: {profile: bootstrap}`: enough to prove that the minion lives, to report what it
/// is, to move it and to run its highstate; nothing that takes a command or a state from the caller.
const BOOTSTRAP: &[&str] = &[
    "test.ping",
    "test.version",
    "test.versions",
    "test.versions_report",
    "test.versions_information",
    "grains.items",
    "grains.item",
    "grains.get",
    "grains.ls",
    "grains.has_value",
    "grains.equals",
    "key.finger",
    "key.finger_master",
    "mine.update",
    "remaster.*",
    "saltutil.find_job",
    "saltutil.running",
    "saltutil.is_running",
    "saltutil.kill_job",
    "saltutil.term_job",
    "saltutil.signal_job",
    "saltutil.refresh_grains",
    "saltutil.refresh_pillar",
    "saltutil.refresh_modules",
    "saltutil.pillar_refresh",
    "state.show_top",
    "status.uptime",
    "status.version",
    "status.ping_master",
    "sys.argspec",
    "sys.doc",
    "sys.list_functions",
    "sys.list_modules",
    "sys.list_state_functions",
    "sys.list_state_modules",
];

/// Arguments of `state.highstate` that bring in what the caller chose, and so need more than the profile.
const HIGHSTATE_ARGUMENTS: &[&str] = &[
    "test",
    "queue",
    "saltenv",
    "pillarenv",
    "concurrent",
    "terse",
];

/// Refuses `fun` with the reason, or lets it pass.
pub fn check(ctx: &Context, fun: &str, arg: &[Value]) -> Result<()> {
    blackout(ctx, fun)?;
    let agent = &ctx.settings.agent;
    let hit = |globs: &[String]| globs.iter().any(|glob| fnmatch(fun, glob));
    if hit(&agent.deny) {
        return Err(Error::invocation(format!(
            "{fun} is not allowed on this minion (option agent: deny)"
        )));
    }
    match agent.profile {
        Profile::Full => Ok(()),
        Profile::Bootstrap if hit(&agent.allow) => Ok(()),
        Profile::Bootstrap => bootstrap(fun, arg),
    }
}

fn blackout(ctx: &Context, fun: &str) -> Result<()> {
    let closed = |facts: &Map| {
        facts.get("minion_blackout").is_some_and(Value::is_truthy)
            && fun != "saltutil.refresh_pillar"
            && !names(facts.get("minion_blackout_whitelist")).contains(&fun)
    };
    if closed(&ctx.facts.pillar()) || closed(&ctx.facts.grains()) {
        return Err(Error::invocation(
            "Minion in blackout mode. Set 'minion_blackout' to False in pillar or grains to resume \
             operations. Only saltutil.refresh_pillar allowed in blackout mode.",
        ));
    }
    Ok(())
}

fn bootstrap(fun: &str, arg: &[Value]) -> Result<()> {
    let highstate = fun == "state.highstate" || fun == "state.apply";
    let allowed = if highstate {
        arg.iter().all(harmless_highstate_argument)
    } else {
        BOOTSTRAP.iter().any(|glob| fnmatch(fun, glob))
    };
    if allowed {
        return Ok(());
    }
    let what = if highstate {
        format!("{fun} with these arguments")
    } else {
        fun.to_owned()
    };
    Err(Error::invocation(format!(
        "{what} is not allowed on this minion (option agent: profile is bootstrap)"
    )))
}

fn harmless_highstate_argument(arg: &Value) -> bool {
    let harmless = |key: &str| HIGHSTATE_ARGUMENTS.contains(&key);
    match arg {
        Value::Str(text) => arguments::name_and_value(text).is_some_and(|(name, _)| harmless(name)),
        Value::Map(map) => map
            .keys()
            .all(|k| k.as_str().is_some_and(|k| k == "__kwarg__" || harmless(k))),
        _ => false,
    }
}

fn names(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::List(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::Str(one)) => vec![one],
        _ => Vec::new(),
    }
}
