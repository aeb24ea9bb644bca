//! From Salt's arguments to a command as data, with Salt's checks in Salt's order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;
use salt_wire::{Map, Value};

use super::{Error, Result, account};
use crate::host::exec::{Command, Exec};
use crate::host::{env, shlex};
use crate::python;

/// What becomes of the command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Standard error goes into standard output.
    Merged,
    /// Each on its own.
    Apart,
    /// The command runs in the background; nobody reads it.
    Dropped,
}

/// What to run.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Text, for a shell or to be split.
    Text(String),
    /// Words.
    Words(Vec<String>),
}

impl Line {
    fn of(value: &Value) -> Self {
        match value {
            Value::List(words) => Self::Words(words.iter().map(python::text).collect()),
            other => Self::Text(python::text(other)),
        }
    }

    /// The text, or the words with blanks between them.
    pub fn joined(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Words(words) => words.join(" "),
        }
    }
}

/// A command as it was ordered. What is not public was checked when it was read.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to run.
    pub line: Line,
    /// Where.
    pub cwd: String,
    /// Through a shell.
    pub python_shell: bool,
    /// What becomes of its output.
    pub streams: Streams,
    shell: Option<String>,
    runas: Option<String>,
    words: Map,
}

/// The words to start, and how Python would have been told of them.
pub(super) struct Ready {
    pub(super) command: Command,
    /// Its words or text as Salt prints it.
    pub(super) shown: String,
    /// The settings of the process as Salt prints them.
    pub(super) context: String,
}

/// The default shell, as the agent's own environment has it.
fn default_shell() -> String {
    env::var("SHELL").unwrap_or_else(|| "/bin/sh".to_owned())
}

impl Request {
    /// Reads Salt's keyword arguments; one that is missing has its default.
    pub fn new(words: Map, streams: Streams) -> Result<Self> {
        let given = |key: &str| words.get(key).filter(|v| v.is_truthy());
        // `shell=None` means none; the default stands for the agent's own.
        let shell = match words.get("shell") {
            Some(Value::Null) => None,
            Some(Value::Str(text)) if text.is_empty() => Some(default_shell()),
            None => Some(default_shell()),
            Some(other) => Some(python::text(other)),
        };
        let runas = given("runas").map(python::text);
        let cwd = match given("cwd") {
            Some(cwd) => python::text(cwd),
            None => home(runas.as_deref()),
        };
        if let Some(shell) = &shell
            && !env::is_executable(Path::new(shell))
        {
            return Err(Error::execution(format!(
                "The shell {shell} is not available"
            )));
        }
        let request = Self {
            line: Line::of(words.get("cmd").unwrap_or(&Value::Null)),
            cwd,
            python_shell: words.get("python_shell") == Some(&Value::Bool(true)),
            streams,
            shell,
            runas,
            words,
        };
        // Salt logs the first word, and fails where there is none.
        match &request.line {
            Line::Text(text) if request.is_logged() && text.trim().is_empty() => Err(index_error()),
            _ => Ok(request),
        }
    }

    /// Whether the command's failure is logged, which is what Salt ties `raise_err` to.
    pub fn is_logged(&self) -> bool {
        self.get("output_loglevel").as_str() != Some("quiet")
    }

    /// Whether its output is nobody's business.
    pub fn hides_output(&self) -> bool {
        self.flag("hide_output")
    }

    pub(super) fn get(&self, key: &str) -> &Value {
        self.words.get(key).unwrap_or(&Value::Null)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key).is_truthy()
    }

    pub(super) fn is_background(&self) -> bool {
        self.streams == Streams::Dropped || self.flag("bg")
    }

    /// The command, once users, environment, directory and words are found.
    pub(super) fn ready(&self, exec: &dyn Exec) -> Result<Ready> {
        let (runas, shell) = (self.runas.as_deref(), self.shell.as_deref());
        let group = Some(self.get("group")).filter(|g| g.is_truthy());
        let group = group.map(python::text);
        let mut environment = environment(self.get("env"));
        let user = account::find(runas, group.as_deref())?;
        if runas.is_some() || group.is_some() {
            let name = runas.unwrap_or_default();
            let mut theirs = account::environment(exec, shell, name);
            theirs.extend(environment);
            account::complete(&mut theirs, name);
            environment = theirs;
        }
        if matches!(
            self.words.get("reset_system_locale"),
            None | Some(Value::Bool(true))
        ) {
            for name in LOCALE {
                environment
                    .entry((*name).to_owned())
                    .or_insert_with(|| "C".to_owned());
            }
        }
        let clean = self.flag("clean_env");
        let prepend = self.get("prepend_path");
        if prepend.is_truthy() {
            let path = environment
                .get("PATH")
                .cloned()
                .or_else(|| env::var("PATH").filter(|_| !clean))
                .unwrap_or_default();
            environment.insert("PATH".into(), format!("{}:{path}", python::text(prepend)));
        }
        let umask = umask(self.get("umask"))?;
        let cwd = &self.cwd;
        if !Path::new(cwd).is_absolute() || !Path::new(cwd).is_dir() {
            return Err(Error::execution(format!(
                "Specified cwd '{cwd}' either not absolute or does not exist"
            )));
        }
        let (argv, shown) = words(&self.line, self.python_shell, shell)?;
        let mut command = Command::new(argv);
        command.cwd = Some(PathBuf::from(cwd));
        command.env = environment.into_iter().map(|(k, v)| (k, Some(v))).collect();
        if !command.env.contains_key("NOTIFY_SOCKET") {
            command.env.insert("NOTIFY_SOCKET".into(), None);
        }
        command.clean_env = clean;
        command.stdin = self.input();
        command.user = user;
        command.umask = umask;
        command.timeout = seconds(self.get("timeout"))?;
        command.merge_stderr = self.streams == Streams::Merged;
        Ok(Ready {
            command,
            shown,
            context: self.context(),
        })
    }

    fn input(&self) -> Vec<u8> {
        match self.get("stdin") {
            Value::Null => Vec::new(),
            _ if self.flag("bg") => Vec::new(),
            other => {
                let text = python::text(other);
                // A line break written as two characters on the command line is one.
                let text = if self.flag("stdin_raw_newlines") {
                    text
                } else {
                    text.replace("\\n", "\n")
                };
                text.into_bytes()
            }
        }
    }

    /// The keyword arguments of Python's `Popen`, which Salt prints when a command cannot be started.
    fn context(&self) -> String {
        let (stdout, stderr) = match self.streams {
            Streams::Merged => (Value::from(-1), Value::from(-2)),
            Streams::Apart => (Value::from(-1), Value::from(-1)),
            Streams::Dropped => (Value::Null, Value::Null),
        };
        let mut map = salt_wire::map! {
            "cwd" => self.cwd.as_str(),
            "shell" => self.python_shell,
            "stdout" => stdout,
            "stderr" => stderr,
            "with_communicate" => self.streams != Streams::Dropped,
            "timeout" => self.get("timeout").clone(),
            "bg" => self.is_background(),
        };
        if self.python_shell {
            map.insert("executable".into(), self.shell.clone().into());
        }
        map.insert("close_fds".into(), true.into());
        python::repr(&Value::Map(map))
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

/// The directory to run in by default: the home of the user who runs it, if we can read it.
fn home(runas: Option<&str>) -> String {
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
fn words(line: &Line, python_shell: bool, shell: Option<&str>) -> Result<(Vec<String>, String)> {
    let shown = |words: &[String]| python::repr(&words.to_vec().into());
    if python_shell {
        let mut argv = vec![shell.unwrap_or("/bin/sh").to_owned(), "-c".to_owned()];
        let text = match line {
            Line::Words(words) => {
                argv.extend(words.iter().cloned());
                shown(words)
            }
            Line::Text(text) => {
                argv.push(text.clone());
                text.clone()
            }
        };
        return Ok((argv, text));
    }
    let argv = match line {
        Line::Words(words) => words.clone(),
        Line::Text(text) => shlex::split(text).map_err(|e| Error::Exception {
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
