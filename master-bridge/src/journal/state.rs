//! Where operations and their steps stand.

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpState {
    /// Begun and not ended: under way, or interrupted.
    Running,
    /// Stopped on purpose, to be resumed.
    Paused,
    /// Everything was done.
    Done,
    /// It ended, and not everything was done.
    Failed,
    /// It was undone.
    RolledBack,
}

impl OpState {
    pub(super) const ALL: [Self; 5] = [
        Self::Running,
        Self::Paused,
        Self::Done,
        Self::Failed,
        Self::RolledBack,
    ];

    /// The word in the journal and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
        }
    }

    /// Whether it still holds its minions.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Nothing was done.
    Planned,
    /// Its effect may have happened.
    Begun,
    /// Its effect was checked.
    Done,
    /// It could not be done; `detail` says why.
    Failed,
    /// It was done and then undone.
    Undone,
}

impl StepState {
    pub(super) const ALL: [Self; 5] = [
        Self::Planned,
        Self::Begun,
        Self::Done,
        Self::Failed,
        Self::Undone,
    ];

    /// The word in the journal and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}
