//! A call whose panic is an answer, not news: nothing of it reaches stderr.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `inner`; `None` if it panicked. Panics of other threads, and of this one later, are reported as
/// before: the hook that prints them stays, behind one that asks whether this thread is in here.
pub(crate) fn quietly<T>(inner: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let answer = panic::catch_unwind(AssertUnwindSafe(inner));
    QUIET.set(outer);
    answer.ok()
}
