//! Where the power may fail, for tests of debug builds: `SALT_AGENT_CRASH` names a file. The process dies at the point
//! whose name stands there, once, and writes into `FILE.passed` which points it passed. Release builds have none
//! of it.

use std::fmt;

/// The name of the variable.
#[cfg(debug_assertions)]
const VARIABLE: &str = "SALT_AGENT_CRASH";

/// Passes a point between two things that must not be torn apart, or does not.
#[cfg(debug_assertions)]
pub fn point(name: fmt::Arguments<'_>) {
    use std::fs;
    use std::io::Write;

    let Some(file) = super::env::var(VARIABLE) else {
        return;
    };
    let passed = format!("{file}.passed");
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(passed);
    // A test that misses a line says so.
    drop(log.and_then(|mut log| log.write_all(format!("{name}\n").as_bytes())));
    if fs::read_to_string(&file).is_ok_and(|deadly| deadly == name.to_string()) {
        drop(fs::remove_file(&file));
        let us = nix::unistd::Pid::this();
        // SIGKILL runs no destructor and flushes nothing, as a power cut.
        nix::sys::signal::kill(us, nix::sys::signal::Signal::SIGKILL).ok();
    }
}

/// Passes.
#[cfg(not(debug_assertions))]
pub fn point(_: fmt::Arguments<'_>) {}
