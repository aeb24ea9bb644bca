//! `salt-agent run`: the daemon in the foreground.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::warn;

use super::{Code, guard, load, source, start_logging, warn_of_clone};
use crate::cli::{Global, RunArgs};
use crate::config::{self, FoundId, Settings};
use crate::host::fs::write_atomic;
use crate::host::{exec, privileges};
use crate::identity::Cache;
use crate::logging::Destination;
use crate::supervisor::{self, End};

pub(super) fn run(global: &Global, args: &RunArgs) -> anyhow::Result<Code> {
    if args.daemon {
        bail!(
            "-d: the agent stays in the foreground, where systemd wants it: `systemctl start salt-agent`"
        );
    }
    let mut source = source(global);
    if let Some(file) = &args.log_file {
        let file = file.display().to_string();
        source.overrides.insert("log_file".into(), file.into());
    }
    // First whose key this is: an id that was kept may be a parent's, too.
    let unnamed = config::load(&source, &|_| Ok(FoundId::set("localhost")))?;
    let parent = guard(&unnamed.settings)?;
    let loaded = load(&source, Cache::Write)?;
    become_user(&loaded.settings)?;
    start_logging(&loaded, Destination::Daemon);
    if let Some(parent) = &parent {
        warn_of_clone(&loaded.settings, parent);
    }
    if args.write_pidfile {
        let pidfile = &loaded.settings.pidfile;
        let pid = format!("{}\n", std::process::id());
        if let Err(error) = write_atomic(pidfile, pid.as_bytes(), 0o644) {
            warn!(pidfile = %pidfile.display(), %error, "The pidfile cannot be written.");
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One worker for heartbeats and one for bulk; functions run on threads of their own.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let reload = Arc::new(move || load(&source, Cache::Write));
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (sender, hangups) = mpsc::channel(1);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() && sender.send(()).await.is_ok() {}
        });
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        anyhow::Ok(supervisor::run(loaded, reload, hangups, shutdown).await)
    });
    // What still runs on other threads ends with the process, and what it writes is whole or not there. Without the
    // runtime under it, its next timer would panic.
    std::mem::forget(runtime);
    match ended? {
        End::Stop => Ok(Code::OK),
        End::Anew(program) => {
            let error = exec::replace(&program);
            // systemd starts it, since this is a failure.
            Err(error).with_context(|| format!("cannot become {}", program.display()))
        }
    }
}

/// `user`: before anything is opened, and with all that the daemon writes.
fn become_user(settings: &Settings) -> anyhow::Result<()> {
    let drop_ins = settings.config_dir.join("minion.d");
    let mut dirs = vec![&*settings.pki_dir, &settings.cachedir, &settings.sock_dir];
    if drop_ins.is_dir() {
        dirs.push(&drop_ins);
    }
    let log = Path::new(&settings.log.file);
    let logs = log.parent().filter(|dir| dir.ends_with("salt"));
    dirs.extend(logs);
    let user = &settings.user;
    privileges::become_user(user, &dirs)
        .with_context(|| format!("user: {user}: the daemon cannot run as this account"))
}
