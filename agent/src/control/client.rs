//! The asking side: blocking, with a deadline.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use salt_wire::{Map, Value, map};

use super::{MAX_ANSWER, StatusReport};

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no salt-agent is running here: nothing answers on {}", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// We may not ask.
    #[error("permission denied on {}: ask as root or as the agent's account", socket.display())]
    Denied {
        /// The socket.
        socket: PathBuf,
    },
    /// The conversation broke off.
    #[error("the daemon did not answer on {}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It answered, and refused.
    #[error("{0}")]
    Refused(String),
}

/// Sends one request and waits for its answer, `timeout` for each step.
pub fn ask(
    socket: &Path,
    request: &str,
    arguments: Map,
    timeout: Duration,
) -> Result<Value, ControlError> {
    let answer = exchange(socket, request, arguments, timeout).map_err(|cause| {
        let socket = socket.to_owned();
        match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NotRunning { socket }
            }
            io::ErrorKind::PermissionDenied => ControlError::Denied { socket },
            _ => ControlError::Broken { socket, cause },
        }
    })?;
    if let Some(words) = answer.get("error").and_then(Value::as_str) {
        return Err(ControlError::Refused(words.to_owned()));
    }
    Ok(answer.get("answer").cloned().unwrap_or_default())
}

/// Asks what the daemon is doing.
pub fn status(socket: &Path, timeout: Duration) -> Result<StatusReport, ControlError> {
    let answer = ask(socket, "status", Map::new(), timeout)?;
    serde_json::to_value(&answer)
        .and_then(serde_json::from_value)
        .map_err(|cause| ControlError::Broken {
            socket: socket.to_owned(),
            cause: io::Error::new(io::ErrorKind::InvalidData, cause),
        })
}

fn exchange(socket: &Path, request: &str, arguments: Map, timeout: Duration) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let line = map! { "request" => request, "arguments" => arguments };
    let mut line = serde_json::to_vec(&Value::Map(line)).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    let limit = MAX_ANSWER as u64 + 1;
    BufReader::new(stream.take(limit)).read_until(b'\n', &mut answer)?;
    if answer.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&answer).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}
