//! The agent against real masters of three releases: the same cases on each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

/// Makes a test of each case for each release.
macro_rules! on_each_release {
    ($($case:ident),* $(,)?) => {
        mod v3008 { $(#[test] fn $case() { crate::run(harness::Release::V3008, super::$case); })* }
        mod v3007 { $(#[test] fn $case() { crate::run(harness::Release::V3007, super::$case); })* }
        mod v3006 { $(#[test] fn $case() { crate::run(harness::Release::V3006, super::$case); })* }
    };
}

mod account;
mod adopt;
mod calls;
mod compat;
mod disk;
mod doctor;
mod files;
mod functions;
mod grains;
mod highstate;
mod hostile;
mod image;
mod jobs;
mod join;
mod masters;
mod names;
mod operator;
mod publications;
mod returns;
mod targets;
mod upkeep;

use harness::Release;

fn run(release: Release, case: fn(Release)) {
    if release.is_installed() {
        case(release);
    }
}
