//! Masters by name, as the rest of the agent reaches them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use salt_wire::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::context::{Master, MasterError};
use crate::dispatch::Masters;
use crate::session::{Client, RequestError, Session, Status};

/// Every session that there is, in the order in which they were opened.
#[derive(Default)]
pub struct Links {
    links: RwLock<BTreeMap<String, Link>>,
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
}

/// Blocks the calling thread, which must be none of the runtime's own.
impl Master for Link {
    fn request(&self, load: Map) -> Result<Value, MasterError> {
        let asked = self.client.request(load, self.client.patience());
        self.runtime.block_on(asked).map_err(|e| self.worded(e))
    }

    fn pillar(&self, load: Map) -> Result<Map, MasterError> {
        let asked = self.client.pillar(load, self.client.patience());
        self.runtime.block_on(asked).map_err(|e| self.worded(e))
    }
}

impl Link {
    fn worded(&self, error: RequestError) -> MasterError {
        let master = self.client.master().to_owned();
        match error {
            RequestError::Unreachable(detail) => MasterError::Unreachable { master, detail },
            RequestError::Refused(detail) => MasterError::Refused { master, detail },
        }
    }
}
