//! The project's own state trees, each of which walks through one part of the engine: Salt's documents and
//! ours are the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::path::Path;

use harness::{Release, parity};

#[test]
fn our_own_trees_compile_as_in_salt() {
    let release = Release::V3008;
    if !release.is_installed() {
        return;
    }
    let trees = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/trees");
    let mut wrong = Vec::new();
    let mut asked = 0;
    for tree in std::fs::read_dir(trees).unwrap() {
        let tree = tree.unwrap().path();
        let report = parity::compare(release, &tree, None, None);
        asked += report.asked;
        for difference in report.differences {
            wrong.push(format!("{}: {difference}", tree.display()));
        }
    }
    assert!(asked > 50, "only {asked} documents were compared");
    assert!(
        wrong.is_empty(),
        "{} of {asked} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
