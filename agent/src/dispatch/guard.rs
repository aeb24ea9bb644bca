//! What a publication may call at all: blackout, the functions that this minion lets its masters run, and
//! while there are two masters, what only the active one may.

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
    if let Some(why) = &ctx.job.bystander
        && active_only(fun, arg)
    {
        return Err(Error::invocation(format!("{fun} is refused: {why}")));
    }
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

/// What two masters would fight with: state runs that change something, and the end of a move's probation.
const ACTIVE_ONLY: &[&str] = &[
    "state.apply",
    "state.highstate",
    "state.sls",
    "state.sls_id",
    "state.single",
    "state.low",
    "state.high",
    "state.template",
    "state.template_str",
    "state.run_request",
    "state.top",
    "remaster.confirm",
];

fn active_only(fun: &str, arg: &[Value]) -> bool {
    ACTIVE_ONLY.contains(&fun) && !arg.iter().any(is_test)
}

/// Whether an argument says `test=True`.
fn is_test(arg: &Value) -> bool {
    match arg {
        Value::Str(text) => arguments::name_and_value(text).is_some_and(|(name, value)| {
            name == "test" && value.trim().eq_ignore_ascii_case("true")
        }),
        Value::Map(map) => map.get("test") == Some(&Value::Bool(true)),
        _ => false,
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

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn a_test_run_is_everybodys() {
        let kwarg = Value::Map(map! {"__kwarg__" => true, "test" => true});
        assert!(active_only("state.apply", &[]));
        assert!(active_only("state.template", &["/srv/a.sls".into()]));
        assert!(active_only("state.run_request", &[]));
        assert!(active_only(
            "state.apply",
            &["web".into(), "test=False".into()]
        ));
        assert!(!active_only(
            "state.apply",
            &["web".into(), "test=True".into()]
        ));
        assert!(!active_only("state.highstate", &[kwarg]));
        assert!(!active_only("state.show_top", &[]));
        assert!(!active_only("cmd.run", &["true".into()]));
    }
}
