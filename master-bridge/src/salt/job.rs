//! Runs a job to its end: publishes, waits as `wait.rs` says, hands each return over as it comes.

use std::time::{Duration, Instant};

use salt_wire::Value;

use super::wait::{Next, Return, Wait};
use super::{Event, Job, Master};
use crate::error::Result;

/// What became of a job.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Its id.
    pub jid: String,
    /// The answers, in the order in which they came.
    pub returns: Vec<Return>,
    /// Who was expected and did not answer.
    pub silent: Vec<String>,
    /// Who was named and has no accepted key.
    pub unknown: Vec<String>,
}

impl Outcome {
    /// Whether everyone answered, and well.
    pub fn is_good(&self) -> bool {
        self.silent.is_empty()
            && self.unknown.is_empty()
            && self.returns.iter().all(Return::is_good)
    }

    /// One minion's answer, if all went well there.
    pub fn good(&self, id: &str) -> Option<&Value> {
        self.of(id).filter(|r| r.is_good()).map(|r| &r.value)
    }

    /// One minion's answer.
    pub fn of(&self, id: &str) -> Option<&Return> {
        self.returns.iter().find(|r| r.id == id)
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the first question whether a minion still works.
    pub timeout: Duration,
    /// For the answer to that question.
    pub gather: Duration,
    /// In all.
    pub most: Duration,
}

/// Runs a job; `each` sees every return as it comes.
pub async fn run(
    master: &mut dyn Master,
    job: &Job,
    patience: Patience,
    each: &mut dyn FnMut(&Return),
) -> Result<Outcome> {
    hear(master, job, patience, each, &mut |_| {}).await
}

/// Runs a job as [`run`] does; `other` sees what else was on the bus meanwhile.
pub async fn hear(
    master: &mut dyn Master,
    job: &Job,
    patience: Patience,
    each: &mut dyn FnMut(&Return),
    other: &mut dyn FnMut(Event),
) -> Result<Outcome> {
    let published = master.publish(job).await?;
    let mut outcome = Outcome {
        jid: published.jid.clone(),
        unknown: published.missing,
        ..Outcome::default()
    };
    let mut wait = Wait::new(
        &published.jid,
        &published.minions,
        (patience.timeout, patience.gather),
        patience.most,
        Instant::now(),
    );
    loop {
        match wait.next(Instant::now()) {
            Next::Finished => break,
            Next::Until(then) => {
                let within = then.saturating_duration_since(Instant::now());
                let Some(event) = master.event(within).await? else {
                    continue;
                };
                match wait.event(&event, Instant::now()) {
                    Some(answer) => {
                        each(&answer);
                        outcome.returns.push(answer);
                    }
                    None => other(event),
                }
            }
            Next::Probe(ids) => {
                let mut probe = Job::for_ids(&ids, "saltutil.find_job");
                probe.args.push(published.jid.as_str().into());
                let probe = master.publish(&probe).await?;
                wait.probed(&probe.jid, ids.len(), Instant::now());
            }
        }
    }
    outcome.silent = wait.missing();
    Ok(outcome)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;

    use salt_wire::{Map, map};

    use super::super::{Autosign, Pending, Published, Reach};
    use super::*;
    use crate::error::{Error, Kind};
    use crate::salt::keys::Key;

    /// A master of two minions: `a` answers, `dead` does not.
    #[derive(Default)]
    pub(crate) struct Fake {
        pub(crate) jobs: Vec<Job>,
        pub(crate) events: VecDeque<Event>,
    }

    impl Master for Fake {
        fn name(&self) -> String {
            "fake".into()
        }

        fn wheel<'a>(&'a mut self, fun: &'a str, _: Vec<Value>) -> Pending<'a, Value> {
            Box::pin(async move { Err(Error::new(Kind::Failed, fun)) })
        }

        fn publish<'a>(&'a mut self, job: &'a Job) -> Pending<'a, Published> {
            Box::pin(async move {
                self.jobs.push(job.clone());
                let jid = self.jobs.len().to_string();
                if job.fun == "test.ping" {
                    let data = map! {"id" => "a", "return" => true, "retcode" => 0};
                    let tag = format!("salt/job/{jid}/ret/a");
                    self.events.push_back(Event { tag, data });
                }
                Ok(Published {
                    jid,
                    minions: vec!["a".into(), "dead".into()],
                    missing: vec!["none".into()],
                })
            })
        }

        fn event(&mut self, within: Duration) -> Pending<'_, Option<Event>> {
            Box::pin(async move {
                if let Some(event) = self.events.pop_front() {
                    return Ok(Some(event));
                }
                tokio::time::sleep(within).await;
                Ok(None)
            })
        }

        fn runner<'a>(&'a mut self, fun: &'a str, _: Map, _: Duration) -> Pending<'a, Value> {
            Box::pin(async move { Err(Error::new(Kind::Failed, fun)) })
        }

        fn install_key<'a>(&'a mut self, key: &'a Key) -> Pending<'a, ()> {
            Box::pin(async move { Err(Error::new(Kind::Failed, key.id.as_str())) })
        }

        fn patience(&self) -> (Duration, Duration) {
            (Duration::from_millis(20), Duration::from_millis(20))
        }

        fn autosign(&self) -> crate::error::Result<Autosign> {
            Err(crate::error::Error::new(
                crate::error::Kind::Usage,
                "no tokens",
            ))
        }

        fn reach(&mut self) -> Pending<'_, Reach> {
            Box::pin(async move { Err(Error::new(Kind::Failed, "reach")) })
        }
    }

    #[tokio::test]
    async fn a_dead_minion_is_asked_once_and_named() {
        let mut master = Fake::default();
        let job = Job::for_ids(&["a", "dead"], "test.ping");
        let patience = Patience {
            timeout: Duration::from_millis(20),
            gather: Duration::from_millis(20),
            most: Duration::from_secs(5),
        };
        let mut seen = Vec::new();
        let outcome = run(&mut master, &job, patience, &mut |r| {
            seen.push(r.id.clone())
        })
        .await
        .unwrap();
        assert_eq!(seen, ["a"]);
        assert_eq!(outcome.silent, ["dead"]);
        assert_eq!(outcome.unknown, ["none"]);
        assert!(!outcome.is_good());
        let probe = &master.jobs[1];
        assert_eq!(probe.fun, "saltutil.find_job");
        assert_eq!(probe.target, super::super::Target::list(&["dead"]));
        assert_eq!(probe.args, ["1".into()]);
    }
}
