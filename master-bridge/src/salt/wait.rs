//! Who is waited for, and for how long: the algorithm of the `salt` command, as a machine without sockets.
//!
//! Everyone who is expected has `timeout`. Then those that are missing are asked with `saltutil.find_job`
//! and have `gather` to say that they still work; whoever does gets a fresh `timeout`, and so on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use salt_wire::Value;

use super::Event;

/// One minion's answer to a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// Who.
    pub id: String,
    /// What the function returned.
    pub value: Value,
    /// Its return code.
    pub retcode: i128,
    /// Whether the minion calls it a success.
    pub success: bool,
}

impl Return {
    /// The answer in an event's data, if it is one.
    fn of(event: &Event) -> Option<Self> {
        let data = &event.data;
        Some(Self {
            id: data.get("id")?.as_str()?.to_owned(),
            value: data.get("return")?.clone(),
            retcode: match data.get("retcode") {
                Some(Value::Int(code)) => *code,
                Some(Value::Bool(true)) => 1,
                _ => 0,
            },
            success: data.get("success").is_none_or(Value::is_truthy),
        })
    }

    /// Whether all is well: success and a return code of 0.
    pub fn is_good(&self) -> bool {
        self.success && self.retcode == 0
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Wait for events until then.
    Until(Instant),
    /// Publish `saltutil.find_job` to these and call [`Wait::probed`].
    Probe(Vec<String>),
    /// Everything that will come has come.
    Finished,
}

/// The state of waiting for one job.
#[derive(Debug)]
pub struct Wait {
    jid: String,
    timeout: Duration,
    gather: Duration,
    expected: BTreeSet<String>,
    returned: BTreeSet<String>,
    deadline: Instant,
    last: Instant,
    probe: Option<Probe>,
}

#[derive(Debug)]
struct Probe {
    jid: String,
    /// Who said what; `true` is still running.
    answers: BTreeMap<String, bool>,
    asked: usize,
}

/// A return that was on its way while its minion said "not running" is waited for this long.
const GRACE: Duration = Duration::from_millis(500);

impl Wait {
    /// Waiting for these minions from now on; `most` ends it even if someone still works.
    pub fn new(
        jid: &str,
        minions: &[String],
        (timeout, gather): (Duration, Duration),
        most: Duration,
        now: Instant,
    ) -> Self {
        Self {
            jid: jid.to_owned(),
            timeout,
            gather,
            expected: minions.iter().cloned().collect(),
            returned: BTreeSet::new(),
            deadline: now + timeout,
            last: now + most,
            probe: None,
        }
    }

    /// Who is expected and has not answered.
    pub fn missing(&self) -> Vec<String> {
        self.expected.difference(&self.returned).cloned().collect()
    }

    /// Takes an event; gives the return in it if it belongs to the job and is new.
    pub fn event(&mut self, event: &Event, now: Instant) -> Option<Return> {
        let rest = event.tag.strip_prefix("salt/job/")?;
        let (jid, what) = rest.split_once('/')?;
        if jid == self.jid {
            if what == "new" {
                let minions = event.data.get("minions").and_then(Value::as_list);
                let ids = minions.unwrap_or_default().iter().filter_map(Value::as_str);
                self.expected.extend(ids.map(str::to_owned));
                return None;
            }
            if !what.starts_with("ret/") {
                return None;
            }
            let answer = Return::of(event)?;
            return self.returned.insert(answer.id.clone()).then_some(answer);
        }
        let probe = self.probe.as_mut().filter(|p| p.jid == jid)?;
        if what.starts_with("ret/") {
            let answer = Return::of(event)?;
            let running = answer.value.as_map().is_some_and(|m| !m.is_empty());
            probe
                .answers
                .insert(answer.id, running && answer.retcode == 0);
            if probe.answers.len() >= probe.asked {
                let pause = if probe.answers.values().any(|running| *running) {
                    self.timeout
                } else {
                    GRACE
                };
                self.deadline = self.deadline.min(now + pause).max(now);
                if probe.answers.values().any(|running| *running) {
                    self.deadline = now + self.timeout;
                }
            }
        }
        None
    }

    /// The probe was published as this job to this many.
    pub fn probed(&mut self, jid: &str, asked: usize, now: Instant) {
        self.probe = Some(Probe {
            jid: jid.to_owned(),
            answers: BTreeMap::new(),
            asked,
        });
        self.deadline = now + self.gather;
    }

    /// What is to be done at this time.
    pub fn next(&mut self, now: Instant) -> Next {
        let missing = self.missing();
        if missing.is_empty() || now >= self.last {
            return Next::Finished;
        }
        if now < self.deadline {
            return Next::Until(self.deadline.min(self.last));
        }
        match self.probe.take() {
            None => Next::Probe(missing),
            Some(probe) => {
                let running: Vec<String> = missing
                    .into_iter()
                    .filter(|id| probe.answers.get(id) == Some(&true))
                    .collect();
                if running.is_empty() {
                    Next::Finished
                } else {
                    Next::Probe(running)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::{Map, map};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn event(tag: &str, data: Map) -> Event {
        Event {
            tag: tag.into(),
            data,
        }
    }

    fn ret(jid: &str, id: &str, value: impl Into<Value>) -> Event {
        event(
            &format!("salt/job/{jid}/ret/{id}"),
            map! {"id" => id, "return" => value.into(), "retcode" => 0, "success" => true},
        )
    }

    fn waiting(now: Instant) -> Wait {
        let minions = ["a".to_owned(), "b".to_owned()];
        Wait::new("1", &minions, (5 * SECOND, 10 * SECOND), 100 * SECOND, now)
    }

    #[test]
    fn all_answers_end_it_at_once() {
        let now = Instant::now();
        let mut wait = waiting(now);
        assert_eq!(wait.next(now), Next::Until(now + 5 * SECOND));
        assert!(wait.event(&ret("2", "a", true), now).is_none());
        assert!(wait.event(&ret("1", "a", true), now).unwrap().is_good());
        assert!(
            wait.event(&ret("1", "a", true), now).is_none(),
            "a duplicate"
        );
        assert_eq!(wait.missing(), ["b"]);
        wait.event(&ret("1", "b", true), now);
        assert_eq!(wait.next(now), Next::Finished);
    }

    #[test]
    fn an_unexpected_answer_counts_but_is_not_waited_for() {
        let now = Instant::now();
        let mut wait = waiting(now);
        assert!(wait.event(&ret("1", "stranger", 1), now).is_some());
        assert_eq!(wait.missing(), ["a", "b"]);
        let new = map! {"minions" => vec!["c"]};
        wait.event(&event("salt/job/1/new", new), now);
        assert_eq!(wait.missing(), ["a", "b", "c"]);
    }

    #[test]
    fn a_busy_minion_is_waited_for_and_a_dead_one_is_not() {
        let mut now = Instant::now();
        let mut wait = waiting(now);
        now += 5 * SECOND;
        assert_eq!(wait.next(now), Next::Probe(vec!["a".into(), "b".into()]));
        wait.probed("2", 2, now);
        wait.event(&ret("2", "a", map! {"pid" => 1}), now);
        assert_eq!(wait.next(now), Next::Until(now + 10 * SECOND));
        now += 10 * SECOND;
        // b said nothing: only a is asked again.
        assert_eq!(wait.next(now), Next::Probe(vec!["a".into()]));
        wait.probed("3", 1, now);
        wait.event(&ret("3", "a", map! {"pid" => 1}), now);
        assert_eq!(wait.next(now), Next::Until(now + 5 * SECOND));
        wait.event(&ret("1", "a", "late"), now);
        now += 5 * SECOND;
        assert_eq!(wait.next(now), Next::Finished);
        assert_eq!(wait.missing(), ["b"]);
    }

    #[test]
    fn when_all_say_not_running_only_a_moment_is_waited() {
        let mut now = Instant::now();
        let mut wait = waiting(now);
        wait.event(&ret("1", "b", true), now);
        now += 5 * SECOND;
        assert_eq!(wait.next(now), Next::Probe(vec!["a".into()]));
        wait.probed("2", 1, now);
        wait.event(&ret("2", "a", map! {}), now);
        assert_eq!(wait.next(now), Next::Until(now + GRACE));
        assert_eq!(wait.next(now + GRACE), Next::Finished);
    }

    #[test]
    fn nothing_is_waited_for_longer_than_the_most() {
        let mut now = Instant::now();
        let mut wait = waiting(now);
        let end = now + 100 * SECOND;
        for probe in 0..100 {
            match wait.next(now) {
                Next::Until(then) => now = then,
                Next::Probe(ids) => {
                    let jid = format!("p{probe}");
                    wait.probed(&jid, ids.len(), now);
                    for id in ids {
                        wait.event(&ret(&jid, &id, map! {"pid" => 1}), now);
                    }
                }
                Next::Finished => break,
            }
        }
        assert_eq!(now, end);
    }

    #[test]
    fn a_retcode_and_a_failure_are_no_good_news() {
        let now = Instant::now();
        let mut wait = waiting(now);
        let mut bad = ret("1", "a", "text");
        bad.data.insert("retcode".into(), 2.into());
        assert!(!wait.event(&bad, now).unwrap().is_good());
        let mut bad = ret("1", "b", "text");
        bad.data.insert("success".into(), false.into());
        assert!(!wait.event(&bad, now).unwrap().is_good());
    }
}
