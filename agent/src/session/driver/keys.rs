//! Keys from the master: asked for, judged, and put into use.

use std::time::Duration;

use salt_wire::Value;
use salt_wire::channel::handshake::{Handshake, Terms, Ticket};
use salt_wire::channel::publish::Publications;
use salt_wire::channel::request::Requests;
use salt_wire::crypto::{HashType, OsRandom};
use salt_wire::error::Reason;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::super::beside::{Answer, ask_in};
use super::super::client::Live;
use super::super::state::{Event, Trouble};
use super::super::trouble::told;
use super::{Driver, no_connection};

impl Driver {
    pub(super) async fn authenticate(&mut self) -> Event {
        let Some(pool) = self.now.pool.clone() else {
            return no_connection();
        };
        let handshake = match self.now.handshake.take() {
            Some(handshake) => handshake,
            None => match self.terms().await {
                Ok(terms) => begin(terms),
                Err(trouble) => return Event::Failed(trouble),
            },
        };
        let (handshake, answer) = ask_in(
            pool,
            handshake,
            self.options.auth_timeout,
            self.options.policy.safemode,
        )
        .await;
        self.now.handshake = Some(handshake);
        self.judge(answer).await
    }

    pub(super) async fn terms(&self) -> Result<Terms, Trouble> {
        let credentials = self.credentials.clone();
        match tokio::task::spawn_blocking(move || credentials.terms()).await {
            Ok(terms) => terms,
            Err(error) => Err(Trouble {
                reason: Reason::MasterNotTrusted,
                detail: format!("our keys cannot be read: {error}"),
            }),
        }
    }

    /// Asks a master that refuses our key with the other one, if there is one.
    async fn with_the_other(&mut self, refused: Trouble) -> Answer {
        let used = self.now.handshake.as_ref().map(|h| h.terms().key.clone());
        let (Some(used), Some(pool)) = (used, self.now.pool.clone()) else {
            return Answer::No(refused);
        };
        let credentials = self.credentials.clone();
        let other = move || credentials.other_terms(used.public());
        let Ok(Some(terms)) = tokio::task::spawn_blocking(other).await else {
            return Answer::No(refused);
        };
        let key = terms.key.clone();
        let options = &self.options;
        let (handshake, answer) = ask_in(
            pool,
            begin(terms),
            options.auth_timeout,
            options.policy.safemode,
        )
        .await;
        let Answer::In(ticket) = answer else {
            return Answer::No(refused);
        };
        let credentials = self.credentials.clone();
        match tokio::task::spawn_blocking(move || credentials.take_other(key.public())).await {
            Ok(Ok(())) => {
                self.now.handshake = Some(handshake);
                Answer::In(ticket)
            }
            Ok(Err(trouble)) => Answer::No(trouble),
            Err(_) => Answer::No(refused),
        }
    }

    /// Takes what the master answered to `_auth`; the keys are in place afterwards, if it gave any.
    pub(super) async fn judge(&mut self, answer: Answer) -> Event {
        let answer = match answer {
            Answer::No(trouble) if trouble.reason == Reason::Rejected => {
                self.with_the_other(trouble).await
            }
            answer => answer,
        };
        match answer {
            Answer::In(ticket) => {
                let (credentials, given) = (self.credentials.clone(), ticket.clone());
                let stored =
                    tokio::task::spawn_blocking(move || credentials.remember(&given)).await;
                match stored {
                    Ok(Ok(())) => {}
                    Ok(Err(trouble)) => return Event::Failed(trouble),
                    Err(error) => warn!(%error, "The master's key was not stored."),
                }
                match self.take_keys(*ticket) {
                    Ok(()) => {
                        // Who asked for these keys meanwhile has them now.
                        drop(timeout(Duration::ZERO, self.wanted.stale.notified()).await);
                        Event::Authenticated
                    }
                    Err(trouble) => Event::Failed(trouble),
                }
            }
            Answer::Pending(trouble) => {
                // The master looks at the grains each time: one that was missing may be there by then.
                let lacks = |h: &Handshake| {
                    let grains = h.terms().autosign_grains.as_ref();
                    grains.is_some_and(|grains| grains.values().any(|value| *value == Value::Null))
                };
                self.now.handshake = self.now.handshake.take().filter(|h| !lacks(h));
                self.status
                    .send_modify(|status| status.trouble = Some(trouble));
                Event::KeyPending
            }
            Answer::No(trouble) => Event::Failed(trouble),
            Answer::Distrusted(mut trouble, distrust) => {
                trouble.detail += "; ";
                trouble.detail += &self.credentials.advice(&distrust);
                Event::Failed(trouble)
            }
            Answer::Silence(trouble) => Event::NoAnswer(trouble),
        }
    }

    fn take_keys(&mut self, ticket: Ticket) -> Result<(), Trouble> {
        let not_ready = |detail| Trouble {
            reason: Reason::BadAnswer,
            detail,
        };
        let Some((handshake, pool)) = self.now.handshake.as_ref().zip(self.now.pool.as_ref())
        else {
            return Err(not_ready("the connection is gone".to_owned()));
        };
        let terms = handshake.terms();
        let keys = Requests::new(
            &terms.id,
            &terms.key,
            &ticket,
            self.options.sign,
            &mut OsRandom,
        )
        .map_err(|e| not_ready(told(&e)))?;
        match &mut self.now.publications {
            Some(publications) => {
                let same = |t: &Ticket| t.aes == ticket.aes && t.session == ticket.session;
                let same = self.now.ticket.as_ref().is_some_and(same);
                self.now.vain_renewal = same.then(Instant::now);
                publications.renew(&ticket);
            }
            None => {
                let rules = self.options.signatures.clone();
                self.now.publications = Some(Publications::new(&terms.id, &ticket, rules));
            }
        }
        self.now.generation += 1;
        self.live.send_replace(Some(Live {
            pool: pool.clone(),
            keys,
            generation: self.now.generation,
        }));
        let fingerprint = ticket.master.fingerprint(HashType::default());
        self.status.send_modify(|status| {
            status.version = Some(ticket.version);
            status.fingerprint = Some(fingerprint);
        });
        self.now.ticket = Some(ticket);
        Ok(())
    }
}

/// A handshake whose key has what the first request needs: it is made while the master thinks.
pub(super) fn begin(terms: Terms) -> Handshake {
    let key = terms.key.clone();
    tokio::task::spawn_blocking(move || key.tok(&mut OsRandom).is_ok());
    Handshake::new(terms, &mut OsRandom)
}
