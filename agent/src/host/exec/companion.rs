//! A process that lives beside us and is talked to over its standard input and output.

use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{Command, prepare};

/// A started companion. Whoever holds its pipes talks; [`Handle`] ends it.
pub struct Companion {
    /// Its standard input.
    pub stdin: ChildStdin,
    /// Its standard output.
    pub stdout: ChildStdout,
    /// Its standard error.
    pub stderr: ChildStderr,
    /// To wait for its end.
    pub child: Child,
    /// To end it.
    pub handle: Handle,
}

/// A companion's process and process group.
#[derive(Debug, Clone, Copy)]
pub struct Handle {
    pid: i32,
}

impl Companion {
    /// Starts it in a process group of its own.
    pub fn start(command: &Command) -> io::Result<Self> {
        let mut std = prepare(command)?;
        std.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = std.spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let missing = || io::Error::other("a pipe to the process is missing");
        Ok(Self {
            stdin: child.stdin.take().ok_or_else(missing)?,
            stdout: child.stdout.take().ok_or_else(missing)?,
            stderr: child.stderr.take().ok_or_else(missing)?,
            child,
            handle: Handle { pid },
        })
    }
}

impl Handle {
    /// Its process id, which is also its group's.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Ends it and all that it started.
    pub fn kill_group(self) {
        // One that is gone already is what we want.
        killpg(Pid::from_raw(self.pid), Signal::SIGKILL).ok();
    }

    /// Ends it alone: services that it started live on.
    pub fn end(self) {
        kill(Pid::from_raw(self.pid), Signal::SIGTERM).ok();
    }

    /// Bytes of memory that it holds itself; `None` when it is gone.
    pub fn memory(self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes << 10)
    }
}
