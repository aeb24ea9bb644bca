//! Our own programs, as the workspace built them.

use std::path::PathBuf;

/// The path of `salt-agent` or `master-bridge` beside the running test.
pub fn bin(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // A test lies in `deps/`, a program of ours one folder higher.
    let folder = test.parent().unwrap();
    let target = if folder.ends_with("deps") {
        folder.parent().unwrap()
    } else {
        folder
    };
    let path = target.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build` first, as `make test` does",
        path.display()
    );
    path
}
