//! A new program in the place of this one: after an upgrade, and not before the last job has ended, since that job
//! may be the one that upgrades. The process stays the same one for systemd; what it was told to do goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use salt_wire::{Value, map};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Daemon;
use crate::context::Error;
use crate::host::exec::Command;
use crate::host::{Cancel, env};

/// The name under which the control socket asks for it.
pub(crate) const SERVICE: &str = "restart";
/// How often it is looked whether jobs run.
const TICK: Duration = Duration::from_millis(100);
/// For the new program's look at the configuration.
const PATIENCE: Duration = Duration::from_secs(30);

/// Offers the service; each request comes out of the channel.
pub(super) fn offer(daemon: &Arc<Daemon>) -> mpsc::Receiver<()> {
    let (ask, asked) = mpsc::channel(1);
    let jobs = Arc::downgrade(daemon);
    daemon.services.serve(
        SERVICE,
        Arc::new(move |_| {
            let Some(daemon) = jobs.upgrade() else {
                return Err(Error::execution("the agent is stopping"));
            };
            let (running, _) = daemon.dispatcher.jobs().counts();
            // One that waits already is enough.
            ask.try_send(()).ok();
            Ok(Value::Map(map! {"jobs" => running as i64}))
        }),
    );
    asked
}

/// Comes back when the daemon shall make room: with the program that takes its place.
pub(super) async fn due(daemon: Arc<Daemon>, mut asked: mpsc::Receiver<()>) -> PathBuf {
    loop {
        if asked.recv().await.is_none() {
            return std::future::pending().await;
        }
        info!("A new program waits for the end of the jobs that run.");
        while daemon.dispatcher.jobs().counts().0 > 0 {
            sleep(TICK).await;
        }
        let shared = daemon.clone();
        let tried = tokio::task::spawn_blocking(move || usable(&shared)).await;
        match tried {
            Ok(Ok(program)) => return program,
            Ok(Err(words)) => {
                let words = format!("the new program is not used, this one goes on: {words}");
                warn!("{words}");
                daemon.add_warning(words);
            }
            Err(error) => warn!(%error, "The new program was not tried."),
        }
    }
}

/// The program that lies where ours came from, if it can live with the configuration.
fn usable(daemon: &Daemon) -> Result<PathBuf, String> {
    let program = env::own_program().ok_or("it is not known where it lies")?;
    let program = in_place_of(&program);
    let config = daemon.settings().config_dir.display().to_string();
    let path = program.display().to_string();
    let mut command = Command::new([path.as_str(), "check-config", "--quiet", "-c", &config]);
    command.timeout = Some(PATIENCE);
    let ran = daemon.host.exec.run(&command, &Cancel::new());
    let ran = ran.map_err(|error| format!("{path}: {error}"))?;
    if ran.timed_out {
        return Err(format!("{path} does not end"));
    }
    if ran.retcode != 0 {
        let words = String::from_utf8_lossy(&ran.stderr);
        let first = words.lines().next().unwrap_or_default();
        return Err(format!("{path} ends with {}: {first}", ran.retcode));
    }
    Ok(program)
}

/// The kernel marks a program whose file was replaced.
fn in_place_of(program: &Path) -> PathBuf {
    let text = program.to_string_lossy();
    PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_program_is_found_where_it_was() {
        for (link, file) in [
            ("/usr/bin/salt-agent (deleted)", "/usr/bin/salt-agent"),
            ("/usr/bin/salt-agent", "/usr/bin/salt-agent"),
        ] {
            assert_eq!(in_place_of(Path::new(link)), Path::new(file));
        }
    }
}
