//! Requests on an authenticated channel, and what comes back.
//!
//! [`Requests::encode`] gives the bytes and an [`Expected`]; the reply belongs to that one alone, which
//! keeps the key it was sent with, so that a re-authentication in the middle takes nothing away.
//!
//! An [`Error`] whose [`needs_authentication`] is true means: `_auth`, then ask once more.

use std::sync::Arc;

use crate::channel::handshake::Ticket;
use crate::crypto::{Crypticle, CryptoError, EncAlgo, PrivateKey, PublicKey, Random, SigAlgo};
use crate::error::{Error, Fault};
use crate::frame::{Frame, MAX_REPLY, Version};
use crate::ids::{MinionId, Nonce};
use crate::load::{PillarReply, Request, RequestFields, complaint};
use crate::value::{Map, Value};

const WHAT: &str = "reply";

/// The keys to ask a master with. Cheap to clone; made anew from each [`Ticket`].
#[derive(Clone, Debug)]
pub struct Requests(Arc<Keys>);

#[derive(Clone, Debug)]
struct Keys {
    id: MinionId,
    own: Arc<PrivateKey>,
    tok: Vec<u8>,
    key: Crypticle,
    version: Version,
    master: PublicKey,
    enc_algo: EncAlgo,
    sig_algo: SigAlgo,
    sign: Option<SigAlgo>,
}

impl Requests {
    /// Takes what the ticket gives. `sign` is `minion_sign_messages`: a default master loses signed
    /// returns, since it has no `signing_algorithm`.
    pub fn new(
        id: &MinionId,
        own: &Arc<PrivateKey>,
        ticket: &Ticket,
        sign: bool,
        rng: &mut dyn Random,
    ) -> Result<Self, Error> {
        let tok = own.tok(rng).map_err(|e| Error::Misuse(e.to_string()))?;
        Ok(Self(Arc::new(Keys {
            id: id.clone(),
            own: Arc::clone(own),
            tok: tok.to_vec(),
            key: ticket.session.as_ref().unwrap_or(&ticket.aes).clone(),
            version: ticket.version,
            master: ticket.master.clone(),
            enc_algo: ticket.enc_algo,
            sig_algo: ticket.sig_algo,
            sign: sign.then_some(ticket.sig_algo),
        })))
    }

    /// The same keys, signing with another algorithm, or not at all: for a master that does not take what
    /// [`Self::new`] chose.
    pub fn signing(&self, sign: Option<SigAlgo>) -> Self {
        let keys = Keys::clone(&self.0);
        Self(Arc::new(Keys { sign, ..keys }))
    }

    /// The frame to send for a load (`cmd` and its fields), and what its reply must be. `now` is Unix time.
    pub fn encode(
        &self,
        load: &Map,
        now: u64,
        rng: &mut dyn Random,
    ) -> Result<(Vec<u8>, Expected), Error> {
        let keys = &self.0;
        let nonce = Nonce::generate(rng);
        let request = Request {
            load,
            fields: RequestFields {
                id: &keys.id,
                nonce: &nonce,
                ts: now,
                tok: &keys.tok,
            },
            version: keys.version,
            enc_algo: keys.enc_algo,
            sig_algo: keys.sig_algo,
        };
        let signature = match keys.sign {
            Some(algo) => Some(
                keys.own
                    .sign(algo, &request.signed_bytes(), rng)
                    .map_err(|e| Error::Misuse(e.to_string()))?,
            ),
            None => None,
        };
        let frame = request.encode(&keys.key, signature.as_deref(), rng);
        if frame.len() > crate::frame::MAX_REQUEST {
            return Err(Error::Misuse(format!(
                "a request of {} bytes is longer than the limit of {}",
                frame.len(),
                crate::frame::MAX_REQUEST
            )));
        }
        let expected = Expected {
            keys: Arc::clone(keys),
            nonce,
        };
        Ok((frame, expected))
    }
}

/// The reply that one request waits for.
#[derive(Debug)]
pub struct Expected {
    keys: Arc<Keys>,
    nonce: Nonce,
}

impl Expected {
    /// Opens an ordinary reply.
    pub fn reply(&self, bytes: &[u8]) -> Result<Value, Error> {
        let blob = match Frame::decode(bytes, WHAT, MAX_REPLY)? {
            Frame::Blob(blob) => blob,
            Frame::Fields(fields) => return Err(Error::refused("request", &complaint(&fields))),
        };
        // Versions 0 and 1 know no nonce.
        let nonce = (self.keys.version >= Version::V2).then_some(&self.nonce);
        match self.keys.key.decrypt(blob, nonce) {
            Ok(opened) => Value::from_msgpack(opened.payload()).map_err(Error::msgpack(WHAT)),
            Err(CryptoError::Mac) => Err(match words(blob) {
                Some(words) => Error::refused("request", words),
                None => Error::untrusted(WHAT, CryptoError::Mac),
            }),
            Err(error) => Err(Error::untrusted(WHAT, error)),
        }
    }

    /// Opens the reply to `_pillar`: key, pillar, signature, key again, nonce.
    pub fn pillar(&self, bytes: &[u8], rng: &mut dyn Random) -> Result<Map, Error> {
        let keys = &self.keys;
        let secret = PillarReply::decode(bytes)?.unwrap_key(keys.enc_algo, &keys.own, rng)?;
        match keys.version {
            Version::V2 | Version::V3 => secret.open(&keys.master, &[keys.sig_algo], &self.nonce),
            Version::V0 | Version::V1 => secret.open_unsigned(),
        }
    }
}

/// Whether a new `_auth` may help: the keys have changed, or the master does not know us any more.
pub fn needs_authentication(error: &Error) -> bool {
    matches!(error.fault(), Fault::Peer | Fault::Refused)
}

/// An error text in place of a Crypticle: short, and readable.
fn words(blob: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(blob).ok()?;
    let readable = |c: char| !c.is_control() || c.is_whitespace();
    (text.len() < 4096 && text.chars().all(readable)).then_some(text)
}
