//! Work on VMs: making, replacing and imaging them, as journaled plans of steps.
//!
//! [`Runner`] takes an operation through the steps of its [`CloudPlan`]: each is in the journal before its effect
//! and after its check. What it made is the step's detail there, so that later steps, a resume and a rollback find
//! it. `steps/` holds the effects, a file for each kind of thing; each says how it is *found* (did it happen before
//! the crash?), *applied* and *undone*. One more is a variant of `plan::cloud::What`, a function there and its arms
//! in `steps/mod.rs`.

pub mod env;
pub mod plans;
pub mod provenance;
mod runner;
mod steps;
#[cfg(test)]
mod tests;
pub mod user_data;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cloud::Client;
use crate::error::{Error, Kind, Result};
use crate::journal::Operation;
use crate::plan::CloudPlan;
use crate::plan::cloud::Ref;
use crate::progress::Progress;
use crate::salt::Master;
use crate::salt::job::Patience;
pub use runner::{Runner, Stopped};

/// The metadata key that names the step which made a server.
const STEP: &str = "bridge-step";

/// Everything that a step may touch, and what the steps before it made.
pub struct World<'a> {
    /// The cloud.
    pub cloud: &'a Client,
    /// The master, if the plan needs one.
    pub salt: Option<&'a mut dyn Master>,
    /// How long to wait for jobs.
    pub patience: Patience,
    /// The operation's id.
    pub op: &'a str,
    /// Its plan.
    pub plan: &'a CloudPlan,
    /// Where progress is told.
    pub progress: &'a Progress<'a>,
    /// What each step made, by its key.
    pub made: BTreeMap<String, Value>,
}

impl<'a> World<'a> {
    /// The world of an operation that has made nothing yet, as far as is known here.
    pub fn of(
        op: &'a Operation<CloudPlan>,
        cloud: &'a Client,
        salt: Option<&'a mut dyn Master>,
        patience: Patience,
        progress: &'a Progress<'a>,
    ) -> Self {
        Self {
            cloud,
            salt,
            patience,
            op: &op.id,
            plan: &op.plan,
            progress,
            made: BTreeMap::new(),
        }
    }

    /// The master.
    fn salt(&mut self) -> Result<&mut dyn Master> {
        match &mut self.salt {
            Some(salt) => Ok(&mut **salt),
            None => Err(Error::new(Kind::Usage, "this step needs a salt-master")
                .hint("run it on the master, with --salt-config; or name its --salt-api")),
        }
    }

    /// A word of what a step made.
    fn made(&self, key: &str, word: &str) -> Result<String> {
        let found = self.made.get(key).and_then(|made| made.get(word)?.as_str());
        found.map(str::to_owned).ok_or_else(|| {
            let text = format!("the step {key} has left no {word}");
            Error::new(Kind::Local, text)
                .hint("`master-bridge ops show` shows what is in the journal")
        })
    }

    /// The id of something that is there or was made.
    fn id(&self, it: &Ref) -> Result<String> {
        match it {
            Ref::Id(id) => Ok(id.clone()),
            Ref::Step(key) => self.made(key, "id"),
        }
    }

    /// What is written where OpenStack keeps words: which step of which operation made a thing.
    fn mark(&self, key: &str) -> String {
        format!("{}/{key}", self.op)
    }
}
