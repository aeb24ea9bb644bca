//! Our key pair and what speaks for a master's key, as a session asks for them.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use salt_wire::channel::handshake::{Terms, Ticket};
use salt_wire::channel::trust::Distrust;
use salt_wire::crypto::PrivateKey;
use salt_wire::error::Reason;
use salt_wire::frame::Version;
use salt_wire::{Map, Value};

use crate::config::{MasterAddress, Settings};
use crate::context::Facts;
use crate::keys::{self, KeyError, Store};
use crate::session::{self, Trouble, told};

/// Our pair, read or made once however many sessions ask for it.
pub struct Pair {
    store: Store,
    key: Mutex<Option<Arc<PrivateKey>>>,
}

impl Pair {
    /// The pair of this configuration.
    pub fn of(settings: &Settings) -> Self {
        Self {
            store: Store::of(settings),
            key: Mutex::new(None),
        }
    }

    /// The private key, if it was read already.
    pub fn known(&self) -> Option<Arc<PrivateKey>> {
        // Whoever makes a new one holds this for seconds.
        self.key.try_lock().ok().and_then(|key| key.clone())
    }

    /// The private key; blocks while a new one is made. `saltutil.regen_keys` takes the file away: then the
    /// one in memory is not used again.
    pub fn key(&self) -> Result<Arc<PrivateKey>, KeyError> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        match &*key {
            Some(key) if self.store.private_file().exists() => Ok(key.clone()),
            _ => Ok(key.insert(self.store.load_or_make()?).clone()),
        }
    }
}

/// What one session brings to its master.
pub(super) struct Credentials {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Our pair.
    pub pair: Arc<Pair>,
    /// Masters' keys; others when a candidate becomes our master.
    pub masters: RwLock<keys::Masters>,
    /// The master.
    pub address: MasterAddress,
    /// For `autosign_grains`.
    pub facts: Arc<Facts>,
}

impl session::Credentials for Credentials {
    fn terms(&self) -> Result<Terms, Trouble> {
        let id = self.settings.id.parse().map_err(|e| unusable(&e))?;
        let key = self.pair.key().map_err(|e| unusable(&e))?;
        let masters = self.masters();
        let trust = masters.trust(&self.address).map_err(|e| unusable(&e))?;
        let stored = trust.stored.clone();
        let mut terms = Terms::new(id, key, trust);
        terms.algorithms = masters.algorithms();
        if let Some(stored) = stored {
            terms.spoken = masters.spoken(&stored);
        }
        if self.settings.agent.unsigned_auth {
            terms.min_version = Version::V0;
        }
        terms.autosign_grains = self.autosign();
        Ok(terms)
    }

    fn remember(&self, ticket: &Ticket) -> Result<(), Trouble> {
        self.masters()
            .remember(&self.address, ticket)
            .map_err(|e| unusable(&e))
    }

    fn advice(&self, distrust: &Distrust) -> String {
        self.masters().advice(distrust)
    }
}

impl Credentials {
    fn masters(&self) -> keys::Masters {
        let masters = self.masters.read();
        masters.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Believes what these believe from now on.
    pub(super) fn set_masters(&self, masters: keys::Masters) {
        *self.masters.write().unwrap_or_else(PoisonError::into_inner) = masters;
    }

    /// `autosign_grains`: names to values, null for one that is missing.
    fn autosign(&self) -> Option<Map> {
        let names = &self.settings.auth.autosign_grains;
        let grains = self.facts.grains();
        let of = |name: &String| {
            let value = grains.get(name.as_str()).cloned();
            (name.as_str().into(), value.unwrap_or(Value::Null))
        };
        (!names.is_empty()).then(|| names.iter().map(of).collect())
    }
}

/// Key files that cannot be used: nothing but a human can help, and the session goes on trying.
fn unusable(error: &dyn std::error::Error) -> Trouble {
    Trouble {
        reason: Reason::KeysUnusable,
        detail: told(error),
    }
}
