//! `test`: functions that show that a minion lives and how it answers. A function that needs more than a
//! few lines has a file of its own here.

mod exceptions;
mod numbers;
mod versions;

use std::backtrace::Backtrace;
use std::time::Duration;

use salt_wire::{Map, Value, map};

use exceptions::raise_exception;
use numbers::{collatz, fib};
use versions::{versions, versions_report};

use super::{Function, python_int, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::grains::SALT_VERSION;
use crate::host::digest;

/// The rows of `test`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "test.arg",
        "*args, **kwargs",
        arg,
        "Return the arguments as they came in: ``{\"args\": [...], \"kwargs\": {...}}``.",
        "salt '*' test.arg 1 \"two\" 3.1 txt=\"hello\" wow='{a: 1, b: \"hello\"}'"
    ),
    row!(
        "test.arg_clean",
        "*args, **kwargs",
        arg_clean,
        "Like ``test.arg``, without what the publication added.",
        "salt '*' test.arg_clean 1 \"two\" 3.1 txt=\"hello\""
    ),
    row!(
        "test.arg_repr",
        "*args, **kwargs",
        arg_repr,
        "Return the arguments as Python would write them.",
        "salt '*' test.arg_repr 1 \"two\" 3.1 txt=\"hello\""
    ),
    row!(
        "test.arg_type",
        "*args, **kwargs",
        arg_type,
        "Return the types of the arguments.",
        "salt '*' test.arg_type 1 'int'"
    ),
    row!(
        "test.assertion",
        "assertion",
        assertion,
        "Fail unless the argument is true.",
        "salt '*' test.assertion False"
    ),
    row!(
        "test.attr_call",
        "",
        attr_call,
        "Call ``grains.items`` through the function table.",
        "salt '*' test.attr_call"
    ),
    row!(
        "test.collatz",
        "start",
        collatz,
        "Run the Collatz sequence from a number; return its steps and the time that it took.",
        "salt '*' test.collatz 3"
    ),
    row!(
        "test.conf_test",
        "",
        conf_test,
        "Return the option ``test.foo`` of the minion, or its default.",
        "salt '*' test.conf_test"
    ),
    row!(
        "test.cross_test",
        "func, args=None",
        cross_test,
        "Call another function from within this one.",
        "salt '*' test.cross_test test.echo '[hello]'"
    ),
    row!(
        "test.deprecation_warning",
        "",
        deprecation_warning,
        "Return ``True`` and log a warning.",
        "salt '*' test.deprecation_warning"
    ),
    row!(
        "test.echo",
        "text",
        echo,
        "Return the text: a check of the way there and back.",
        "salt '*' test.echo 'foo bar baz quo qux'"
    ),
    row!(
        "test.exception",
        "message='Test Exception'",
        exception,
        "Fail with an exception.",
        "salt '*' test.exception 'Oh noes!'"
    ),
    row!(
        "test.false",
        "",
        |_, _| Ok(false.into()),
        "Return ``False``.",
        "salt '*' test.false"
    ),
    row!(
        "test.fib",
        "num",
        fib,
        "Return a Fibonacci number and the time in seconds that it took.",
        "salt '*' test.fib 3"
    ),
    row!(
        "test.get_opts",
        "",
        opts,
        "Return the configuration of this minion.",
        "salt '*' test.get_opts"
    ),
    row!(
        "test.kwarg",
        "**kwargs",
        kwarg,
        "Return the keyword arguments, those of the publication included.",
        "salt '*' test.kwarg num=1 txt=\"two\" env='{a: 1, b: \"hello\"}'"
    ),
    row!(
        "test.module_report",
        "",
        module_report,
        "Report all functions and the ways to reach them.",
        "salt '*' test.module_report"
    ),
    row!(
        "test.not_loaded",
        "",
        |_, _| Ok(Value::List(Vec::new())),
        "List modules that could not be loaded: none, what is not there is not part of the program.",
        "salt '*' test.not_loaded"
    ),
    row!(
        "test.opts_pkg",
        "",
        opts,
        "Return configuration and grains in one.",
        "salt '*' test.opts_pkg"
    ),
    row!(
        "test.outputter",
        "data",
        outputter,
        "Return the data: a check of the outputter.",
        "salt '*' test.outputter foobar"
    ),
    row!(
        "test.ping",
        "",
        |_, _| Ok(true.into()),
        "Used to make sure the minion is up and responding. Not an ICMP ping.\n\nReturns ``True``.",
        "salt '*' test.ping"
    ),
    row!(
        "test.provider",
        "module",
        provider,
        "Return the name under which Salt keeps the module that serves these functions.",
        "salt '*' test.provider service"
    ),
    row!(
        "test.providers",
        "",
        providers,
        "Return the providers of all modules.",
        "salt '*' test.providers"
    ),
    row!(
        "test.raise_exception",
        "name, *args, **kwargs",
        raise_exception,
        "Fail with an exception of this class; ``False`` if there is none of that name.",
        "salt '*' test.raise_exception TypeError \"An integer is required\"\n    salt '*' test.raise_exception salt.exceptions.CommandExecutionError \"Something went wrong\""
    ),
    row!(
        "test.rand_sleep",
        "max=60",
        rand_sleep,
        "Sleep for a random number of seconds.",
        "salt '*' test.rand_sleep 60"
    ),
    row!(
        "test.rand_str",
        "size=9999999999, hash_type=None",
        random_hash,
        "Former name of ``test.random_hash``.",
        "salt '*' test.rand_str"
    ),
    row!(
        "test.random_hash",
        "size=9999999999, hash_type=None",
        random_hash,
        "Return the hash of a random number between 1 and ``size``.",
        "salt '*' test.random_hash\n    salt '*' test.random_hash hash_type=sha512"
    ),
    row!(
        "test.retcode",
        "code=42",
        retcode,
        "Return ``True`` with this return code.",
        "salt '*' test.retcode 42"
    ),
    row!(
        "test.sleep",
        "length",
        sleep,
        "Sleep for this many seconds.",
        "salt '*' test.sleep 20"
    ),
    row!(
        "test.stack",
        "",
        stack,
        "Return the stack of this call.",
        "salt '*' test.stack"
    ),
    row!(
        "test.true",
        "",
        |_, _| Ok(true.into()),
        "Return ``True``.",
        "salt '*' test.true"
    ),
    row!(
        "test.try",
        "module, return_try_exception=False, **kwargs",
        try_,
        "Call a function; ``None`` (or the failure's text) when it fails.",
        "salt '*' test.try module=test.ping"
    ),
    row!(
        "test.tty",
        "*args, **kwargs",
        tty,
        "Moved to ``cmd.tty``.",
        "salt '*' test.tty tty0 'This is a test'"
    ),
    row!(
        "test.version",
        "",
        |_, _| Ok(SALT_VERSION.into()),
        "Return the version of Salt whose protocol and functions this minion speaks.",
        "salt '*' test.version"
    ),
    row!(
        "test.versions",
        "",
        versions_report,
        "Return the versions of what this minion is made of.",
        "salt '*' test.versions"
    ),
    row!(
        "test.versions_information",
        "",
        |ctx, _| Ok(versions(ctx).into()),
        "Return the versions of this minion and its system as a map.",
        "salt '*' test.versions_information"
    ),
    row!(
        "test.versions_report",
        "",
        versions_report,
        "Return the versions of what this minion is made of.",
        "salt '*' test.versions_report"
    ),
];

fn echo(_: &Context, args: &Args) -> Result {
    Ok(args.get("text").clone())
}

fn outputter(_: &Context, args: &Args) -> Result {
    Ok(args.get("data").clone())
}

fn arg(_: &Context, args: &Args) -> Result {
    Ok(map! {"args" => Value::List(args.rest.clone()), "kwargs" => args.extra.clone()}.into())
}

fn arg_clean(_: &Context, args: &Args) -> Result {
    Ok(
        map! {"args" => Value::List(args.rest.clone()), "kwargs" => super::clean(&args.extra)}
            .into(),
    )
}

fn arg_repr(_: &Context, args: &Args) -> Result {
    let items: Vec<String> = args.rest.iter().map(python::repr).collect();
    let tuple = match items.as_slice() {
        [one] => format!("({one},)"),
        items => format!("({})", items.join(", ")),
    };
    let kwargs = python::repr(&Value::Map(args.extra.clone()));
    Ok(map! {"args" => tuple, "kwargs" => kwargs}.into())
}

fn arg_type(_: &Context, args: &Args) -> Result {
    let class = |value: &Value| {
        Value::from(format!(
            "<class '{}'>",
            crate::context::signature::kind(value)
        ))
    };
    let types: Vec<Value> = args.rest.iter().map(class).collect();
    let named: Map = args
        .extra
        .iter()
        .map(|(k, v)| (k.clone(), class(v)))
        .collect();
    Ok(map! {"args" => Value::List(types), "kwargs" => named}.into())
}

fn kwarg(_: &Context, args: &Args) -> Result {
    Ok(args.extra.clone().into())
}

fn sleep(ctx: &Context, args: &Args) -> Result {
    let seconds = python_int(args.get("length"))?;
    let seconds =
        u64::try_from(seconds).map_err(|_| value_error("sleep length must be non-negative"))?;
    ctx.job.cancel.sleep(Duration::from_secs(seconds));
    Ok(true.into())
}

fn rand_sleep(ctx: &Context, args: &Args) -> Result {
    if !matches!(
        args.get("max"),
        Value::Int(_) | Value::Float(_) | Value::Bool(_)
    ) {
        let kind = crate::context::signature::kind(args.get("max"));
        return Err(Error::Arguments(format!(
            "can only concatenate {kind} (not \"int\") to {kind}"
        )));
    }
    let most = python_int(args.get("max"))?;
    let most = u64::try_from(most).map_err(|_| {
        value_error(format!(
            "empty range for randrange() (0, {}, {})",
            most + 1,
            most + 1
        ))
    })?;
    let seconds = random()? % (most + 1);
    ctx.job.cancel.sleep(Duration::from_secs(seconds));
    Ok(true.into())
}

fn random() -> Result<u64> {
    getrandom::u64().map_err(|e| Error::execution(format!("no random numbers: {e}")))
}

fn random_hash(ctx: &Context, args: &Args) -> Result {
    let size = u64::try_from(python_int(args.get("size"))?)
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(|| value_error("empty range for randrange()"))?;
    let number = random()? % size + 1;
    let form = match args.get("hash_type") {
        form if form.is_truthy() => args.text("hash_type")?,
        _ => python::text(
            ctx.settings
                .opts
                .get("hash_type")
                .unwrap_or(&"sha256".into()),
        ),
    };
    digest::bytes(number.to_string().as_bytes(), &form)
        .map(Value::from)
        .map_err(|_| value_error(format!("unsupported hash type {form}")))
}

fn retcode(ctx: &Context, args: &Args) -> Result {
    let code = args
        .get("code")
        .as_int()
        .and_then(|c| i64::try_from(c).ok());
    ctx.job.set_retcode(code.unwrap_or(1));
    Ok(true.into())
}

fn exception(_: &Context, args: &Args) -> Result {
    Err(Error::Exception {
        kind: "Exception",
        message: python::text(args.get("message")),
    })
}

fn assertion(_: &Context, args: &Args) -> Result {
    if args.flag("assertion") {
        return Ok(Value::Null);
    }
    Err(Error::Exception {
        kind: "AssertionError",
        message: String::new(),
    })
}

fn stack(_: &Context, _: &Args) -> Result {
    Ok(Backtrace::force_capture().to_string().into())
}

fn tty(_: &Context, _: &Args) -> Result {
    Ok("ERROR: This function has been moved to cmd.tty".into())
}

fn try_(ctx: &Context, args: &Args) -> Result {
    let fun = args.text("module")?;
    match ctx.call(&fun, &[], &args.extra) {
        Err(error) if args.flag("return_try_exception") => Ok(error.to_string().into()),
        Err(_) => Ok(Value::Null),
        done => done,
    }
}

fn cross_test(ctx: &Context, args: &Args) -> Result {
    let fun = args.text("func")?;
    let list = match args.get("args") {
        Value::List(list) => list.clone(),
        Value::Str(text) => text.chars().map(|c| c.to_string().into()).collect(),
        _ => Vec::new(),
    };
    ctx.call(&fun, &list, &Map::new())
}

fn attr_call(ctx: &Context, _: &Args) -> Result {
    ctx.call("grains.items", &[], &Map::new())
}

fn conf_test(ctx: &Context, _: &Args) -> Result {
    ctx.call("config.option", &["test.foo".into()], &Map::new())
}

fn opts(ctx: &Context, _: &Args) -> Result {
    Ok(ctx.opts().into())
}

fn deprecation_warning(_: &Context, _: &Args) -> Result {
    tracing::warn!("This is a test deprecation warning by version.");
    Ok(true.into())
}

fn names() -> Vec<&'static str> {
    super::all().map(|f| f.name).collect()
}

fn modules() -> Vec<&'static str> {
    let mut modules: Vec<_> = names().iter().filter_map(|n| n.split('.').next()).collect();
    modules.dedup();
    modules
}

fn module_report(_: &Context, _: &Args) -> Result {
    let none = || Value::List(Vec::new());
    Ok(map! {
        "functions" => names(), "function_attrs" => names(), "function_subs" => names(),
        "modules" => modules(), "module_attrs" => modules(),
        "missing_attrs" => none(), "missing_subs" => none(),
    }
    .into())
}

fn provider(_: &Context, args: &Args) -> Result {
    let module = args.text("module")?;
    let known = modules().iter().any(|m| *m == module);
    let file = if known { super::file_of(&module) } else { "" };
    Ok(file.into())
}

fn providers(_: &Context, _: &Args) -> Result {
    let map: Map = modules()
        .iter()
        .map(|m| (super::file_of(m).into(), (*m).into()))
        .collect();
    Ok(map.into())
}

fn value_error(message: impl Into<String>) -> Error {
    Error::Exception {
        kind: "ValueError",
        message: message.into(),
    }
}
