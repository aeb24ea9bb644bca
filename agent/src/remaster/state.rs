//! Where a move stands. Each state holds only what is valid in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use salt_wire::order::Order;
use serde::{Deserialize, Serialize};

/// Unix time in milliseconds: deadlines must outlive the process, so no monotonic clock will do.
pub type Millis = u64;

/// The state of the machine, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum State {
    /// One master, no order.
    Steady {
        /// What became of the last order.
        last: Option<Outcome>,
    },
    /// An order is checked; nothing has changed.
    Staged {
        /// The order and what belongs to it.
        journey: Journey,
    },
    /// The candidate session opens while the old one stays up.
    Trial {
        /// The order and what belongs to it.
        journey: Journey,
        /// When to give up.
        deadline: Millis,
    },
    /// The new master holds our key and has not accepted it yet.
    Waiting {
        /// The order and what belongs to it.
        journey: Journey,
        /// When to give up.
        deadline: Millis,
    },
    /// Pillar and a round trip through the new master.
    Verifying {
        /// The order and what belongs to it.
        journey: Journey,
        /// When to give up.
        deadline: Millis,
    },
    /// The configuration is switched and the candidate becomes the session. Forward only.
    Committing {
        /// The order and what belongs to it.
        journey: Journey,
    },
    /// On the new master; undone unless confirmed in time.
    Probation {
        /// The order and what belongs to it.
        journey: Journey,
        /// When to go back.
        deadline: Millis,
    },
    /// From the new master back to the old one. Forward only.
    Returning {
        /// The order and what belongs to it.
        journey: Journey,
        /// Why.
        cause: Cause,
    },
    /// The trial is given up; the old master was never left. Forward only.
    RollingBack {
        /// The order and what belongs to it.
        journey: Journey,
        /// Why.
        cause: Cause,
    },
}

/// The order and what is needed to finish or undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// The order.
    pub order: Order,
    /// What was there before.
    pub previous: Previous,
    /// When each stage was reached.
    pub marks: Vec<Mark>,
    /// How often the agent started again on the way.
    pub restarts: u32,
    /// What keeps the new master away at the moment.
    #[serde(default)]
    pub trouble: Option<Cause>,
    /// Round trips with the new master since it became ours.
    #[serde(default)]
    pub rounds: u64,
}

/// What going back needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// The old masters, joined with commas.
    pub master: String,
    /// Their publish port, if the configuration names one.
    #[serde(default)]
    pub publish_port: Option<u16>,
    /// Every file that the switch changes, as it was.
    pub files: Vec<SavedFile>,
    /// SHA-256 of every other configuration file: who changes one in the middle is not obeyed.
    #[serde(default)]
    pub others: BTreeMap<PathBuf, String>,
}

/// A file as it was before the switch: configuration or public key, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// Where.
    pub path: PathBuf,
    /// Its text; `None` if there was no such file.
    pub text: Option<String>,
}

/// A stage and when it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The stage.
    pub stage: Stage,
    /// When.
    pub at: Millis,
}

/// A step that both masters are told about: the last part of the event's tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The order was taken.
    Staged,
    /// The new master is being tried.
    Trial,
    /// It has our key, unaccepted.
    Waiting,
    /// It answered a round trip.
    Verified,
    /// It is our master now.
    Committed,
    /// And stays it.
    Confirmed,
    /// It is not, and the old one is.
    RolledBack,
}

impl Stage {
    /// As it stands in the event's tag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Trial => "trial",
            Self::Waiting => "waiting",
            Self::Verified => "verified",
            Self::Committed => "committed",
            Self::Confirmed => "confirmed",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// Why something was given up: a word for programs and one for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Cause {
    /// The same words as in status, log and exit code: `pending`, `rejected`, `master-key-mismatch`…
    pub code: String,
    /// What was tried and what happened.
    pub detail: String,
}

impl Cause {
    /// The code of an edit of our files by somebody else.
    pub const FOREIGN: &'static str = "config-changed";

    /// Whether somebody else has written to our files.
    pub fn is_foreign(&self) -> bool {
        self.code == Self::FOREIGN
    }

    /// A cause.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The order's id.
    pub id: String,
    /// The master that it named.
    pub master: String,
    /// Committed, confirmed or rolled back.
    pub stage: Stage,
    /// Why, if it was rolled back.
    pub cause: Option<Cause>,
    /// When it ended.
    pub at: Millis,
    /// When each stage was reached.
    pub marks: Vec<Mark>,
    /// All of it: whoever was left may still be owed something.
    #[serde(default)]
    pub journey: Option<Box<Journey>>,
}

impl Outcome {
    /// Whether the order of this id must not be begun again: it was carried out, or an operator ended it.
    /// One that failed on its own may find a better world the next time.
    pub fn is_final(&self, id: &str) -> bool {
        let by_itself = |cause: &Cause| {
            !matches!(
                cause.code.as_str(),
                "cancelled" | "unconfirmed" | "same-master"
            )
        };
        let failed = self.stage == Stage::RolledBack && self.cause.as_ref().is_some_and(by_itself);
        self.id == id && !failed
    }
}

impl State {
    /// Its name, as status and journal have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Steady { .. } => "steady",
            Self::Staged { .. } => "staged",
            Self::Trial { .. } => "trial",
            Self::Waiting { .. } => "waiting",
            Self::Verifying { .. } => "verifying",
            Self::Committing { .. } => "committing",
            Self::Probation { .. } => "probation",
            Self::Returning { .. } => "returning",
            Self::RollingBack { .. } => "rolling_back",
        }
    }

    /// The order that is under way.
    pub fn journey(&self) -> Option<&Journey> {
        match self {
            Self::Steady { .. } => None,
            Self::Staged { journey }
            | Self::Trial { journey, .. }
            | Self::Waiting { journey, .. }
            | Self::Verifying { journey, .. }
            | Self::Committing { journey }
            | Self::Probation { journey, .. }
            | Self::Returning { journey, .. }
            | Self::RollingBack { journey, .. } => Some(journey),
        }
    }

    /// When the driver must say that time is over.
    pub fn deadline(&self) -> Option<Millis> {
        match self {
            Self::Trial { deadline, .. }
            | Self::Waiting { deadline, .. }
            | Self::Verifying { deadline, .. }
            | Self::Probation { deadline, .. } => Some(*deadline),
            Self::Steady { .. }
            | Self::Staged { .. }
            | Self::Committing { .. }
            | Self::Returning { .. }
            | Self::RollingBack { .. } => None,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Steady { last: None }
    }
}
