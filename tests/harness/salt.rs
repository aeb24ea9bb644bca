//! Salt's command line programs of a release, without the start of an interpreter for each: see `salt.py`.

use std::io::{BufRead, BufReader, PipeReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;

use crate::{Finished, RELEASES, Release, process};

const LONGEST: Duration = Duration::from_secs(120);

/// One for each release that is used; each ends when its standard input does, which is with us.
static INTERPRETERS: [LazyLock<Interpreter>; RELEASES.len()] = [
    LazyLock::new(|| Interpreter::of(RELEASES[0])),
    LazyLock::new(|| Interpreter::of(RELEASES[1])),
    LazyLock::new(|| Interpreter::of(RELEASES[2])),
];

/// What forks into programs.
struct Interpreter {
    door: PathBuf,
    _child: Child,
}

impl Interpreter {
    fn of(release: Release) -> Self {
        // It removes the directory itself: it outlives us.
        let dir = TempDir::with_prefix("salt-").unwrap().keep();
        let mut child = Command::new(release.program("python"))
            .args(["-c", include_str!("salt.py")])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let stdout = child.stdout.take().unwrap();
        let (sender, ready) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).ok();
            sender.send(line).ok();
        });
        let ready = ready.recv_timeout(LONGEST).unwrap_or_default();
        assert_eq!(ready, "ready\n", "the interpreter of {release}");
        Self {
            door: dir.join("door"),
            _child: child,
        }
    }
}

/// A program that runs.
pub(crate) struct Running {
    connection: BufReader<UnixStream>,
    words: String,
    pid: Pid,
    /// Its standard output.
    pub(crate) stdout: Option<PipeReader>,
    /// Its standard error.
    pub(crate) stderr: Option<PipeReader>,
}

impl Running {
    /// Starts `program -c CONFIG_DIR ARGS…`.
    pub(crate) fn start(release: Release, program: &str, config: &Path, args: &[&str]) -> Self {
        let config = config.to_str().unwrap();
        let words = [&[program, "-c", config], args].concat();
        let which = RELEASES.iter().position(|r| *r == release).unwrap();
        let (stdout, out) = std::io::pipe().unwrap();
        let (stderr, err) = std::io::pipe().unwrap();
        let path = |fd: i32| format!("/proc/{}/fd/{fd}", std::process::id());
        let (out_path, err_path) = (path(out.as_raw_fd()), path(err.as_raw_fd()));
        let mut connection = UnixStream::connect(&INTERPRETERS[which].door).unwrap();
        connection.set_read_timeout(Some(LONGEST)).unwrap();
        writeln!(
            connection,
            "{}",
            json!({"words": words, "out": out_path, "err": err_path})
        )
        .unwrap();
        let mut running = Self {
            connection: BufReader::new(connection),
            words: format!("{words:?}"),
            pid: Pid::from_raw(0),
            stdout: Some(stdout),
            stderr: Some(stderr),
        };
        running.pid = Pid::from_raw(running.number());
        running
    }

    /// Waits for its end, at most two minutes.
    pub(crate) fn finish(mut self) -> Finished {
        let [stdout, stderr] = [self.stdout.take(), self.stderr.take()].map(process::read);
        let code = self.number();
        Finished {
            code,
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        }
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        kill(self.pid, Signal::SIGKILL).ok();
    }

    /// The next line of those that start it.
    fn number(&mut self) -> i32 {
        let mut line = String::new();
        let read = self.connection.read_line(&mut line);
        line.trim().parse().unwrap_or_else(|_| {
            if self.pid.as_raw() > 0 {
                self.kill();
            }
            panic!("{} did not end in {LONGEST:?}: {read:?}", self.words)
        })
    }
}
