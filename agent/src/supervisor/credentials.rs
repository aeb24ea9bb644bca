//! Our key pair and what speaks for a master's key, as a session asks for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use salt_wire::channel::handshake::{Terms, Ticket};
use salt_wire::channel::trust::Distrust;
use salt_wire::crypto::{HashType, PrivateKey, PublicKey};
use salt_wire::error::Reason;
use salt_wire::frame::Version;
use salt_wire::{Map, Value};
use tracing::{info, warn};

use super::console::Shown;
use crate::config::{MasterAddress, Settings};
use crate::context::Facts;
use crate::keys::{self, KeyError, Rotation, Store};
use crate::session::{self, Trouble, told};

/// For the first grains of a machine that has just started.
const GRAINS: Duration = Duration::from_mins(1);

/// Our pair, read or made once however many sessions ask for it.
pub struct Pair {
    store: Store,
    key: Mutex<Option<Arc<PrivateKey>>>,
    /// What the console has shown.
    shown: Shown,
    /// The settings of the daemon that shows on the console whose key this is.
    tells: Option<Arc<Settings>>,
}

impl Pair {
    /// The pair of this configuration.
    pub fn of(settings: &Settings) -> Self {
        Self {
            store: Store::of(settings),
            key: Mutex::new(None),
            shown: Shown::default(),
            tells: None,
        }
    }

    /// The daemon's: nobody gets a key before it was written to the console, so no master sees it earlier either.
    pub(super) fn told(settings: &Arc<Settings>) -> Self {
        Self {
            tells: Some(settings.clone()),
            ..Self::of(settings)
        }
    }

    /// What the console has shown.
    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The private key, if it was read already.
    pub fn known(&self) -> Option<Arc<PrivateKey>> {
        // Whoever makes a new one holds this for seconds.
        self.key.try_lock().ok().and_then(|key| key.clone())
    }

    /// The private key; blocks while a new one is made. `saltutil.regen_keys` takes the file away: then the
    /// one in memory is not used again.
    pub fn key(&self) -> Result<Arc<PrivateKey>, KeyError> {
        self.read(&mut self.lock())
    }

    /// Makes the next key beside the pair; takes seconds, in which the pair is in use.
    pub fn stage(&self) -> Result<Arc<PrivateKey>, KeyError> {
        self.store.stage()
    }

    /// Where a rotation of the pair stands.
    pub fn rotation(&self) -> Result<Rotation, KeyError> {
        let _whole = self.lock();
        self.store.rotation()
    }

    /// Ends a rotation: the key in use stays, what is beside it goes.
    pub fn conclude(&self) -> Result<(), KeyError> {
        let _whole = self.lock();
        self.store.conclude()
    }

    /// Another key of ours than this one: the one in use by now, or in the middle of a rotation the one beside it.
    fn other_than(&self, refused: &PublicKey) -> Result<Option<Arc<PrivateKey>>, KeyError> {
        let mut known = self.lock();
        let present = self.read(&mut known)?;
        if present.public() != refused {
            return Ok(Some(present));
        }
        Ok(self.store.rotation()?.other().cloned())
    }

    /// Puts this key of ours into use, which a master takes: the next one with the one before beside it, or the last
    /// one again. False if it is in use already: several sessions and an order may find out at the same time.
    pub fn take(&self, taken: &PublicKey) -> Result<bool, KeyError> {
        let mut known = self.lock();
        if self.read(&mut known)?.public() == taken {
            return Ok(false);
        }
        *known = None;
        match self.store.rotation()?.next {
            Some(_) => self.store.switch()?,
            None => self.store.switch_back()?,
        }
        self.read(&mut known)?;
        Ok(true)
    }

    fn read(&self, known: &mut Option<Arc<PrivateKey>>) -> Result<Arc<PrivateKey>, KeyError> {
        let key = match known {
            Some(key) if self.store.private_file().exists() => key,
            _ => known.insert(self.store.load_or_make()?),
        };
        if let Some(settings) = &self.tells {
            self.shown.key(settings, key);
        }
        Ok(key.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<PrivateKey>>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.terms_with(self.pair.key().map_err(|e| unusable(&e))?)
    }

    fn other_terms(&self, refused: &PublicKey) -> Option<Terms> {
        let other = self.pair.other_than(refused);
        let other = other
            .inspect_err(|error| warn!(%error, "The other key of the rotation cannot be used."))
            .ok()?;
        self.terms_with(other?).ok()
    }

    fn take_other(&self, taken: &PublicKey) -> Result<(), Trouble> {
        // Of several masters each may hold another one of the two: which is ours is then for an order to decide, and
        // this session alone goes on with what its master holds.
        if self.settings.master.addresses.len() > 1 {
            return Ok(());
        }
        if self.pair.take(taken).map_err(|e| unusable(&e))? {
            let fingerprint = taken.fingerprint(HashType::default());
            info!(%fingerprint, "The master has accepted our other key: it is in use now.");
        }
        Ok(())
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
    /// What to bring with this key of ours.
    pub(super) fn terms_with(&self, key: Arc<PrivateKey>) -> Result<Terms, Trouble> {
        let id = self.settings.id.parse().map_err(|e| unusable(&e))?;
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
        if names.is_empty() {
            return None;
        }
        // They are collected beside the connections, and what is sent first is what the master goes by.
        let grains = self.facts.collected(GRAINS);
        let of = |name: &String| {
            let value = grains.get(name.as_str()).cloned();
            (name.as_str().into(), value.unwrap_or(Value::Null))
        };
        Some(names.iter().map(of).collect())
    }
}

/// Key files that cannot be used: nothing but a human can help, and the session goes on trying.
fn unusable(error: &dyn std::error::Error) -> Trouble {
    Trouble {
        reason: Reason::KeysUnusable,
        detail: told(error),
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    /// A machine with a key is at its master's door before its grains are collected.
    #[test]
    fn a_token_among_the_grains_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let opts = map! { "autosign_grains" => vec!["token"] };
        let settings = Arc::new(Settings::from_overrides(dir.path(), "m1", opts).unwrap());
        let facts = Arc::new(Facts::default());
        let credentials = Credentials {
            pair: Arc::new(Pair::of(&settings)),
            masters: RwLock::new(keys::Masters::of(&settings)),
            address: MasterAddress::parse("127.0.0.1", 4506).unwrap(),
            facts: facts.clone(),
            settings,
        };
        let (sender, shown) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(credentials.autosign()));
        let early = shown.recv_timeout(Duration::from_millis(100));
        assert!(early.is_err(), "{early:?}");
        // Those of synced modules come later than the others.
        facts.set_grains(map! { "other" => "x" });
        facts.set_grains(map! { "other" => "x", "token" => "t1" });
        facts.are_collected();
        let late = shown.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(late.unwrap()["token"].as_str(), Some("t1"));
    }

    /// An order to switch and a session that was refused find out at the same time.
    #[test]
    fn a_key_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let opts =
            map! { "pki_dir" => dir.path().join("pki").to_str().unwrap(), "keysize" => 2048 };
        let pair = Pair::of(&Settings::from_overrides(dir.path(), "m1", opts).unwrap());
        let first = pair.key().unwrap();
        let next = pair.stage().unwrap();
        assert_eq!(
            pair.other_than(first.public()).unwrap().unwrap().public(),
            next.public()
        );

        assert!(pair.take(next.public()).unwrap());
        assert!(!pair.take(next.public()).unwrap());
        assert_eq!(pair.key().unwrap().public(), next.public());
        assert_eq!(pair.rotation().unwrap().state(), "switched");

        assert!(pair.take(first.public()).unwrap());
        assert!(!pair.take(first.public()).unwrap());
        assert_eq!(pair.rotation().unwrap().state(), "steady");
        assert!(pair.other_than(first.public()).unwrap().is_none());
    }
}
