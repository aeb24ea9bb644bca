//! A minion's word for its next key: the key in use signs the one that is to follow it.
//!
//! ```text
//! salt-agent-rotation:v1:<base64url of msgpack>:<base64url of an RSA signature>
//! ```
//!
//! Whoever holds the key in use as accepted may accept the next one on sight of this, without a console.

use super::OrderError;
use super::sealed::{Seal, in_time, key, number, problem};
use crate::crypto::{HashType, PrivateKey, PublicKey, Random};
use crate::ids::MinionId;
use crate::value::Value;

/// What the text begins with.
pub const MARK: &str = "salt-agent-rotation:v1:";

const SEAL: Seal = Seal {
    mark: MARK,
    domain: b"salt-agent rotation v1\0",
    kind: "a rotation",
    shape: "is no word for a next key (salt-agent-rotation:v1:…:…)",
};

/// What a minion's key says of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The minion.
    pub id: MinionId,
    /// The key that signs.
    pub old: PublicKey,
    /// The key that is to follow.
    pub new: PublicKey,
    /// Unix time after which it counts no more.
    pub not_after: u64,
}

impl Rotation {
    /// The text to show; `key` must be the one in use.
    pub fn seal(&self, key: &PrivateKey, rng: &mut dyn Random) -> Result<String, OrderError> {
        if *key.public() != self.old {
            return Err(problem("signature", "the key is not the one in use"));
        }
        let payload = crate::map! {
            "id" => self.id.as_str(),
            "old" => self.old.wire_pem(),
            "new" => self.new.wire_pem(),
            "not_after" => self.not_after,
        };
        SEAL.by_the_old(payload, key, rng)
    }

    /// Reads a text that the key in it has signed. Whether that is this minion's key, [`Self::check`] says.
    pub fn open(text: &str) -> Result<Self, OrderError> {
        let (map, old) = SEAL.open_by_the_old(text)?;
        let id = map.get("id").and_then(Value::as_str).unwrap_or_default();
        Ok(Self {
            id: id.parse().map_err(|_| problem("id", "is no minion id"))?,
            old,
            new: key(&map, "new")?,
            not_after: number(&map, "not_after")
                .ok_or_else(|| problem("not_after", "is missing or no time"))?,
        })
    }

    /// Whether it counts at this time for who has accepted this key under this id.
    pub fn check(&self, id: &str, accepted: &PublicKey, now: u64) -> Result<(), OrderError> {
        in_time(self.not_after, now)?;
        if self.id.as_str() != id {
            let words = format!("is for {}, not for {id}", self.id.as_str());
            return Err(problem("targets", &words));
        }
        if self.old != *accepted {
            let finger = self.old.fingerprint(HashType::default());
            let words = format!("is by {finger}, which is not the accepted key of {id}");
            return Err(problem("signature", &words));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;
    use crate::order::handover::Handover;

    #[test]
    fn the_key_in_use_speaks_for_the_next_one() {
        let key = || PrivateKey::generate(1024, &mut OsRandom).unwrap();
        let (old, new, other) = (key(), key(), key());
        let said = Rotation {
            id: "web1".parse().unwrap(),
            old: old.public().clone(),
            new: new.public().clone(),
            not_after: 2000,
        };
        assert!(said.seal(&new, &mut OsRandom).is_err());
        let text = said.seal(&old, &mut OsRandom).unwrap();
        assert_eq!(Rotation::open(&text), Ok(said.clone()));
        let fault = |id, accepted: &PrivateKey, now| {
            said.check(id, accepted.public(), now).map_err(|e| e.code())
        };
        assert_eq!(fault("web1", &old, 1999), Ok(()));
        assert_eq!(fault("web1", &old, 2000), Err("order-expired"));
        assert_eq!(fault("web2", &old, 1999), Err("order-not-for-us"));
        assert_eq!(fault("web1", &other, 1999), Err("order-not-signed"));
        // Neither kind of certificate passes for the other.
        let handover = Handover::new(old.public().clone(), new.public().clone(), 2000);
        let handover = handover.seal(&old, &mut OsRandom).unwrap();
        for text in [
            handover.clone(),
            handover.replace("handover", "rotation"),
            text.replacen('A', "B", 1),
        ] {
            assert!(Rotation::open(&text).is_err(), "{text}");
        }
        assert!(Handover::open(&text.replace("rotation", "handover")).is_err());
    }
}
