//! One process of the worker: started, asked one thing at a time, and ended when it takes too long or too much memory.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::frame;
use crate::config::Compat;
use crate::context::{Context, python};
use crate::host::env;
use crate::host::exec::Command;
use crate::host::exec::companion::{Companion, Handle};

/// Reads the other end of this program from its standard input and becomes it: it is never a file.
const BOOTSTRAP: &str = "import os\n\
    def r(n):\n b = b''\n while len(b) < n:\n  p = os.read(0, n - len(b))\n  if not p: os._exit(0)\n  b += p\n return b\n\
    exec(compile(r(int.from_bytes(r(4), 'big')), 'salt-agent worker', 'exec'))";

const SCRIPT: &str = include_str!("worker.py");

/// How long Python and Salt may take to start; a small machine with a cold disk needs half a minute.
const START: Duration = Duration::from_secs(180);

/// How often time and memory are looked at while it works.
const LOOK: Duration = Duration::from_millis(25);

/// How long one that nobody uses stays.
const REST: Duration = Duration::from_secs(60);

/// Variables that would change what Python loads, or that are meant for us alone.
const NOT_HANDED_ON: &[&str] = &[
    "PYTHON",
    "LD_",
    "GCONV_",
    "NOTIFY_SOCKET",
    "WATCHDOG_",
    "LISTEN_",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
];

/// Why the process gave no answer. It is not used again.
#[derive(Debug)]
pub(super) enum Broken {
    /// It ended by itself or was killed by somebody.
    Ended(String),
    /// It took longer than it may.
    Late(Duration),
    /// It took more memory than it may.
    Memory(u64),
    /// The job was told to end.
    Cancelled,
    /// It cannot be started or talked to.
    Pipe(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(how) => write!(f, "the compat worker ended ({how})"),
            Self::Late(limit) => write!(
                f,
                "the compat worker took longer than {} seconds and was ended (option agent: compat: timeout)",
                limit.as_secs_f64()
            ),
            Self::Memory(limit) => write!(
                f,
                "the compat worker took more than {} MiB of memory and was ended (option agent: compat: memory)",
                limit >> 20
            ),
            Self::Cancelled => f.write_str("the job was told to end"),
            Self::Pipe(text) => write!(f, "the compat worker cannot be used: {text}"),
        }
    }
}

enum Incoming {
    Frame(Value),
    End(String),
}

/// A process that runs.
pub(super) struct Child {
    python: PathBuf,
    handle: Handle,
    stdin: ChildStdin,
    incoming: Receiver<Incoming>,
    ended: bool,
}

impl Child {
    /// Starts Python; what it says is waited for at the first question.
    pub(super) fn start(python: &Path) -> io::Result<Self> {
        let mut command = Command::new([
            python.display().to_string().as_str(),
            // Neither variables nor the current directory nor the user's own packages.
            "-I",
            "-c",
            BOOTSTRAP,
        ]);
        command.clean_env = true;
        let kept =
            env::vars().filter(|(name, _)| !NOT_HANDED_ON.iter().any(|p| name.starts_with(p)));
        command.env = kept.map(|(name, value)| (name, Some(value))).collect();
        command.cwd = Some(PathBuf::from("/"));
        let mut companion = Companion::start(&command)?;
        let script = SCRIPT.as_bytes();
        let size = u32::try_from(script.len()).map_err(io::Error::other)?;
        companion.stdin.write_all(&size.to_be_bytes())?;
        companion.stdin.write_all(script)?;
        let (sender, incoming) = sync_channel(64);
        let (mut stdout, mut child) = (companion.stdout, companion.child);
        let read = move || {
            let mut trouble = None;
            loop {
                match frame::read(&mut stdout) {
                    Ok(Some(frame)) => {
                        if sender.send(Incoming::Frame(frame)).is_err() {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        trouble = Some(error.to_string());
                        companion.handle.end();
                        break;
                    }
                }
            }
            drop(stdout);
            let status = child.wait().map(|s| s.to_string());
            let status = trouble.or(status.ok()).unwrap_or_default();
            drop(sender.send(Incoming::End(status)));
        };
        spawn("worker", read)?;
        let stderr = companion.stderr;
        spawn("worker log", move || log_lines(stderr))?;
        Ok(Self {
            python: python.to_owned(),
            handle: companion.handle,
            stdin: companion.stdin,
            incoming,
            ended: false,
        })
    }

    /// The Python that it runs.
    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    /// Whether it is still there, as far as we heard.
    pub(super) fn lives(&self) -> bool {
        !self.ended && self.handle.memory().is_some()
    }

    /// Tells it that nobody needs it now; false when it is gone.
    pub(super) fn rest(&mut self) -> bool {
        let request = map! {"op" => "rest", "seconds" => REST.as_secs()};
        !self.ended && frame::write(&mut self.stdin, &request.into()).is_ok()
    }

    /// Asks one thing and waits for its answer; on the way Salt may want something of the master.
    pub(super) fn ask(
        &mut self,
        ctx: &Context,
        settings: &Compat,
        request: Map,
    ) -> Result<Value, Broken> {
        let first = request.get("op").and_then(Value::as_str) == Some("begin");
        let limit = if first { START } else { settings.timeout };
        let deadline = Instant::now().checked_add(limit);
        // A job that is killed takes the process with it.
        let watch = ctx.job.cancel.watch(self.handle.pid());
        let answer = self.converse(ctx, settings, request, limit, deadline);
        drop(watch);
        if let Err(broken) = &answer {
            self.ended = true;
            if !matches!(broken, Broken::Ended(_)) {
                self.handle.kill_group();
            }
        }
        answer
    }

    fn converse(
        &mut self,
        ctx: &Context,
        settings: &Compat,
        request: Map,
        limit: Duration,
        deadline: Option<Instant>,
    ) -> Result<Value, Broken> {
        self.write(request)?;
        loop {
            match self.incoming.recv_timeout(LOOK) {
                Ok(Incoming::Frame(Value::Map(message))) => {
                    if let Some(line) = message.get("log") {
                        log(line);
                    } else if message.contains_key("ask") {
                        let answer = serve(ctx, &message);
                        self.write(answer)?;
                    } else {
                        return Ok(Value::Map(message));
                    }
                }
                Ok(Incoming::Frame(_)) => {
                    return Err(Broken::Pipe("it sent something that is no message".into()));
                }
                Ok(Incoming::End(how)) => return Err(Broken::Ended(how)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Broken::Ended("no word".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ctx.job.cancel.is_cancelled() {
                return Err(Broken::Cancelled);
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                return Err(Broken::Late(limit));
            }
            if self.handle.memory().is_some_and(|m| m > settings.memory) {
                return Err(Broken::Memory(settings.memory));
            }
        }
    }

    fn write(&mut self, message: Map) -> Result<(), Broken> {
        // One that ended says why itself.
        match frame::write(&mut self.stdin, &message.into()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Broken::Pipe(error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It ends at the end of its input, unless it is busy for nobody.
        self.handle.end();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.stack_size(512 << 10).spawn(work).map(drop)
}

/// What Salt asked of the agent.
fn serve(ctx: &Context, message: &Map) -> Map {
    let text = |key: &str| message.get(key).map(python::text).unwrap_or_default();
    let load = message.get("load").and_then(Value::as_map).cloned();
    let answer = match (text("ask").as_str(), &ctx.master) {
        ("fire", _) => {
            let data = message.get("data").and_then(Value::as_map).cloned();
            ctx.minion.fire(&text("tag"), data.unwrap_or_default());
            Ok(Value::Bool(true))
        }
        (_, None) => Err("there is no master to ask".to_owned()),
        ("request", Some(master)) => master
            .request(load.unwrap_or_default())
            .map_err(|e| e.to_string()),
        ("pillar", Some(master)) => master
            .pillar(load.unwrap_or_default())
            .map(Value::Map)
            .map_err(|e| e.to_string()),
        (other, _) => Err(format!("the agent cannot be asked for {other}")),
    };
    match answer {
        Ok(answer) => map! {"answer" => answer},
        Err(refused) => map! {"refused" => refused},
    }
}

/// A line of Salt's log in ours.
fn log(line: &Value) {
    let parts = line.as_list().unwrap_or_default();
    let level = parts.first().and_then(Value::as_int).unwrap_or(0);
    let text = |at: usize| parts.get(at).map(python::text).unwrap_or_default();
    let (logger, text) = (text(1), text(2));
    match level {
        40.. => tracing::error!(logger, "{text}"),
        30.. => tracing::warn!(logger, "{text}"),
        20.. => tracing::info!(logger, "{text}"),
        10.. => tracing::debug!(logger, "{text}"),
        _ => tracing::trace!(logger, "{text}"),
    }
}

/// What Python or a command of it prints outside of the log.
fn log_lines(stderr: impl Read) {
    const LONGEST: u64 = 8 << 10;
    let mut reader = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(1..) => {
                let line = String::from_utf8_lossy(&line);
                tracing::debug!("compat worker: {}", line.trim_end());
            }
            _ => return,
        }
    }
}
