//! Fingerprints of keys, as `salt-key -F`, `key.finger` and `master_finger` write them.

use std::fmt;
use std::str::FromStr;

use super::{CryptoError, HashType, hash::hex};

/// A digest over the text of a public key: hex pairs joined with colons.
///
/// Its length tells the hash, so a fingerprint is complete without naming one. Salt has two ways to take
/// it (3008's `salt-key` hashes the armour too), see [`super::PublicKey::fingerprint`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// What any of Salt's files calls a fingerprint of this text.
    pub(super) fn of(text: &[u8], hash: HashType) -> Self {
        Self(hash.digest(text))
    }

    /// The hash that made it.
    pub fn hash_type(&self) -> HashType {
        // Only lengths that a hash has are ever stored.
        HashType::of_size(self.0.len()).unwrap_or_default()
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = CryptoError;

    /// Hex pairs joined with colons, or without any; upper case is fine.
    fn from_str(text: &str) -> Result<Self, CryptoError> {
        let bad = |cause: &str| CryptoError::BadKey {
            kind: "fingerprint",
            cause: format!("\"{}\" {cause}", text.escape_debug()),
        };
        let text = text.trim();
        // More than any digest has; so that a whole file by mistake gives a short message.
        if text.len() > 256 {
            return Err(CryptoError::BadKey {
                kind: "fingerprint",
                cause: format!("{} characters are too many", text.len()),
            });
        }
        let pairs: Vec<&str> = if text.contains(':') {
            text.split(':').collect()
        } else if text.is_ascii() && text.len().is_multiple_of(2) {
            (0..text.len())
                .step_by(2)
                .filter_map(|at| text.get(at..at + 2))
                .collect()
        } else {
            return Err(bad("is no list of hex pairs joined with colons"));
        };
        let byte = |pair: &&str| {
            let hex = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let digest: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let digest = digest.ok_or_else(|| bad("is no list of hex pairs joined with colons"))?;
        HashType::of_size(digest.len())
            .ok_or_else(|| bad("has the length of no known hash"))
            .map(|_| Self(digest))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            f.write_str(&hex(&[*byte]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_and_names_its_hash() {
        let text = "ab:a8:5f:e1:54:bd:a5:24:5c:3a:86:e5:ba:8a:46:03:9b:25:b8:9c:29:fd:51:fc:3a:0c:67:b0:41:4a:7b:b1";
        let finger: Fingerprint = text.parse().unwrap();
        assert_eq!(finger.to_string(), text);
        assert_eq!(finger.hash_type(), HashType::Sha256);
        assert_eq!(text.to_uppercase().parse(), Ok(finger.clone()));
        assert_eq!(text.replace(':', "").parse(), Ok(finger));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "ab",
            "ab:cd",
            "+1:02",
            "zz:zz",
            "é",
            "abc",
            &"ab:".repeat(400),
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
