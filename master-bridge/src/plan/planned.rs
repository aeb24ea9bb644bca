//! What the journal asks of a plan, of whichever kind.

use serde::{Deserialize, Serialize};

use super::{CleanPlan, CloudPlan, Plan, cleaning};

/// A plan that the journal can hold.
pub trait Planned {
    /// Another world, another hash.
    fn hash(&self) -> String;

    /// The whole plan, as the journal keeps it.
    fn text(&self) -> String;

    /// What belongs to its operation alone: where, and what.
    fn holds(&self) -> Vec<(String, String)>;

    /// Its steps: place in the order, subject, word.
    fn rows(&self) -> Vec<(usize, String, &'static str)>;
}

impl Planned for Plan {
    fn hash(&self) -> String {
        Self::hash(self)
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn holds(&self) -> Vec<(String, String)> {
        let ids = self.members().map(|member| member.id.clone());
        ids.map(|id| (self.old.clone(), id)).collect()
    }

    fn rows(&self) -> Vec<(usize, String, &'static str)> {
        let steps = self.steps().into_iter();
        steps
            .map(|step| (step.wave, step.minion, step.action.name()))
            .collect()
    }
}

impl Planned for CloudPlan {
    fn hash(&self) -> String {
        Self::hash(self)
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn holds(&self) -> Vec<(String, String)> {
        let place = format!("project {}", self.project);
        let subjects = self.subjects.iter();
        subjects.map(|s| (place.clone(), s.clone())).collect()
    }

    fn rows(&self) -> Vec<(usize, String, &'static str)> {
        let steps = self.steps.iter().enumerate();
        steps
            .map(|(at, step)| (at, step.key.clone(), step.what.name()))
            .collect()
    }
}

impl Planned for CleanPlan {
    fn hash(&self) -> String {
        Self::hash(self)
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn holds(&self) -> Vec<(String, String)> {
        // On neither may anybody move them meanwhile.
        let masters = [&self.old, &self.new];
        let ids = self.keys.iter().map(|key| &key.id);
        ids.flat_map(|id| masters.map(|master| (master.clone(), id.clone())))
            .collect()
    }

    fn rows(&self) -> Vec<(usize, String, &'static str)> {
        let ids = self.keys.iter().map(|key| key.id.clone());
        ids.map(|id| (0, id, cleaning::DELETE)).collect()
    }
}

/// A plan of any kind, as it comes out of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnyPlan {
    /// Minions move between masters.
    Move(Plan),
    /// Things are made or changed in a cloud.
    Cloud(CloudPlan),
    /// Keys that a move has left are deleted.
    Clean(CleanPlan),
}

impl AnyPlan {
    /// Its hash.
    pub fn hash(&self) -> String {
        match self {
            Self::Move(plan) => plan.hash(),
            Self::Cloud(plan) => plan.hash(),
            Self::Clean(plan) => plan.hash(),
        }
    }

    /// What it is about, in few words.
    pub fn subject(&self) -> String {
        match self {
            Self::Move(plan) => format!("{} to {}", plan.members().count(), plan.to.master),
            Self::Cloud(plan) => plan.title.clone(),
            Self::Clean(plan) => format!("{} keys on the old master", plan.keys.len()),
        }
    }
}
