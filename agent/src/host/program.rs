//! A program of the system, run for what it says: words in, text out, in the plain locale, with a time limit.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::exec::Command;
use super::{Cancel, Host};

/// Longest that such a program may take.
const LIMIT: Duration = Duration::from_secs(600);
/// One that writes a whole disk has this long.
const WORK: Duration = Duration::from_hours(24);

/// What a program said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its exit status.
    pub retcode: i32,
    /// Its output, without white space at the end.
    pub stdout: String,
    /// Its complaints, without white space at the end.
    pub stderr: String,
}

impl Said {
    /// Whether it succeeded.
    pub fn fine(&self) -> bool {
        self.retcode == 0
    }

    /// What it complained of; its output when it said nothing on the error stream.
    pub fn complaint(&self) -> &str {
        if self.stderr.is_empty() {
            &self.stdout
        } else {
            &self.stderr
        }
    }
}

/// Runs programs for one job.
#[derive(Clone, Copy)]
pub struct Programs<'a> {
    host: &'a Host,
    cancel: &'a Cancel,
}

impl<'a> Programs<'a> {
    /// Programs of this machine, ended with this job.
    pub fn new(host: &'a Host, cancel: &'a Cancel) -> Self {
        Self { host, cancel }
    }

    /// Runs these words. The error is one line that names the program.
    pub fn run(&self, argv: &[&str]) -> Result<Said, String> {
        self.command(Command::new(argv.iter().copied()))
    }

    /// Runs these words for as long as it takes, or as the job may.
    pub fn work(&self, argv: &[&str]) -> Result<Said, String> {
        self.command(Command {
            timeout: Some(WORK),
            ..Command::new(argv.iter().copied())
        })
    }

    /// Runs these words with something to read.
    pub fn feed(&self, argv: &[&str], stdin: &[u8]) -> Result<Said, String> {
        self.command(Command {
            stdin: stdin.to_vec(),
            ..Command::new(argv.iter().copied())
        })
    }

    /// Runs these words in a directory.
    pub fn at(&self, dir: impl Into<PathBuf>, argv: &[&str]) -> Result<Said, String> {
        self.command(Command {
            cwd: Some(dir.into()),
            ..Command::new(argv.iter().copied())
        })
    }

    /// Runs a command of the caller's making; only the locale and the time limit are added.
    pub fn command(&self, mut command: Command) -> Result<Said, String> {
        let program = command.argv.first().cloned().unwrap_or_default();
        command.timeout.get_or_insert(LIMIT);
        for key in ["LC_ALL", "LANGUAGE"] {
            let plain = || Some("C".to_owned());
            command.env.entry(key.to_owned()).or_insert_with(plain);
        }
        let out = self.host.exec.run(&command, self.cancel).map_err(|e| {
            if e.kind() == io::ErrorKind::NotFound {
                format!("Command '{program}' cannot be found")
            } else {
                format!("{program}: {e}")
            }
        })?;
        if out.timed_out {
            return Err(format!(
                "{program} did not end within {} seconds",
                command.timeout.unwrap_or(LIMIT).as_secs()
            ));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok(Said {
            retcode: out.retcode,
            stdout: text(&out.stdout),
            stderr: text(&out.stderr),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_comes_back_trimmed() {
        let (host, cancel) = (Host::real(), Cancel::new());
        let programs = Programs::new(&host, &cancel);
        let said = programs
            .run(&["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
            .unwrap();
        assert_eq!((said.retcode, said.stdout.as_str()), (3, "out"));
        assert_eq!(said.complaint(), "err");
        let read = programs.feed(&["cat"], b"given\n").unwrap();
        assert_eq!(read.stdout, "given");
        let missing = programs.run(&["no-such-program"]).unwrap_err();
        assert_eq!(missing, "Command 'no-such-program' cannot be found");
    }
}
