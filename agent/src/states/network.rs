//! `network`: interfaces, their routes, and what is of no interface.

use std::collections::BTreeSet;
use std::fs;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::arguments::clean;
use crate::context::{Context, Error, python};
use crate::host::diff::unified_lines;
use crate::host::env::which;
use crate::host::net::{self, Interface};
use crate::host::netplan;

/// The rows of `network`.
pub const STATES: &[State] = &[
    State {
        name: "network.managed",
        signature: "name, enabled=True, **kwargs",
        doc: "Ensure that an interface is written as it should be, and that it is up or down.",
        run: managed,
    },
    State {
        name: "network.routes",
        signature: "name, **kwargs",
        doc: "Ensure that an interface has these static routes.",
        run: routes,
    },
    State {
        name: "network.system",
        signature: "name, **kwargs",
        doc: "Ensure that the settings of the network that are of no interface are these.",
        run: system,
    },
];

type Done = Result<Outcome, Error>;

/// What an `ip` function answers; a setting that cannot be is the state's failure.
fn ask(
    ctx: &Context,
    function: &str,
    words: &[Value],
    kwargs: &Map,
) -> Result<Result<Value, String>, Error> {
    match ctx.call(function, words, kwargs) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Error::Exception {
            kind: "AttributeError",
            message,
        }) => Ok(Err(message)),
        Err(other) => Err(other),
    }
}

/// Old and new text of something, or why it cannot be.
fn both(
    ctx: &Context,
    run: &Run<'_>,
    what: &str,
    words: [&[Value]; 2],
    kwargs: &Map,
) -> Result<Result<[Value; 2], String>, Error> {
    let mut kwargs = kwargs.clone();
    kwargs.insert("test".into(), is_test(run, &kwargs).into());
    let old = match ask(ctx, &format!("ip.get_{what}"), words[0], &Map::new())? {
        Ok(old) => old,
        Err(text) => return Ok(Err(text)),
    };
    let new = ask(ctx, &format!("ip.build_{what}"), words[1], &kwargs)?;
    Ok(new.map(|new| [old, new]))
}

fn is_test(run: &Run<'_>, kwargs: &Map) -> bool {
    kwargs.get("test").map_or(run.test, Value::is_truthy)
}

/// What differs, as Salt joins it: its own lines have no end, those of the files have theirs.
fn difference([old, new]: &[Value; 2]) -> String {
    let lines = |value: &Value| -> Vec<String> {
        let list = value.as_list().unwrap_or_default();
        list.iter().map(python::text).collect()
    };
    let all = unified_lines(&lines(old), &lines(new));
    let own = |(at, line): (usize, &String)| {
        if at < 2 || line.starts_with("@@") {
            line.trim_end_matches('\n').to_owned()
        } else {
            line.clone()
        }
    };
    let all: Vec<String> = all.iter().enumerate().map(own).collect();
    all.join("\n")
}

/// How two texts of something stand to each other.
enum Change {
    None,
    Added,
    Updated(String),
}

impl Change {
    fn of(both: &[Value; 2]) -> Self {
        let [old, new] = both;
        if !old.is_truthy() && new.is_truthy() {
            Self::Added
        } else if old == new {
            Self::None
        } else {
            Self::Updated(difference(both))
        }
    }

    /// What test mode says of it.
    fn would(&self, what: &str, are: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Added => Some(format!("{what} {are} set to be added.")),
            Self::Updated(difference) => {
                Some(format!("{what} {are} set to be updated:\n{difference}"))
            }
        }
    }
}

fn managed(ctx: &Context, run: &Run<'_>) -> Done {
    let name = python::text(run.args.get("name"));
    let enabled = run.args.get("enabled").clone();
    let mut kwargs = clean(&run.args.extra);
    let kind = kwargs.shift_remove("type").map(|k| python::text(&k));
    let kind = kind.unwrap_or_else(|| "eth".to_owned());
    let mut out = Outcome::unchanged(format!("Interface {name} is up to date."));
    if let Some(address) = kwargs.shift_remove("addr") {
        let fate = if kwargs.contains_key("hwaddr") {
            "it has been ignored in favor of 'hwaddr'."
        } else {
            kwargs.insert("hwaddr".into(), address);
            "its value has been assigned to 'hwaddr' instead."
        };
        let warning = format!(
            "'addr' is not a valid argument name, {fate} Update your SLS file to get rid of this warning."
        );
        out.extra.insert("warnings".into(), vec![warning].into());
    }
    let test = is_test(run, &kwargs);
    let own = [Value::from(name.as_str())];
    let build = [own[0].clone(), kind.as_str().into(), enabled.clone()];
    let change = match both(ctx, run, "interface", [&own, &build], &kwargs)? {
        Ok(both) => Change::of(&both),
        Err(text) => return Ok(failed(out, text)),
    };
    let mut is_new = apply(
        &mut out,
        &change,
        test,
        &format!("Interface {name}"),
        "interface",
        || "Added network interface.".to_owned(),
    );
    if kind == "source" {
        return Ok(out);
    }
    // Netplan has a bond whole in its file.
    if kind == "bond" && !netplan::is_active() {
        let change = match both(ctx, run, "bond", [&own, &own], &kwargs)? {
            Ok(both) => Change::of(&both),
            Err(text) => return Ok(failed(out, text)),
        };
        let what = format!("Bond interface {name}");
        is_new |= apply(&mut out, &change, test, &what, "bond", || {
            format!("Added bond {name}.")
        });
    }
    if test {
        return Ok(out);
    }
    if name.contains("range") {
        return ranged(ctx, out, is_new);
    }
    let is_up = is_up(&name)?;
    match bring(
        ctx,
        &mut out,
        &name,
        &kind,
        enabled.is_truthy(),
        is_up,
        &kwargs,
    ) {
        Ok(()) => {}
        Err(error) => {
            let text = match error {
                Error::Exception { message, .. } => message,
                other => other.to_string(),
            };
            return Ok(failed(out, text));
        }
    }
    if kind == "bond" && !kwargs.contains_key("noifupdown") {
        enslave(ctx, &mut out, &name, kwargs.get("slaves"))?;
    }
    if !(enabled.is_truthy() && is_up) {
        ctx.call("saltutil.refresh_grains", &[], &Map::new())?;
    }
    Ok(out)
}

fn failed(out: Outcome, comment: String) -> Outcome {
    Outcome {
        result: Some(false),
        comment,
        ..out
    }
}

/// Says what changed, or would; whether anything did.
fn apply(
    out: &mut Outcome,
    change: &Change,
    test: bool,
    what: &str,
    key: &str,
    added: impl Fn() -> String,
) -> bool {
    if test {
        if let Some(comment) = change.would(what, "is") {
            out.result = None;
            out.comment = comment;
        }
        return false;
    }
    let (comment, text) = match change {
        Change::None => return false,
        Change::Added => (format!("{what} added."), added()),
        Change::Updated(difference) => (format!("{what} updated."), difference.clone()),
    };
    out.comment = comment;
    out.changes.insert(key.into(), text.into());
    true
}

fn ranged(ctx: &Context, mut out: Outcome, is_new: bool) -> Done {
    if !is_new {
        out.result = Some(true);
        "no change, passing it".clone_into(&mut out.comment);
        return Ok(out);
    }
    match ctx.call("service.restart", &["network".into()], &Map::new()) {
        Ok(done) => {
            out.result = Some(done.is_truthy());
            "network restarted for change of ranged interfaces".clone_into(&mut out.comment);
            Ok(out)
        }
        Err(error) => Ok(failed(out, error.to_string())),
    }
}

/// Whether an interface is up, or a further address goes by this name.
fn is_up(name: &str) -> Result<bool, Error> {
    let all = net::interfaces().map_err(|e| Error::execution(e.to_string()))?;
    if let Some(own) = all.iter().find(|i| i.name == name) {
        return Ok(own.up);
    }
    let labelled = |i: &Interface| {
        let count = |v4: bool| i.addresses.iter().filter(|a| a.ip.is_ipv4() == v4).count();
        let named = |a: &net::Assigned| {
            let one_of_several = i.name == "lo" && count(a.ip.is_ipv4()) > 1;
            a.label == name && a.ip.is_ipv4() && (a.secondary || one_of_several)
        };
        i.addresses.iter().any(named)
    };
    Ok(all.iter().any(labelled))
}

fn bring(
    ctx: &Context,
    out: &mut Outcome,
    name: &str,
    kind: &str,
    enabled: bool,
    is_up: bool,
    kwargs: &Map,
) -> Result<(), Error> {
    if kwargs.contains_key("noifupdown") {
        return Ok(());
    }
    let switch = |function: &str| {
        let words = [name.into(), kind.into()];
        ctx.call(function, &words, &Map::new())
    };
    let status = match (enabled, is_up) {
        (true, true) if !out.changes.is_empty() => {
            switch("ip.down")?;
            switch("ip.up")?;
            format!("Interface {name} restart to validate")
        }
        (true, false) => {
            switch("ip.up")?;
            format!("Interface {name} is up")
        }
        (false, true) => {
            switch("ip.down")?;
            format!("Interface {name} down")
        }
        _ => return Ok(()),
    };
    out.changes.insert("status".into(), status.into());
    Ok(())
}

/// Makes interfaces parts of a bond that it has not yet.
fn enslave(
    ctx: &Context,
    out: &mut Outcome,
    name: &str,
    slaves: Option<&Value>,
) -> Result<(), Error> {
    let wanted: BTreeSet<String> = match slaves {
        Some(Value::List(list)) => list.iter().map(python::text).collect(),
        Some(Value::Str(text)) => text.split_whitespace().map(str::to_owned).collect(),
        _ => return Ok(()),
    };
    let file = format!("/sys/class/net/{name}/bonding/slaves");
    let now = fs::read_to_string(file).unwrap_or_default();
    let now: BTreeSet<String> = now.split_whitespace().map(str::to_owned).collect();
    let missing: Vec<&str> = wanted.difference(&now).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    match which("ifenslave") {
        Some(program) => {
            let program = program.display().to_string();
            let mut words = vec![program.as_str(), name];
            words.extend(&missing);
            ctx.programs().run(&words).map_err(Error::Execution)?;
        }
        None => tracing::error!("Command 'ifenslave' not found"),
    }
    let text = format!("Added slaves '{}' to master '{name}'", missing.join(" "));
    out.changes.insert("enslave".into(), text.into());
    Ok(())
}

fn routes(ctx: &Context, run: &Run<'_>) -> Done {
    let name = python::text(run.args.get("name"));
    let kwargs = clean(&run.args.extra);
    let own = [Value::from(name.as_str())];
    let change = match both(ctx, run, "routes", [&own, &own], &kwargs)? {
        Ok(both) => Change::of(&both),
        Err(text) => return Ok(Outcome::failed(text)),
    };
    let what = format!("Interface {name} routes");
    if is_test(run, &kwargs)
        && let Some(comment) = change.would(&what, "are")
    {
        return Ok(Outcome::would(Map::new(), comment));
    }
    let (comment, text) = match change {
        Change::None => return Ok(Outcome::unchanged(format!("{what} are up to date."))),
        Change::Added => (
            format!("{what} added."),
            format!("Added interface {name} routes."),
        ),
        Change::Updated(difference) => (format!("{what} updated."), difference),
    };
    let out = Outcome::changed(map! { "network_routes" => text }, comment);
    settle(ctx, out, &kwargs)
}

fn system(ctx: &Context, run: &Run<'_>) -> Done {
    let mut kwargs = clean(&run.args.extra);
    kwargs.insert("test".into(), run.test.into());
    let change = match both(ctx, run, "network_settings", [&[], &[]], &kwargs) {
        Ok(Ok(both)) => Change::of(&both),
        Ok(Err(text)) => return Ok(Outcome::failed(text)),
        Err(Error::Exception {
            kind: "KeyError",
            message,
        }) => return Ok(Outcome::failed(message)),
        Err(other) => return Err(other),
    };
    const WHAT: &str = "Global network settings";
    let comment = format!("{WHAT} are up to date.");
    if run.test
        && let Some(comment) = change.would(WHAT, "are")
    {
        return Ok(Outcome::would(Map::new(), comment));
    }
    let text = match change {
        Change::None => return Ok(Outcome::unchanged(comment)),
        Change::Added => "Added global network settings.".to_owned(),
        Change::Updated(difference) => difference,
    };
    let out = Outcome::changed(map! { "network_settings" => text }, comment);
    settle(ctx, out, &kwargs)
}

/// Has the network take up what was written.
fn settle(ctx: &Context, out: Outcome, kwargs: &Map) -> Done {
    Ok(match ask(ctx, "ip.apply_network_settings", &[], kwargs)? {
        Ok(_) => out,
        Err(text) => failed(out, text),
    })
}
