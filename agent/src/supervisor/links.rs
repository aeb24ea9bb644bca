//! Masters by name, as the rest of the agent reaches them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use salt_wire::{Map, Value, map};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::context::{Master, MasterError};
use crate::dispatch::Masters;
use crate::session::{Client, RequestError, Session, Status};

/// Every session that there is, in the order in which they were opened.
#[derive(Default)]
pub struct Links {
    links: RwLock<BTreeMap<String, Link>>,
    /// The masters of the configuration: the others are on trial, or about to be left.
    active: RwLock<Vec<String>>,
}

/// How one master is reached.
#[derive(Clone)]
pub struct Link {
    /// Asks it.
    pub client: Client,
    /// Where its session stands.
    pub status: watch::Receiver<Status>,
    /// Its place in the configuration: of several ready masters the lowest one is the first.
    pub rank: usize,
    runtime: Handle,
}

impl Links {
    /// A session was opened.
    pub fn add(&self, session: &Session, rank: usize) {
        let link = Link {
            client: session.client(),
            status: session.status(),
            rank,
            runtime: Handle::current(),
        };
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.insert(session.name().to_owned(), link);
    }

    /// A session's master has another place in the configuration now.
    pub fn set_rank(&self, name: &str, rank: usize) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get_mut(name) {
            link.rank = rank;
        }
    }

    /// These are our masters from now on.
    pub fn set_active(&self, names: Vec<String>) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// A session was closed.
    pub fn remove(&self, name: &str) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.remove(name);
    }

    /// One by its name.
    pub fn get(&self, name: &str) -> Option<Link> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        links.get(name).cloned()
    }

    /// All of them by name.
    pub fn all(&self) -> Vec<(String, Link)> {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = links.iter().map(|(n, l)| (n.clone(), l.clone())).collect();
        all.sort_by_key(|(_, link)| link.rank);
        all
    }

    /// The ready one with the lowest rank: where what no master asked for goes.
    pub fn first_ready(&self) -> Option<(String, Link)> {
        let mut all = self.all().into_iter();
        all.find(|(_, link)| link.status.borrow().state.is_ready())
    }
}

impl Masters for Links {
    fn link(&self, master: &str) -> Option<Arc<dyn Master>> {
        self.get(master)
            .map(|link| Arc::new(link) as Arc<dyn Master>)
    }

    fn bystander(&self, master: &str) -> Option<String> {
        let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
        let other = !master.is_empty() && !active.is_empty() && !active.iter().any(|a| a == master);
        other.then(|| {
            format!(
                "{master} is not the active master of this minion (not-active-master); {} is",
                active.join(", ")
            )
        })
    }
}

impl Master for Link {
    fn request(&self, load: Map) -> Result<Value, MasterError> {
        self.asking().request(load)
    }

    fn pillar(&self, load: Map) -> Result<Map, MasterError> {
        self.asking().pillar(load)
    }

    fn registers_resources(&self) -> Result<bool, MasterError> {
        self.asking().registers_resources()
    }
}

impl Link {
    fn asking(&self) -> Asking {
        Asking {
            client: self.client.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

/// A master that can be asked for as long as its client lives, whether or not it has a session here.
pub(super) fn asking(client: Client) -> Arc<dyn Master> {
    let runtime = Handle::current();
    Arc::new(Asking { client, runtime })
}

struct Asking {
    client: Client,
    runtime: Handle,
}

/// Blocks the calling thread, which must be none of the runtime's own.
impl Master for Asking {
    fn request(&self, load: Map) -> Result<Value, MasterError> {
        let asked = self.client.request(load, self.client.patience());
        self.runtime.block_on(asked).map_err(|e| self.worded(e))
    }

    fn pillar(&self, load: Map) -> Result<Map, MasterError> {
        let asked = self.client.pillar(load, self.client.patience());
        self.runtime.block_on(asked).map_err(|e| self.worded(e))
    }

    /// Asks as a minion of 3008 does at its start; we manage nothing for others, and say so. Once for each set of keys:
    /// an older master logs an error for it.
    fn registers_resources(&self) -> Result<bool, MasterError> {
        if let Some(known) = self.client.noted() {
            return Ok(known);
        }
        let load = map! {
            "cmd" => "_register_resources", "resources" => Map::new(), "resource_grains" => Map::new(),
        };
        let known = self.request(load)? == Value::Bool(true);
        self.client.note(known);
        Ok(known)
    }
}

impl Asking {
    fn worded(&self, error: RequestError) -> MasterError {
        let master = self.client.master().to_owned();
        match error {
            RequestError::Unreachable(detail) => MasterError::Unreachable { master, detail },
            RequestError::Refused(detail) => MasterError::Refused { master, detail },
        }
    }
}
