//! Running a request and judging its outcome.

use std::io;

use salt_wire::{Map, Value, map};
use tracing::{error, info};

use super::request::{Request, Streams, is_logged};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::exec::Output;

/// What a command left, as Salt has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ran {
    pub(super) pid: Value,
    pub(super) retcode: Value,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// It ended with a code that is no success, and that matters.
    pub(super) failed: bool,
}

impl Ran {
    pub(super) fn to_map(&self) -> Map {
        map! {
            "pid" => self.pid.clone(),
            "retcode" => self.retcode.clone(),
            "stdout" => self.stdout.as_str(),
            "stderr" => self.stderr.as_str(),
        }
    }
}

/// Runs what the arguments say.
pub(super) fn run(ctx: &Context, args: &Args, streams: Streams) -> Result<Ran> {
    let background = streams == Streams::Dropped || args.flag("bg");
    let request = Request::new(ctx, args, streams)?;
    let success = Success::of(args)?;
    let word = request.shown.split_whitespace().next().unwrap_or_default();
    if is_logged(args) {
        let directory = request.command.cwd.as_deref().unwrap_or("/".as_ref());
        info!(command = word, directory = %directory.display(), "Executing command.");
    }
    if background {
        let pid = ctx.host.exec.start(&request.command);
        let pid = pid.map_err(|e| not_started(&request, &e, is_logged(args)))?;
        ctx.job.set_retcode(0);
        return Ok(Ran {
            pid: pid.into(),
            ..Ran::default()
        });
    }
    let output = ctx
        .host
        .exec
        .run(&request.command, &ctx.job.cancel)
        .map_err(|e| not_started(&request, &e, is_logged(args)))?;
    if output.timed_out {
        let text = format!(
            "{} : Timed out after {} seconds",
            request.shown,
            python::text(&request.timeout)
        );
        return Ok(Ran {
            pid: output.pid.into(),
            retcode: 1.into(),
            stdout: text,
            stderr: String::new(),
            failed: true,
        });
    }
    let rstrip = !matches!(args.named.get("rstrip"), Some(value) if !value.is_truthy());
    let mut ran = decode(&output, rstrip);
    if success.judges_well(&output, &ran) {
        ran.retcode = 0.into();
    }
    let code = ran.retcode.as_int().unwrap_or(0);
    let ignored = args.flag("ignore_retcode");
    ran.failed = code != 0 && !ignored;
    ctx.job.set_retcode(if ignored {
        0
    } else {
        i64::try_from(code).unwrap_or(1)
    });
    if ran.failed && is_logged(args) {
        error!(command = word, retcode = %code, "Command failed.");
    }
    Ok(ran)
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
    }
}

fn not_started(request: &Request, error: &io::Error, logged: bool) -> Error {
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
    fn of(args: &Args) -> Result<Self> {
        let list = |name: &str| -> Vec<String> {
            match args.get(name) {
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
            codes: codes
                .ok_or_else(|| Error::invocation("success_retcodes must be a list of integers"))?,
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
