//! `sys`: what this minion can do, in its own words.

use std::collections::BTreeSet;

use salt_wire::{Map, Value, map};

use super::{Function, is_enabled, row};
use crate::context::worker::Kind;
use crate::context::{Args, Context, Result, Signature};
use crate::fnmatch::fnmatch;
use crate::states;

/// The rows of `sys`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "sys.argspec",
        "module=''",
        argspec,
        "Return the parameters of functions, or of all functions of a module. Globs are welcome.",
        "salt '*' sys.argspec pkg.install\n    salt '*' sys.argspec 'pkg.*'"
    ),
    row!(
        "sys.doc",
        "*args",
        doc,
        "Return the help texts of functions or modules, or of all. Globs are welcome.",
        "salt '*' sys.doc\n    salt '*' sys.doc sys\n    salt '*' sys.doc 'sys.list_*'"
    ),
    row!(
        "sys.list_functions",
        "*args, **kwargs",
        list_functions,
        "List the functions of all or of some modules.",
        "salt '*' sys.list_functions\n    salt '*' sys.list_functions sys 'test.p*'"
    ),
    row!(
        "sys.list_modules",
        "*args",
        list_modules,
        "List the modules.",
        "salt '*' sys.list_modules\n    salt '*' sys.list_modules 's*'"
    ),
    row!(
        "sys.list_renderers",
        "*args",
        list_renderers,
        "List the renderers.",
        "salt '*' sys.list_renderers"
    ),
    row!(
        "sys.list_returner_functions",
        "*args, **kwargs",
        none,
        "List the functions of returners: there are none, returns go to the master.",
        "salt '*' sys.list_returner_functions"
    ),
    row!(
        "sys.list_returners",
        "*args",
        none,
        "List the returners: there are none, returns go to the master.",
        "salt '*' sys.list_returners"
    ),
    row!(
        "sys.list_runner_functions",
        "*args, **kwargs",
        none,
        "List the functions of runners: they are the master's.",
        "salt '*' sys.list_runner_functions"
    ),
    row!(
        "sys.list_runners",
        "*args",
        none,
        "List the runners: they are the master's.",
        "salt '*' sys.list_runners"
    ),
    row!(
        "sys.list_state_functions",
        "*args, **kwargs",
        list_state_functions,
        "List the functions of all or of some state modules.",
        "salt '*' sys.list_state_functions\n    salt '*' sys.list_state_functions file"
    ),
    row!(
        "sys.list_state_modules",
        "*args",
        list_state_modules,
        "List the state modules.",
        "salt '*' sys.list_state_modules"
    ),
    row!(
        "sys.reload_modules",
        "",
        |ctx, _| {
            ctx.worker.refresh();
            Ok(true.into())
        },
        "Look for new functions: those that are native were there from the start.",
        "salt '*' sys.reload_modules"
    ),
    row!(
        "sys.state_argspec",
        "module=''",
        state_argspec,
        "Return the parameters of state functions.",
        "salt '*' sys.state_argspec file.managed"
    ),
    row!(
        "sys.state_doc",
        "*args",
        state_doc,
        "Return the help texts of state functions.",
        "salt '*' sys.state_doc service.running"
    ),
];

/// One thing that has a name, parameters and a help text.
struct Entry {
    name: String,
    signature: Signature,
    doc: String,
}

/// What is native, and what this machine's own Salt runs besides.
fn with_salts(ctx: &Context, kind: Kind, native: Vec<Entry>) -> Result<Vec<Entry>> {
    if ctx.worker.ready(ctx).is_err() {
        return Ok(native);
    }
    let mut all = native;
    let names: BTreeSet<String> = all.iter().map(|e| e.name.clone()).collect();
    for (name, spec) in ctx.worker.list(ctx, kind)? {
        let enabled = kind == Kind::States || is_enabled(&ctx.settings, &name);
        if enabled && !names.contains(&name) {
            all.push(Entry {
                name,
                signature: spec.signature,
                doc: spec.doc,
            });
        }
    }
    Ok(all)
}

fn functions(ctx: &Context) -> Result<Vec<Entry>> {
    let native = super::all()
        .filter(|f| is_enabled(&ctx.settings, f.name))
        .map(|f| Entry {
            name: f.name.to_owned(),
            signature: Signature::parse(f.signature).unwrap_or_default(),
            doc: f.doc.to_owned(),
        });
    with_salts(ctx, Kind::Functions, native.collect())
}

fn state_functions(ctx: &Context) -> Result<Vec<Entry>> {
    let native = states::all().map(|s| Entry {
        name: s.name.to_owned(),
        signature: Signature::parse(s.signature).unwrap_or_default(),
        doc: s.doc.to_owned(),
    });
    with_salts(ctx, Kind::States, native.collect())
}

fn words(args: &Args) -> Vec<String> {
    args.rest.iter().map(crate::context::python::text).collect()
}

/// Names below the wanted modules; a word with a star or a dot is a glob over full names.
fn names(entries: &[Entry], wanted: &[String]) -> Value {
    let hit = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|word| {
                if word.contains(['*', '.']) {
                    fnmatch(name, word)
                } else {
                    name.strip_prefix(word.as_str())
                        .is_some_and(|rest| rest.starts_with('.'))
                }
            })
    };
    let names: BTreeSet<&str> = entries
        .iter()
        .map(|e| e.name.as_str())
        .filter(|n| hit(n))
        .collect();
    Value::from(names.into_iter().collect::<Vec<_>>())
}

fn modules(entries: &[Entry], wanted: &[String]) -> Value {
    fn module(name: &str) -> &str {
        name.split('.').next().unwrap_or(name)
    }
    let hit = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|word| {
                if word.contains('*') {
                    fnmatch(name, word)
                } else {
                    module(name) == word
                }
            })
    };
    let modules: BTreeSet<&str> = entries
        .iter()
        .map(|e| e.name.as_str())
        .filter(|n| hit(n))
        .map(module)
        .collect();
    Value::from(modules.into_iter().collect::<Vec<_>>())
}

fn docs(entries: &[Entry], wanted: &[String]) -> Value {
    let mut docs = Map::new();
    for entry in entries {
        let hit = wanted.is_empty()
            || wanted.iter().any(|word| {
                if word.contains('*') {
                    fnmatch(&entry.name, word)
                } else {
                    // `sys` and `sys.` mean the module, never `sysctl`.
                    let prefix = word.trim_end_matches('.');
                    entry.name == *word
                        || word.is_empty()
                        || entry
                            .name
                            .strip_prefix(prefix)
                            .is_some_and(|rest| rest.starts_with('.'))
                }
            });
        if hit {
            docs.insert(entry.name.as_str().into(), plain(&entry.doc).into());
        }
    }
    docs.into()
}

/// Help without the marks of the page that it could become.
fn plain(doc: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut lines = doc.split('\n').peekable();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with(".. code-block:: ") {
            lines.next_if(|next| next.is_empty());
        } else {
            out.push(line);
        }
    }
    out.join("\n")
        .replace(".. note::", "Note:")
        .replace(".. warning::", "Warning:")
}

fn specs(entries: &[Entry], wanted: &str) -> Value {
    let mut specs = Map::new();
    for entry in entries {
        let hit = if wanted.contains(['*', '.']) {
            fnmatch(&entry.name, wanted)
        } else {
            entry
                .name
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        if !hit {
            continue;
        }
        let signature = &entry.signature;
        let or_null = |list: Vec<Value>| {
            if list.is_empty() {
                Value::Null
            } else {
                Value::List(list)
            }
        };
        let flag = |part: &Option<String>| part.as_ref().map_or(Value::Null, |_| true.into());
        let names = signature.params.iter().map(|(n, _)| n.as_str().into());
        let defaults = signature.params.iter().filter_map(|(_, d)| d.clone());
        specs.insert(
            entry.name.as_str().into(),
            map! {
                "args" => or_null(names.collect()),
                "defaults" => or_null(defaults.collect()),
                "varargs" => flag(&signature.varargs),
                "kwargs" => flag(&signature.kwargs),
            }
            .into(),
        );
    }
    specs.into()
}

fn argspec(ctx: &Context, args: &Args) -> Result {
    Ok(specs(&functions(ctx)?, &args.text("module")?))
}

fn state_argspec(ctx: &Context, args: &Args) -> Result {
    Ok(specs(&state_functions(ctx)?, &args.text("module")?))
}

fn doc(ctx: &Context, args: &Args) -> Result {
    Ok(docs(&functions(ctx)?, &words(args)))
}

fn state_doc(ctx: &Context, args: &Args) -> Result {
    Ok(docs(&state_functions(ctx)?, &words(args)))
}

fn list_functions(ctx: &Context, args: &Args) -> Result {
    Ok(names(&functions(ctx)?, &words(args)))
}

fn list_modules(ctx: &Context, args: &Args) -> Result {
    Ok(modules(&functions(ctx)?, &words(args)))
}

fn list_state_functions(ctx: &Context, args: &Args) -> Result {
    Ok(names(&state_functions(ctx)?, &words(args)))
}

fn list_state_modules(ctx: &Context, args: &Args) -> Result {
    Ok(modules(&state_functions(ctx)?, &words(args)))
}

fn list_renderers(_: &Context, args: &Args) -> Result {
    let wanted = words(args);
    let hit = |name: &str| wanted.is_empty() || wanted.iter().any(|w| fnmatch(name, w));
    let names: Vec<&str> = ["jinja", "json", "yaml"]
        .into_iter()
        .filter(|n| hit(n))
        .collect();
    Ok(names.into())
}

fn none(_: &Context, _: &Args) -> Result {
    Ok(Value::List(Vec::new()))
}
