//! `salt-agent run`: the daemon in the foreground.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Code, load, source};
use crate::cli::{Global, RunArgs};
use crate::identity::Cache;
use crate::supervisor;

/// What still runs on other threads when all is done gets this long.
const LEFTOVERS: Duration = Duration::from_millis(20);

pub(super) fn run(global: &Global, args: &RunArgs) -> anyhow::Result<Code> {
    let source = source(global);
    let loaded = load(&source, Cache::Write)?;
    super::logging::start(&loaded.settings.log, args.log_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One worker for heartbeats and one for bulk; functions run on threads of their own.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let reload = Box::new(move || load(&source, Cache::Write));
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
        supervisor::run(loaded, reload, hangups, shutdown).await?;
        anyhow::Ok(())
    });
    runtime.shutdown_timeout(LEFTOVERS);
    ended?;
    Ok(Code::OK)
}
