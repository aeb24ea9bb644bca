//! A signed document as one line of text: a mark, the payload and its signature in base64. What orders and handover
//! certificates have in common; whose signature counts is theirs to say.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::OrderError;
use crate::crypto::{PrivateKey, PublicKey, Random, SigAlgo};
use crate::value::{Map, Value};

/// A kind of document.
pub(super) struct Seal {
    /// Begins each text of this kind.
    pub(super) mark: &'static str,
    /// Stands before the payload when it is signed: what is signed here counts nowhere else.
    pub(super) domain: &'static [u8],
    /// The kind, with its article.
    pub(super) kind: &'static str,
    /// What a text that is none is told.
    pub(super) shape: &'static str,
}

/// No document is longer.
pub(super) const MAX_TEXT: usize = 64 * 1024;

impl Seal {
    /// What is signed for this payload.
    pub(super) fn to_sign(&self, payload: &[u8]) -> Vec<u8> {
        [self.domain, payload].concat()
    }

    /// The text of a payload and its signature.
    pub(super) fn write(&self, payload: &[u8], signature: &[u8]) -> String {
        let (payload, signature) = (
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(signature),
        );
        format!("{}{payload}:{signature}", self.mark)
    }

    /// The payload and the signature in a text; nothing is verified.
    pub(super) fn read(&self, text: &str) -> Result<(Vec<u8>, Vec<u8>), OrderError> {
        let text = text.trim();
        let shape = || problem("text", self.shape);
        if text.len() > MAX_TEXT {
            let words = format!("is far too long for {}", self.kind);
            return Err(problem("text", &words));
        }
        let (payload, signature) = text
            .strip_prefix(self.mark)
            .and_then(|rest| rest.split_once(':'))
            .ok_or_else(shape)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| shape())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| shape())?;
        Ok((payload, signature))
    }
}

/// The stronger of the two that Salt knows.
const SUCCESSION: SigAlgo = SigAlgo::Pkcs1v15Sha224;

/// Documents in which an RSA key speaks for the one that follows it.
impl Seal {
    /// The text of a payload that names the signing key as `old`.
    pub(super) fn by_the_old(
        &self,
        payload: Map,
        key: &PrivateKey,
        rng: &mut dyn Random,
    ) -> Result<String, OrderError> {
        let payload = Value::Map(payload).to_msgpack();
        let signature = key
            .sign(SUCCESSION, &self.to_sign(&payload), rng)
            .map_err(|e| problem("signature", &e.to_string()))?;
        Ok(self.write(&payload, &signature))
    }

    /// The payload of a text that the key in it, `old`, has signed, and that key.
    pub(super) fn open_by_the_old(&self, text: &str) -> Result<(Map, PublicKey), OrderError> {
        let (payload, signature) = self.read(text)?;
        let Ok(Value::Map(map)) = Value::from_msgpack(&payload) else {
            return Err(problem("text", "holds no map"));
        };
        let old = key(&map, "old")?;
        old.verify(SUCCESSION, self.kind, &self.to_sign(&payload), &signature)
            .map_err(|_| problem("signature", "is not by the old key"))?;
        Ok((map, old))
    }
}

/// A public key in a payload.
pub(super) fn key(map: &Map, field: &'static str) -> Result<PublicKey, OrderError> {
    let pem = map.get(field).and_then(Value::as_str);
    let pem = pem.ok_or_else(|| problem(field, "is missing or no text"))?;
    PublicKey::from_pem(pem).map_err(|e| problem(field, &e.to_string()))
}

/// A number in a payload that is no less than zero.
pub(super) fn number(map: &Map, field: &'static str) -> Option<u64> {
    let number = map.get(field).and_then(Value::as_int);
    number.and_then(|n| u64::try_from(n).ok())
}

/// Fails when the day of a document is over.
pub(super) fn in_time(not_after: u64, now: u64) -> Result<(), OrderError> {
    if now < not_after {
        return Ok(());
    }
    let late = now - not_after;
    Err(problem("expires", &format!("was {late} seconds ago")))
}

/// A fault of a field.
pub(super) fn problem(field: &'static str, problem: &str) -> OrderError {
    OrderError {
        field,
        problem: problem.to_owned(),
    }
}
