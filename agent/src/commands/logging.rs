//! Log lines of the daemon: standard error, for journald or a terminal, and a file if one is named.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogLevel, LogOptions};

/// Starts to log.
pub(super) fn start(options: &LogOptions, file: Option<&Path>) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let console = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .with_target(false)
        .with_filter(filter(options.level));
    let named = match file {
        Some(file) => Some(file),
        None => Some(Path::new(&options.file)).filter(|p| p.is_absolute()),
    };
    let opened = named.map(|path| (path, open(path)));
    let (file, failed) = match opened {
        Some((_, Ok(file))) => (Some(file), None),
        Some((path, Err(error))) => (None, Some((path, error))),
        None => (None, None),
    };
    let to_file = file.map(|file| {
        tracing_subscriber::fmt::layer()
            .with_writer(Mutex::new(file))
            .with_ansi(false)
            .with_target(false)
            .with_filter(filter(options.file_level))
    });
    tracing_subscriber::registry()
        .with(console)
        .with(to_file)
        .try_init()
        .context("logging was started twice")?;
    if let Some((path, error)) = failed {
        // A full disk or a wrong mode is no reason to leave a machine without its minion.
        tracing::warn!(file = %path.display(), %error, "The log file cannot be written; logging to standard error alone.");
    }
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn filter(level: LogLevel) -> tracing_subscriber::filter::Targets {
    let ours = match level {
        LogLevel::Quiet => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace | LogLevel::Garbage => LevelFilter::TRACE,
    };
    // Libraries talk much and say little that an operator can use.
    let others = match level {
        LogLevel::Garbage => LevelFilter::TRACE,
        _ => LevelFilter::WARN.min(ours),
    };
    tracing_subscriber::filter::Targets::new()
        .with_default(others)
        .with_target("salt_agent", ours)
        .with_target("salt_wire", ours)
}
