//! The harness itself: a master of each release starts, answers and ends.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use harness::{Master, RELEASES};

#[test]
fn masters_of_all_releases_start_and_end() {
    for release in RELEASES {
        if !release.is_installed() {
            continue;
        }
        let mut master = Master::of(release).start();
        assert_eq!(master.keys("minions"), Vec::<String>::new());
        assert_eq!(master.finger().len(), 32 * 3 - 1);
        master.kill();
    }
}
