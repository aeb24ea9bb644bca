//! Our own programs, as the workspace built them.

use std::path::PathBuf;

/// The path of `salt-agent` or `master-bridge` beside the running test.
pub fn bin(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(2).unwrap();
    let path = target.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build` first, as `make test` does",
        path.display()
    );
    path
}
