//! Where the Salt of each release is installed. Crates below the harness include this file by its path, so that
//! what a missing Salt means is said once.

use std::env;
use std::path::PathBuf;

/// The environment of a release; `make` puts it there.
pub(crate) fn venv(release: &str) -> PathBuf {
    let root = env::var_os("SALT_AGENT_VENVS").map_or_else(
        || {
            let home = env::var_os("HOME").expect("HOME is set");
            PathBuf::from(home).join(".cache/salt-agent/venv")
        },
        PathBuf::from,
    );
    root.join(release)
}

/// A program of a release: `salt-master`, `salt`, `python`. Without it a test says why and stops; in CI it fails.
pub(crate) fn program(release: &str, name: &str) -> Option<PathBuf> {
    let program = venv(release).join("bin").join(name);
    if program.exists() {
        return Some(program);
    }
    let why = format!("{} is missing: `make venvs` installs it", program.display());
    assert!(env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}
