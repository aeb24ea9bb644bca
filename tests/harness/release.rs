//! The Salt releases that we are held against, each in a virtual environment of its own.

use std::fmt;
use std::path::PathBuf;

use crate::venv;

/// A Salt release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 3008.3
    V3008,
    /// 3007.15
    V3007,
    /// 3006.28
    V3006,
}

/// All of them, newest first.
pub const RELEASES: [Release; 3] = [Release::V3008, Release::V3007, Release::V3006];

impl Release {
    /// The version that is installed.
    pub fn version(self) -> &'static str {
        match self {
            Self::V3008 => "3008.3",
            Self::V3007 => "3007.15",
            Self::V3006 => "3006.28",
        }
    }

    /// Where this release is installed; `make` puts it there.
    pub fn venv(self) -> PathBuf {
        venv::venv(self.version())
    }

    /// A program of this release: `salt-master`, `salt`, `python`.
    pub fn program(self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    /// Whether it can be used here. Without it a test prints why and stops; in CI it fails.
    pub fn is_installed(self) -> bool {
        venv::program(self.version(), "salt-master").is_some()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version())
    }
}
