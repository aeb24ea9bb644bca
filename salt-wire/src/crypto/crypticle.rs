//! Crypticle: AES-192-CBC with HMAC-SHA256 over it, the envelope of everything but `_auth`.
//!
//! ```text
//! plain = "pickle::" [ nonce, 32 characters ] msgpack
//! blob  = IV (16) | AES-192-CBC(plain, PKCS#7) | HMAC-SHA256(IV | ciphertext) (32)
//! ```
//!
//! The mark is only text; no pickle is involved.

use std::fmt;

use aes::Aes192;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use ring::hmac;
use zeroize::{Zeroize, Zeroizing};

use super::{CryptoError, Random, constant_time_eq};
use crate::ids::Nonce;

const AES_KEY: usize = 24;
const MAC_KEY: usize = 32;
const IV: usize = 16;
const MAC: usize = 32;
const BLOCK: usize = 16;
const MARK: &[u8] = b"pickle::";

/// A symmetric key pair: the master's AES key, a session key, or the one-time key of a pillar.
#[derive(Clone)]
pub struct Crypticle {
    /// The key as the text in which Salt passes it around, which is what gets hashed and signed.
    text: Zeroizing<String>,
    keys: Zeroizing<[u8; AES_KEY + MAC_KEY]>,
}

impl Crypticle {
    /// How long the text of a key is.
    pub const TEXT: usize = 76;

    /// Reads the text of a key: base64 of 24 + 32 bytes.
    pub fn from_text(text: &[u8]) -> Result<Self, CryptoError> {
        let bad = |cause: &str| CryptoError::BadKey {
            kind: "session key",
            cause: cause.to_owned(),
        };
        let text = std::str::from_utf8(text).map_err(|_| bad("it is no text"))?;
        // Some of Salt's writers end it with a newline.
        let text = Zeroizing::new(text.trim_end().to_owned());
        let mut keys = Zeroizing::new([0; AES_KEY + MAC_KEY]);
        // One byte more than needed, so that a longer key is told apart.
        let mut bytes = Zeroizing::new([0; AES_KEY + MAC_KEY + 4]);
        let len = STANDARD
            .decode_slice(text.as_bytes(), bytes.as_mut())
            .map_err(|_| bad("it is no base64 text of 56 bytes"))?;
        if len != keys.len() {
            return Err(bad("it has not 24 + 32 bytes"));
        }
        keys.copy_from_slice(&bytes[..len]);
        Ok(Self { text, keys })
    }

    /// Makes a new key.
    pub fn generate(rng: &mut dyn Random) -> Self {
        let mut keys = Zeroizing::new([0; AES_KEY + MAC_KEY]);
        rng.fill_bytes(keys.as_mut());
        let text = Zeroizing::new(STANDARD.encode(keys.as_ref()));
        Self { text, keys }
    }

    /// The key as text. A secret.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Appends an encrypted message to a buffer, where `write` puts the msgpack in its place: a return of
    /// many megabytes is never copied.
    pub fn encrypt_into(
        &self,
        out: &mut Vec<u8>,
        nonce: Option<&Nonce>,
        rng: &mut dyn Random,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = out.len();
        let mut iv = [0; IV];
        rng.fill_bytes(&mut iv);
        out.extend_from_slice(&iv);
        out.extend_from_slice(MARK);
        if let Some(nonce) = nonce {
            out.extend_from_slice(nonce.as_str().as_bytes());
        }
        write(out);
        // Room for the padding, which is one whole block if nothing else is needed.
        let plain = out.len() - start - IV;
        let padded = (plain / BLOCK + 1) * BLOCK;
        out.resize(start + IV + padded, 0);
        let cipher = cbc::Encryptor::<Aes192>::new(self.aes_key().into(), &iv.into());
        #[expect(clippy::expect_used, reason = "the line above made room for it")]
        cipher
            .encrypt_padded_mut::<Pkcs7>(&mut out[start + IV..], plain)
            .expect("room for the padding");
        let mac = hmac::sign(&self.mac_key(), &out[start..]);
        out.extend_from_slice(mac.as_ref());
    }

    /// Encrypts a message that is at hand.
    pub fn encrypt(&self, nonce: Option<&Nonce>, payload: &[u8], rng: &mut dyn Random) -> Vec<u8> {
        let mut blob = Vec::with_capacity(payload.len() + IV + MARK.len() + 32 + BLOCK + MAC);
        self.encrypt_into(&mut blob, nonce, rng, |out| out.extend_from_slice(payload));
        blob
    }

    /// Decrypts a message. The authentication code is checked first, in constant time, then the nonce if
    /// one is expected.
    pub fn decrypt(&self, blob: &[u8], nonce: Option<&Nonce>) -> Result<Opened, CryptoError> {
        // IV, one block, MAC: nothing shorter exists.
        let (sealed, mac) = blob
            .split_at_checked(blob.len().saturating_sub(MAC))
            .ok_or(CryptoError::Mac)?;
        if sealed.len() < IV + BLOCK || sealed.len() % BLOCK != 0 {
            return Err(CryptoError::Mac);
        }
        hmac::verify(&self.mac_key(), sealed, mac).map_err(|_| CryptoError::Mac)?;
        let (iv, ciphertext) = sealed.split_at(IV);
        let mut plain = ciphertext.to_vec();
        let iv: [u8; IV] = iv.try_into().map_err(|_| CryptoError::Mac)?;
        let cipher = cbc::Decryptor::<Aes192>::new(self.aes_key().into(), &iv.into());
        // Authenticated already: a wrong padding is no oracle, the sender itself made it.
        let len = cipher
            .decrypt_padded_mut::<Pkcs7>(&mut plain)
            .map_err(|_| CryptoError::Unmarked)?
            .len();
        plain.truncate(len);
        let mut opened = Opened {
            plain,
            start: MARK.len(),
        };
        if !opened.plain.starts_with(MARK) {
            return Err(CryptoError::Unmarked);
        }
        if let Some(nonce) = nonce {
            let expected = nonce.as_str().as_bytes();
            let seen = opened.payload().get(..expected.len());
            if !seen.is_some_and(|seen| constant_time_eq(seen, expected)) {
                return Err(CryptoError::Nonce);
            }
            opened.start += expected.len();
        }
        Ok(opened)
    }

    fn aes_key(&self) -> &[u8; AES_KEY] {
        #[expect(clippy::expect_used, reason = "the length is in the type")]
        self.keys.first_chunk().expect("24 of 56 bytes")
    }

    fn mac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys[AES_KEY..])
    }
}

impl PartialEq for Crypticle {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.keys.as_ref(), other.keys.as_ref())
    }
}

impl Eq for Crypticle {}

impl fmt::Debug for Crypticle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crypticle([redacted])")
    }
}

/// A decrypted message. Wiped when dropped, since it may hold a pillar.
pub struct Opened {
    plain: Vec<u8>,
    start: usize,
}

impl Opened {
    /// The msgpack within.
    pub fn payload(&self) -> &[u8] {
        self.plain.get(self.start..).unwrap_or_default()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.plain.zeroize();
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.payload().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    /// Gives the bytes that the vectors were made with.
    struct Fixed(u8);

    impl rand_core::RngCore for Fixed {
        fn next_u32(&mut self) -> u32 {
            0
        }
        fn next_u64(&mut self) -> u64 {
            0
        }
        fn fill_bytes(&mut self, out: &mut [u8]) {
            for byte in out {
                *byte = self.0;
                self.0 += 1;
            }
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(out);
            Ok(())
        }
    }

    impl rand_core::CryptoRng for Fixed {}

    const KEY: &[u8] =
        b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc=";
    const NONCE: &str = "00112233445566778899aabbccddeeff";
    const OBJECT: &[u8] = b"\x81\xa1a\x01";

    /// What 3006.28 and 3008.3 made of `{"a": 1}` with this key and IV.
    const PLAIN: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf1beb77c00ff5e35907bfa394ecd2d82a120979d97948c1b0c013e6417bcf77e0caead54f636298ec69ae013d3b616cb5";
    const WITH_NONCE: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf7dcd132803e8e7960fc4892bf880193f645ef67cf18b8717593b6f5253a05ec0854298d757eda8041334506eb7522b8a9f10cb106ac0c6503bbfee10b0df7e6784f2552c4505fc03dd20497cb6cbf116";

    #[test]
    fn salts_own_bytes() {
        let key = Crypticle::from_text(KEY).unwrap();
        let nonce: Nonce = NONCE.parse().unwrap();
        for (nonce, expected) in [(None, PLAIN), (Some(&nonce), WITH_NONCE)] {
            let blob = key.encrypt(nonce, OBJECT, &mut Fixed(0xa0));
            assert_eq!(crate::crypto::hex(&blob), expected);
            assert_eq!(key.decrypt(&blob, nonce).unwrap().payload(), OBJECT);
        }
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let key = Crypticle::generate(&mut OsRandom);
        let blob = key.encrypt(None, b"payload", &mut OsRandom);
        for bit in 0..blob.len() * 8 {
            let mut changed = blob.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.decrypt(&changed, None).unwrap_err(), CryptoError::Mac);
        }
        for len in 0..blob.len() {
            assert_eq!(
                key.decrypt(&blob[..len], None).unwrap_err(),
                CryptoError::Mac
            );
        }
    }

    #[test]
    fn nonce_and_mark_are_checked() {
        let key = Crypticle::generate(&mut OsRandom);
        let (ours, other) = (
            Nonce::generate(&mut OsRandom),
            Nonce::generate(&mut OsRandom),
        );
        let blob = key.encrypt(Some(&ours), b"x", &mut OsRandom);
        assert_eq!(
            key.decrypt(&blob, Some(&other)).unwrap_err(),
            CryptoError::Nonce
        );
        let short = key.encrypt(None, b"x", &mut OsRandom);
        assert_eq!(
            key.decrypt(&short, Some(&ours)).unwrap_err(),
            CryptoError::Nonce
        );
    }

    #[test]
    fn key_text_comes_back() {
        let key = Crypticle::generate(&mut OsRandom);
        assert_eq!(key.text().len(), 76);
        assert_eq!(Crypticle::from_text(key.text().as_bytes()).unwrap(), key);
        for bad in [&b""[..], b"\xff", b"AAAA", &[b'A'; 80], &[b'A'; 72]] {
            assert!(Crypticle::from_text(bad).is_err());
        }
        assert_eq!(format!("{key:?}"), "Crypticle([redacted])");
    }
}
