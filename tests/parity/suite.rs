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
fn our_own_trees_are_as_in_salt() {
    as_in(Release::V3008, |_| true, 70);
}

/// Templates and pillars are the same in all of them.
fn differs(tree: &str) -> bool {
    matches!(tree, "includes" | "requisites")
}

#[test]
fn our_own_trees_are_as_in_3007() {
    as_in(Release::V3007, differs, 40);
}

#[test]
fn our_own_trees_are_as_in_3006() {
    as_in(Release::V3006, differs, 40);
}

fn as_in(release: Release, chosen: fn(&str) -> bool, at_least: usize) {
    if !release.is_installed() {
        return;
    }
    let trees = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/trees");
    let mut wrong = Vec::new();
    let mut asked = 0;
    for tree in std::fs::read_dir(trees).unwrap() {
        let tree = tree.unwrap();
        if !chosen(&tree.file_name().to_string_lossy()) {
            continue;
        }
        let report = parity::compare(release, &tree.path(), None, None);
        asked += report.asked;
        for difference in report.differences {
            wrong.push(format!("{}: {difference}", tree.path().display()));
        }
    }
    assert!(asked > at_least, "only {asked} documents were compared");
    assert!(
        wrong.is_empty(),
        "{} of {asked} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
