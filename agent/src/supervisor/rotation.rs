//! `remaster.rotate_key`: our own key follows another one, without a moment in which no master knows us.
//!
//! The next key is made and shown while the present one is in use; it replaces that only when every master that we
//! are with has let it in. The present one stays beside it until somebody confirms. Whatever happens between, a
//! session that is refused with one of the two asks with the other.

use std::sync::{Arc, Mutex, PoisonError};

use salt_wire::channel::handshake::{Terms, Ticket};
use salt_wire::channel::trust::Distrust;
use salt_wire::crypto::{HashType, OsRandom, PrivateKey};
use salt_wire::order::rotation::Rotation as Word;
use salt_wire::{Map, Value, map};
use tokio::runtime::Handle;
use tracing::info;

use super::Daemon;
use super::credentials::Credentials;
use super::crew::Crew;
use super::remaster::now;
use super::visit::reach;
use crate::context::Error;
use crate::session::{self, Options, Trouble};

/// How long the present key's word for the next one counts.
const WORD: u64 = 3600;

/// Serves `{"do": "stage" | "switch" | "confirm" | "cancel" | "status"}`.
pub(super) fn start(daemon: &Arc<Daemon>, crew: &Arc<Crew>) {
    let (weak, crew) = (Arc::downgrade(daemon), Arc::downgrade(crew));
    let runtime = Handle::current();
    // One at a time: two would see each other's files.
    let turn = Mutex::new(());
    let handler = move |request: Map| {
        let (Some(daemon), Some(crew)) = (weak.upgrade(), crew.upgrade()) else {
            return Err(Error::execution("the agent is stopping"));
        };
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let rotation = Rotation {
            daemon: &daemon,
            crew: &crew,
            runtime: &runtime,
        };
        let action = request.get("do").and_then(Value::as_str).unwrap_or("");
        let answer = match action {
            "stage" => rotation.stage(),
            "switch" => rotation.switch(),
            "confirm" => rotation.confirm(),
            "cancel" => rotation.cancel(),
            "status" => rotation.status(),
            other => Err(format!(
                "{other} is nothing that can be done to a key: stage, switch, confirm, cancel or status"
            )),
        };
        answer.map(Value::Map).map_err(Error::Execution)
    };
    daemon.services.serve("rotate_key", Arc::new(handler));
}

struct Rotation<'a> {
    daemon: &'a Arc<Daemon>,
    crew: &'a Arc<Crew>,
    runtime: &'a Handle,
}

impl Rotation<'_> {
    /// Makes the next key and gives the present one's word for it.
    fn stage(&self) -> Result<Map, String> {
        self.at_rest()?;
        let pair = &self.daemon.pair;
        if self.files()?.state() == "switched" {
            return Err(
                "the key in use is not confirmed yet: confirm or cancel the last rotation first"
                    .to_owned(),
            );
        }
        let present = pair.key().map_err(told)?;
        let next = pair.stage().map_err(told)?;
        let word = Word {
            id: self.daemon.settings().id.parse().map_err(told)?,
            old: present.public().clone(),
            new: next.public().clone(),
            not_after: now() / 1000 + WORD,
        };
        let mut answer = self.status()?;
        answer.insert(
            "word".into(),
            word.seal(&present, &mut OsRandom).map_err(told)?.into(),
        );
        Ok(answer)
    }

    /// Puts the next key into use, if every master that we are with lets it in.
    fn switch(&self) -> Result<Map, String> {
        self.at_rest()?;
        let files = self.files()?;
        match (files.next, files.last) {
            (Some(next), _) => self.take(&next, "The next key is in use.")?,
            // A session that was refused found out before us that the master holds the next one.
            (None, Some(_)) => {}
            (None, None) => return Err("no key is staged".to_owned()),
        }
        self.status()
    }

    /// Forgets the key that was used before.
    fn confirm(&self) -> Result<Map, String> {
        match self.files()?.state() {
            "switched" => self.daemon.pair.conclude().map_err(told)?,
            "staged" => return Err("the staged key is not in use yet: switch first".to_owned()),
            _ => return Err("no rotation is under way".to_owned()),
        }
        info!("The key in use is confirmed; the one before is gone.");
        self.status()
    }

    /// Forgets a staged key, or goes back to the one before if every master that we are with still lets it in.
    fn cancel(&self) -> Result<Map, String> {
        let files = self.files()?;
        match (files.next, files.last) {
            (Some(_), _) => self.daemon.pair.conclude().map_err(told)?,
            (None, Some(last)) => {
                self.at_rest()?;
                self.take(&last, "The key before is in use again.")?;
            }
            (None, None) => return Err("no rotation is under way".to_owned()),
        }
        self.status()
    }

    fn status(&self) -> Result<Map, String> {
        let files = self.files()?;
        let finger = |key: &Arc<PrivateKey>| key.public().fingerprint(HashType::Sha256).to_string();
        let present = self.daemon.pair.key().map_err(told)?;
        let mut status = map! {"state" => files.state(), "fingerprint" => finger(&present)};
        for (name, key) in [("next", &files.next), ("last", &files.last)] {
            if let Some(key) = key {
                status.insert(name.into(), finger(key).into());
            }
        }
        Ok(status)
    }

    fn files(&self) -> Result<crate::keys::Rotation, String> {
        self.daemon.pair.rotation().map_err(told)
    }

    /// A move hands the present key over: it must not change meanwhile.
    fn at_rest(&self) -> Result<(), String> {
        match self.daemon.remaster().as_str() {
            "steady" => Ok(()),
            state => Err(format!(
                "a move to another master is under way ({state}): end it first"
            )),
        }
    }

    /// Puts the other key into use; the sessions ask for keys with it, and go on.
    fn take(&self, other: &Arc<PrivateKey>, words: &str) -> Result<(), String> {
        self.let_in(other)?;
        if self.daemon.pair.take(other.public()).map_err(told)? {
            info!("{words}");
        }
        for (_, link) in self.daemon.links.all() {
            link.client.renew();
        }
        Ok(())
    }

    /// Asks every master that we are with whether it lets this key in.
    fn let_in(&self, key: &Arc<PrivateKey>) -> Result<(), String> {
        let sessions = self.crew.sessions().ok_or("the agent is stopping")?;
        let wanted = self.crew.wanted();
        if wanted.is_empty() {
            return Err("there is no master".to_owned());
        }
        let settings = self.daemon.settings();
        let options = Options::of(&settings);
        for address in &settings.master.addresses {
            let name = address.to_string();
            if !wanted.contains(&name) {
                continue;
            }
            let with = Arc::new(With {
                own: sessions.credentials(address, sessions.masters()),
                key: key.clone(),
            });
            let met = self.runtime.block_on(async {
                let pool = Arc::new(reach(&settings, address, &options).await?);
                session::introduce(&name, pool, with, &options).await
            });
            if let Err(Trouble { reason, detail }) = met {
                let finger = key.public().fingerprint(HashType::Sha256);
                return Err(format!(
                    "{name} does not let the key {finger} in ({reason}: {detail}); nothing was changed. It must be the \
                     accepted one there first: `master-bridge keys rotate` does that"
                ));
            }
        }
        Ok(())
    }
}

/// What a session brings, but with another key.
struct With {
    own: Credentials,
    key: Arc<PrivateKey>,
}

impl session::Credentials for With {
    fn terms(&self) -> Result<Terms, Trouble> {
        self.own.terms_with(self.key.clone())
    }

    fn remember(&self, _: &Ticket) -> Result<(), Trouble> {
        Ok(())
    }

    fn advice(&self, distrust: &Distrust) -> String {
        self.own.advice(distrust)
    }
}

fn told(error: impl std::error::Error) -> String {
    session::told(&error)
}
