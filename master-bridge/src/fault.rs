//! Where a test may kill this process, as a power cut would: in debug builds only, and only if
//! `MASTER_BRIDGE_FAULT` names the point (`move.begun`, or `move.begun@3` for its third passage).

/// A point between two things that must not be torn apart.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);

    let Ok(wanted) = std::env::var("MASTER_BRIDGE_FAULT") else {
        return;
    };
    let (wanted, count) = wanted.split_once('@').unwrap_or((&wanted, "1"));
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 >= count.parse().unwrap_or(1) {
        let me = nix::unistd::Pid::this();
        nix::sys::signal::kill(me, nix::sys::signal::Signal::SIGKILL).ok();
    }
}

/// Nothing, in what is shipped.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_: &str) {}
