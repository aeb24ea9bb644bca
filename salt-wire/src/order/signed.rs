//! An order that needs no master to carry it: signed by an operator, readable from instance metadata, a
//! config drive, user-data, a file or a URL.
//!
//! ```text
//! salt-agent-order:v1:<base64url of msgpack>:<base64url of an Ed25519 signature>
//! ```
//!
//! The signature is over a fixed prefix and exactly the bytes that came, so there is no second encoding to
//! agree on. What it adds to an [`Order`] keeps it from being used elsewhere, early, or again: the minions
//! it is for, the time from which it counts, and a sequence number that only grows.

use super::sealed::{MAX_TEXT, Seal, problem};
use super::target::Target;
use super::{Order, OrderError};
use crate::crypto::{OrderKey, OrderPublicKey};
use crate::ids::MinionId;
use crate::value::{Map, Value};

/// What the text begins with.
pub const MARK: &str = "salt-agent-order:v1:";

const SEAL: Seal = Seal {
    mark: MARK,
    domain: b"salt-agent remaster order v1\0",
    kind: "an order",
    shape: "is no signed order (salt-agent-order:v1:…:…)",
};

/// As long as one value of Nova's metadata may be.
const METADATA_VALUE: usize = 255;

/// The metadata keys begin with this and end in the number of their part.
pub const METADATA_KEY: &str = "salt-agent-order-";

/// More parts than any order needs.
const MAX_PARTS: usize = MAX_TEXT / 200;

/// An order and whom, when and how often it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOrder {
    /// What to do.
    pub order: Order,
    /// The minions that it is for: one that fits is enough.
    pub targets: Vec<Target>,
    /// Unix time before which it must not be begun.
    pub not_before: u64,
    /// Greater than that of every order before; an agent takes none that is not.
    pub sequence: u64,
}

impl SignedOrder {
    /// The text to publish.
    pub fn seal(&self, key: &OrderKey) -> String {
        let payload = Value::Map(crate::map! {
            "order" => self.order.to_map(),
            "targets" => self.targets.iter().map(|t| Value::from(t.to_string())).collect::<Vec<_>>(),
            "not_before" => self.not_before,
            "sequence" => self.sequence,
        })
        .to_msgpack();
        let signature = key.sign(&SEAL.to_sign(&payload));
        SEAL.write(&payload, &signature)
    }

    /// Reads what a text says, whoever signed it: to be looked at, never to be obeyed.
    pub fn peek(text: &str) -> Result<Self, OrderError> {
        let (payload, _) = SEAL.read(text)?;
        Self::from_payload(&payload)
    }

    /// Reads a text that one of the keys has signed. Whether it is for us and for now, [`Self::check`] says.
    pub fn open(text: &str, keys: &[OrderPublicKey]) -> Result<Self, OrderError> {
        let (payload, signature) = SEAL.read(text)?;
        let message = SEAL.to_sign(&payload);
        let signed = |key: &OrderPublicKey| key.verify("order", &message, &signature).is_ok();
        if !keys.iter().any(signed) {
            return Err(problem(
                "signature",
                "is by none of the keys in agent: order_keys",
            ));
        }
        Self::from_payload(&payload)
    }

    fn from_payload(payload: &[u8]) -> Result<Self, OrderError> {
        match Value::from_msgpack(payload) {
            Ok(Value::Map(payload)) => Self::from_map(&payload),
            _ => Err(problem("text", "holds no map")),
        }
    }

    fn from_map(payload: &Map) -> Result<Self, OrderError> {
        let order = match payload.get("order") {
            // Signed orders name everything: there is no time and no id to fill in.
            Some(Value::Map(order)) if order.contains_key("expires") => {
                Order::from_map(order, 0, "")?
            }
            Some(Value::Map(_)) => return Err(problem("expires", "is missing")),
            _ => return Err(problem("order", "is missing or no map")),
        };
        let targets = match payload.get("targets") {
            Some(Value::List(targets)) => targets
                .iter()
                .map(|t| t.as_str().map(Target::parse))
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let number = |field| {
            let int = payload.get(field).and_then(Value::as_int);
            int.and_then(|n| u64::try_from(n).ok())
                .ok_or_else(|| problem(field, "is missing or no positive number"))
        };
        Ok(Self {
            order,
            targets: targets.ok_or_else(|| problem("targets", "is missing or no list of texts"))?,
            not_before: number("not_before")?,
            sequence: number("sequence")?,
        })
    }

    /// Whether this agent may begin it now. `last` is the sequence of the latest order that it took.
    pub fn check(
        &self,
        id: &MinionId,
        grains: &Map,
        now: u64,
        last: u64,
    ) -> Result<(), OrderError> {
        if !self.targets.iter().any(|t| t.fits(id.as_str(), grains)) {
            return Err(problem("targets", &format!("none of them is {id}")));
        }
        if now < self.not_before {
            let wait = self.not_before - now;
            return Err(problem(
                "not_before",
                &format!("is still {wait} seconds away"),
            ));
        }
        if now >= self.order.expires {
            let late = now - self.order.expires;
            return Err(problem("expires", &format!("was {late} seconds ago")));
        }
        if self.sequence <= last {
            let seen = format!(
                "{} is not above {last}, which was taken before",
                self.sequence
            );
            return Err(problem("sequence", &seen));
        }
        Ok(())
    }
}

/// A sealed order as entries of instance metadata, none of which is too long for Nova.
pub fn to_metadata(text: &str) -> Vec<(String, String)> {
    // Room for "12/34:" before each part.
    let size = METADATA_VALUE - 8;
    let parts: Vec<String> = text
        .as_bytes()
        .chunks(size)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    let total = parts.len();
    parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| {
            (
                format!("{METADATA_KEY}{at}"),
                format!("{at}/{total}:{part}"),
            )
        })
        .collect()
}

/// The sealed order within instance metadata, if there is a whole one. Parts left over from a longer order
/// of before are not taken.
pub fn from_metadata<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let part = |at: usize| {
        let (head, text) = value(&format!("{METADATA_KEY}{at}"))?.split_once(':')?;
        let (number, total) = head.split_once('/')?;
        let total: usize = total.parse().ok()?;
        (number.parse() == Ok(at)).then_some((total, text))
    };
    let (total, _) = part(0)?;
    if total > MAX_PARTS {
        return None;
    }
    let mut whole = String::new();
    for at in 0..total {
        let (of, text) = part(at)?;
        if of != total {
            return None;
        }
        whole.push_str(text);
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    fn order() -> SignedOrder {
        let fields = crate::map! {
            "id" => "move-7",
            "master" => "new-master.prod.example.org",
            "finger" => "ab:".repeat(31) + "cd",
            "expires" => 2000,
            "highstate" => true,
        };
        SignedOrder {
            order: Order::from_map(&fields, 0, "").unwrap(),
            targets: ["app*", "db?", "L@web1,web2", "G@level:staging"]
                .map(Target::parse)
                .to_vec(),
            not_before: 1000,
            sequence: 7,
        }
    }

    fn id(id: &str) -> MinionId {
        id.parse().unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_only() {
        let (key, other) = (
            OrderKey::generate(&mut OsRandom).unwrap(),
            OrderKey::generate(&mut OsRandom).unwrap(),
        );
        let text = order().seal(&key);
        let opened = SignedOrder::open(&format!(" {text}\n"), &[other.public(), key.public()]);
        assert_eq!(opened, Ok(order()));
        for keys in [&[][..], &[other.public()]] {
            assert_eq!(
                SignedOrder::open(&text, keys).unwrap_err().field,
                "signature"
            );
        }
        for (at, _) in text.char_indices().skip(MARK.len()) {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                SignedOrder::open(&changed, &[key.public()]).is_err(),
                "{at}"
            );
        }
        for odd in [
            "",
            MARK,
            "salt-agent-order:v1::",
            "salt-agent-order:v2:AA:AA",
        ] {
            assert!(SignedOrder::open(odd, &[key.public()]).is_err());
        }
    }

    #[test]
    fn an_order_counts_for_some_for_a_while_and_once() {
        let grains = Map::new();
        let fault = |id: &MinionId, now, last| match order().check(id, &grains, now, last) {
            Ok(()) => "none",
            Err(error) => error.code(),
        };
        assert_eq!(fault(&id("app12"), 1500, 6), "none");
        assert_eq!(fault(&id("db1"), 1000, 0), "none");
        assert_eq!(fault(&id("db12"), 1500, 0), "order-not-for-us");
        assert_eq!(fault(&id("app1"), 999, 0), "order-too-early");
        assert_eq!(fault(&id("app1"), 2000, 0), "order-expired");
        assert_eq!(fault(&id("app1"), 1500, 7), "order-replayed");
    }

    #[test]
    fn metadata_takes_it_in_parts() {
        let key = OrderKey::generate(&mut OsRandom).unwrap();
        let text = order().seal(&key);
        let mut parts: std::collections::HashMap<_, _> = to_metadata(&text).into_iter().collect();
        assert!(parts.len() > 1 && parts.values().all(|v| v.len() <= METADATA_VALUE));
        let read = |parts: &std::collections::HashMap<String, String>| {
            from_metadata(|key| parts.get(key).map(String::as_str))
        };
        // Left over from a longer one.
        parts.insert(format!("{METADATA_KEY}{}", parts.len()), "9/10:rest".into());
        assert_eq!(read(&parts), Some(text));
        parts.remove(&format!("{METADATA_KEY}1"));
        assert_eq!(read(&parts), None);
        parts.insert(format!("{METADATA_KEY}0"), "0/99999999:x".into());
        assert_eq!(read(&parts), None);
        assert_eq!(from_metadata(|_| None), None);
    }
}
