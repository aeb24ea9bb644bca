//! A process that a test started, and that ends with it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::until;

/// A running server, its output in a file.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; minus the signal if one ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What a command has, unless told otherwise.
const MINUTES: Duration = Duration::from_secs(120);

impl Finished {
    /// Runs a command to its end, at most two minutes.
    pub fn run(command: &mut Command) -> Self {
        Self::within(MINUTES, command)
    }

    /// Runs a command to its end, which comes in this time or is a failure.
    pub fn within(limit: Duration, command: &mut Command) -> Self {
        let mut child = spawn(command.stderr(Stdio::piped()), Stdio::null());
        let err = read(child.stderr.take());
        Self::wait(limit, command, child, err)
    }

    /// The same for a command that asks before it goes on: whoever is asked does something first.
    pub fn asked(command: &mut Command, question: &str, answer: impl FnOnce() -> String) -> Self {
        let terminal = openpty(None, None).unwrap();
        let stdin = Stdio::from(terminal.slave);
        let mut child = spawn(command.stderr(Stdio::piped()), stdin);
        let mut stderr = child.stderr.take().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        let err = std::thread::spawn(move || {
            let mut piece = [0; 512];
            while let Ok(count @ 1..) = stderr.read(&mut piece) {
                hears.lock().unwrap().extend(&piece[..count]);
            }
            String::from_utf8_lossy(&hears.lock().unwrap()).into_owned()
        });
        until(MINUTES.as_secs(), question, || {
            String::from_utf8_lossy(&said.lock().unwrap()).contains(question)
        });
        let mut keyboard = File::from(terminal.master);
        writeln!(keyboard, "{}", answer()).unwrap();
        Self::wait(MINUTES, command, child, err)
    }

    /// The same for somebody who looks on: standard error is a terminal.
    pub fn on_terminal(command: &mut Command) -> Self {
        let size = Winsize {
            ws_row: 50,
            ws_col: 160,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let terminal = openpty(&size, None).unwrap();
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        let child = spawn(command.stderr(Stdio::from(terminal.slave)), Stdio::null());
        // The last writer is gone when this end reads an error; ours goes with the command.
        command.stderr(Stdio::null());
        let err = read(Some(File::from(terminal.master)));
        Self::wait(MINUTES, command, child, err)
    }

    fn wait(limit: Duration, command: &Command, mut child: Child, err: JoinHandle<String>) -> Self {
        let words = format!("{command:?}");
        let pid = child.id();
        let out = read(child.stdout.take());
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                kill(Pid::from_raw(pid as i32), Signal::SIGKILL).ok();
                panic!("{words} did not end in {} s", limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        Self {
            code: code(status),
            stdout: out.join().unwrap(),
            stderr: err.join().unwrap(),
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    /// Fails the test unless the command succeeded.
    pub fn success(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

fn spawn(command: &mut Command, stdin: Stdio) -> Child {
    let child = command.stdin(stdin).stdout(Stdio::piped()).spawn();
    child.unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"))
}

/// All of a stream, read beside.
pub(crate) fn read(stream: Option<impl std::io::Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).ok();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or(0))
}

impl Process {
    /// Starts a server in a process group of its own; what it prints is added to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// All that it printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).ok();
    }

    /// Sends a signal to the process and all its children.
    pub fn signal_all(&self, signal: Signal) {
        killpg(Pid::from_raw(self.pid()), signal).ok();
    }

    /// The exit code, if it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(code)
    }

    /// Asks it to end (SIGTERM) and gives its exit code and how long it took.
    pub fn stop(&mut self, seconds: u64) -> (i32, Duration) {
        let start = Instant::now();
        self.signal(Signal::SIGTERM);
        let code = crate::until_some(seconds, "the process to end", || self.ended());
        (code, start.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process takes no signal but these two.
        self.signal_all(Signal::SIGKILL);
        self.signal_all(Signal::SIGCONT);
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            eprintln!("--- {} (last lines)", self.log.display());
            for line in tail.into_iter().rev() {
                eprintln!("{line}");
            }
            return;
        }
        // One of its threads may have ended so without anybody's notice.
        let log = self.log();
        let panicked = log.split_once("panicked at").map(|(_, after)| after);
        assert!(panicked.is_none(), "{}: {panicked:?}", self.log.display());
    }
}
