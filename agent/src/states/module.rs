//! `module`: execution functions run as states.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::worker::Kind;
use crate::context::{Context, Error, Signature, python};

/// The rows of `module`.
pub const STATES: &[State] = &[
    State {
        name: "module.run",
        signature: "name, **kwargs",
        doc: "Run execution functions: ``- fun.ction: [arguments]``, or by ``name`` with the arguments beside it.",
        run,
    },
    State {
        name: "module.wait",
        signature: "name, **kwargs",
        doc: "Run an execution function when a watched state changes.",
        run: wait,
    },
    State {
        name: "module.watch",
        signature: "name, **kwargs",
        doc: "Other name of ``module.wait``.",
        run: wait,
    },
    State {
        name: "module.mod_watch",
        signature: "name, **kwargs",
        doc: "What a watched change makes ``module.wait`` and ``module.run`` do.",
        run,
    },
];

type Done = Result<Outcome, Error>;

fn wait(_: &Context, _: &Run<'_>) -> Done {
    Ok(Outcome::unchanged(""))
}

fn run(ctx: &Context, run: &Run<'_>) -> Done {
    let given: Map = run
        .args
        .extra
        .iter()
        .filter(|(k, _)| !matches!(k.as_str(), Some("sfun" | "__reqs__")))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if given.values().next().is_some()
        && given
            .keys()
            .all(|k| k.as_str().is_some_and(|k| k.contains('.')))
    {
        several(ctx, run, &given)
    } else {
        one(ctx, run, given)
    }
}

/// What a function takes, as `sys.argspec` tells it.
#[derive(Default)]
struct Spec {
    args: Vec<String>,
    defaults: Vec<Value>,
    varargs: Option<String>,
    kwargs: Option<String>,
}

impl Spec {
    fn of(ctx: &Context, fun: &str) -> Result<Self, Error> {
        let specs = ctx.call("sys.argspec", &[fun.into()], &Map::new())?;
        let Some(spec) = specs.get(fun) else {
            // One of Salt's own, which the worker knows.
            let found = ctx.worker.find(ctx, Kind::Functions, fun)?;
            return Ok(found.map_or_else(
                |_| Self::default(),
                |spec| Self::of_signature(&spec.signature),
            ));
        };
        let list = |key: &str| spec.get(key).and_then(Value::as_list).unwrap_or_default();
        // A single star is told as `true` where its name is not known.
        let name = |key: &str, usual: &str| match spec.get(key) {
            Some(Value::Str(name)) => Some(name.clone()),
            Some(other) if other.is_truthy() => Some(usual.to_owned()),
            _ => None,
        };
        Ok(Self {
            args: list("args").iter().map(python::text).collect(),
            defaults: list("defaults").to_vec(),
            varargs: name("varargs", "args"),
            kwargs: name("kwargs", "kwargs"),
        })
    }

    fn of_signature(signature: &Signature) -> Self {
        Self {
            args: signature
                .params
                .iter()
                .map(|(name, _)| name.clone())
                .collect(),
            defaults: signature
                .params
                .iter()
                .filter_map(|(_, default)| default.clone())
                .collect(),
            varargs: signature.varargs.clone(),
            kwargs: signature.kwargs.clone(),
        }
    }

    /// How many arguments have no default.
    fn required(&self) -> usize {
        self.args.len().saturating_sub(self.defaults.len())
    }

    fn default_of(&self, at: usize) -> Option<&Value> {
        self.defaults.get(at.checked_sub(self.required())?)
    }
}

/// Arguments as they are handed over.
struct Call {
    positional: Vec<Value>,
    keywords: Map,
}

/// `- fun.ction: [...]`: what is no map is positional, what is one names its arguments.
fn arguments(spec: &Spec, given: &Value) -> Result<Call, Error> {
    let items = match given {
        Value::Null => &[],
        Value::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let required = &spec.args[..spec.required()];
    let mut positional = Vec::new();
    let (mut named, mut keywords) = (Map::new(), Map::new());
    for item in items {
        let Value::Map(map) = item else {
            positional.push(item.clone());
            continue;
        };
        for (key, value) in map {
            let is_required = key
                .as_str()
                .is_some_and(|k| required.iter().any(|r| r == k));
            if is_required {
                &mut named
            } else {
                &mut keywords
            }
            .insert(key.clone(), value.clone());
        }
    }
    positional.extend(
        required
            .iter()
            .filter_map(|name| named.get(name.as_str()).cloned()),
    );
    let missing: Vec<&str> = required
        .iter()
        .skip(positional.len())
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(Error::invocation(format!(
            "Missing arguments: {}",
            missing.join(", ")
        )));
    }
    Ok(Call {
        positional,
        keywords,
    })
}

fn several(ctx: &Context, run: &Run<'_>, given: &Map) -> Done {
    let names: Vec<&str> = given.keys().filter_map(Value::as_str).collect();
    // One function can be called more than once: what follows a colon only tells the calls apart.
    let plain = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let missing: Vec<_> = names
        .iter()
        .map(|n| plain(n))
        .filter(|n| !ctx.functions.has(ctx, n))
        .collect();
    let mut out = Outcome {
        extra: map! { "name" => Value::from(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()) },
        ..Outcome::default()
    };
    let tests: Vec<_> = names
        .iter()
        .map(|n| plain(n))
        .filter(|n| run.test && ctx.functions.has(ctx, n))
        .collect();
    if !missing.is_empty() || !tests.is_empty() {
        // Salt puts `True` where a plural belongs.
        let plural = |n: usize| if n > 1 { "True" } else { "" };
        let mut texts = Vec::new();
        if !missing.is_empty() {
            texts.push(format!(
                "Unavailable function{}: {}.",
                plural(missing.len()),
                missing.join(", ")
            ));
            out.result = Some(false);
        }
        if !tests.is_empty() {
            texts.push(format!(
                "Function{} {} to be executed.",
                plural(tests.len()),
                tests.join(", ")
            ));
        }
        out.comment = texts.join(" ");
        return Ok(out);
    }
    let (mut failures, mut success) = (Vec::new(), Vec::new());
    for name in names {
        let fun = plain(name);
        let spec = Spec::of(ctx, &fun)?;
        let called = arguments(&spec, given.get(name).unwrap_or(&Value::Null))
            .and_then(|call| ctx.call(&fun, &call.positional, &call.keywords));
        match called {
            Ok(value) if is_fine(&value) => {
                let told = match &value {
                    Value::Map(map) => map
                        .get("comment")
                        .map_or_else(|| "Success".to_owned(), python::text),
                    other => python::text(other),
                };
                success.push(format!("{name}: {told}"));
                out.changes.insert(name.into(), value);
            }
            Ok(Value::Map(map)) => {
                let told = map
                    .get("comment")
                    .map_or_else(|| "(error message N/A)".to_owned(), python::text);
                failures.push(format!("'{name}' failed: {told}"));
            }
            Ok(value) => failures.push(format!("'{name}': {}", python::text(&value))),
            Err(error @ (Error::Invocation(_) | Error::Arguments(_))) => {
                failures.push(format!("'{name}' failed: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    out.result = Some(failures.is_empty());
    failures.extend(success);
    out.comment = failures.join(", ");
    Ok(out)
}

/// The older form: the state's name is the function, its arguments stand beside it; those that would be taken for
/// the state's own have an `m_` in front.
fn one(ctx: &Context, run: &Run<'_>, mut given: Map) -> Done {
    let fun = run.args.text("name")?;
    if !ctx.functions.has(ctx, &fun) {
        return Ok(Outcome::failed(format!(
            "Module function {fun} is not available"
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Module function {fun} is set to execute"),
        ));
    }
    let spec = Spec::of(ctx, &fun)?;
    let call = match legacy(&spec, &mut given) {
        Ok(call) => call,
        Err(comment) => return Ok(Outcome::failed(comment)),
    };
    match ctx.call(&fun, &call.positional, &call.keywords) {
        Ok(value) => {
            let mut out = Outcome::changed(Map::new(), format!("Module function {fun} executed"));
            out.result = Some(is_fine(&value));
            out.changes.insert("ret".into(), value);
            Ok(out)
        }
        Err(error) => Ok(Outcome::failed(format!(
            "Module function {fun} threw an exception. Exception: {error}"
        ))),
    }
}

/// The name under which a state may give an argument.
fn given_name(name: &str) -> String {
    match name {
        "name" | "fun" | "names" | "state" | "saltenv" => format!("m_{name}"),
        other => other.to_owned(),
    }
}

fn legacy(spec: &Spec, given: &mut Map) -> Result<Call, String> {
    let mut positional = Vec::new();
    let mut missing = Vec::new();
    for (at, name) in spec.args.iter().enumerate() {
        let own = given_name(name);
        let default = spec.default_of(at);
        // An argument with a default may also be given by its plain name.
        let value = match default {
            Some(_) => {
                let own = if name == "names" { name } else { &own };
                let marked = given.shift_remove(own.as_str());
                given.shift_remove(name.as_str()).or(marked)
            }
            None => given.shift_remove(own.as_str()),
        };
        match value.or_else(|| default.cloned()) {
            Some(value) => positional.push(value),
            None => missing.push(own),
        }
    }
    if !missing.is_empty() {
        return Err(format!(
            "The following arguments are missing: {}",
            missing.join(" ")
        ));
    }
    if let Some(varargs) = &spec.varargs
        && let Some(more) = given.shift_remove(given_name(varargs).as_str())
    {
        match more {
            Value::List(more) => positional.extend(more),
            _ => return Err(format!("'{varargs}' must be a list.")),
        }
    }
    let mut keywords = Map::new();
    if let Some(kwargs) = &spec.kwargs
        && let Some(more) = given.shift_remove(kwargs.as_str())
    {
        match more {
            Value::Map(more) => keywords = more,
            _ => return Err(format!("'{kwargs}' must be a dict.")),
        }
    }
    Ok(Call {
        positional,
        keywords,
    })
}

/// Whether a function's answer tells of success: `False` does not, nor does a map with a failed `result` or
/// `retcode` somewhere inside.
fn is_fine(value: &Value) -> bool {
    fn map_is_fine(map: &Map) -> bool {
        map.iter().all(|(key, value)| match (key.as_str(), value) {
            (Some("result"), Value::Bool(false)) => false,
            (Some("retcode"), code) => code.as_int() == Some(0) || *code == Value::Bool(false),
            (_, Value::Map(inner)) => map_is_fine(inner),
            _ => true,
        })
    }
    match value {
        Value::Bool(fine) => *fine,
        Value::Map(map) => map_is_fine(map),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            args: vec!["cmd".into(), "name".into(), "cwd".into()],
            defaults: vec![Value::Null],
            varargs: Some("args".into()),
            kwargs: Some("kwargs".into()),
        }
    }

    #[test]
    fn arguments_find_their_places() {
        let given = Value::List(vec![
            "ls".into(),
            map! { "cwd" => "/tmp", "name" => "n" }.into(),
        ]);
        let call = arguments(&spec(), &given).unwrap();
        assert_eq!(call.positional, ["ls".into(), "n".into()]);
        assert_eq!(call.keywords, map! { "cwd" => "/tmp" });
        let Err(error) = arguments(&spec(), &Value::Null) else {
            panic!("two are missing")
        };
        assert_eq!(error.to_string(), "Missing arguments: cmd, name");

        let mut given = map! { "cmd" => "ls", "m_name" => "n", "kwargs" => map! { "x" => 1 }, "args" => vec![Value::from(2)] };
        let call = legacy(&spec(), &mut given).unwrap();
        assert_eq!(
            call.positional,
            ["ls".into(), "n".into(), Value::Null, 2.into()]
        );
        assert_eq!(call.keywords, map! { "x" => 1 });
        let Err(error) = legacy(&spec(), &mut map! { "args" => 1 }) else {
            panic!("two are missing")
        };
        assert_eq!(error, "The following arguments are missing: cmd m_name");
    }

    #[test]
    fn an_answer_tells_of_success() {
        for (value, fine) in [
            (Value::Bool(false), false),
            (Value::Null, true),
            ("text".into(), true),
            (map! { "retcode" => 1 }.into(), false),
            (map! { "retcode" => 0, "result" => true }.into(), true),
            (map! { "a" => map! { "result" => false } }.into(), false),
        ] {
            assert_eq!(is_fine(&value), fine, "{value:?}");
        }
    }
}
