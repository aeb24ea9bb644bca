//! One tour through the APIs, on the sandbox and on the real services: what they answer has the same status
//! and the same form. `make test-openstack` starts the real ones; the sandbox alone is toured by `make test`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test"
)]

mod bridge;
mod commands;
mod real;
mod shape;
mod tour;
mod views;

use harness::{Api, Sandbox};
use tour::Tour;

/// Where `make test-openstack` says that Keystone is.
const VARIABLE: &str = "OPENSTACK_LAB_AUTH";
/// Where `make test-openstack-real` says that it is.
const REAL: &str = "OPENSTACK_LAB_REAL_AUTH";

#[test]
fn the_sandbox_can_be_toured_and_nothing_is_left() {
    let sandbox = Sandbox::start(&[]);
    let api = sandbox.login("demo");
    // Whoever looks at security groups has one.
    api.get("network", "/security-groups").is(200);
    let before = sandbox.holds();
    Tour::of(&api);
    assert_eq!(before, sandbox.holds());
}

#[test]
#[ignore = "make test-openstack starts the real services"]
fn the_sandbox_answers_as_the_real_services_do() {
    let auth = std::env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("{VARIABLE} is not set: make test-openstack"));
    let api = Api::login(&auth, "demo", "lab");
    let real = Tour::of(&api);
    let sandbox = Sandbox::start(&[]);
    let api = sandbox.login("demo");
    let ours = Tour::of(&api);
    let differences = tour::compare(&real, &ours);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
#[ignore = "make test-openstack starts the real services"]
fn the_bridge_works_on_the_real_services() {
    let auth = std::env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("{VARIABLE} is not set: make test-openstack"));
    commands::run(&auth, "demo", "lab", &Api::login(&auth, "demo", "lab"));
}

#[test]
#[ignore = "make test-openstack-real starts real guests"]
fn the_bridge_works_on_real_guests() {
    let auth = std::env::var(REAL)
        .unwrap_or_else(|_| panic!("{REAL} is not set: make test-openstack-real"));
    real::run(&auth, &Api::login(&auth, "demo", "lab"));
}
