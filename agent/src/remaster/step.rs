//! The table: `step(state, event, now) → (state, effects)`, or refused. Nothing is done here.
//!
//! The outer match has no wildcard, so a new state does not compile until every place has decided.
//! `module docs` of the folder show the table as this code has it.

use super::effect::{Effect, Report, Which};
use super::event::Event;
use super::state::{Cause, Journey, Mark, Millis, Outcome, Stage, State};

/// The longest and the shortest that a new master may take to authenticate us or to say why not; between
/// them an order's `wait` decides.
const TRIAL: (Millis, Millis) = (30_000, 120_000);
/// How long pillar and round trip may take.
const VERIFY: Millis = 60_000;
/// And a highstate with `test=True` besides.
const TEST_RUN: Millis = 900_000;
/// A move that sees the agent start more often than this is given up.
pub(super) const MAX_RESTARTS: u32 = 5;

/// What a step gives.
pub type Step = Result<(State, Vec<Effect>), Refused>;

/// An event that has no place in a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("remaster: {event} refused while {state}: {why}")]
pub struct Refused {
    /// The state's name.
    pub state: &'static str,
    /// The event's name.
    pub event: &'static str,
    /// What the operator should know.
    pub why: &'static str,
}

/// One step of the machine.
pub fn step(state: State, event: Event, now: Millis) -> Step {
    let names = (state.name(), event.name());
    let refuse = |why| {
        Err(Refused {
            state: names.0,
            event: names.1,
            why,
        })
    };
    match state {
        State::Steady { last } => match event {
            Event::Ordered(order, _) if order.expires.saturating_mul(1000) < now => {
                refuse("the order has expired")
            }
            Event::Ordered(order, _) if last.as_ref().is_some_and(|l| l.is_final(&order.id)) => {
                refuse("this order was carried out before")
            }
            Event::Ordered(order, previous) => {
                let journey = Journey {
                    order,
                    previous: *previous,
                    marks: Vec::new(),
                    restarts: 0,
                    trouble: None,
                    rounds: 0,
                };
                Ok(staged(journey, now))
            }
            Event::Done | Event::Failed(_) => Ok((State::Steady { last }, Vec::new())),
            Event::Restarted => Ok((State::Steady { last }, vec![Effect::Tidy])),
            Event::Confirm | Event::Cancel | Event::Rollback => refuse("no order is under way"),
            Event::Authenticated
            | Event::Pending
            | Event::Denied(_)
            | Event::Answered
            | Event::Trouble(_)
            | Event::Lost(_)
            | Event::Round
            | Event::Deadline => refuse(NO_CANDIDATE),
        },

        State::Staged { mut journey } => match event {
            Event::Done => Ok(trial(journey, now)),
            Event::Failed(cause) => Ok(unmoved(journey, cause, now)),
            Event::Cancel | Event::Rollback => Ok(unmoved(journey, cancelled(), now)),
            Event::Restarted => Ok(match restarted(&mut journey) {
                None => staged(journey, now),
                Some(cause) => unmoved(journey, cause, now),
            }),
            Event::Ordered(..) => refuse(BUSY),
            Event::Confirm => refuse(TOO_EARLY),
            Event::Authenticated
            | Event::Pending
            | Event::Denied(_)
            | Event::Answered
            | Event::Trouble(_)
            | Event::Lost(_)
            | Event::Round
            | Event::Deadline => refuse(NO_CANDIDATE),
        },

        State::Trial {
            mut journey,
            deadline,
        } => match event {
            Event::Authenticated => Ok(verifying(journey, now)),
            Event::Pending => Ok(waiting(journey, now)),
            Event::Denied(cause) | Event::Failed(cause) => Ok(rolling_back(journey, cause, now)),
            Event::Deadline if now >= deadline => {
                let cause = journey.trouble.clone().unwrap_or_else(|| {
                    Cause::new("timeout", "the new master did not authenticate us in time")
                });
                Ok(rolling_back(journey, cause, now))
            }
            Event::Cancel | Event::Rollback => Ok(rolling_back(journey, cancelled(), now)),
            Event::Restarted => Ok(match restarted(&mut journey) {
                None => {
                    let effects = vec![Effect::Open(journey.order.clone())];
                    let deadline = clamp(deadline, trial_time(&journey), now);
                    (State::Trial { journey, deadline }, effects)
                }
                Some(cause) => rolling_back(journey, cause, now),
            }),
            // The candidate tries again by itself until the deadline.
            Event::Done | Event::Lost(_) | Event::Deadline => {
                Ok((State::Trial { journey, deadline }, Vec::new()))
            }
            Event::Trouble(cause) => {
                journey.trouble = Some(cause);
                Ok((State::Trial { journey, deadline }, Vec::new()))
            }
            Event::Ordered(..) => refuse(BUSY),
            Event::Confirm => refuse(TOO_EARLY),
            Event::Answered | Event::Round => refuse("nothing was asked yet"),
        },

        State::Waiting {
            mut journey,
            deadline,
        } => match event {
            Event::Authenticated => Ok(verifying(journey, now)),
            Event::Denied(cause) | Event::Failed(cause) => Ok(rolling_back(journey, cause, now)),
            Event::Deadline if now >= deadline => {
                let cause = Cause::new("pending", "the new master did not accept our key in time");
                Ok(rolling_back(journey, cause, now))
            }
            Event::Cancel | Event::Rollback => Ok(rolling_back(journey, cancelled(), now)),
            Event::Restarted => Ok(match restarted(&mut journey) {
                None => {
                    let effects = vec![Effect::Open(journey.order.clone())];
                    let deadline = clamp(deadline, journey.order.wait * 1000, now);
                    (State::Waiting { journey, deadline }, effects)
                }
                Some(cause) => rolling_back(journey, cause, now),
            }),
            Event::Done | Event::Pending | Event::Lost(_) | Event::Deadline => {
                Ok((State::Waiting { journey, deadline }, Vec::new()))
            }
            Event::Trouble(cause) => {
                journey.trouble = Some(cause);
                Ok((State::Waiting { journey, deadline }, Vec::new()))
            }
            Event::Ordered(..) => refuse(BUSY),
            Event::Confirm => refuse(TOO_EARLY),
            Event::Answered | Event::Round => refuse("nothing was asked yet"),
        },

        State::Verifying {
            mut journey,
            deadline,
        } => match event {
            Event::Answered => Ok(committing(journey, now)),
            Event::Pending => Ok(waiting(journey, now)),
            Event::Denied(cause) | Event::Failed(cause) | Event::Lost(cause) => {
                Ok(rolling_back(journey, cause, now))
            }
            Event::Deadline if now >= deadline => {
                let cause = Cause::new("timeout", "the new master did not answer a round trip");
                Ok(rolling_back(journey, cause, now))
            }
            Event::Cancel | Event::Rollback => Ok(rolling_back(journey, cancelled(), now)),
            // The candidate went with the process: it has to authenticate again.
            Event::Restarted => Ok(match restarted(&mut journey) {
                None => {
                    let effects = vec![Effect::Open(journey.order.clone())];
                    let deadline = now + trial_time(&journey);
                    (State::Trial { journey, deadline }, effects)
                }
                Some(cause) => rolling_back(journey, cause, now),
            }),
            Event::Done | Event::Authenticated | Event::Trouble(_) | Event::Deadline => {
                Ok((State::Verifying { journey, deadline }, Vec::new()))
            }
            Event::Ordered(..) => refuse(BUSY),
            Event::Confirm => refuse(TOO_EARLY),
            Event::Round => refuse("the move is not done yet"),
        },

        State::Committing { journey } => match event {
            Event::Done => Ok(committed(journey, now)),
            // Somebody else writes our files too: what they mean to say is an operator's to decide, on the
            // master that was there before. It is still attached.
            Event::Failed(cause) if cause.is_foreign() => Ok(returning(journey, cause, now)),
            Event::Failed(_) => {
                let mut effects = vec![Effect::Pause];
                effects.extend(switch(&journey));
                Ok((State::Committing { journey }, effects))
            }
            Event::Restarted => {
                let effects = switch(&journey);
                Ok((State::Committing { journey }, effects))
            }
            Event::Authenticated
            | Event::Pending
            | Event::Denied(_)
            | Event::Answered
            | Event::Trouble(_)
            | Event::Lost(_)
            | Event::Round
            | Event::Deadline => Ok((State::Committing { journey }, Vec::new())),
            Event::Ordered(..) => refuse(BUSY),
            Event::Cancel | Event::Confirm | Event::Rollback => {
                refuse("the move is being committed; ask again when that is done")
            }
        },

        State::Probation {
            mut journey,
            deadline,
        } => match event {
            Event::Confirm => Ok(confirmed(journey, now)),
            Event::Round if journey.order.rounds > journey.rounds + 1 => {
                journey.rounds += 1;
                Ok((State::Probation { journey, deadline }, Vec::new()))
            }
            Event::Round if journey.order.rounds > 0 => Ok(confirmed(journey, now)),
            Event::Denied(cause) | Event::Lost(cause) => Ok(returning(journey, cause, now)),
            Event::Deadline if now >= deadline => {
                let cause = Cause::new("unconfirmed", "nobody confirmed the move in time");
                Ok(returning(journey, cause, now))
            }
            Event::Rollback => Ok(returning(journey, cancelled(), now)),
            Event::Restarted => {
                let deadline = clamp(deadline, journey.order.confirm * 1000, now);
                let effects = vec![tell(&journey, Stage::Committed, None, now)];
                Ok((State::Probation { journey, deadline }, effects))
            }
            Event::Done
            | Event::Failed(_)
            | Event::Authenticated
            | Event::Pending
            | Event::Answered
            | Event::Trouble(_)
            | Event::Round
            | Event::Deadline => Ok((State::Probation { journey, deadline }, Vec::new())),
            Event::Ordered(..) => refuse("the last move awaits its confirmation"),
            Event::Cancel => refuse("the move is done: confirm it, or roll it back"),
        },

        State::Returning { journey, cause } => match event {
            Event::Done => Ok(given_up(journey, cause, now)),
            Event::Failed(_) => {
                let mut effects = vec![Effect::Pause];
                effects.extend(go_back(&journey, &cause, now));
                Ok((State::Returning { journey, cause }, effects))
            }
            Event::Restarted => {
                let effects = go_back(&journey, &cause, now);
                Ok((State::Returning { journey, cause }, effects))
            }
            Event::Authenticated
            | Event::Pending
            | Event::Denied(_)
            | Event::Answered
            | Event::Trouble(_)
            | Event::Lost(_)
            | Event::Round
            | Event::Deadline => Ok((State::Returning { journey, cause }, Vec::new())),
            Event::Ordered(..) => refuse(BUSY),
            Event::Cancel | Event::Confirm | Event::Rollback => {
                refuse("the agent is on its way back to the old master")
            }
        },

        State::RollingBack { journey, cause } => match event {
            Event::Done => Ok(given_up(journey, cause, now)),
            Event::Failed(_) => {
                let mut effects = vec![Effect::Pause];
                effects.extend(give_up(&journey, &cause, now));
                Ok((State::RollingBack { journey, cause }, effects))
            }
            Event::Restarted => {
                let effects = give_up(&journey, &cause, now);
                Ok((State::RollingBack { journey, cause }, effects))
            }
            Event::Authenticated
            | Event::Pending
            | Event::Denied(_)
            | Event::Answered
            | Event::Trouble(_)
            | Event::Lost(_)
            | Event::Round
            | Event::Deadline => Ok((State::RollingBack { journey, cause }, Vec::new())),
            Event::Ordered(..) => refuse(BUSY),
            Event::Cancel | Event::Confirm | Event::Rollback => {
                refuse("the move is being rolled back")
            }
        },
    }
}

const BUSY: &str = "another order is under way";
const TOO_EARLY: &str = "the move is not done yet";
const NO_CANDIDATE: &str = "there is no candidate session";

fn staged(journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::Staged, now);
    let effects = vec![
        tell(&journey, Stage::Staged, None, now),
        Effect::Check(journey.order.clone()),
    ];
    (State::Staged { journey }, effects)
}

fn trial(journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::Trial, now);
    let effects = vec![
        tell(&journey, Stage::Trial, None, now),
        Effect::Open(journey.order.clone()),
    ];
    let deadline = now + trial_time(&journey);
    (State::Trial { journey, deadline }, effects)
}

fn trial_time(journey: &Journey) -> Millis {
    (journey.order.wait * 1000).clamp(TRIAL.0, TRIAL.1)
}

fn waiting(journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::Waiting, now);
    // From the first time on: a key that comes and goes must not wait for ever.
    let since = journey
        .marks
        .iter()
        .find(|m| m.stage == Stage::Waiting)
        .map_or(now, |m| m.at);
    let deadline = clamp(
        since + journey.order.wait * 1000,
        journey.order.wait * 1000,
        now,
    );
    let effects = vec![tell(&journey, Stage::Waiting, None, now)];
    (State::Waiting { journey, deadline }, effects)
}

fn verifying(mut journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    journey.trouble = None;
    let effects = vec![Effect::Verify(journey.order.clone())];
    let test_run = journey.order.changes.map_or(0, |_| TEST_RUN);
    let deadline = now + VERIFY + test_run;
    (State::Verifying { journey, deadline }, effects)
}

fn committing(journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::Verified, now);
    let mut effects = vec![tell(&journey, Stage::Verified, None, now)];
    effects.extend(switch(&journey));
    (State::Committing { journey }, effects)
}

fn switch(journey: &Journey) -> Vec<Effect> {
    vec![
        Effect::Switch(Box::new(journey.clone())),
        Effect::Promote(Which::New(journey.order.clone())),
    ]
}

fn committed(journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::Committed, now);
    let mut effects = vec![tell(&journey, Stage::Committed, None, now), Effect::Release];
    if journey.order.highstate {
        effects.push(Effect::Highstate);
    }
    if journey.order.confirm == 0 {
        effects.push(Effect::Tidy);
        let last = outcome(journey, Stage::Committed, None, now);
        return (State::Steady { last }, effects);
    }
    let deadline = now + journey.order.confirm * 1000;
    (State::Probation { journey, deadline }, effects)
}

fn confirmed(journey: Journey, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::Confirmed, now);
    let tell = tell(&journey, Stage::Confirmed, None, now);
    let last = outcome(journey, Stage::Confirmed, None, now);
    (State::Steady { last }, vec![tell, Effect::Tidy])
}

fn returning(journey: Journey, cause: Cause, now: Millis) -> (State, Vec<Effect>) {
    let effects = go_back(&journey, &cause, now);
    (State::Returning { journey, cause }, effects)
}

fn go_back(journey: &Journey, cause: &Cause, now: Millis) -> Vec<Effect> {
    vec![
        Effect::Restore(Box::new(journey.clone())),
        Effect::Promote(Which::Old(journey.previous.clone())),
        tell(journey, Stage::RolledBack, Some(cause), now),
        Effect::Release,
        Effect::Tidy,
    ]
}

fn rolling_back(journey: Journey, cause: Cause, now: Millis) -> (State, Vec<Effect>) {
    let effects = give_up(&journey, &cause, now);
    (State::RollingBack { journey, cause }, effects)
}

fn give_up(journey: &Journey, cause: &Cause, now: Millis) -> Vec<Effect> {
    vec![
        tell(journey, Stage::RolledBack, Some(cause), now),
        Effect::Release,
        Effect::Tidy,
    ]
}

/// Back to steady from a state that has touched nothing.
fn unmoved(journey: Journey, cause: Cause, now: Millis) -> (State, Vec<Effect>) {
    let tell = tell(&journey, Stage::RolledBack, Some(&cause), now);
    let (state, _) = given_up(journey, cause, now);
    (state, vec![tell])
}

fn given_up(journey: Journey, cause: Cause, now: Millis) -> (State, Vec<Effect>) {
    let journey = mark(journey, Stage::RolledBack, now);
    let last = outcome(journey, Stage::RolledBack, Some(cause), now);
    (State::Steady { last }, Vec::new())
}

fn outcome(journey: Journey, stage: Stage, cause: Option<Cause>, now: Millis) -> Option<Outcome> {
    Some(Outcome {
        id: journey.order.id.clone(),
        master: journey.order.master.clone(),
        stage,
        cause,
        at: now,
        marks: journey.marks.clone(),
        journey: Some(Box::new(journey)),
    })
}

fn tell(journey: &Journey, stage: Stage, cause: Option<&Cause>, now: Millis) -> Effect {
    Effect::Tell(Box::new(Report {
        stage,
        at: now,
        journey: journey.clone(),
        cause: cause.cloned(),
    }))
}

/// Notes a stage when it is reached for the first time.
fn mark(mut journey: Journey, stage: Stage, now: Millis) -> Journey {
    if journey.marks.iter().all(|m| m.stage != stage) {
        journey.marks.push(Mark { stage, at: now });
    }
    journey
}

fn cancelled() -> Cause {
    Cause::new("cancelled", "an operator called the move off")
}

/// Counts a restart; an agent that keeps dying on the way must not keep trying.
fn restarted(journey: &mut Journey) -> Option<Cause> {
    journey.restarts += 1;
    (journey.restarts > MAX_RESTARTS).then(|| {
        let detail = format!("the agent started more than {MAX_RESTARTS} times during the move");
        Cause::new("restarts", detail)
    })
}

/// A deadline is never further away than its whole span: the clock may have been set back.
fn clamp(deadline: Millis, span: Millis, now: Millis) -> Millis {
    deadline.min(now.saturating_add(span))
}
