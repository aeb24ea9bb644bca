//! What a job came to.

use crate::ids::{Jid, MinionId};
use crate::value::{Map, Value};

/// The result of a job for the master that asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// The job.
    pub jid: Jid,
    /// The function or functions, as published.
    pub fun: Value,
    /// The arguments, as published.
    pub fun_args: Value,
    /// What the function gave.
    pub ret: Value,
    /// Zero means success; a map for multi-function jobs.
    pub retcode: Value,
    /// A truth value; a map for multi-function jobs.
    pub success: Value,
    /// The outputter that suits it.
    pub out: Option<String>,
    /// Fields that are copied from the job: `user`, `master_id`, `metadata`, and `schedule`.
    pub copied: Map,
}

impl Return {
    /// The load.
    pub fn to_map(&self, id: &MinionId) -> Map {
        let mut load = crate::map! {
            "cmd" => "_return",
            "id" => id,
            "success" => self.success.clone(),
            "return" => self.ret.clone(),
            "retcode" => self.retcode.clone(),
            "jid" => &self.jid,
            "fun" => self.fun.clone(),
            "fun_args" => self.fun_args.clone(),
        };
        if let Some(out) = &self.out {
            load.insert("out".into(), out.as_str().into());
        }
        for (key, value) in &self.copied {
            load.entry(key.clone()).or_insert_with(|| value.clone());
        }
        load
    }
}
