//! What a rendering may still spend. One rendering has a thread to itself, so its purse is that thread's:
//! operators and filters deep inside of a value pay from it without being handed it.

use std::cell::Cell;

use crate::error::{Error, Result};

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Bytes of text that cost as much as one step: the memory of a rendering ends with its steps.
const BYTES: usize = 32;

/// Begins a rendering with this many steps.
pub(crate) fn begin(steps: u64) {
    LEFT.set(steps);
}

/// Spends steps.
pub(crate) fn spend(steps: usize) -> Result<()> {
    match LEFT.get().checked_sub(steps as u64) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => {
            LEFT.set(0);
            Err(Error::bound("the template takes too many steps"))
        }
    }
}

/// Spends for text that was made; that nothing is left shows at the next step.
pub(crate) fn text(bytes: usize) {
    LEFT.set(LEFT.get().saturating_sub((bytes / BYTES) as u64));
}
