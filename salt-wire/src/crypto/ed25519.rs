//! Ed25519, for signed orders: short keys and signatures that fit into instance metadata.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::{CryptoError, Random};

/// What the text of a public key begins with.
const PUBLIC: &str = "ed25519:";

/// What the text of a secret key begins with; no prefix of the other.
const SECRET: &str = "ed25519-secret:";

/// An operator's key that signs orders. Does not print.
pub struct OrderKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl OrderKey {
    /// Makes a new key.
    pub fn generate(rng: &mut dyn Random) -> Result<Self, CryptoError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(seed)
    }

    /// Reads the text of [`Self::to_text`].
    pub fn from_text(text: &str) -> Result<Self, CryptoError> {
        Self::from_seed(Zeroizing::new(decode(SECRET, text)?))
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, CryptoError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
            .map_err(|e| CryptoError::Internal(e.to_string()))?;
        Ok(Self { seed, pair })
    }

    /// The secret as one line of text, for a file with mode 0600.
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(STANDARD.encode(self.seed.as_ref()));
        Zeroizing::new(format!("{SECRET}{}", *seed))
    }

    /// The public half.
    pub fn public(&self) -> OrderPublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        OrderPublicKey(key)
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderKey({}, [redacted])", self.public())
    }
}

/// The public half of an operator's key, as `agent: {order_keys: […]}` lists it: `ed25519:BASE64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderPublicKey([u8; 32]);

impl OrderPublicKey {
    /// Whether a signature over exactly these bytes is by the owner of the secret half.
    pub fn verify(
        &self,
        what: &'static str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| CryptoError::Signature { what })
    }
}

impl FromStr for OrderPublicKey {
    type Err = CryptoError;

    fn from_str(text: &str) -> Result<Self, CryptoError> {
        decode(PUBLIC, text).map(Self)
    }
}

impl fmt::Display for OrderPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for OrderPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn decode(prefix: &str, text: &str) -> Result<[u8; 32], CryptoError> {
    // The text may be a secret: the error does not repeat it.
    let bad = || CryptoError::BadKey {
        kind: "order key",
        cause: format!("it is not \"{prefix}\" and 44 characters of base64"),
    };
    let text = text.trim().strip_prefix(prefix).ok_or_else(bad)?;
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| bad())?);
    bytes.as_slice().try_into().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    #[test]
    fn keys_and_signatures_come_back() {
        let key = OrderKey::generate(&mut OsRandom).unwrap();
        let again = OrderKey::from_text(&key.to_text()).unwrap();
        let public: OrderPublicKey = key.public().to_string().parse().unwrap();
        let signature = again.sign(b"go");
        assert!(public.verify("order", b"go", &signature).is_ok());
        assert!(public.verify("order", b"no", &signature).is_err());
        assert!(!format!("{key:?}").contains(&key.to_text()[SECRET.len()..]));
    }

    #[test]
    fn the_halves_are_not_mixed_up() {
        let key = OrderKey::generate(&mut OsRandom).unwrap();
        assert!(OrderKey::from_text(&key.public().to_string()).is_err());
        assert!(key.to_text().parse::<OrderPublicKey>().is_err());
    }
}
