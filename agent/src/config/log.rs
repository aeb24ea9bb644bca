//! Log options: Salt's level names, and where lines go.

use std::collections::BTreeMap;

use salt_wire::Value;

use super::error::Error;
use super::reader::Reader;

/// How much is logged, by Salt's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Quiet,
    /// `critical` and `error`.
    Error,
    /// Also `warning`.
    Warning,
    /// Also `info`.
    Info,
    /// Also `profile` and `debug`.
    Debug,
    /// Also `trace`.
    Trace,
    /// Everything: `garbage`, `all`.
    Garbage,
}

/// Salt's names and what each means here.
pub const LEVELS: [(&str, LogLevel); 10] = [
    ("all", LogLevel::Garbage),
    ("garbage", LogLevel::Garbage),
    ("trace", LogLevel::Trace),
    ("debug", LogLevel::Debug),
    ("profile", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warning", LogLevel::Warning),
    ("error", LogLevel::Error),
    ("critical", LogLevel::Error),
    ("quiet", LogLevel::Quiet),
];

impl LogLevel {
    /// The level of this name, in any case.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        LEVELS.iter().find(|(n, _)| *n == name).map(|(_, l)| *l)
    }
}

/// Where log lines go and which.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Level of standard error.
    pub level: LogLevel,
    /// Level of the file.
    pub file_level: LogLevel,
    /// The file; empty for none. An address (`file:///dev/log`, `udp://…`) is not a file.
    pub file: String,
    /// Form of the console's lines, as Python's `logging` writes it.
    pub format: String,
    /// Form of the file's lines.
    pub format_file: String,
    /// Date format of the console, as Python's `strftime`.
    pub date_format: String,
    /// Date format of the file.
    pub date_format_file: String,
    /// Levels of single parts, by Salt's or our own module names.
    pub granular: BTreeMap<String, LogLevel>,
}

impl LogOptions {
    pub(super) fn read(top: Reader<'_>) -> Result<Self, Error> {
        let level = level(top, "log_level")?.unwrap_or(LogLevel::Warning);
        let mut granular = BTreeMap::new();
        for (name, value) in top.map("log_granular_levels")? {
            let found = value.as_str().and_then(LogLevel::of);
            let (Some(name), Some(level)) = (name.as_str(), found) else {
                return Err(wrong(top, "log_granular_levels", &value));
            };
            granular.insert(name.to_owned(), level);
        }
        Ok(Self {
            level,
            file_level: self::level(top, "log_level_logfile")?.unwrap_or(level),
            file: top.text("log_file")?,
            format: top.text("log_fmt_console")?,
            format_file: top.text("log_fmt_logfile")?,
            date_format: top.text("log_datefmt")?,
            date_format_file: top.text("log_datefmt_logfile")?,
            granular,
        })
    }
}

fn level(top: Reader<'_>, key: &str) -> Result<Option<LogLevel>, Error> {
    let Some(value) = top.raw(key) else {
        return Ok(None);
    };
    let found = value.as_str().and_then(LogLevel::of);
    found.map(Some).ok_or_else(|| wrong(top, key, value))
}

fn wrong(top: Reader<'_>, key: &str, value: &Value) -> Error {
    let names: Vec<_> = LEVELS.iter().map(|(name, _)| *name).collect();
    let expected = format!("one of {}", names.join(", "));
    top.wrong(key, &expected, format!("{value:?}"))
}
