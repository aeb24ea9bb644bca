//! The answering side, in the daemon.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use salt_wire::{Map, Value, map};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::{Daemon, MAX_ANSWER, MAX_REQUEST};

/// Requests answered at the same time; more wait.
const CONNECTIONS: usize = 8;
/// For reading a request, and again for writing its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest path that a socket's address holds.
const MAX_PATH: usize = 107;

/// A listening control socket; gone when dropped.
pub struct Server {
    path: PathBuf,
    inode: u64,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // Another daemon may have put its own in this place.
        if fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Starts to answer on `path`. Fails when a living daemon answers there already.
pub fn serve(path: &Path, daemon: Arc<dyn Daemon>) -> io::Result<Server> {
    if path.as_os_str().len() > MAX_PATH {
        let words = format!(
            "{} is too long for a socket ({MAX_PATH} bytes): set `agent: {{control: {{socket: …}}}}`",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let inode = fs::symlink_metadata(path)?.ino();
    let task = tokio::spawn(accept(listener, daemon));
    Ok(Server {
        path: path.to_owned(),
        inode,
        task,
    })
}

/// Removes a socket that a killed daemon left; keeps everything else.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let taken = |words: &str| {
        let words = format!("{} {words}", path.display());
        Err(io::Error::new(io::ErrorKind::AddrInUse, words))
    };
    if !meta.file_type().is_socket() {
        return taken("is in the way and is no socket: remove it");
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return taken("belongs to a running salt-agent");
    }
    fs::remove_file(path)
}

async fn accept(listener: UnixListener, daemon: Arc<dyn Daemon>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let daemon = daemon.clone();
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, daemon).await {
                        tracing::debug!(%error, "A control request broke off.");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: it passes.
                tracing::warn!(%error, "The control socket takes no connection.");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, daemon: Arc<dyn Daemon>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut bounded = BufReader::new(read.take(MAX_REQUEST as u64));
    timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
    let answer = spawn_blocking(move || answer(&line, daemon.as_ref()))
        .await
        .map_err(io::Error::other)?;
    timeout(PATIENCE, write.write_all(&answer)).await??;
    write.shutdown().await
}

fn answer(line: &[u8], daemon: &dyn Daemon) -> Vec<u8> {
    let result = decide(line, daemon);
    let shape = match result {
        Ok(answer) => map! { "answer" => answer },
        Err(words) => map! { "error" => words },
    };
    let mut bytes = serde_json::to_vec(&Value::Map(shape)).unwrap_or_default();
    if bytes.is_empty() || bytes.len() >= MAX_ANSWER {
        bytes = br#"{"error":"the answer cannot be sent: too large, or not JSON"}"#.to_vec();
    }
    bytes.push(b'\n');
    bytes
}

fn decide(line: &[u8], daemon: &dyn Daemon) -> Result<Value, String> {
    if line.last() != Some(&b'\n') {
        return Err("the request is too long or was cut off".to_owned());
    }
    let request: Value =
        serde_json::from_slice(line).map_err(|e| format!("the request is no JSON: {e}"))?;
    let name = request.get("request").and_then(Value::as_str);
    let name = name.ok_or("the request has no `request`")?;
    if name == "status" {
        let json = serde_json::to_string(&daemon.status()).map_err(|e| e.to_string())?;
        return serde_json::from_str(&json).map_err(|e| e.to_string());
    }
    let arguments = match request.get("arguments") {
        Some(Value::Map(map)) => map.clone(),
        _ => Map::new(),
    };
    daemon.request(name, arguments)
}

#[cfg(test)]
mod tests {
    use super::super::{ControlError, StatusReport, ask, status};
    use super::*;

    struct Fake;

    impl Daemon for Fake {
        fn status(&self) -> StatusReport {
            StatusReport {
                id: "m1".into(),
                ..StatusReport::default()
            }
        }

        fn request(&self, name: &str, arguments: Map) -> Result<Value, String> {
            match name {
                "echo" => Ok(arguments.into()),
                "huge" => Ok("x".repeat(MAX_ANSWER + 1).into()),
                _ => Err(format!("no request is called {name}")),
            }
        }
    }

    // A busy machine needs seconds to write megabytes of JSON without optimisation.
    const SOON: Duration = Duration::from_mins(1);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_request_one_answer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let server = serve(&path, Arc::new(Fake)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(serve(&path, Arc::new(Fake)).is_err(), "a second daemon");
        let asked = path.clone();
        spawn_blocking(move || {
            assert_eq!(status(&asked, SOON).unwrap().id, "m1");
            let arguments = map! { "a" => 1 };
            let echoed = ask(&asked, "echo", arguments.clone(), SOON).unwrap();
            assert_eq!(echoed, arguments.into());
            let refused = ask(&asked, "nonsense", Map::new(), SOON).unwrap_err();
            assert_eq!(refused.to_string(), "no request is called nonsense");
            let refused = ask(&asked, "huge", Map::new(), SOON).unwrap_err();
            assert!(refused.to_string().contains("too large"));
            let long = map! { "a" => "x".repeat(MAX_REQUEST) };
            let cut = ask(&asked, "echo", long, SOON).unwrap_err();
            assert!(matches!(
                cut,
                ControlError::Broken { .. } | ControlError::Refused(_)
            ));
        })
        .await
        .unwrap();
        drop(server);
        assert!(!path.exists());
        let gone = spawn_blocking(move || status(&path, SOON)).await.unwrap();
        assert!(matches!(gone, Err(ControlError::NotRunning { .. })));
    }

    #[tokio::test]
    async fn what_a_killed_daemon_left_is_replaced_and_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(serve(&path, Arc::new(Fake)).unwrap());
        fs::write(&path, "data").unwrap();
        assert!(serve(&path, Arc::new(Fake)).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"data");
        let long = dir.path().join("x".repeat(120));
        assert!(serve(&long, Arc::new(Fake)).is_err());
    }
}
