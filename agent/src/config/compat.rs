//! `agent: {compat: …}`: the Salt of this machine for what is not native.

use std::path::PathBuf;
use std::time::Duration;

use salt_wire::Value;

use super::error::Error;
use super::reader::Reader;

/// Whether this machine's own Salt runs what is not native.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompatMode {
    /// Never: Python is not started.
    Off,
    /// Where one is found.
    #[default]
    Auto,
    /// Always: without one no state run begins.
    Require,
}

const MODES: [(&str, CompatMode); 3] = [
    ("off", CompatMode::Off),
    ("auto", CompatMode::Auto),
    ("require", CompatMode::Require),
];

/// The settings of the compat worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compat {
    /// Whether it is used.
    pub mode: CompatMode,
    /// Its Python, or a virtual environment; else it is found.
    pub python: Option<PathBuf>,
    /// Longest time of one call.
    pub timeout: Duration,
    /// Most memory of the worker itself, in bytes.
    pub memory: u64,
}

impl Default for Compat {
    fn default() -> Self {
        Self {
            mode: CompatMode::Auto,
            python: None,
            timeout: Duration::from_hours(1),
            memory: 1 << 30,
        }
    }
}

impl Compat {
    /// One word, or a mapping.
    pub(super) fn read(agent: Reader<'_>) -> Result<Self, Error> {
        let default = Self::default();
        match agent.raw("compat") {
            // YAML reads a bare `off` as false.
            Some(Value::Bool(false)) => {
                return Ok(Self {
                    mode: CompatMode::Off,
                    ..default
                });
            }
            Some(Value::Bool(true)) => return Ok(default),
            Some(Value::Str(_)) => {
                let mode = agent.word("compat", &MODES)?.unwrap_or_default();
                return Ok(Self { mode, ..default });
            }
            _ => {}
        }
        let map = agent.map("compat")?;
        let compat = agent.inside(&map, "agent:compat:");
        let mode = match compat.raw("mode") {
            Some(Value::Bool(false)) => CompatMode::Off,
            _ => compat.word("mode", &MODES)?.unwrap_or_default(),
        };
        let memory = compat.size("memory")?.unwrap_or(default.memory);
        if memory < 128 << 20 {
            return Err(compat.wrong("memory", "128MiB or more", memory.to_string()));
        }
        Ok(Self {
            mode,
            python: compat.some_text("python")?.map(PathBuf::from),
            timeout: compat.duration("timeout")?.unwrap_or(default.timeout),
            memory,
        })
    }
}
