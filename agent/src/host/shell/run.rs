//! Running a request and judging its outcome.

use std::io;

use salt_wire::{Map, Value, map};
use tracing::{error, info};

use super::request::{Ready, Request};
use super::{Error, Result};
use crate::host::Cancel;
use crate::host::exec::{Exec, Output};
use crate::python;

/// What a command left, as Salt has it.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// Its process id.
    pub pid: Value,
    /// How it ended, 0 for all that counts as success.
    pub retcode: Value,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// It ended with a code that is no success, and that matters.
    pub failed: bool,
    /// The return code that it gives to its job; none if it ran out of time.
    pub code: Option<i64>,
}

impl Ran {
    /// As `cmd.run_all` returns it.
    pub fn to_map(&self) -> Map {
        map! {
            "pid" => self.pid.clone(),
            "retcode" => self.retcode.clone(),
            "stdout" => self.stdout.as_str(),
            "stderr" => self.stderr.as_str(),
        }
    }
}

impl Request {
    /// Runs it.
    pub fn run(&self, exec: &dyn Exec, cancel: &Cancel) -> Result<Ran> {
        let ready = self.ready(exec)?;
        let success = Success::of(self)?;
        let word = ready.shown.split_whitespace().next().unwrap_or_default();
        let logged = self.is_logged();
        if logged {
            info!(command = word, directory = self.cwd, "Executing command.");
        }
        if self.is_background() {
            let pid = exec.start(&ready.command);
            let pid = pid.map_err(|e| not_started(&ready, &e, logged))?;
            return Ok(Ran {
                pid: pid.into(),
                code: Some(0),
                ..Ran::default()
            });
        }
        let output = exec
            .run(&ready.command, cancel)
            .map_err(|e| not_started(&ready, &e, logged))?;
        if output.timed_out {
            let text = format!(
                "{} : Timed out after {} seconds",
                ready.shown,
                python::text(self.get("timeout"))
            );
            return Ok(Ran {
                pid: output.pid.into(),
                retcode: 1.into(),
                stdout: text,
                stderr: String::new(),
                failed: true,
                code: None,
            });
        }
        let rstrip = !matches!(self.get("rstrip"), Value::Bool(false) | Value::Int(0));
        let mut ran = decode(&output, rstrip);
        if success.judges_well(&output, &ran) {
            ran.retcode = 0.into();
        }
        let code = ran.retcode.as_int().unwrap_or(0);
        let ignored = self.flag("ignore_retcode");
        ran.failed = code != 0 && !ignored;
        ran.code = Some(if ignored {
            0
        } else {
            i64::try_from(code).unwrap_or(1)
        });
        if ran.failed && logged {
            error!(command = word, retcode = %code, "Command failed.");
        }
        Ok(ran)
    }
}

fn decode(output: &Output, rstrip: bool) -> Ran {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if rstrip {
            let blank = |c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}');
            text.trim_end_matches(blank).to_owned()
        } else {
            text.into_owned()
        }
    };
    Ran {
        pid: output.pid.into(),
        retcode: output.retcode.into(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        failed: false,
        code: None,
    }
}

fn not_started(request: &Ready, error: &io::Error, logged: bool) -> Error {
    let program = request.command.argv.first().map_or("", String::as_str);
    let reason = match error.kind() {
        io::ErrorKind::NotFound => format!("[Errno 2] No such file or directory: '{program}'"),
        io::ErrorKind::PermissionDenied => format!("[Errno 13] Permission denied: '{program}'"),
        _ => match error.raw_os_error() {
            Some(8) => format!("[Errno 8] Exec format error: '{program}'"),
            Some(7) => format!("[Errno 7] Argument list too long: '{program}'"),
            Some(number) => format!("[Errno {number}] {error}: '{program}'"),
            None => error.to_string(),
        },
    };
    let shown = if logged { &request.shown } else { "REDACTED" };
    Error::execution(format!(
        "Unable to run command '{shown}' with the context '{}', reason: {reason}",
        request.context
    ))
}

/// What else counts as success.
struct Success {
    codes: Vec<i128>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Success {
    fn of(request: &Request) -> Result<Self> {
        let list = |name: &str| -> Vec<String> {
            match request.get(name) {
                Value::Null => Vec::new(),
                Value::List(items) => items.iter().map(python::text).collect(),
                other => python::text(other)
                    .split(',')
                    .map(|t| t.trim().to_owned())
                    .collect(),
            }
        };
        let codes: Option<Vec<i128>> = list("success_retcodes")
            .iter()
            .map(|c| c.trim().parse().ok())
            .collect();
        Ok(Self {
            codes: codes.ok_or_else(|| {
                Error::Invocation("success_retcodes must be a list of integers".to_owned())
            })?,
            stdout: list("success_stdout"),
            stderr: list("success_stderr"),
        })
    }

    fn judges_well(&self, output: &Output, ran: &Ran) -> bool {
        self.codes.contains(&output.retcode.into())
            || self.stdout.iter().any(|s| ran.stdout.contains(s))
            || self.stderr.iter().any(|s| ran.stderr.contains(s))
    }
}
