//! How each minion's move ended, and how the journal says it.

use std::collections::BTreeMap;

use crate::journal::{Record, StepState};
use crate::plan::Action;

/// How one minion's move ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// On the new master, verified and kept.
    Moved {
        /// From order to confirmation, in seconds.
        seconds: f64,
    },
    /// On its way for all that can be seen from here.
    Sent {
        /// What is missing.
        missing: String,
    },
    /// Not moved, or gone back.
    Failed {
        /// Its reason code.
        reason: String,
        /// What happened.
        detail: String,
    },
}

/// Why a journey stopped before everyone had a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// As ordered; it can be resumed.
    Paused(String),
    /// Too many failed.
    Failed(String),
}

/// What became of everyone.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Who ended how.
    pub ends: BTreeMap<String, End>,
    /// Why it stopped, if not everyone had a turn.
    pub stop: Option<Stop>,
}

pub(super) fn failed_with(reason: &str, detail: &str) -> End {
    End::Failed {
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    }
}

pub(super) fn failed(ends: &BTreeMap<String, End>, id: &str) -> bool {
    matches!(ends.get(id), Some(End::Failed { .. }))
}

pub(super) fn state(records: &[Record], id: &str, action: Action) -> Option<StepState> {
    let found = records
        .iter()
        .find(|r| r.minion == id && r.action == action);
    found.map(|r| r.state)
}

pub(super) fn seconds(records: &[Record], id: &str) -> f64 {
    let find = |action| {
        records
            .iter()
            .find(|r| r.minion == id && r.action == action)
    };
    let begun = find(Action::Move).and_then(|r| r.begun);
    let ended = find(Action::Confirm).and_then(|r| r.ended);
    match (begun, ended) {
        (Some(begun), Some(ended)) => ended.saturating_sub(begun) as f64 / 1000.0,
        _ => 0.0,
    }
}

/// Who ended how, as the journal has it.
pub fn ends(records: &[Record]) -> BTreeMap<String, End> {
    let mut ends = BTreeMap::new();
    for record in records {
        let end = match (record.action, record.state) {
            (Action::Confirm, StepState::Done) => End::Moved {
                seconds: seconds(records, &record.minion),
            },
            (Action::Move | Action::Confirm, StepState::Failed)
            | (Action::Return, StepState::Done | StepState::Failed) => {
                failed_with(&record.reason, &record.detail)
            }
            _ => continue,
        };
        ends.insert(record.minion.clone(), end);
    }
    ends
}
