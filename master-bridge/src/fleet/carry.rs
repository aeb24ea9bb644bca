//! Carrying minions across: order, follow, verify on the new master, confirm or call back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use salt_wire::Value;

use super::Goal;
use crate::error::Result;
use crate::output::Output;
use crate::salt::job::{self, Patience};
use crate::salt::{Event, Job, Local, Master};

/// How one minion's move ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// On the new master, verified and confirmed.
    Moved {
        /// From order to confirmation, in seconds.
        seconds: f64,
    },
    /// Sent off; nobody here can see the new master, so somebody confirms it there.
    Unverified,
    /// Not moved, or gone back.
    Failed {
        /// Its reason code.
        reason: String,
        /// What happened.
        detail: String,
    },
}

/// A new master needs no longer than this beyond what it may wait.
const SLACK: Duration = Duration::from_secs(240);
/// Events may be lost with a session: ask now and then.
const ASK_AGAIN: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(200);

/// Carries these minions across, all at once. `keep` decides, when all have arrived or failed, whether
/// those that arrived are confirmed or called back.
pub async fn carry(
    old: &mut Local,
    goal: &mut Goal,
    ids: &[String],
    patience: Patience,
    output: &Output,
    keep: impl Fn(usize) -> bool,
) -> Result<BTreeMap<String, End>> {
    let start = Instant::now();
    let mut ends: BTreeMap<String, End> = BTreeMap::new();
    if let Some(new) = goal.master.as_mut() {
        // Attached before the first order, so that no event is missed.
        new.event(Duration::ZERO).await?;
    }
    let mut order = Job::for_ids(ids, "remaster.to");
    order.kwargs = goal.order.clone();
    let taken = job::run(old, &order, patience, &mut |_| {}).await?;
    for id in ids {
        match taken.of(id) {
            Some(answer) if answer.is_good() && answer.value.as_map().is_some() => {}
            Some(answer) => {
                let detail = answer
                    .value
                    .as_str()
                    .unwrap_or("no reason given")
                    .to_owned();
                fail(&mut ends, output, id, "refused", &detail);
            }
            None => fail(
                &mut ends,
                output,
                id,
                "no-answer",
                "it did not take the order",
            ),
        }
    }
    let Some(new) = goal.master.as_mut() else {
        for id in ids
            .iter()
            .filter(|id| !ends.contains_key(*id))
            .cloned()
            .collect::<Vec<_>>()
        {
            ends.insert(id, End::Unverified);
        }
        return Ok(ends);
    };

    let mut arrived: Vec<String> = Vec::new();
    let deadline = start + Duration::from_secs(goal.wait) + SLACK;
    let mut ask = Instant::now() + ASK_AGAIN;
    loop {
        let open: Vec<String> = ids
            .iter()
            .filter(|id| !ends.contains_key(*id) && !arrived.contains(id))
            .cloned()
            .collect();
        if open.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            for id in &open {
                fail(
                    &mut ends,
                    output,
                    id,
                    "timeout",
                    "nothing was heard of it any more",
                );
            }
            break;
        }
        for event in [new.event(GLANCE).await?, old.event(GLANCE).await?]
            .into_iter()
            .flatten()
        {
            if let Some(word) = Word::of(&event)
                && open.contains(&word.id)
                && !ends.contains_key(&word.id)
                && !arrived.contains(&word.id)
            {
                output.say(&format!("{}: {}", word.id, word.told()));
                match word.stage.as_str() {
                    "committed" => arrived.push(word.id),
                    "rolled_back" => fail(&mut ends, output, &word.id, &word.reason, &word.detail),
                    _ => {}
                }
            }
        }
        if Instant::now() >= ask {
            for id in probe(new, &open, patience).await? {
                if !arrived.contains(&id) {
                    arrived.push(id);
                }
            }
            ask = Instant::now() + ASK_AGAIN;
        }
    }

    // The word of the minion is not enough: each must answer over the new master.
    let mut alive = Vec::new();
    if !arrived.is_empty() {
        let ping = Job::for_ids(&arrived, "test.ping");
        let pong = job::run(new, &ping, patience, &mut |_| {}).await?;
        for id in &arrived {
            if pong.of(id).is_some_and(|r| r.value == Value::Bool(true)) {
                alive.push(id.clone());
            } else {
                fail(
                    &mut ends,
                    output,
                    id,
                    "no-answer",
                    "it does not answer on the new master",
                );
            }
        }
    }
    let failed = ends.len();
    let (fun, word) = if keep(failed) {
        ("remaster.confirm", "confirmed")
    } else {
        ("remaster.rollback", "called back")
    };
    let back: Vec<String> = if fun == "remaster.rollback" {
        arrived.clone()
    } else {
        alive.clone()
    };
    if !back.is_empty() {
        let job = Job::for_ids(&back, fun);
        let answers = job::run(new, &job, patience, &mut |_| {}).await?;
        for id in &alive {
            match answers.of(id) {
                Some(answer) if answer.is_good() && fun == "remaster.confirm" => {
                    let seconds = start.elapsed().as_secs_f64();
                    output.say(&format!("{id}: {word} after {seconds:.1} s"));
                    ends.insert(id.clone(), End::Moved { seconds });
                }
                _ if fun == "remaster.rollback" => {
                    fail(
                        &mut ends,
                        output,
                        id,
                        "called-back",
                        "too many others failed",
                    );
                }
                answer => {
                    let text = answer.and_then(|a| a.value.as_str()).unwrap_or("no answer");
                    fail(&mut ends, output, id, "unconfirmed", text);
                }
            }
        }
    }
    Ok(ends)
}

/// Who of these says over the new master that it is there and awaits its confirmation.
async fn probe(new: &mut Local, ids: &[String], patience: Patience) -> Result<Vec<String>> {
    let quick = Patience {
        gather: Duration::from_secs(1),
        timeout: patience.timeout.min(Duration::from_secs(2)),
        ..patience
    };
    let status = Job::for_ids(ids, "remaster.status");
    let answers = job::run(new, &status, quick, &mut |_| {}).await?;
    Ok(answers
        .returns
        .iter()
        .filter(|r| r.value.get("state").and_then(Value::as_str) == Some("probation"))
        .map(|r| r.id.clone())
        .collect())
}

fn fail(ends: &mut BTreeMap<String, End>, output: &Output, id: &str, reason: &str, detail: &str) {
    output.say(&format!("{id}: not moved: {reason}: {detail}"));
    let end = End::Failed {
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    };
    ends.insert(id.to_owned(), end);
}

/// What an agent said about its move.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    id: String,
    stage: String,
    reason: String,
    detail: String,
}

impl Word {
    /// The word in `salt/remaster/<minion id>/<stage>`; the id in the data was verified by the master, the
    /// one in the tag was not.
    fn of(event: &Event) -> Option<Self> {
        let (named, stage) = event.tag.strip_prefix("salt/remaster/")?.split_once('/')?;
        let id = event.data.get("id").and_then(Value::as_str)?;
        let data = event.data.get("data");
        let text = |key| {
            let text = data.and_then(|d| d.get(key)).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        (named == id).then(|| Self {
            id: id.to_owned(),
            stage: stage.to_owned(),
            reason: text("reason"),
            detail: text("detail"),
        })
    }

    fn told(&self) -> String {
        if self.reason.is_empty() {
            self.stage.clone()
        } else {
            format!("{} ({}: {})", self.stage, self.reason, self.detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn only_a_minions_own_word_counts() {
        let event = |id: &str| Event {
            tag: "salt/remaster/m1/rolled_back".into(),
            data: map! {"id" => id, "data" => map! {"reason" => "pending", "detail" => "x"}},
        };
        let word = Word::of(&event("m1")).unwrap();
        assert_eq!(word.told(), "rolled_back (pending: x)");
        assert_eq!(Word::of(&event("evil")), None);
    }
}
