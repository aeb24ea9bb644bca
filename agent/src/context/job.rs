//! The job that a call belongs to.

use std::sync::atomic::{AtomicI64, Ordering};

use salt_wire::{Map, Value};

use crate::host::Cancel;

/// One job: what was asked, how to stop it, and the return code that its function sets.
#[derive(Default)]
pub struct Job {
    /// Job id; empty for a call that no master asked for.
    pub jid: String,
    /// The publication's load, or what stands for it.
    pub load: Map,
    /// Its stop signal.
    pub cancel: Cancel,
    /// Why this job must not change states: its master is not the active one.
    pub bystander: Option<String>,
    retcode: AtomicI64,
}

impl Job {
    /// A job with this publication load.
    pub fn new(load: Map) -> Self {
        Self {
            jid: load
                .get("jid")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            load,
            ..Self::default()
        }
    }

    /// Sets the return code (`__context__['retcode']`).
    pub fn set_retcode(&self, code: i64) {
        self.retcode.store(code, Ordering::Relaxed);
    }

    /// The return code set so far.
    pub fn retcode(&self) -> i64 {
        self.retcode.load(Ordering::Relaxed)
    }
}
