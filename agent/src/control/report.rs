//! What `salt-agent status` shows: the same words in text and in `-o json`, whose keys stay.

use serde::{Deserialize, Serialize};

use crate::highstate::last::LastHighstate;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusReport {
    /// The minion id.
    pub id: String,
    /// The agent's version.
    pub version: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime: u64,
    /// Fingerprint of the minion's own key.
    pub fingerprint: String,
    /// Every master it should be connected to.
    pub masters: Vec<MasterReport>,
    /// Jobs that run or wait.
    pub jobs: Vec<JobReport>,
    /// Returns that no master has taken yet.
    pub spool: SpoolReport,
    /// From the kernel's start to the first session that was ready, in milliseconds.
    pub ready_after_boot: Option<u64>,
    /// From the agent's start to the same.
    pub ready_after_start: Option<u64>,
    /// The instance that this machine's disk was copied from.
    pub cloned_from: Option<String>,
    /// The last highstate.
    pub highstate: Option<LastHighstate>,
    /// State of a remaster, `steady` when there is none.
    pub remaster: String,
    /// What an operator should know besides: ignored options, limits that were hit.
    pub warnings: Vec<String>,
}

/// One master.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MasterReport {
    /// Its address as configured.
    pub address: String,
    /// `connecting`, `authenticating`, `pending`, `ready`, `lost`.
    pub state: String,
    /// Reason code when it is not `ready` (`pending`, `dns`, `master-key-mismatch`, …).
    pub reason: Option<String>,
    /// The reason in a sentence, and what to do.
    pub detail: Option<String>,
    /// Fingerprint of its key, once seen.
    pub fingerprint: Option<String>,
    /// Seconds since the state was entered.
    pub since: u64,
    /// Version of the authentication protocol in use.
    pub auth_version: Option<u32>,
}

/// One job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobReport {
    /// Its id.
    pub jid: String,
    /// The function, or several joined with commas.
    pub fun: String,
    /// `running` or `queued`.
    pub state: String,
    /// Seconds since it came.
    pub since: u64,
}

/// Returns on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpoolReport {
    /// How many.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
    /// Age of the oldest, in seconds.
    pub oldest: u64,
    /// How many were given up because a limit was hit.
    pub dropped: u64,
    /// How many are in memory, because the disk does not take them.
    pub in_memory: u64,
    /// How many their master has answered with a no, or could not store; they are tried again now and then.
    pub parked: u64,
    /// What keeps them here besides a master that is away: `spool-not-writable`, `return-not-stored`.
    pub reason: Option<String>,
    /// The reason in a sentence.
    pub detail: Option<String>,
}
