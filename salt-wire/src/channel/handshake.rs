//! `_auth`: from a key pair to a [`Ticket`], with every check made before anything is believed or decrypted.
//!
//! The order, which is stricter than Salt's own (a wrong key is never stored, and nobody but a trusted
//! master has our private key decrypt anything):
//!
//! 1. the answer has a shape that makes sense,
//! 2. its nonce is ours,
//! 3. the key in it made its signature,
//! 4. that key is believed: pinned, stored, or signed ([`Trust`]),
//! 5. the AES key, X9.31-signed by it; our token, sent back; the session key.
//!
//! A caller sends [`Handshake::request`], hands what comes to [`Handshake::reply`], and does what the
//! [`Outcome`] says. It keeps the handshake for the life of the connection and uses it for each
//! re-authentication.

use std::sync::Arc;

use crate::channel::trust::{Algorithms, Distrust, Spoken, Standing, Trust};
use crate::channel::wrapped::{Unwrapped, Wrapped};
use crate::crypto::{
    Crypticle, CryptoError, EncAlgo, HashType, PrivateKey, PublicKey, Random, SigAlgo, Zeroizing,
    constant_time_eq,
};
use crate::error::{Error, Reason};
use crate::frame::Version;
use crate::ids::{MinionId, Nonce};
use crate::load::{AuthAnswer, AuthBody, AuthReply, AuthRequest, AuthTicket, SignedAuth};
use crate::value::Map;

const WHAT: &str = "_auth reply";

/// What one minion brings to one master.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Our id.
    pub id: MinionId,
    /// Our key.
    pub key: Arc<PrivateKey>,
    /// What speaks for the master's key.
    pub trust: Trust,
    /// Which algorithms may be used.
    pub algorithms: Algorithms,
    /// What this master has shown that it can do.
    pub spoken: Spoken,
    /// The lowest version that is accepted. 2 still proves everything; below it answers are not signed, and
    /// only an operator can want that.
    pub min_version: Version,
    /// Grains by which a master may accept the key by itself.
    pub autosign_grains: Option<Map>,
}

impl Terms {
    /// The usual ones: the strongest algorithms, version 3 with 2 for masters of the past.
    pub fn new(id: MinionId, key: Arc<PrivateKey>, trust: Trust) -> Self {
        Self {
            id,
            key,
            trust,
            algorithms: Algorithms::strongest(),
            spoken: Spoken::default(),
            min_version: Version::V2,
            autosign_grains: None,
        }
    }
}

/// What an accepted minion works with.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The version that the master speaks. Below 3 the caller should report it.
    pub version: Version,
    /// Decrypts publications; the same for all minions.
    pub aes: Crypticle,
    /// Encrypts requests; ours alone. Masters before version 3 give none.
    pub session: Option<Crypticle>,
    /// Where publications come from, unless options say otherwise.
    pub publish_port: u16,
    /// The master's key.
    pub master: PublicKey,
    /// Why it is believed, and so whether it has to be stored.
    pub standing: Standing,
    /// The wrapping that it took.
    pub enc_algo: EncAlgo,
    /// The signature that it made.
    pub sig_algo: SigAlgo,
}

impl Ticket {
    /// What to remember about this master.
    pub fn spoken(&self) -> Spoken {
        Spoken {
            version: Some(self.version),
            enc_algo: Some(self.enc_algo),
            sig_algo: Some(self.sig_algo),
        }
    }
}

/// What an answer means.
#[derive(Debug)]
pub enum Outcome {
    /// We are in.
    Accepted(Box<Ticket>),
    /// The master does not take this algorithm: send another [`Handshake::request`] at once.
    TryAgain {
        /// What is tried instead of what, for the log.
        why: String,
    },
    /// Not in. `reason` is the word, `text` says it to an operator.
    Refused(Refusal),
}

/// Why we are not in.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The word.
    pub reason: Reason,
    /// The same in a sentence, with fingerprints, and what to do.
    pub text: String,
    /// Whether the answer was proven to be the master's. Anybody in between can make an unproven one.
    pub proven: bool,
    /// The key that was not believed, if that is why.
    pub distrust: Option<Distrust>,
}

/// The conversation. One per master.
#[derive(Debug)]
pub struct Handshake {
    terms: Terms,
    /// What remains of the allowed algorithms.
    algorithms: Algorithms,
    /// A secret that only the owner of the known master key can send back.
    token: Zeroizing<Vec<u8>>,
    sent: Option<Sent>,
}

/// What the answer must fit.
#[derive(Debug)]
struct Sent {
    nonce: Nonce,
    enc_algo: EncAlgo,
    sig_algo: SigAlgo,
    /// The key under which the token went out.
    token_for: Option<PublicKey>,
}

impl Handshake {
    /// A conversation that is about to begin.
    pub fn new(terms: Terms, rng: &mut dyn Random) -> Self {
        let algorithms = allowed(&terms);
        // The same form as Salt's own tokens, which are AES keys that encrypt nothing.
        let token = Zeroizing::new(Crypticle::generate(rng).text().as_bytes().to_vec());
        Self {
            terms,
            algorithms,
            token,
            sent: None,
        }
    }

    /// What we bring.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The frame to send. Each call makes a new nonce; an answer to an earlier one is not taken any more.
    pub fn request(&mut self, rng: &mut dyn Random) -> Result<Vec<u8>, Error> {
        let none = |kind| Error::Incompatible {
            cause: format!(
                "no {kind} algorithm is left that the options allow, that is as strong as what it has \
                 taken before, and that fits the keys"
            ),
        };
        let enc_algo = *self
            .algorithms
            .enc
            .first()
            .ok_or_else(|| none("encryption"))?;
        let sig_algo = *self.algorithms.sig.first().ok_or_else(|| none("signing"))?;
        let token_for = self.terms.trust.stored.clone();
        let token = match &token_for {
            Some(master) => Some(
                master
                    .encrypt_oaep(enc_algo, &self.token, rng)
                    .map_err(|e| Error::Misuse(format!("the master's stored key: {e}")))?,
            ),
            None => None,
        };
        let request = AuthRequest {
            id: self.terms.id.clone(),
            public: self.terms.key.public().clone(),
            nonce: Nonce::generate(rng),
            enc_algo,
            sig_algo,
            token,
            autosign_grains: self.terms.autosign_grains.clone(),
        };
        let frame = request.encode(Version::V3);
        self.sent = Some(Sent {
            nonce: request.nonce,
            enc_algo,
            sig_algo,
            token_for,
        });
        Ok(frame)
    }

    /// Judges an answer. Each request takes one answer; a second one is refused.
    pub fn reply(&mut self, bytes: &[u8], rng: &mut dyn Random) -> Outcome {
        let Some(sent) = self.sent.take() else {
            return refused(Reason::BadAnswer, "an answer came that was not asked for");
        };
        let reply = match AuthReply::decode(bytes) {
            Ok(reply) => reply,
            Err(error) => return refused(Reason::BadAnswer, error),
        };
        match reply {
            AuthReply::Signed(signed) => self.signed(&sent, &signed, rng),
            AuthReply::Unsigned(ticket) => self.unsigned(&sent, &ticket, rng),
            AuthReply::Word(answer) => self.answer(&sent, answer, false),
            AuthReply::Text(text) => {
                let text = String::from_utf8_lossy(text);
                let text: String = text.chars().take(200).collect();
                refused(
                    Reason::BadLoad,
                    format!(
                        "the master answered \"{}\": it did not understand the request, or demands \
                         a newer protocol than version 3 (minimum_auth_version)",
                        text.escape_debug()
                    ),
                )
            }
        }
    }

    fn signed(&mut self, sent: &Sent, signed: &SignedAuth<'_>, rng: &mut dyn Random) -> Outcome {
        if !constant_time_eq(signed.nonce, sent.nonce.as_str().as_bytes()) {
            return refused(
                Reason::AnswerNotAuthentic,
                "the master's answer is not to our question (wrong nonce): somebody replays old answers",
            );
        }
        let ticket = match &signed.body {
            AuthBody::Ticket(ticket) => ticket,
            AuthBody::Answer(answer) => return self.signed_answer(sent, signed, *answer),
        };
        let (master, standing, sig_algo) = match self.believe(sent, signed, ticket) {
            Ok(believed) => believed,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let version = match ticket.session {
            Some(_) => Version::V3,
            None => Version::V2,
        };
        if let Some(outcome) = self.too_old(version) {
            return outcome;
        }
        match self.unwrap(sent, ticket, &master, rng) {
            Ok(keys) => self.accept(Ticket {
                version,
                aes: keys.aes,
                session: keys.session,
                publish_port: ticket.publish_port,
                master,
                standing,
                enc_algo: keys.enc_algo,
                sig_algo,
            }),
            Err(outcome) => outcome,
        }
    }

    /// A yes or no without a ticket can be proven only if the key is known already.
    fn signed_answer(
        &mut self,
        sent: &Sent,
        signed: &SignedAuth<'_>,
        answer: AuthAnswer<'_>,
    ) -> Outcome {
        let proven = match &self.terms.trust.stored {
            Some(master) => {
                let proven = self.signature(sent, signed, master).is_some();
                // A successor's key is seen only with a ticket: until then its word is unproven.
                if !proven && self.terms.trust.successors.is_empty() {
                    return refused(
                        Reason::MasterKeyMismatch,
                        "the master's answer is not signed by its known key: either its key has \
                         changed, or somebody else answers in its place",
                    );
                }
                proven
            }
            None => false,
        };
        self.answer(sent, answer, proven)
    }

    /// Steps 3 and 4.
    fn believe(
        &self,
        sent: &Sent,
        signed: &SignedAuth<'_>,
        ticket: &AuthTicket<'_>,
    ) -> Result<(PublicKey, Standing, SigAlgo), Refusal> {
        let master = master_key(ticket)?;
        let Some(sig_algo) = self.signature(sent, signed, &master) else {
            return Err(refusal(
                Reason::AnswerNotAuthentic,
                "the master's answer is not signed by the key that is in it",
            ));
        };
        let standing = self.judge(&master, ticket)?;
        Ok((master, standing, sig_algo))
    }

    fn judge(&self, master: &PublicKey, ticket: &AuthTicket<'_>) -> Result<Standing, Refusal> {
        self.terms
            .trust
            .judge(master, ticket.pub_sig, &self.algorithms.sig)
            .map_err(|distrust| Refusal {
                reason: match distrust {
                    Distrust::Unknown { .. } => Reason::MasterNotTrusted,
                    Distrust::Mismatch { .. } => Reason::MasterKeyMismatch,
                    Distrust::Unsigned { .. } => Reason::MasterNotTrusted,
                },
                text: distrust.to_string(),
                proven: false,
                distrust: Some(distrust),
            })
    }

    /// The algorithm that verifies: the requested one, or another allowed one, since masters of the past
    /// do not know the field and use their own.
    fn signature(
        &self,
        sent: &Sent,
        signed: &SignedAuth<'_>,
        master: &PublicKey,
    ) -> Option<SigAlgo> {
        let others = self.algorithms.sig.iter().copied();
        std::iter::once(sent.sig_algo)
            .chain(others.filter(|algo| *algo != sent.sig_algo))
            .find(|algo| {
                master
                    .verify(*algo, WHAT, signed.signed, signed.signature)
                    .is_ok()
            })
    }

    /// Step 5.
    fn unwrap(
        &mut self,
        sent: &Sent,
        ticket: &AuthTicket<'_>,
        master: &PublicKey,
        rng: &mut dyn Random,
    ) -> Result<Keys, Outcome> {
        let fake = |cause: String| refused(Reason::AnswerNotAuthentic, cause);
        // Only the key that the token went out under can send it back.
        let returns_token = sent.token_for.as_ref() == Some(master);
        let wrapped = Wrapped {
            aes: ticket.aes,
            token: ticket.token.filter(|_| returns_token),
            session: ticket.session,
        };
        let (unwrapped, enc_algo) = self
            .decrypt(sent, &wrapped, rng)
            .map_err(|e| fake(format!("the AES key in the master's answer: {e}")))?;
        let digest = HashType::Sha256.hex(&unwrapped.aes);
        let signed = master.x931_recover(ticket.sig).unwrap_or_default();
        if !constant_time_eq(&signed, digest.as_bytes()) {
            return Err(fake("the AES key is not signed by the master".into()));
        }
        if returns_token {
            if ticket.token.is_none() && enc_algo != sent.enc_algo {
                // It could not read the token either: ask again in its own terms.
                return Err(self.weaker(sent.enc_algo.name(), |algos| {
                    algos.enc.retain(|algo| *algo == enc_algo);
                    algos.enc.first().map(|algo| algo.name())
                }));
            }
            let token = unwrapped.token.and_then(Result::ok);
            if !token.is_some_and(|token| constant_time_eq(&token, &self.token)) {
                return Err(fake("the master did not send our token back".into()));
            }
        }
        let key = |text: &[u8], what| {
            Crypticle::from_text(text).map_err(|e| fake(format!("the master's {what}: {e}")))
        };
        let session = match unwrapped.session {
            Some(session) => {
                let session = session
                    .map_err(|e| fake(format!("the session key in the master's answer: {e}")))?;
                Some(key(&session, "session key")?)
            }
            None => None,
        };
        Ok(Keys {
            aes: key(&unwrapped.aes, "AES key")?,
            session,
            enc_algo,
        })
    }

    fn decrypt(
        &self,
        sent: &Sent,
        wrapped: &Wrapped<'_>,
        rng: &mut dyn Random,
    ) -> Result<(Unwrapped, EncAlgo), CryptoError> {
        let key = &self.terms.key;
        match wrapped.open(key, sent.enc_algo, rng) {
            Ok(unwrapped) => Ok((unwrapped, sent.enc_algo)),
            // As with signatures: a master that does not know the field.
            Err(error) => self
                .algorithms
                .enc
                .iter()
                .filter(|algo| **algo != sent.enc_algo)
                .find_map(|algo| Some((wrapped.open(key, *algo, rng).ok()?, *algo)))
                .ok_or(error),
        }
    }

    /// Versions 0 and 1: what proves the answer is the signed AES key and the token, if there is one.
    fn unsigned(&mut self, sent: &Sent, ticket: &AuthTicket<'_>, rng: &mut dyn Random) -> Outcome {
        if let Some(outcome) = self.too_old(Version::V1) {
            return outcome;
        }
        let believed = master_key(ticket).and_then(|m| Ok((self.judge(&m, ticket)?, m)));
        let (standing, master) = match believed {
            Ok(believed) => believed,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        match self.unwrap(sent, ticket, &master, rng) {
            Ok(keys) => self.accept(Ticket {
                version: Version::V1,
                aes: keys.aes,
                session: None,
                publish_port: ticket.publish_port,
                master,
                standing,
                enc_algo: keys.enc_algo,
                sig_algo: SigAlgo::default(),
            }),
            Err(outcome) => outcome,
        }
    }

    fn too_old(&self, version: Version) -> Option<Outcome> {
        if let Some(before) = self.terms.spoken.version.filter(|v| *v > version) {
            return Some(refused(
                Reason::AuthVersionTooOld,
                format!(
                    "the master answered with version {version} of the authentication protocol, but has \
                     spoken {before} before: somebody in between may be weakening it, or it was downgraded"
                ),
            ));
        }
        let lowest = self.terms.min_version;
        (version < lowest).then(|| {
            refused(
                Reason::AuthVersionTooOld,
                format!(
                    "the master speaks version {version} of the authentication protocol, and {lowest} is \
                     the lowest that is accepted"
                ),
            )
        })
    }

    fn accept(&mut self, ticket: Ticket) -> Outcome {
        // From now on this is the key, the version and the strength to expect: a re-authentication cannot
        // be talked into less.
        self.terms.trust.stored = Some(ticket.master.clone());
        self.terms.spoken = ticket.spoken();
        self.algorithms = self.algorithms.clone().at_least(&self.terms.spoken);
        Outcome::Accepted(Box::new(ticket))
    }

    fn answer(&mut self, sent: &Sent, answer: AuthAnswer<'_>, proven: bool) -> Outcome {
        let id = &self.terms.id;
        let finger = self.terms.key.public().fingerprint(HashType::default());
        let (reason, text) = match answer {
            AuthAnswer::Pending => (
                Reason::Pending,
                format!(
                    "the master holds our key and nobody has accepted it yet; our fingerprint is {finger} \
                     (on the master: salt-key -a {id})"
                ),
            ),
            AuthAnswer::No => (
                Reason::Rejected,
                format!(
                    "the master refuses our key {finger}: it is rejected, or another key is already \
                     accepted for {id} (on the master: salt-key -L, then salt-key -d {id})"
                ),
            ),
            AuthAnswer::Full => (
                Reason::MasterFull,
                "the master has as many minions as max_minions lets it have".to_owned(),
            ),
            AuthAnswer::BadEncAlgo => {
                return self.weaker(sent.enc_algo.name(), |algos| {
                    algos.enc.retain(|algo| *algo != sent.enc_algo);
                    algos.enc.first().map(|algo| algo.name())
                });
            }
            AuthAnswer::BadSigAlgo => {
                return self.weaker(sent.sig_algo.name(), |algos| {
                    algos.sig.retain(|algo| *algo != sent.sig_algo);
                    algos.sig.first().map(|algo| algo.name())
                });
            }
            AuthAnswer::Other(word) => {
                let word = String::from_utf8_lossy(word);
                let word: String = word.chars().take(100).collect();
                let text = format!("the master answered \"{}\"", word.escape_debug());
                (Reason::BadAnswer, text)
            }
        };
        Outcome::Refused(Refusal {
            reason,
            text,
            proven,
            distrust: None,
        })
    }

    /// The master does not take an algorithm: the next one, if there is any left.
    fn weaker(
        &mut self,
        not: &str,
        drop: impl FnOnce(&mut Algorithms) -> Option<&'static str>,
    ) -> Outcome {
        match drop(&mut self.algorithms) {
            Some(next) => Outcome::TryAgain {
                why: format!("the master does not take {not}, trying {next}"),
            },
            None => {
                // The next attempt starts anew: the word is not signed, and masters get upgraded.
                self.algorithms = allowed(&self.terms);
                refused(
                    Reason::BadAlgorithm,
                    format!("the master does not take {not}, and no other algorithm is allowed"),
                )
            }
        }
    }
}

/// What is wrapped in a ticket.
struct Keys {
    aes: Crypticle,
    session: Option<Crypticle>,
    enc_algo: EncAlgo,
}

/// What the options allow, the master has not risen above, and the keys have room for.
fn allowed(terms: &Terms) -> Algorithms {
    let mut algorithms = terms.algorithms.clone().at_least(&terms.spoken);
    let stored = terms.trust.stored.as_ref().map(PublicKey::bits);
    let shortest = stored.unwrap_or(usize::MAX).min(terms.key.public().bits());
    algorithms
        .enc
        .retain(|algo| algo.fits(shortest, Crypticle::TEXT));
    algorithms
}

fn master_key(ticket: &AuthTicket<'_>) -> Result<PublicKey, Refusal> {
    let pem = std::str::from_utf8(ticket.pub_key).unwrap_or_default();
    PublicKey::from_pem(pem)
        .map_err(|e| refusal(Reason::BadAnswer, format!("the master's key: {e}")))
}

fn refusal(reason: Reason, text: impl ToString) -> Refusal {
    Refusal {
        reason,
        text: text.to_string(),
        proven: false,
        distrust: None,
    }
}

fn refused(reason: Reason, text: impl ToString) -> Outcome {
    Outcome::Refused(refusal(reason, text))
}
