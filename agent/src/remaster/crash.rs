//! Where the power may fail, for tests of debug builds: `SALT_AGENT_CRASH="after switch"` kills the process at
//! that point. Release builds have none of it.

/// The name of the variable.
#[cfg(debug_assertions)]
const VARIABLE: &str = "SALT_AGENT_CRASH";

/// Passes a point, or does not.
#[cfg(debug_assertions)]
pub(super) fn point(when: &str, what: &str) {
    if crate::host::env::var(VARIABLE).is_some_and(|at| at == format!("{when} {what}")) {
        let us = nix::unistd::Pid::this();
        // SIGKILL runs no destructor and flushes nothing, as a power cut.
        nix::sys::signal::kill(us, nix::sys::signal::Signal::SIGKILL).ok();
    }
}

/// Passes.
#[cfg(not(debug_assertions))]
pub(super) fn point(_: &str, _: &str) {}
