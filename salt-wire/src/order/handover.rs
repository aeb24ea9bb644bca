//! A handover certificate: the old master's key signs the new one's, up to a cut-off date.
//!
//! ```text
//! salt-agent-handover:v1:<base64url of msgpack>:<base64url of an RSA signature>
//! ```
//!
//! An agent that believes the old key believes the new one on sight of the certificate: at the same address
//! (a master that was rebuilt or whose key was rotated), or at the one that the certificate names. It is made
//! where the old private key lives, and may be read from anywhere: who changes a byte of it has nothing.

use super::sealed::{Seal, in_time, key, number, problem};
use super::{MASTER_PORT, OrderError, PUBLISH_PORT};
use crate::crypto::{HashType, PrivateKey, PublicKey, Random};

/// What the text begins with.
pub const MARK: &str = "salt-agent-handover:v1:";

const SEAL: Seal = Seal {
    mark: MARK,
    domain: b"salt-agent handover v1\0",
    kind: "a certificate",
    shape: "is no handover certificate (salt-agent-handover:v1:…:…)",
};

/// What the old master's key says of the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The key that signs.
    pub old: PublicKey,
    /// The key that is believed from now on.
    pub new: PublicKey,
    /// Unix time after which it counts no more.
    pub not_after: u64,
    /// Where the owner of the new key is; nothing: where the old one was.
    pub master: Option<String>,
    /// Its request port, if it has moved.
    pub master_port: u16,
    /// Its publish port, if it has moved.
    pub publish_port: u16,
}

impl Handover {
    /// A certificate for the same place.
    pub fn new(old: PublicKey, new: PublicKey, not_after: u64) -> Self {
        Self {
            old,
            new,
            not_after,
            master: None,
            master_port: MASTER_PORT,
            publish_port: PUBLISH_PORT,
        }
    }

    /// The text to publish; `key` must be the old master's.
    pub fn seal(&self, key: &PrivateKey, rng: &mut dyn Random) -> Result<String, OrderError> {
        if *key.public() != self.old {
            return Err(problem("signature", "the key is not the old master's"));
        }
        let mut payload = crate::map! {
            "old" => self.old.wire_pem(),
            "new" => self.new.wire_pem(),
            "not_after" => self.not_after,
        };
        if let Some(master) = &self.master {
            payload.insert("master".into(), master.as_str().into());
            payload.insert("master_port".into(), u64::from(self.master_port).into());
            payload.insert("publish_port".into(), u64::from(self.publish_port).into());
        }
        SEAL.by_the_old(payload, key, rng)
    }

    /// Reads a certificate that the key in it has signed. Whether that key is believed, and whether it is not
    /// too late, is the caller's to say; see [`Self::check`].
    pub fn open(text: &str) -> Result<Self, OrderError> {
        let (map, old) = SEAL.open_by_the_old(text)?;
        let not_after = number(&map, "not_after")
            .ok_or_else(|| problem("not_after", "is missing or no time"))?;
        let mut read = Self::new(old, key(&map, "new")?, not_after);
        if let Some(master) = map.get("master").filter(|m| !m.is_null()) {
            let master = master.as_str().unwrap_or_default();
            read.master = Some(super::host(master.to_owned())?).filter(|m| !m.is_empty());
            let port = |field, default| match number(&map, field) {
                None => Ok(default),
                Some(port) => u16::try_from(port).map_err(|_| problem(field, "is no port")),
            };
            read.master_port = port("master_port", MASTER_PORT)?;
            read.publish_port = port("publish_port", PUBLISH_PORT)?;
        }
        Ok(read)
    }

    /// Whether it counts at this time for an agent that believes `believed`.
    pub fn check(&self, believed: impl Fn(&PublicKey) -> bool, now: u64) -> Result<(), OrderError> {
        in_time(self.not_after, now)?;
        if !believed(&self.old) {
            let finger = self.old.fingerprint(HashType::default());
            let words = format!("is by {finger}, which is not our master's key");
            return Err(problem("signature", &words));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    fn key() -> PrivateKey {
        PrivateKey::generate(1024, &mut OsRandom).unwrap()
    }

    #[test]
    fn the_old_key_speaks_for_the_new_one_until_its_day() {
        let (old, new, other) = (key(), key(), key());
        let mut certificate = Handover::new(old.public().clone(), new.public().clone(), 2000);
        assert_eq!(
            certificate.seal(&other, &mut OsRandom).unwrap_err().code(),
            "order-not-signed"
        );
        for master in [None, Some("new.example".to_owned())] {
            certificate.master = master;
            let text = certificate.seal(&old, &mut OsRandom).unwrap();
            assert_eq!(
                Handover::open(&format!("{text}\n")),
                Ok(certificate.clone())
            );
            let fault = |now, believed: &PrivateKey| {
                let believes = |key: &PublicKey| key == believed.public();
                certificate.check(believes, now).map_err(|e| e.code())
            };
            assert_eq!(fault(1999, &old), Ok(()));
            assert_eq!(fault(2000, &old), Err("order-expired"));
            assert_eq!(fault(1999, &other), Err("order-not-signed"));
        }
    }

    #[test]
    fn a_changed_byte_is_nothing() {
        let (old, new) = (key(), key());
        let text = Handover::new(old.public().clone(), new.public().clone(), 2000)
            .seal(&old, &mut OsRandom)
            .unwrap();
        for at in MARK.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(Handover::open(&String::from_utf8(changed).unwrap()).is_err());
        }
        for odd in [
            "",
            MARK,
            "salt-agent-handover:v1::",
            "salt-agent-order:v1:A:A",
        ] {
            assert_eq!(Handover::open(odd).unwrap_err().code(), "order-unreadable");
        }
    }
}
