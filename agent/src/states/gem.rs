//! `gem`: packages of Ruby and where they come from.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::signature::kind;
use crate::context::{Context, Error, python};
use crate::host::loose_version;

/// The rows of `gem`.
pub const STATES: &[State] = &[
    State {
        name: "gem.installed",
        signature: "name, ruby=None, gem_bin=None, user=None, version=None, rdoc=False, ri=False, pre_releases=False, proxy=None, source=None",
        doc: "Ensure that a gem is installed.",
        run: installed,
    },
    State {
        name: "gem.removed",
        signature: "name, ruby=None, user=None, gem_bin=None",
        doc: "Ensure that a gem is not installed.",
        run: removed,
    },
    State {
        name: "gem.sources_add",
        signature: "name, ruby=None, user=None",
        doc: "Ensure that a source of gems is known.",
        run: |ctx, run| source(ctx, run, true),
    },
    State {
        name: "gem.sources_remove",
        signature: "name, ruby=None, user=None",
        doc: "Ensure that a source of gems is not known.",
        run: |ctx, run| source(ctx, run, false),
    },
];

type Done = Result<Outcome, Error>;

/// Calls a function of `gem` for the state's account, Ruby and program.
fn call(ctx: &Context, run: &Run<'_>, function: &str, more: Map) -> Result<Value, Error> {
    let mut kwargs = more;
    for (ours, theirs) in [("user", "runas"), ("ruby", "ruby"), ("gem_bin", "gem_bin")] {
        if !run.args.get(ours).is_null() {
            kwargs.insert(theirs.into(), run.args.get(ours).clone());
        }
    }
    ctx.call(function, &[], &kwargs)
}

fn name_of(run: &Run<'_>) -> Value {
    run.args.get("name").clone()
}

fn versions(ctx: &Context, run: &Run<'_>) -> Result<Option<Vec<Value>>, Error> {
    let all = call(ctx, run, "gem.list", map! { "prefix" => name_of(run) })?;
    let own = all.as_map().and_then(|all| all.get(&name_of(run)));
    Ok(own.and_then(Value::as_list).map(<[Value]>::to_vec))
}

/// What there is to say of a gem whose version is as it should be.
fn satisfied(there: &[Value], wanted: &Value) -> Result<Option<&'static str>, Error> {
    const ALREADY: &str = "Gem is already installed.";
    let wanted = match wanted {
        Value::Null => return Ok(Some(ALREADY)),
        Value::Str(wanted) => wanted,
        other => {
            return Err(Error::Arguments(format!(
                "expected string or bytes-like object, got '{}'",
                kind(other)
            )));
        }
    };
    let sign = [">=", ">", "<", "<="]
        .into_iter()
        .find(|s| wanted.starts_with(s));
    let Some(sign) = sign else {
        return Ok(there.contains(&wanted.as_str().into()).then_some(ALREADY));
    };
    let first = there.first().map(python::text).unwrap_or_default();
    let now = first.replace("default: ", "");
    let wanted = wanted.replace(sign, "");
    let fits = loose_version::is(now.trim(), sign, wanted.trim());
    Ok(fits.then_some("Installed Gem meets version requirements."))
}

fn installed(ctx: &Context, run: &Run<'_>) -> Done {
    let (args, name) = (run.args, name_of(run));
    let shown = python::text(&name);
    if let Some(there) = versions(ctx, run)?
        && let Some(comment) = satisfied(&there, args.get("version"))?
    {
        return Ok(Outcome::unchanged(comment));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("The gem {shown} would have been installed"),
        ));
    }
    let mut more = map! { "gems" => name.clone() };
    for key in ["version", "rdoc", "ri", "pre_releases", "proxy", "source"] {
        more.insert(key.into(), args.get(key).clone());
    }
    Ok(if call(ctx, run, "gem.install", more)?.is_truthy() {
        let changes = Map::from_iter([(name, "Installed".into())]);
        Outcome::changed(changes, "Gem was successfully installed")
    } else {
        Outcome::failed("Could not install gem.")
    })
}

fn removed(ctx: &Context, run: &Run<'_>) -> Done {
    let name = name_of(run);
    if versions(ctx, run)?.is_none() {
        return Ok(Outcome::unchanged("Gem is not installed."));
    }
    if run.test {
        let shown = python::text(&name);
        return Ok(Outcome::would(
            Map::new(),
            format!("The gem {shown} would have been removed"),
        ));
    }
    let told = call(ctx, run, "gem.uninstall", map! { "gems" => name.clone() })?;
    Ok(if told.is_truthy() {
        let changes = Map::from_iter([(name, "Removed".into())]);
        Outcome::changed(changes, "Gem was successfully removed.")
    } else {
        Outcome::failed("Could not remove gem.")
    })
}

fn source(ctx: &Context, run: &Run<'_>, wanted: bool) -> Done {
    let name = name_of(run);
    let all = call(ctx, run, "gem.sources_list", Map::new())?;
    let is_there = all.as_list().is_some_and(|all| all.contains(&name));
    let (done, did, verb) = if wanted {
        ("added", "Installed", "add")
    } else {
        ("removed", "Removed", "remove")
    };
    if is_there == wanted {
        return Ok(Outcome::unchanged(format!("Gem source is already {done}.")));
    }
    if run.test {
        let shown = if wanted {
            format!(" {}", python::text(&name))
        } else {
            String::new()
        };
        return Ok(Outcome::would(
            Map::new(),
            format!("The gem source{shown} would have been {done}."),
        ));
    }
    let function = format!("gem.sources_{verb}");
    let told = call(ctx, run, &function, map! { "source_uri" => name.clone() })?;
    Ok(if told.is_truthy() {
        let changes = Map::from_iter([(name, did.into())]);
        Outcome::changed(changes, format!("Gem source was successfully {done}."))
    } else {
        Outcome::failed(format!("Could not {verb} gem source."))
    })
}
