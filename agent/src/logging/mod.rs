//! Log lines: in Salt's formats to standard error and to `log_file`; under systemd to the journal, with
//! `JID` and `MASTER` as fields of their own.
//!
//! One more destination: a layer in [`start`].

mod file;
mod format;
mod template;

use std::io::IsTerminal;

use nix::sys::stat::fstat;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{LogLevel, LogOptions};
use crate::host::env;

use file::LogFile;
use format::Lines;
use template::Template;

/// Target of the few lines that are logged at every level but `quiet`: an operator, a supervisor or a test waits
/// for them, and Salt's default level would hide them.
pub const ANNOUNCE: &str = "salt_agent::announce";

/// What a program wants logged where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Standard error alone: a command that somebody waits for.
    Console,
    /// The log file too, and the journal where there is one: the daemon.
    Daemon,
}

/// Starts logging for the whole process. A second call changes nothing. Gives back what could not be done.
pub fn start(options: &LogOptions, id: &str, destination: Destination) -> Vec<String> {
    let mut troubles = Vec::new();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    let console = filter(options.level, options);
    let journal = match destination {
        Destination::Daemon if on_journal() => journal(&mut troubles),
        _ => None,
    };
    match journal {
        Some(journal) => layers.push(journal.with_filter(console).boxed()),
        None => {
            let template = Template::parse(&options.format);
            let lines = Lines::new(template, &options.date_format, id);
            let colours = std::io::stderr().is_terminal() && env::var("NO_COLOR").is_none();
            layers.push(
                fmt::layer()
                    .with_ansi(colours)
                    .event_format(lines)
                    .with_writer(std::io::stderr)
                    .with_filter(console)
                    .boxed(),
            );
        }
    }
    if destination == Destination::Daemon
        && options.file_level != LogLevel::Quiet
        && let Some(file) = log_file(options, &mut troubles)
    {
        let template = Template::parse(&options.format_file);
        let lines = Lines::new(template, &options.date_format_file, id);
        let layer = fmt::layer().with_ansi(false).event_format(lines);
        let filter = filter(options.file_level, options);
        layers.push(layer.with_writer(file).with_filter(filter).boxed());
    }
    drop(tracing_subscriber::registry().with(layers).try_init());
    troubles
}

fn log_file(options: &LogOptions, troubles: &mut Vec<String>) -> Option<LogFile> {
    if options.file.is_empty() {
        return None;
    }
    if options.file.contains("://") {
        troubles.push(format!(
            "log_file {}: addresses of syslog are not supported, use the journal or a file",
            options.file
        ));
        return None;
    }
    LogFile::open(options.file.as_ref())
        .map_err(|e| troubles.push(format!("log_file {} cannot be written: {e}", options.file)))
        .ok()
}

/// Whether standard error is the journal: systemd names its device and inode.
fn on_journal() -> bool {
    let Some(named) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(std::io::stderr()).is_ok_and(|s| named == format!("{}:{}", s.st_dev, s.st_ino))
}

/// A layer that writes to the journal by itself.
fn journal(troubles: &mut Vec<String>) -> Option<tracing_journald::Layer> {
    match tracing_journald::layer() {
        // Without a prefix the fields are JID and MASTER, which an operator would search for.
        Ok(layer) => Some(layer.with_field_prefix(None)),
        Err(e) => {
            troubles.push(format!("the journal cannot be written directly: {e}"));
            None
        }
    }
}

/// Our own parts at the level asked for; libraries only have their say when everything is asked for.
fn filter(level: LogLevel, options: &LogOptions) -> Targets {
    let own = of(level);
    let others = match level {
        LogLevel::Garbage => LevelFilter::TRACE,
        _ => own.min(LevelFilter::WARN),
    };
    let mut targets = Targets::new().with_default(others);
    for name in ["salt_agent", "salt_wire", "salt_yaml", "salt_jinja"] {
        targets = targets.with_target(name, own);
    }
    if level != LogLevel::Quiet {
        targets = targets.with_target(ANNOUNCE, own.max(LevelFilter::INFO));
    }
    for (name, level) in &options.granular {
        targets = targets.with_target(name.replace('.', "::"), of(*level));
    }
    targets
}

fn of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Quiet => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace | LogLevel::Garbage => LevelFilter::TRACE,
    }
}
