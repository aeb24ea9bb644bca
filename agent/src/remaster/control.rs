//! What operators ask, as maps: the same request from a job (`remaster.to`), the control socket and the
//! command line, and the same answer to each.
//!
//! # What is answered
//!
//! Keys stay as they are; there may be more of them one day. Times are seconds.
//!
//! `remaster.to`, `.status`, `.confirm`, `.cancel`, `.rollback`, and `.order` with an order to move:
//!
//! ```text
//! state         steady, staged, trial, waiting, verifying, committing, probation, returning, rolling_back
//! order         the order's fields (not when steady)
//! from          the old masters, joined with ", " (not when steady)
//! since         {stage: seconds spent in it}
//! seconds_left  until the deadline of this state, if it has one
//! trouble       {reason, detail}: what keeps the new master away at the moment
//! rounds        round trips answered so far, when the order asks for some
//! restarts      how often the agent started again on the way
//! reason detail while returning and rolling_back
//! last          {id, master, outcome: committed|confirmed|rolled_back, ago, durations, reason?, detail?}
//! ```
//!
//! `remaster.check`, in the order in which they are made: `configuration`, `name`, `request port`, `publish port`,
//! `fingerprint`, `authentication`, `key`, `clock`, `pillar`, `highstate`, each
//!
//! ```text
//! ok            true or false; null if it was not made
//! seconds       how long it took
//! reason detail why not (a reason code, and a sentence)
//! skipped       why it was not made
//! found         what was seen: addresses, fingerprint, version, pillar keys that are missing there, changes
//! ```
//!
//! What needs our key to be shown to the new master is made only with `auth=True`: a master that does not know the
//! key would keep it as pending. `fingerprint` alone can be proven before that, if the order brings the
//! master's public key (`key`).
//!
//! `remaster.rekey`, and `.order` with an order or certificate for a master that keeps its address:
//! `{state: permitted|known, master, finger, expires}`; the key is taken when the master shows it.

use std::time::Duration;

use salt_wire::map;
use salt_wire::order::Order;
use salt_wire::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::driver::{Look, Request};
use super::event::Event;
use super::state::{Mark, Millis, State};

/// The daemon answers while it carries an effect out, at the latest after the slowest of them.
const PATIENCE: Duration = Duration::from_secs(60);
/// A look may run a whole highstate with `test=True`.
const LOOK: Duration = Duration::from_mins(20);

/// Serves `{"do": "to" | "check" | "status" | "confirm" | "cancel" | "rollback", "order": {…}}`.
pub async fn serve(
    request: &Map,
    machine: &mpsc::Sender<Request>,
    now: Millis,
) -> Result<Map, String> {
    let action = request.get("do").and_then(Value::as_str).unwrap_or("");
    match action {
        "to" | "check" => {
            let empty = Map::new();
            let fields = request
                .get("order")
                .and_then(Value::as_map)
                .unwrap_or(&empty);
            let fallback = format!("r{now}");
            let order =
                Order::from_map(fields, now / 1000, &fallback).map_err(|e| e.to_string())?;
            if action == "check" {
                let flag = |name| request.get(name).is_some_and(Value::is_truthy);
                let look = Look {
                    order,
                    pinned: !flag("unpinned"),
                    auth: flag("auth"),
                };
                return ask_for(LOOK, machine, |answer| Request::Check(look, answer)).await;
            }
            if order.rekey {
                return ask(machine, |answer| Request::Permit(order, answer)).await?;
            }
            let state = ask(machine, |answer| Request::To(order, answer)).await??;
            Ok(describe(&state, now))
        }
        "confirm" => operator(machine, Event::Confirm, now).await,
        "cancel" => operator(machine, Event::Cancel, now).await,
        "rollback" => operator(machine, Event::Rollback, now).await,
        "status" => Ok(describe(&ask(machine, Request::Status).await?, now)),
        other => Err(format!("remaster: \"{}\" is unknown", other.escape_debug())),
    }
}

async fn operator(
    machine: &mpsc::Sender<Request>,
    event: Event,
    now: Millis,
) -> Result<Map, String> {
    let state = ask(machine, |answer| Request::Operator(event, answer)).await??;
    Ok(describe(&state, now))
}

async fn ask<T>(
    machine: &mpsc::Sender<Request>,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, String> {
    ask_for(PATIENCE, machine, request).await
}

async fn ask_for<T>(
    patience: Duration,
    machine: &mpsc::Sender<Request>,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, String> {
    let (answer, wait) = oneshot::channel();
    let asked = async {
        machine.send(request(answer)).await.ok()?;
        wait.await.ok()
    };
    match timeout(patience, asked).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err("remaster: the agent is shutting down".into()),
        Err(_) => Err(format!(
            "remaster: no answer within {} s",
            patience.as_secs()
        )),
    }
}

/// A state as `remaster.status` shows it.
pub fn describe(state: &State, now: Millis) -> Map {
    let mut shown = map! {"state" => state.name()};
    if let Some(journey) = state.journey() {
        shown.insert("order".into(), journey.order.to_map().into());
        shown.insert("from".into(), journey.previous.master.as_str().into());
        shown.insert("since".into(), durations(&journey.marks, now).into());
        if let Some(trouble) = &journey.trouble {
            let trouble =
                map! {"reason" => trouble.code.as_str(), "detail" => trouble.detail.as_str()};
            shown.insert("trouble".into(), trouble.into());
        }
        if journey.order.rounds > 0 {
            shown.insert("rounds".into(), journey.rounds.into());
        }
        if journey.restarts > 0 {
            shown.insert("restarts".into(), u64::from(journey.restarts).into());
        }
    }
    if let Some(deadline) = state.deadline() {
        let left = deadline.saturating_sub(now) as f64 / 1000.0;
        shown.insert("seconds_left".into(), left.into());
    }
    if let State::Returning { cause, .. } | State::RollingBack { cause, .. } = state {
        shown.insert("reason".into(), cause.code.as_str().into());
        shown.insert("detail".into(), cause.detail.as_str().into());
    }
    if let State::Steady { last: Some(last) } = state {
        let mut end = map! {
            "id" => last.id.as_str(),
            "master" => last.master.as_str(),
            "outcome" => last.stage.name(),
            "ago" => now.saturating_sub(last.at) as f64 / 1000.0,
            "durations" => durations(&last.marks, last.at),
        };
        if let Some(cause) = &last.cause {
            end.insert("reason".into(), cause.code.as_str().into());
            end.insert("detail".into(), cause.detail.as_str().into());
        }
        shown.insert("last".into(), end.into());
    }
    shown
}

/// Seconds from each stage to the next, and from the last one until `end`.
pub fn durations(marks: &[Mark], end: Millis) -> Map {
    let mut spent = Map::new();
    for (n, mark) in marks.iter().enumerate() {
        let until = marks.get(n + 1).map_or(end, |next| next.at);
        let seconds = until.saturating_sub(mark.at) as f64 / 1000.0;
        spent.insert(mark.stage.name().into(), seconds.into());
    }
    spent
}

#[cfg(test)]
mod tests {
    use super::super::state::{Cause, Outcome, Stage};
    use super::*;

    #[test]
    fn the_last_outcome_is_told_with_its_reason_and_durations() {
        let mark = |stage, at| Mark { stage, at };
        let state = State::Steady {
            last: Some(Outcome {
                id: "o1".into(),
                master: "new".into(),
                stage: Stage::RolledBack,
                cause: Some(Cause::new("pending", "not accepted")),
                at: 4_000,
                marks: vec![mark(Stage::Staged, 1_000), mark(Stage::Trial, 1_500)],
                journey: None,
            }),
        };
        let last = map! {
            "id" => "o1",
            "master" => "new",
            "outcome" => "rolled_back",
            "ago" => 1.0,
            "durations" => map! {"staged" => 0.5, "trial" => 2.5},
            "reason" => "pending",
            "detail" => "not accepted",
        };
        let expected = map! {"state" => "steady", "last" => last};
        assert_eq!(describe(&state, 5_000), expected);
    }

    #[tokio::test]
    async fn mistakes_never_reach_the_machine() {
        let (machine, _inbox) = mpsc::channel(1);
        for request in [
            map! {},
            map! {"do" => "dance"},
            map! {"do" => "to"},
            map! {"do" => "to", "order" => map! {"master" => "new"}},
        ] {
            assert!(serve(&request, &machine, 0).await.is_err());
        }
    }
}
