//! Containers whose end does not recurse: a template can nest a list a hundred thousand times, and dropping
//! it level by level would overflow the stack.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Deref;

use indexmap::IndexSet;

use super::{Dict, Key, Val};

/// Gives away the values inside.
pub(crate) trait Drain: Default {
    fn drain_into(self, out: &mut Vec<Val>);
}

impl Drain for Vec<Val> {
    fn drain_into(self, out: &mut Vec<Val>) {
        out.extend(self);
    }
}

impl Drain for VecDeque<Val> {
    fn drain_into(self, out: &mut Vec<Val>) {
        out.extend(self);
    }
}

impl Drain for Dict {
    fn drain_into(self, out: &mut Vec<Val>) {
        for (Key(key), value) in self {
            out.extend([key, value]);
        }
    }
}

impl Drain for IndexSet<Key> {
    fn drain_into(self, out: &mut Vec<Val>) {
        out.extend(self.into_iter().map(|key| key.0));
    }
}

thread_local! {
    /// What waits to be dropped while an outer container is; `None` outside of that.
    static WAITING: RefCell<Option<Vec<Val>>> = const { RefCell::new(None) };
}

fn bury<T: Drain>(contents: T) {
    // The values go away outside of the borrow, since each may bury more.
    let outermost = WAITING.try_with(|waiting| {
        let mut waiting = waiting.borrow_mut();
        let outermost = waiting.is_none();
        contents.drain_into(waiting.get_or_insert_default());
        outermost
    });
    if !outermost.unwrap_or(false) {
        return;
    }
    loop {
        let next = WAITING.try_with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop));
        match next {
            Ok(Some(value)) => drop(value),
            Ok(None) | Err(_) => break,
        }
    }
    // Empty by now: the next container is an outermost one again.
    drop(WAITING.try_with(RefCell::take));
}

/// A mutable container.
#[derive(Default)]
pub(crate) struct Own<T: Drain>(RefCell<T>);

impl<T: Drain> Own<T> {
    pub(crate) fn new(contents: T) -> Self {
        Self(RefCell::new(contents))
    }
}

impl<T: Drain> Deref for Own<T> {
    type Target = RefCell<T>;

    fn deref(&self) -> &RefCell<T> {
        &self.0
    }
}

impl<T: Drain> Drop for Own<T> {
    fn drop(&mut self) {
        bury(std::mem::take(self.0.get_mut()));
    }
}

/// Values in a row that do not change: a tuple's, a loop's.
pub(crate) struct Items(Vec<Val>);

impl From<Vec<Val>> for Items {
    fn from(items: Vec<Val>) -> Self {
        Self(items)
    }
}

impl Deref for Items {
    type Target = [Val];

    fn deref(&self) -> &[Val] {
        &self.0
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        bury(std::mem::take(&mut self.0));
    }
}
