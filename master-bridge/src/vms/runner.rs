//! Takes an operation through its steps, or back.

use serde_json::Value;

use super::{World, steps};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::journal::{Journal, Operation, StepState};
use crate::plan::{CloudPlan, CloudStep};

/// An operation at work.
pub struct Runner<'a, 'w> {
    /// The journal.
    pub journal: &'a mut Journal,
    /// The operation.
    pub op: &'a Operation<CloudPlan>,
    /// The world.
    pub world: World<'w>,
}

/// Where and why it stopped.
#[derive(Debug)]
pub struct Stopped {
    /// The step's key.
    pub step: String,
    /// Why.
    pub error: Error,
}

impl Stopped {
    /// Whether the world may be there again later: then it is better to wait than to undo.
    pub fn may_go_on(&self) -> bool {
        matches!(
            self.error.kind,
            Kind::Unreachable | Kind::Permission | Kind::Local
        )
    }
}

impl Runner<'_, '_> {
    /// Goes on from where the journal says that it is, to the end or to a failure.
    pub async fn forward(&mut self) -> Result<Option<Stopped>> {
        let records = self.journal.steps_named(&self.op.id)?;
        for (at, step) in self.op.plan.steps.iter().enumerate() {
            let record = records.iter().find(|r| r.wave == at);
            let state = record.map_or(StepState::Planned, |r| r.state);
            if state == StepState::Done {
                let detail = record.map(|r| r.detail.as_str()).unwrap_or_default();
                let made = serde_json::from_str(detail).unwrap_or_default();
                self.world.made.insert(step.key.clone(), made);
                continue;
            }
            self.world
                .progress
                .phase(&format!("{}: {}", step.what.name(), step.what.subject()));
            match self.take(at, step, state).await {
                Ok(made) => {
                    self.world.made.insert(step.key.clone(), made);
                    self.world.progress.done(&step.key, step.what.name());
                }
                Err(error) => {
                    let why = ("error", error.to_string());
                    self.mark(at, step, StepState::Failed, (why.0, &why.1))?;
                    return Ok(Some(Stopped {
                        step: step.key.clone(),
                        error,
                    }));
                }
            }
        }
        Ok(None)
    }

    async fn take(&mut self, at: usize, step: &CloudStep, state: StepState) -> Result<Value> {
        let name = step.what.name();
        // An effect that may have happened is looked for before it is made.
        let found = match state {
            StepState::Begun | StepState::Failed => steps::find(&mut self.world, step).await?,
            _ => None,
        };
        let made = match found {
            Some(made) => made,
            None => {
                self.mark(at, step, StepState::Begun, ("", ""))?;
                fault::point(&format!("{}.begun", step.key));
                let made = steps::apply(&mut self.world, step).await?;
                fault::point(&format!("{}.made", step.key));
                made
            }
        };
        let detail = if made.is_null() {
            String::new()
        } else {
            made.to_string()
        };
        self.mark(at, step, StepState::Done, ("", &detail))?;
        tracing::info!(step = step.key, kind = name, "Step done.");
        fault::point(&format!("{}.done", step.key));
        Ok(made)
    }

    /// Undoes what was done, the last first. What cannot be undone is refused before anything is.
    pub async fn back(&mut self) -> Result<Option<Stopped>> {
        let records = self.journal.steps_named(&self.op.id)?;
        let touched = |state| {
            matches!(
                state,
                StepState::Begun | StepState::Done | StepState::Failed
            )
        };
        for (at, step) in self.op.plan.steps.iter().enumerate() {
            let Some(record) = records.iter().find(|r| r.wave == at) else {
                continue;
            };
            if touched(record.state) && step.what.is_final() {
                let there = steps::find(&mut self.world, step).await?.is_none();
                if record.state == StepState::Done || !there {
                    let text = format!(
                        "{} cannot be undone: {} is gone",
                        self.op.id,
                        step.what.subject()
                    );
                    return Err(Error::new(Kind::Refused, text).hint(
                        "`ops resume` ends it, if it is not ended; `replace` makes another VM",
                    ));
                }
            }
            if record.state == StepState::Done {
                let made = serde_json::from_str(&record.detail).unwrap_or_default();
                self.world.made.insert(step.key.clone(), made);
            }
        }
        for (at, step) in self.op.plan.steps.iter().enumerate().rev() {
            let Some(record) = records.iter().find(|r| r.wave == at && touched(r.state)) else {
                continue;
            };
            self.world.progress.phase(&format!(
                "undo {}: {}",
                step.what.name(),
                step.what.subject()
            ));
            if record.state != StepState::Done
                && let Some(made) = steps::find(&mut self.world, step).await?
            {
                self.world.made.insert(step.key.clone(), made);
            }
            let made = self.world.made.get(&step.key).cloned();
            if let Err(error) = steps::undo(&mut self.world, step, made.as_ref()).await {
                let text = format!("while undoing: {error}");
                self.journal.mark_named(
                    &self.op.id,
                    at,
                    &[&step.key],
                    step.what.name(),
                    record.state,
                    ("undo", &record.detail),
                )?;
                self.world.progress.note(&text);
                return Ok(Some(Stopped {
                    step: step.key.clone(),
                    error,
                }));
            }
            fault::point(&format!("{}.undone", step.key));
            self.mark(at, step, StepState::Undone, ("", &record.detail))?;
            self.world
                .progress
                .done(&step.key, &format!("{} undone", step.what.name()));
        }
        Ok(None)
    }

    fn mark(
        &mut self,
        at: usize,
        step: &CloudStep,
        state: StepState,
        why: (&str, &str),
    ) -> Result<()> {
        let (op, key) = (&self.op.id, step.key.as_str());
        self.journal
            .mark_named(op, at, &[key], step.what.name(), state, why)
    }
}
