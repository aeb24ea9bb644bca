//! Loopback addresses that no other test has.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A loopback address of this test process's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Address {
    /// An address that the caller has made, such as that of a network of its own.
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The next unused address: the process id makes it ours, a counter makes it new.
pub fn next_address() -> Address {
    let pid = std::process::id();
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(n < 200, "one test wants more than 200 addresses");
    Address(format!(
        "127.{}.{}.{}",
        20 + n,
        (pid >> 7) & 0xff,
        1 + (pid & 0x7f)
    ))
}
