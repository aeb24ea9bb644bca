//! The pages of the documentation that are transcripts and need no master. `vms.rs` has those that do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod page;
mod project;

use project::Project;

fn run(page: &str) {
    let project = Project::start();
    page::run(page, project.home.path(), &|args| project.table(args));
}

#[test]
fn environments() {
    run("environments.md");
}

#[test]
fn import_an_image() {
    run("import-an-image.md");
}
