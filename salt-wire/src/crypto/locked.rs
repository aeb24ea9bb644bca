//! A secret text behind a passphrase: PBKDF2-HMAC-SHA256 and AES-256-GCM, both from ring.
//!
//! ```text
//! salt-agent-locked:v1:<iterations>:<base64 of the salt>:<base64 of nonce and ciphertext>
//! ```

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use zeroize::Zeroizing;

use super::{CryptoError, Random};

/// What a locked text begins with.
const MARK: &str = "salt-agent-locked:v1:";

/// What OWASP asks of PBKDF2 with SHA-256.
const ITERATIONS: u32 = 600_000;

/// A file that asks for more work than this is not opened: minutes of it are somebody's joke.
const MOST_ITERATIONS: u32 = 10_000_000;

/// Whether a text is locked.
pub fn is_locked(text: &str) -> bool {
    text.trim_start().starts_with(MARK)
}

/// Locks a secret.
pub fn lock(secret: &str, passphrase: &str, rng: &mut dyn Random) -> Result<String, CryptoError> {
    let (mut salt, mut nonce) = ([0; 16], [0; NONCE_LEN]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let key = key(passphrase, &salt, ITERATIONS)?;
    let mut sealed = secret.as_bytes().to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(MARK),
        &mut sealed,
    )
    .map_err(|_| CryptoError::Internal("the secret cannot be locked".into()))?;
    let sealed = [&nonce[..], &sealed].concat();
    let (salt, sealed) = (STANDARD.encode(salt), STANDARD.encode(sealed));
    Ok(format!("{MARK}{ITERATIONS}:{salt}:{sealed}"))
}

/// Unlocks a secret. A wrong passphrase and a changed text are the same error.
pub fn unlock(text: &str, passphrase: &str) -> Result<Zeroizing<String>, CryptoError> {
    let bad = || CryptoError::BadKey {
        kind: "locked key",
        cause: "it is not what `salt-agent-locked:v1:` should be followed by".into(),
    };
    let rest = text.trim().strip_prefix(MARK).ok_or_else(bad)?;
    let mut parts = rest.split(':');
    let (Some(iterations), Some(salt), Some(sealed), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad());
    };
    let iterations: u32 = iterations.parse().map_err(|_| bad())?;
    if !(1..=MOST_ITERATIONS).contains(&iterations) {
        return Err(bad());
    }
    let salt = STANDARD.decode(salt).map_err(|_| bad())?;
    let sealed = STANDARD.decode(sealed).map_err(|_| bad())?;
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(bad)?;
    let key = key(passphrase, &salt, iterations)?;
    let mut opened = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = key
        .open_in_place(nonce, Aad::from(MARK), &mut opened)
        .map_err(|_| CryptoError::Decrypt { what: "locked key" })?;
    let text = std::str::from_utf8(plain).map_err(|_| bad())?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn key(passphrase: &str, salt: &[u8], iterations: u32) -> Result<LessSafeKey, CryptoError> {
    let mut bytes = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN),
        salt,
        passphrase.as_bytes(),
        bytes.as_mut(),
    );
    let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref());
    key.map(LessSafeKey::new)
        .map_err(|_| CryptoError::Internal("no key of 32 bytes".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    #[test]
    fn only_the_passphrase_opens_it() {
        let locked = lock("the secret", "pass", &mut OsRandom).unwrap();
        assert!(is_locked(&locked) && !is_locked("ed25519-secret:x"));
        assert!(!locked.contains("secret"));
        let opened = unlock(&format!("{locked}\n"), "pass").unwrap();
        assert_eq!(opened.as_str(), "the secret");
        let wrong = CryptoError::Decrypt { what: "locked key" };
        assert_eq!(unlock(&locked, "Pass").unwrap_err(), wrong);
        let cut = &locked[..locked.len() - 4];
        assert_eq!(unlock(cut, "pass").unwrap_err(), wrong);
    }

    #[test]
    fn nonsense_is_refused_at_once() {
        for text in [
            "",
            MARK,
            "salt-agent-locked:v1:1:AA:AA",
            "salt-agent-locked:v1:4000000000:AAAA:AAAAAAAAAAAAAAAAAAAA",
            "salt-agent-locked:v1:0:AAAA:AAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(unlock(text, "x").is_err(), "{text}");
        }
    }
}
