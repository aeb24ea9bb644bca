//! Running commands: the one place of the agent that spawns a process.
//!
//! A command that shall run as somebody else, or under another file mode mask, goes through [`become_other`]:
//! our own program is started again, becomes that user and turns into the command. See there why.

pub mod become_other;
pub mod companion;
mod streams;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command as StdCommand, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Pid, Uid};

use super::Cancel;
use streams::Streams;

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

    /// Starts it and leaves it alone, its output dropped; gives its process id.
    fn start(&self, command: &Command) -> io::Result<i32> {
        let _ = command;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Runs real processes, each in a process group of its own.
pub struct Processes;

const DEFAULT_LIMIT: usize = 64 << 20;

/// How long output may still come once the whole process group was killed.
const GRACE: Duration = Duration::from_secs(1);

impl Exec for Processes {
    fn run(&self, command: &Command, cancel: &Cancel) -> io::Result<Output> {
        let limit = command.limit.unwrap_or(DEFAULT_LIMIT);
        let mut std = prepare(command)?;
        let (mut child, streams) = if command.merge_stderr {
            let (reader, writer) = io::pipe()?;
            std.stdout(writer.try_clone()?).stderr(writer);
            let child = std.spawn()?;
            // The command keeps our ends of the pipe: as long as it lives, no end of file would come.
            drop(std);
            (child, Streams::one(reader, limit))
        } else {
            std.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = std.spawn()?;
            let streams = Streams::two(child.stdout.take(), child.stderr.take(), limit);
            (child, streams)
        };
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let watch = cancel.watch(pid);
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = command.stdin.clone();
            // A command that does not read its input closes the pipe: not our failure. One that neither reads
            // nor ends is killed with its group, which ends this thread, too.
            thread::Builder::new()
                .name("stdin".into())
                .spawn(move || drop(pipe.write_all(&bytes)))?;
        }
        let (status, timed_out) = wait(&mut child, pid, command.timeout, cancel, &streams)?;
        drop(watch);
        let (stdout, stderr) = streams.take();
        Ok(Output {
            pid,
            retcode: status
                .code()
                .unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout,
            stderr,
            timed_out,
        })
    }

    fn start(&self, command: &Command) -> io::Result<i32> {
        let mut std = prepare(command)?;
        std.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = std.spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // Somebody has to take its exit status, or it would stay as a zombie.
        thread::Builder::new()
            .name("reaper".into())
            .stack_size(64 << 10)
            .spawn(move || drop(child.wait()))?;
        Ok(pid)
    }
}

/// Becomes another program, with our own arguments; comes back only when it cannot be started.
pub fn replace(program: &std::path::Path) -> io::Error {
    let mut arguments = std::env::args_os();
    let mut anew = StdCommand::new(program);
    // Called through a link, we are what the link is named after.
    anew.arg0(arguments.next().unwrap_or_default());
    anew.args(arguments);
    anew.exec()
}

fn prepare(command: &Command) -> io::Result<StdCommand> {
    let (program, args) = command
        .argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an empty command"))?;
    let mut std = if command.user.is_some() || command.umask.is_some() {
        become_other::command(command)?
    } else {
        let mut std = StdCommand::new(program);
        std.args(args);
        std
    };
    std.stdin(if command.stdin.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    })
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
    Ok(std)
}

/// Waits for the process and for the end of its output, which a child of its own may hold open for longer.
fn wait(
    child: &mut Child,
    group: i32,
    timeout: Option<Duration>,
    cancel: &Cancel,
    streams: &Streams,
) -> io::Result<(ExitStatus, bool)> {
    let start = Instant::now();
    let mut timed_out = false;
    let mut status = None;
    let mut killed: Option<Instant> = None;
    // Short commands must not wait for the poll: the pause grows from a fraction of a millisecond.
    let mut pause = Duration::from_micros(200);
    loop {
        if status.is_none() {
            status = child.try_wait()?;
        }
        let finished = streams.finished();
        if let Some(status) = status
            && (finished || killed.is_some_and(|at| at.elapsed() > GRACE))
        {
            return Ok((status, timed_out));
        }
        if !timed_out && timeout.is_some_and(|t| start.elapsed() >= t) {
            timed_out = true;
            killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
        }
        if killed.is_none() && (timed_out || (cancel.is_cancelled() && status.is_some())) {
            killed = Some(Instant::now());
        }
        if finished || cancel.is_cancelled() {
            // Its output is complete: it ends any moment.
            thread::sleep(pause.min(Duration::from_millis(5)));
        } else {
            streams.wait(pause);
        }
        pause = (pause * 2).min(Duration::from_millis(20));
        if finished && status.is_none() {
            pause = pause.min(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        Command::new(["/bin/sh", "-c", script])
    }

    fn run(command: &Command) -> Output {
        Processes.run(command, &Cancel::new()).unwrap()
    }

    #[test]
    fn both_streams_and_the_code_come_back() {
        let out = run(&sh("echo out; echo err >&2; exit 3"));
        assert_eq!(out.stdout, b"out\n");
        assert_eq!(out.stderr, b"err\n");
        assert_eq!(out.retcode, 3);
        assert_eq!(run(&sh("kill -9 $$")).retcode, -9);
    }

    #[test]
    fn merged_streams_keep_their_order() {
        let mut command = sh("for i in 1 2 3; do echo o$i; echo e$i >&2; done");
        command.merge_stderr = true;
        let out = run(&command);
        assert_eq!(out.stdout, b"o1\ne1\no2\ne2\no3\ne3\n");
        assert!(out.stderr.is_empty());
    }

    #[test]
    fn input_is_written_and_output_bounded() {
        let mut command = Command::new(["cat"]);
        command.stdin = vec![b'x'; 1 << 20];
        command.limit = Some(10);
        assert_eq!(run(&command).stdout, b"xxxxxxxxxx");
    }

    #[test]
    fn a_timeout_ends_the_whole_group() {
        let mut command = sh("sleep 60 & sleep 60; echo never");
        command.timeout = Some(Duration::from_millis(100));
        let start = Instant::now();
        let out = run(&command);
        assert!(out.timed_out);
        assert_eq!(out.retcode, -9);
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_timeout_also_ends_the_wait_for_a_child_that_left_the_group() {
        let mut command = sh("setsid sleep 3 & echo out");
        command.timeout = Some(Duration::from_millis(200));
        let start = Instant::now();
        let out = run(&command);
        assert!(out.timed_out);
        assert_eq!(out.stdout, b"out\n");
        assert!(start.elapsed() < Duration::from_millis(2800));
    }

    #[test]
    fn a_cancelled_job_takes_its_processes_along() {
        let cancel = Cancel::new();
        let signal = cancel.clone();
        let thread = thread::spawn(move || Processes.run(&sh("sleep 60"), &signal).unwrap());
        cancel.signal(Signal::SIGTERM);
        assert_eq!(thread.join().unwrap().retcode, -15);
    }

    #[test]
    fn the_environment_is_as_ordered() {
        let mut command = sh("env");
        command.clean_env = true;
        command.env.insert("A".into(), Some("1".into()));
        let text = String::from_utf8(run(&command).stdout).unwrap();
        assert!(text.contains("A=1\n") && !text.contains("HOME="));
    }

    #[test]
    fn a_missing_program_is_told() {
        let error = Processes
            .run(&Command::new(["/no/such/program"]), &Cancel::new())
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
