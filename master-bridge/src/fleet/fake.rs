//! A master in memory: its keys, and what minions answer there.

use std::collections::VecDeque;
use std::time::Duration;

use salt_wire::crypto::{OsRandom, PrivateKey, PublicKey};
use salt_wire::{Map, Value, map};

use crate::error::{Error, Kind};
use crate::salt::job::Patience;
use crate::salt::keys::{Key, KeyState};
use crate::salt::{Autosign, Event, Job, Master, Pending, Published, Reach};

const MOMENT: Duration = Duration::from_millis(20);

/// Waits that a test can afford.
pub(crate) const PATIENCE: Patience = Patience {
    timeout: MOMENT,
    gather: MOMENT,
    most: Duration::from_secs(5),
};

/// A key that is like no other.
pub(crate) fn key() -> PublicKey {
    let made = PrivateKey::generate(1024, &mut OsRandom).unwrap();
    made.public().clone()
}

/// The master.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) keys: Vec<Key>,
    /// Who answers what to which function.
    pub(crate) answers: Vec<(&'static str, &'static str, Value)>,
    pub(crate) events: VecDeque<Event>,
    /// How many times more an accepted key is found among those that wait.
    pub(crate) falls_back: usize,
    jobs: usize,
}

impl Fake {
    /// Has a key, in place of another of its id.
    pub(crate) fn hold(&mut self, id: &str, state: KeyState, key: &PublicKey) {
        self.keys.retain(|k| k.id != id);
        self.keys.push(Key {
            id: id.to_owned(),
            state,
            key: Some(key.clone()),
        });
    }

    /// Its keys as ids and states.
    pub(crate) fn held(&self) -> Vec<(&str, KeyState)> {
        self.keys.iter().map(|k| (k.id.as_str(), k.state)).collect()
    }

    fn by_state<T: Into<Value>>(&self, each: impl Fn(Vec<&Key>) -> T) -> Value {
        let states = KeyState::ALL.into_iter().map(|state| {
            let keys = self.keys.iter().filter(|k| k.state == state);
            (state.folder().into(), each(keys.collect()).into())
        });
        Value::Map(states.collect())
    }
}

impl Master for Fake {
    fn name(&self) -> String {
        "fake".into()
    }

    fn wheel<'a>(&'a mut self, fun: &'a str, args: Vec<Value>) -> Pending<'a, Value> {
        Box::pin(async move {
            let meant = |key: &Key| {
                let ids = args[0].get(key.state.folder()).and_then(Value::as_list);
                let mut ids = ids.unwrap_or_default().iter();
                ids.any(|id| id.as_str() == Some(&key.id))
            };
            match fun {
                "key.list_all" => {
                    let ids = |keys: Vec<&Key>| keys.iter().map(|k| k.id.clone()).collect();
                    return Ok(self.by_state::<Vec<String>>(ids));
                }
                "key.print" => {
                    let pem = |k: &&Key| {
                        (
                            k.id.as_str().into(),
                            k.key.as_ref().map_or("no pem", PublicKey::wire_pem).into(),
                        )
                    };
                    return Ok(self.by_state::<Map>(|keys| keys.iter().map(pem).collect()));
                }
                "key.delete_dict" => self.keys.retain(|key| !meant(key)),
                "key.accept_dict" => {
                    let state = match self.falls_back {
                        0 => KeyState::Accepted,
                        _ => KeyState::Pending,
                    };
                    self.falls_back = self.falls_back.saturating_sub(1);
                    for key in self.keys.iter_mut().filter(|key| meant(key)) {
                        key.state = state;
                    }
                }
                other => panic!("nobody calls {other}"),
            }
            Ok(Value::Null)
        })
    }

    fn publish<'a>(&'a mut self, job: &'a Job) -> Pending<'a, Published> {
        Box::pin(async move {
            self.jobs += 1;
            let jid = self.jobs.to_string();
            let accepted = |id: &&str| self.held().contains(&(*id, KeyState::Accepted));
            let minions: Vec<&str> = job.target.tgt.split(',').filter(accepted).collect();
            if minions.is_empty() {
                return Err(Error::new(Kind::NothingMatched, "nobody"));
            }
            let fun = job.fun.as_str();
            let said = self
                .answers
                .iter()
                .filter(|(id, f, _)| minions.contains(id) && *f == fun);
            for (id, _, value) in said {
                let data = map! {"id" => *id, "return" => value.clone(), "retcode" => 0};
                let tag = format!("salt/job/{jid}/ret/{id}");
                self.events.push_back(Event { tag, data });
            }
            Ok(Published {
                jid,
                minions: minions.into_iter().map(str::to_owned).collect(),
                missing: Vec::new(),
            })
        })
    }

    fn runner<'a>(&'a mut self, fun: &'a str, _: Map, _: Duration) -> Pending<'a, Value> {
        panic!("nobody runs {fun}")
    }

    fn install_key<'a>(&'a mut self, key: &'a Key) -> Pending<'a, ()> {
        Box::pin(async move {
            self.keys.push(key.clone());
            Ok(())
        })
    }

    fn event(&mut self, within: Duration) -> Pending<'_, Option<Event>> {
        Box::pin(async move {
            let event = self.events.pop_front();
            if event.is_none() {
                tokio::time::sleep(within).await;
            }
            Ok(event)
        })
    }

    fn patience(&self) -> (Duration, Duration) {
        (PATIENCE.timeout, PATIENCE.gather)
    }

    fn autosign(&self) -> crate::error::Result<Autosign> {
        Err(crate::error::Error::new(
            crate::error::Kind::Usage,
            "no tokens",
        ))
    }

    fn reach(&mut self) -> Pending<'_, Reach> {
        panic!("nobody asks")
    }
}
