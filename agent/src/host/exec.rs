//! Running commands: the one place of the agent that spawns a process.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command as StdCommand, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Pid, Uid};

use super::Cancel;

/// A command to run, as data.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Program and arguments; nothing is ever put together into shell text.
    pub argv: Vec<String>,
    /// Directory to run in.
    pub cwd: Option<PathBuf>,
    /// Variables set on top of the inherited environment; `None` removes one.
    pub env: BTreeMap<String, Option<String>>,
    /// Start from an empty environment.
    pub clean_env: bool,
    /// Written to its standard input.
    pub stdin: Vec<u8>,
    /// Run as this user and group, with the user's supplementary groups.
    pub user: Option<(Uid, Gid)>,
    /// File mode mask of the new process.
    pub umask: Option<u32>,
    /// Kill it after this long.
    pub timeout: Option<Duration>,
    /// Send standard error into standard output, in order.
    pub merge_stderr: bool,
    /// Kept bytes of each stream; more is read and dropped. `None`: 64 MiB.
    pub limit: Option<usize>,
}

impl Command {
    /// A command with these words and nothing else set.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

/// What a finished command left.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Its process id.
    pub pid: i32,
    /// Exit status; minus the signal's number when a signal ended it, as Python has it.
    pub retcode: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Ended because its time was over.
    pub timed_out: bool,
}

/// Something that runs commands.
pub trait Exec: Send + Sync {
    /// Runs to the end, to the timeout or to the cancellation, whichever is first.
    fn run(&self, command: &Command, cancel: &Cancel) -> io::Result<Output>;
}

/// Runs real processes, each in a process group of its own.
pub struct Processes;

const DEFAULT_LIMIT: usize = 64 << 20;

impl Exec for Processes {
    fn run(&self, command: &Command, cancel: &Cancel) -> io::Result<Output> {
        let mut child = spawn(command)?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let watch = cancel.watch(pid);
        let limit = command.limit.unwrap_or(DEFAULT_LIMIT);
        let stdout = child.stdout.take().map(|s| drain(s, limit));
        let stderr = child.stderr.take().map(|s| drain(s, limit));
        let input = child.stdin.take().map(|mut pipe| {
            let bytes = command.stdin.clone();
            // A command that does not read its input closes the pipe: not our failure.
            thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let (status, timed_out) = wait(&mut child, pid, command.timeout, cancel)?;
        drop(watch);
        if let Some(input) = input {
            drop(input.join());
        }
        Ok(Output {
            pid,
            retcode: status
                .code()
                .unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout: collect(stdout),
            stderr: collect(stderr),
            timed_out,
        })
    }
}

fn spawn(command: &Command) -> io::Result<Child> {
    let (program, args) = command
        .argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an empty command"))?;
    let mut std = StdCommand::new(program);
    std.args(args)
        .stdin(if command.stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if command.clean_env {
        std.env_clear();
    }
    for (key, value) in &command.env {
        match value {
            Some(value) => std.env(key, value),
            None => std.env_remove(key),
        };
    }
    if let Some(cwd) = &command.cwd {
        std.current_dir(cwd);
    }
    std.spawn()
}

type Drained = thread::JoinHandle<Vec<u8>>;

fn drain(mut stream: impl Read + Send + 'static, limit: usize) -> Drained {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut chunk = [0; 16 << 10];
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            let room = limit.saturating_sub(kept.len()).min(n);
            kept.extend(&chunk[..room]);
        }
        kept
    })
}

fn collect(stream: Option<Drained>) -> Vec<u8> {
    stream.and_then(|s| s.join().ok()).unwrap_or_default()
}

fn wait(
    child: &mut Child,
    group: i32,
    timeout: Option<Duration>,
    cancel: &Cancel,
) -> io::Result<(std::process::ExitStatus, bool)> {
    let start = Instant::now();
    let mut timed_out = false;
    // Short commands must not wait for the poll: the pause grows from a fraction of a millisecond.
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, timed_out));
        }
        if !timed_out && timeout.is_some_and(|t| start.elapsed() >= t) {
            timed_out = true;
            killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
        }
        cancel.sleep(pause);
        if cancel.is_cancelled() {
            thread::sleep(pause);
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
