//! From Salt's arguments to a command as data, with Salt's checks in Salt's order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;
use salt_wire::{Map, Value};

use super::account;
use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::fnmatch::fnmatch;
use crate::host::exec::Command;
use crate::host::{env, shlex};
use crate::render::{Source, template};

/// What becomes of the command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    /// Standard error goes into standard output.
    Merged,
    /// Each on its own.
    Apart,
    /// The command runs in the background; nobody reads it.
    Dropped,
}

/// A command ready to run, and how Python would have been told of it.
pub(super) struct Request {
    /// The command.
    pub(super) command: Command,
    /// Its words or text as Salt prints it.
    pub(super) shown: String,
    /// The settings of the process as Salt prints them.
    pub(super) context: String,
    /// The timeout as it was given.
    pub(super) timeout: Value,
}

/// The default shell, as the agent's own environment has it.
pub(super) fn default_shell() -> String {
    env::var("SHELL").unwrap_or_else(|| "/bin/sh".to_owned())
}

/// Whether the command's failure is logged, which is what Salt ties `raise_err` to.
pub(super) fn is_logged(args: &Args) -> bool {
    args.get("output_loglevel").as_str() != Some("quiet")
}

impl Request {
    pub(super) fn new(ctx: &Context, args: &Args, streams: Streams) -> Result<Self> {
        let from_job = args.extra.contains_key("__pub_jid");
        let python_shell = match args.get("python_shell") {
            Value::Null => from_job || ctx.settings.opts.get("cmd_safe") == Some(&false.into()),
            other => other == &Value::Bool(true),
        };
        // `shell=None` means none; the default stands for the agent's own.
        let shell = match args.get("shell") {
            Value::Null => None,
            Value::Str(text) if text.is_empty() => Some(default_shell()),
            other => Some(python::text(other)),
        };
        let runas = args.opt_text("runas")?.filter(|r| !r.is_empty());
        let group = args.opt_text("group")?.filter(|g| !g.is_empty());
        let mut cwd = directory(args, runas.as_deref());
        if let Some(shell) = &shell
            && !env::is_executable(Path::new(shell))
        {
            return Err(Error::execution(format!(
                "The shell {shell} is not available"
            )));
        }
        let mut cmd = args.get("cmd").clone();
        // Salt logs the first word, and fails where there is none.
        if is_logged(args) && cmd.as_str().is_some_and(|c| c.trim().is_empty()) {
            return Err(index_error());
        }
        let engine = args.get("template");
        if engine.is_truthy() {
            let engine = python::text(engine);
            cmd = render(ctx, args, &engine, &cmd)?;
            cwd = python::text(&render(ctx, args, &engine, &cwd.into())?);
        }
        if from_job && !is_permitted(ctx, &cmd) {
            let text = python::text(&cmd);
            return Err(Error::execution(format!(
                "The shell command \"{text}\" is not permitted"
            )));
        }
        let mut environment = environment(args.get("env"));
        let user = account::find(runas.as_deref(), group.as_deref())?;
        if runas.is_some() || group.is_some() {
            let name = runas.clone().unwrap_or_default();
            let mut theirs = account::environment(ctx, shell.as_deref(), &name);
            theirs.extend(environment);
            account::complete(&mut theirs, &name);
            environment = theirs;
        }
        if args.get("reset_system_locale") == &Value::Bool(true) {
            for name in LOCALE {
                environment
                    .entry((*name).to_owned())
                    .or_insert_with(|| "C".to_owned());
            }
        }
        let clean = args.flag("clean_env");
        if let Some(prepend) = args.opt_text("prepend_path")?.filter(|p| !p.is_empty()) {
            let path = environment
                .get("PATH")
                .cloned()
                .or_else(|| env::var("PATH").filter(|_| !clean))
                .unwrap_or_default();
            environment.insert("PATH".into(), format!("{prepend}:{path}"));
        }
        let umask = umask(args.get("umask"))?;
        if !Path::new(&cwd).is_absolute() || !Path::new(&cwd).is_dir() {
            return Err(Error::execution(format!(
                "Specified cwd '{cwd}' either not absolute or does not exist"
            )));
        }
        let (argv, shown) = words(&cmd, python_shell, shell.as_deref())?;
        let timeout = args.get("timeout").clone();
        let mut command = Command::new(argv);
        command.cwd = Some(PathBuf::from(&cwd));
        command.env = environment.into_iter().map(|(k, v)| (k, Some(v))).collect();
        if !command.env.contains_key("NOTIFY_SOCKET") {
            command.env.insert("NOTIFY_SOCKET".into(), None);
        }
        command.clean_env = clean;
        command.stdin = input(args);
        command.user = user;
        command.umask = umask;
        command.timeout = seconds(&timeout)?;
        command.merge_stderr = streams == Streams::Merged;
        let context = context(args, &cwd, python_shell, streams, shell.as_deref());
        Ok(Self {
            command,
            shown,
            context,
            timeout,
        })
    }
}

/// The parts of the locale that Salt sets to C, because it reads English only.
const LOCALE: &[&str] = &[
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_TIME",
    "LC_COLLATE",
    "LC_MONETARY",
    "LC_MESSAGES",
    "LC_PAPER",
    "LC_NAME",
    "LC_ADDRESS",
    "LC_TELEPHONE",
    "LC_MEASUREMENT",
    "LC_IDENTIFICATION",
    "LANGUAGE",
];

/// The directory to run in: by default the home of the user who runs it, if we can read it.
fn directory(args: &Args, runas: Option<&str>) -> String {
    let given = args.get("cwd");
    if given.is_truthy() {
        return python::text(given);
    }
    let home = match runas {
        Some(name) => User::from_name(name)
            .ok()
            .flatten()
            .map(|u| u.dir.display().to_string()),
        None => env::var("HOME").or_else(|| {
            let user = User::from_uid(nix::unistd::getuid()).ok().flatten()?;
            Some(user.dir.display().to_string())
        }),
    };
    home.filter(|h| Path::new(h).is_dir() && std::fs::read_dir(h).is_ok())
        .unwrap_or_else(|| "/".to_owned())
}

fn render(ctx: &Context, args: &Args, engine: &str, text: &Value) -> Result {
    if engine != "jinja" {
        return Err(Error::execution(format!(
            "Attempted to render file paths with unavailable engine {engine}"
        )));
    }
    let saltenv = match args.get("saltenv") {
        Value::Null => "base".to_owned(),
        given => python::text(given),
    };
    let files = FileClient::new(ctx);
    let source = Source {
        text: &python::text(text),
        path: None,
        saltenv: &saltenv,
        sls: None,
        variables: &Map::new(),
        files: &files,
    };
    template(ctx, &source)
        .map(Value::from)
        .map_err(|e| Error::Exception {
            kind: "salt.exceptions.SaltRenderError",
            message: e.to_string(),
        })
}

/// `cmd_blacklist_glob` and `cmd_whitelist_glob`.
fn is_permitted(ctx: &Context, cmd: &Value) -> bool {
    let text = match cmd {
        Value::List(words) => words.iter().map(python::text).collect::<Vec<_>>().join(" "),
        other => python::text(other),
    };
    let matches = |option: &str| {
        let value = ctx
            .functions
            .call(ctx, "config.get", &[option.into()], &Map::new());
        let value = value
            .ok()
            .or_else(|| ctx.settings.opts.get(option).cloned())
            .unwrap_or_default();
        let globs: Vec<String> = match &value {
            Value::List(items) => items.iter().map(python::text).collect(),
            Value::Str(one) if !one.is_empty() => vec![one.clone()],
            _ => return None,
        };
        (!globs.is_empty()).then(|| globs.iter().any(|g| fnmatch(&text, g)))
    };
    matches("cmd_blacklist_glob") != Some(true) && matches("cmd_whitelist_glob") != Some(false)
}

/// Variables as a map or as a list of maps; a value that is missing is empty.
fn environment(given: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut add = |map: &Map| {
        for (key, value) in map {
            let value = match value {
                Value::Null => String::new(),
                other => python::text(other),
            };
            found.insert(python::text(key), value);
        }
    };
    match given {
        Value::Map(map) => add(map),
        Value::List(items) => items.iter().filter_map(Value::as_map).for_each(add),
        _ => {}
    }
    found
}

fn umask(given: &Value) -> Result<Option<u32>> {
    if given.is_null() {
        return Ok(None);
    }
    let text = python::text(given);
    let digits = text.trim_start_matches('0');
    if digits.is_empty() {
        return Err(Error::execution("Zero umask is not allowed."));
    }
    u32::from_str_radix(digits, 8)
        .map(Some)
        .map_err(|_| Error::execution(format!("Invalid umask: '{text}'")))
}

/// The words to run, and how Salt shows the command.
fn words(cmd: &Value, python_shell: bool, shell: Option<&str>) -> Result<(Vec<String>, String)> {
    let texts = |items: &[Value]| items.iter().map(python::text).collect::<Vec<_>>();
    let shown = |words: &[String]| python::repr(&words.to_vec().into());
    if python_shell {
        let shell = shell.unwrap_or("/bin/sh");
        let mut argv = vec![shell.to_owned(), "-c".to_owned()];
        let text = match cmd {
            Value::List(items) => {
                let items = texts(items);
                let text = shown(&items);
                argv.extend(items);
                text
            }
            other => {
                argv.push(python::text(other));
                python::text(other)
            }
        };
        return Ok((argv, text));
    }
    let argv = match cmd {
        Value::List(items) => texts(items),
        other => shlex::split(&python::text(other)).map_err(|e| Error::Exception {
            kind: "ValueError",
            message: e.to_owned(),
        })?,
    };
    if argv.is_empty() {
        return Err(index_error());
    }
    let text = shown(&argv);
    Ok((argv, text))
}

fn index_error() -> Error {
    Error::Exception {
        kind: "IndexError",
        message: "list index out of range".to_owned(),
    }
}

fn input(args: &Args) -> Vec<u8> {
    match args.get("stdin") {
        Value::Null => Vec::new(),
        _ if args.flag("bg") => Vec::new(),
        other => {
            let text = python::text(other);
            // A line break written as two characters on the command line is one.
            let text = if args.flag("stdin_raw_newlines") {
                text
            } else {
                text.replace("\\n", "\n")
            };
            text.into_bytes()
        }
    }
}

fn seconds(timeout: &Value) -> Result<Option<Duration>> {
    if !timeout.is_truthy() {
        return Ok(None);
    }
    let number = match timeout {
        Value::Bool(true) => Some(1.0),
        other => other.as_float(),
    };
    let number = number.ok_or_else(|| Error::Exception {
        kind: "salt.exceptions.TimedProcTimeoutError",
        message: format!("Error: timeout {} must be a number", python::text(timeout)),
    })?;
    Ok(Some(
        Duration::try_from_secs_f64(number.max(0.0)).unwrap_or(Duration::MAX),
    ))
}

/// The keyword arguments of Python's `Popen`, which Salt prints when a command cannot be started.
fn context(
    args: &Args,
    cwd: &str,
    python_shell: bool,
    streams: Streams,
    shell: Option<&str>,
) -> String {
    let (stdout, stderr) = match streams {
        Streams::Merged => (Value::from(-1), Value::from(-2)),
        Streams::Apart => (Value::from(-1), Value::from(-1)),
        Streams::Dropped => (Value::Null, Value::Null),
    };
    let background = streams == Streams::Dropped;
    let mut map = salt_wire::map! {
        "cwd" => cwd,
        "shell" => python_shell,
        "stdout" => stdout,
        "stderr" => stderr,
        "with_communicate" => !background,
        "timeout" => args.get("timeout").clone(),
        "bg" => background || args.flag("bg"),
    };
    if python_shell {
        map.insert("executable".into(), shell.map(str::to_owned).into());
    }
    map.insert("close_fds".into(), true.into());
    python::repr(&Value::Map(map))
}
