//! The validated settings that the rest of the agent reads.

use std::path::PathBuf;

use salt_wire::Map;

/// What the agent was told, complete and checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory that holds `minion` and `minion.d/`.
    pub config_dir: PathBuf,
    /// The minion id.
    pub id: String,
    /// Every option as Salt's `opts` has it: defaults, then files, then command line. For `config.get`, Jinja's `opts` and options without a typed field.
    pub opts: Map,
    /// Keys of the pair and of the masters.
    pub pki_dir: PathBuf,
    /// Cached files, jobs and state.
    pub cachedir: PathBuf,
}
