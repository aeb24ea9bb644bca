//! `salt-agent call`: one function, here and now, with salt-call's options, output and exit codes.

mod local;
mod options;
mod print;
mod report;

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::sync::Arc;

use salt_wire::{Map, Value, map};

use super::Code;
use crate::cli::{CallArgs, Global};
use crate::compat::Compat;
use crate::config::{self, MasterType, Settings};
use crate::context::{Context, Error, Facts, Job, arguments};
use crate::dispatch::Registry;
use crate::grains;
use crate::host::Host;
use crate::identity::Cache;
use crate::logging::Destination;
use crate::modules;
use crate::returns::load::{Docs, Outcome, Part};
use crate::supervisor::{self, Unasked, Visit};
use print::Printer;

/// No such function: Python's `exit(-1)`.
const NOT_AVAILABLE: Code = Code(255);

/// How the complaint about keywords begins, which salt-call makes before it calls the function.
const BAD_KEYWORDS: &str = "The following keyword arguments are not valid";

pub(super) fn run(global: &Global, args: &CallArgs) -> anyhow::Result<Code> {
    let mut args = args.clone();
    if args.args_stdin {
        let lines = io::stdin().lock().lines();
        args.function.extend(lines.map_while(io::Result::ok));
    }
    if let Err(text) = args.check() {
        return Ok(misused(&text));
    }
    for note in args.notes() {
        print::error(&format!("Warning: {note}\n"));
    }
    let settings = settings(global, &args)?;
    let printer = match Printer::new(&args, &settings) {
        Ok(printer) => printer,
        Err(text) => return Ok(misused(&text)),
    };
    if args.doc {
        docs(args.function.first().map_or("", String::as_str));
        return Ok(Code::OK);
    }
    let mut context = context(&args, settings);
    local::custom_grains(&context);
    if args.grains {
        let grains = (*context.facts.grains()).clone();
        printer.show(&Value::Map(grains), "grains", 0);
        return Ok(Code::OK);
    }
    if !context.settings.states.local {
        super::refuse_a_clone(&context.settings)?;
    }
    // Until the call is over.
    let _visit = match visit(&mut context) {
        Ok(visit) => visit,
        Err(unasked) => {
            print::error(&format!("{unasked}\n"));
            return Ok(Code::FAILED);
        }
    };
    local::prepare(&context);
    Ok(call(&args, &context, &printer))
}

/// Goes to the master, unless the configuration or `--local` says that there is none.
fn visit(context: &mut Context) -> Result<Option<Visit>, Unasked> {
    let settings = &context.settings;
    if settings.states.local || settings.master.kind == MasterType::Disable {
        return Ok(None);
    }
    let visit = supervisor::visit(settings, &context.facts)?;
    context.master = Some(visit.master.clone());
    Ok(Some(visit))
}

fn misused(text: &str) -> Code {
    let usage = options::USAGE_LINE;
    print::error(&format!("{usage}\n\nsalt-call: error: {text}\n"));
    Code::USAGE
}

/// Reads the configuration; the command line wins over every file.
fn settings(global: &Global, args: &CallArgs) -> Result<Settings, config::Error> {
    let mut source = super::source(global);
    source.overrides.extend(args.overrides());
    let loaded = super::load(&source, Cache::Read)?;
    super::start_logging(&loaded, Destination::Console);
    Ok(loaded.settings)
}

fn context(args: &CallArgs, settings: Settings) -> Context {
    let host = Host::real();
    let settings = Arc::new(settings);
    let grains = if args.skip_grains {
        Map::new()
    } else {
        grains::load(&settings, &host, args.refresh_grains_cache)
    };
    let fun = args.function.first().cloned().unwrap_or_default();
    let mut load = map! {
        "fun" => fun,
        "pid" => i64::from(std::process::id()),
        "jid" => jid(),
        "tgt" => "salt-call",
    };
    if let Some(metadata) = &args.set_metadata {
        load.insert("metadata".into(), salt_yaml::yamlify_arg(metadata));
    }
    Context {
        host,
        settings,
        facts: Arc::new(Facts::new(grains, Map::new())),
        job: Arc::new(Job::new(load)),
        master: None,
        functions: Arc::new(Registry),
        minion: Arc::new(local::Alone),
        worker: Compat::new().worker(),
    }
}

/// The time as a job id.
fn jid() -> String {
    jiff::Zoned::now().strftime("%Y%m%d%H%M%S%6f").to_string()
}

fn call(args: &CallArgs, context: &Context, printer: &Printer) -> Code {
    let Some((fun, words)) = args.function.split_first() else {
        return Code::USAGE;
    };
    let arg = parse(words, &args.no_parse);
    let result = Registry.run(context, fun, &arg, Some(&context.job.load));
    let value = match result {
        Ok(value) => value,
        Err(error) => return failed(fun, &error, printer),
    };
    let outcome = Outcome {
        result: Ok(value),
        retcode: context.job.retcode(),
    };
    let part = Part::new(fun, outcome, &Registry);
    if !args.no_return_event {
        report::send(context, &whole(fun, words, context, &part));
    }
    if args.metadata {
        let whole = whole(fun, words, context, &part);
        printer.show(&Value::Map(whole), "nested", part.retcode);
    } else {
        printer.show(&part.value, part.out.unwrap_or("nested"), part.retcode);
    }
    if part.retcode == 0 {
        Code::OK
    } else if args.retcode_passthrough {
        // What a process can say: the low byte.
        Code(part.retcode.to_le_bytes()[0])
    } else {
        Code::FAILED
    }
}

/// Words as salt-call reads them: YAML each, `name=value` as keyword.
fn parse(words: &[String], no_parse: &[String]) -> Vec<Value> {
    let mut arg = Vec::new();
    let mut keywords = Map::new();
    for word in words {
        match arguments::name_and_value(word) {
            Some((name, value)) => {
                let raw = no_parse.iter().any(|n| n == name);
                let value = if raw {
                    value.into()
                } else {
                    salt_yaml::yamlify_arg(value)
                };
                keywords.insert(name.into(), value);
            }
            None => arg.push(salt_yaml::yamlify_arg(word)),
        }
    }
    if !keywords.is_empty() {
        keywords.insert("__kwarg__".into(), true.into());
        arg.push(Value::Map(keywords));
    }
    arg
}

/// The whole return, for `--metadata`.
fn whole(fun: &str, words: &[String], context: &Context, part: &Part) -> Map {
    let mut whole = map! {
        "jid" => context.job.jid.as_str(),
        "return" => part.value.clone(),
        "retcode" => part.retcode,
        "id" => context.settings.id.as_str(),
        "fun" => fun,
        "fun_args" => words.iter().map(|w| salt_yaml::yamlify_arg(w)).collect::<Vec<_>>(),
    };
    if let Some(out) = part.out {
        whole.insert("out".into(), out.into());
    }
    if let Some(metadata) = context.job.load.get("metadata") {
        whole.insert("metadata".into(), metadata.clone());
    }
    whole
}

/// A failed function in salt-call's words, on standard error.
fn failed(fun: &str, error: &Error, printer: &Printer) -> Code {
    match error {
        Error::Execution(text) => print::error(&format!("Error running '{fun}': {text}\n")),
        Error::MissingCommand(text) => {
            print::error(&format!("Command required for '{fun}' not found: {text}\n"));
        }
        Error::Invocation(text) if text.starts_with(BAD_KEYWORDS) => {
            print::error(&format!("{text}\n"));
        }
        // To Python a misuse is a wrong argument, too.
        Error::Invocation(text) | Error::Arguments(text) => {
            print::error(&format!("\nPassed invalid arguments: {text}.\n\nUsage:\n"));
            print::text(&Registry.doc(fun));
        }
        Error::NotAvailable(missing) if missing == fun => {
            let mut near = Registry.starting_with(fun);
            if near.is_empty() {
                print::error(&format!("{error}\n"));
                return NOT_AVAILABLE;
            }
            near.insert(fun.into(), error.to_string().into());
            printer.show(&Value::Map(near), "nested", 0);
        }
        Error::NotAvailable(_) | Error::Exception { .. } | Error::Python { .. } => {
            print::error(&crate::returns::load::traceback(error));
        }
    }
    Code::FAILED
}

/// `-d`: the documentation of all functions whose names start like this.
fn docs(prefix: &str) {
    let names: BTreeSet<&str> = modules::all()
        .map(|f| f.name)
        .filter(|n| n.starts_with(prefix))
        .collect();
    for name in names {
        let doc = Registry.doc(name);
        if !doc.is_empty() {
            print::text(&format!("{name}:\n{doc}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_arguments() {
        let words: Vec<String> = ["1", "{a: b}", "x=2", "raw=3", "a==b"]
            .map(str::to_owned)
            .into();
        let arg = parse(&words, &["raw".to_owned()]);
        assert_eq!(
            arg,
            [
                1.into(),
                Value::Map(map! {"a" => "b"}),
                "a==b".into(),
                Value::Map(map! {"x" => 2, "raw" => "3", "__kwarg__" => true}),
            ]
        );
    }
}
