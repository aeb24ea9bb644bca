//! RSA keys: the minion's own pair, and the masters' public keys.
//!
//! Every private operation is blinded and its result checked with the public key, so that neither timing
//! nor a computation fault gives away a factor.

use std::fmt;
use std::sync::OnceLock;

use rsa::hazmat::{rsa_decrypt_and_check, rsa_encrypt};
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, LineEnding, SubjectPublicKeyInfoRef};
use rsa::pkcs8::{Document, der::Decode};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Oaep, Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha224};
use zeroize::Zeroizing;

use super::prime::{self, Prime};
use super::{CryptoError, EncAlgo, Fingerprint, HashType, Random, SigAlgo, x931};

/// Shorter keys are refused: 1024 bits have been factored by now, or soon will be.
pub const MIN_KEY_BITS: usize = 1024;

/// Longer keys are refused: one operation would take seconds.
const MAX_KEY_BITS: usize = 16384;

/// More text than any key of [`MAX_KEY_BITS`] has.
const MAX_PEM: usize = 64 * 1024;

/// What `tok` is made of.
const TOK_MESSAGE: &[u8] = b"salt";

/// A private key with its public half. Does not print, and is wiped when dropped.
#[derive(Clone)]
pub struct PrivateKey {
    key: RsaPrivateKey,
    public: PublicKey,
    tok: OnceLock<Vec<u8>>,
}

impl PrivateKey {
    /// Makes a new key with exponent 65537. 4096 bits take seconds: do it off the critical path.
    pub fn generate(bits: usize, rng: &mut dyn Random) -> Result<Self, CryptoError> {
        check_bits(bits, PRIVATE)?;
        let p = Prime::find(bits - bits / 2, rng);
        let q = Prime::find(bits / 2, rng);
        Self::of_primes(&p, &q)
    }

    /// A key of two primes that were found side by side, each of half its bits.
    pub fn of_primes(p: &Prime, q: &Prime) -> Result<Self, CryptoError> {
        let exponent = prime::EXPONENT.into();
        let key = RsaPrivateKey::from_p_q(p.number(), q.number(), exponent).map_err(internal)?;
        Self::new(key)
    }

    /// Reads PEM, PKCS#1 or PKCS#8, not encrypted.
    pub fn from_pem(pem: &str) -> Result<Self, CryptoError> {
        let bad = |cause: &str| bad_key(PRIVATE, cause);
        if pem.len() > MAX_PEM {
            return Err(bad("the file is far too long for a key"));
        }
        if pem.contains("ENCRYPTED") {
            return Err(bad("it is protected with a passphrase"));
        }
        // The parsers are strict about what surrounds the armour; editors and copy-paste are not.
        let pem = Zeroizing::new(normalise(pem) + "\n");
        let key = if pem.starts_with("-----BEGIN RSA PRIVATE KEY-----") {
            RsaPrivateKey::from_pkcs1_pem(&pem).map_err(|e| bad(&e.to_string()))?
        } else if pem.starts_with("-----BEGIN PRIVATE KEY-----") {
            RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|e| bad(&e.to_string()))?
        } else {
            return Err(bad(
                "it starts with neither BEGIN RSA PRIVATE KEY nor BEGIN PRIVATE KEY",
            ));
        };
        Self::new(key)
    }

    fn new(key: RsaPrivateKey) -> Result<Self, CryptoError> {
        check_bits(key.n().bits(), PRIVATE)?;
        let pem = key
            .to_public_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(internal)?;
        let public = PublicKey {
            pem: normalise(&pem),
            key: key.to_public_key(),
        };
        Ok(Self {
            key,
            public,
            tok: OnceLock::new(),
        })
    }

    /// PEM as Salt writes it: PKCS#1, with a final newline.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, CryptoError> {
        self.key.to_pkcs1_pem(LineEnding::LF).map_err(internal)
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Decrypts what somebody encrypted with the public half.
    pub fn decrypt_oaep(
        &self,
        algo: EncAlgo,
        ciphertext: &[u8],
        rng: &mut dyn Random,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let plain = self
            .key
            .decrypt_blinded(&mut &mut *rng, oaep(algo), ciphertext);
        let failed = CryptoError::Decrypt {
            what: "RSA ciphertext",
        };
        plain.map(Zeroizing::new).map_err(|_| failed)
    }

    /// Signs a message.
    pub fn sign(
        &self,
        algo: SigAlgo,
        message: &[u8],
        rng: &mut dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let (scheme, digest) = pkcs1v15(algo, message);
        self.key
            .sign_with_rng(&mut &mut *rng, scheme, &digest)
            .map_err(internal)
    }

    /// The X9.31 private operation, from which [`PublicKey::x931_recover`] gets the message back.
    pub fn x931(&self, message: &[u8], rng: &mut dyn Random) -> Result<Vec<u8>, CryptoError> {
        let len = self.key.size();
        let block = x931::pad(message, len)
            .ok_or_else(|| CryptoError::Internal("the message is longer than the key".into()))?;
        let n = self.key.n();
        let block = BigUint::from_bytes_be(&block);
        let s = rsa_decrypt_and_check(&self.key, Some(rng), &block).map_err(internal)?;
        let other = n - &s;
        Ok(to_len(&s.min(other), len))
    }

    /// The value of `tok` in every request: it never changes for a key and is computed once.
    pub fn tok(&self, rng: &mut dyn Random) -> Result<&[u8], CryptoError> {
        if let Some(tok) = self.tok.get() {
            return Ok(tok);
        }
        let tok = self.x931(TOK_MESSAGE, rng)?;
        Ok(self.tok.get_or_init(|| tok))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} bits, [redacted])", self.public.bits())
    }
}

/// A public key, together with the exact text in which it came: Salt signs and hashes that text.
#[derive(Clone)]
pub struct PublicKey {
    /// White space stripped, LF between lines, no final newline.
    pem: String,
    key: RsaPublicKey,
}

impl PublicKey {
    /// Reads PEM (`PUBLIC KEY`, or `RSA PUBLIC KEY`), forgiving about white space and line ends.
    pub fn from_pem(pem: &str) -> Result<Self, CryptoError> {
        let bad = |cause: String| bad_key(PUBLIC, &cause);
        if pem.len() > MAX_PEM {
            return Err(bad("the text is far too long for a key".into()));
        }
        let pem = normalise(pem);
        let (label, der) = Document::from_pem(&pem).map_err(|e| bad(e.to_string()))?;
        let numbers = match label {
            "PUBLIC KEY" => {
                let info = SubjectPublicKeyInfoRef::from_der(der.as_bytes())
                    .map_err(|e| bad(e.to_string()))?;
                info.algorithm
                    .assert_algorithm_oid(rsa::pkcs1::ALGORITHM_OID)
                    .map_err(|_| bad("it is no RSA key".into()))?;
                info.subject_public_key.raw_bytes()
            }
            "RSA PUBLIC KEY" => der.as_bytes(),
            other => return Err(bad(format!("it is a {}", other.escape_debug()))),
        };
        let numbers =
            rsa::pkcs1::RsaPublicKey::from_der(numbers).map_err(|e| bad(e.to_string()))?;
        let n = BigUint::from_bytes_be(numbers.modulus.as_bytes());
        let e = BigUint::from_bytes_be(numbers.public_exponent.as_bytes());
        check_bits(n.bits(), PUBLIC)?;
        let key =
            RsaPublicKey::new_with_max_size(n, e, MAX_KEY_BITS).map_err(|e| bad(e.to_string()))?;
        Ok(Self { pem, key })
    }

    /// The text as it travels: no final newline, LF between lines.
    pub fn wire_pem(&self) -> &str {
        &self.pem
    }

    /// The text as Salt writes a key file: with a final newline.
    pub fn file_pem(&self) -> String {
        format!("{}\n", self.pem)
    }

    /// The size of the modulus.
    pub fn bits(&self) -> usize {
        self.key.n().bits()
    }

    /// The fingerprint that `key.finger` prints and `master_finger` names: over the base64 lines.
    pub fn fingerprint(&self, hash: HashType) -> Fingerprint {
        // "Drop the first and the last line that is not blank, keep each other with its LF."
        let lines: Vec<&str> = self.pem.lines().filter(|l| !l.trim().is_empty()).collect();
        let body = lines.get(1..lines.len().saturating_sub(1)).unwrap_or(&[]);
        let text: String = body.iter().flat_map(|line| [*line, "\n"]).collect();
        Fingerprint::of(text.as_bytes(), hash)
    }

    /// The fingerprint that `salt-key` of 3008 prints: over the whole text, armour included.
    pub fn fingerprint_with_armour(&self, hash: HashType) -> Fingerprint {
        Fingerprint::of(self.pem.as_bytes(), hash)
    }

    /// Whether a fingerprint, in either form and of any hash, is this key's.
    pub fn matches(&self, finger: &Fingerprint) -> bool {
        let hash = finger.hash_type();
        self.fingerprint(hash) == *finger || self.fingerprint_with_armour(hash) == *finger
    }

    /// Encrypts a short secret for the owner of the private half.
    pub fn encrypt_oaep(
        &self,
        algo: EncAlgo,
        secret: &[u8],
        rng: &mut dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        self.key
            .encrypt(&mut &mut *rng, oaep(algo), secret)
            .map_err(internal)
    }

    /// Whether a signature over exactly these bytes is by the owner of the private half.
    pub fn verify(
        &self,
        algo: SigAlgo,
        what: &'static str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let (scheme, digest) = pkcs1v15(algo, message);
        self.key
            .verify(scheme, &digest, signature)
            .map_err(|_| CryptoError::Signature { what })
    }

    /// The message within an X9.31 private operation by the owner of the private half.
    pub fn x931_recover(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let len = self.key.size();
        if signature.len() != len {
            return None;
        }
        let s = BigUint::from_bytes_be(signature);
        if s >= *self.key.n() {
            return None;
        }
        let m = rsa_encrypt(&self.key, &s).ok()?;
        // The signer gave the smaller of s and n - s; the right one ends in the nibble 12.
        let low = m.to_bytes_le().first().map_or(0, |b| b & 0xf);
        let m = if low == 0xc { m } else { self.key.n() - m };
        x931::unpad(&to_len(&m, len)).map(<[u8]>::to_vec)
    }
}

/// The same numbers: text differs by its line length at most.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finger = self.fingerprint(HashType::Sha256);
        write!(f, "PublicKey({} bits, {finger})", self.bits())
    }
}

const PRIVATE: &str = "RSA private key";
const PUBLIC: &str = "RSA public key";

fn bad_key(kind: &'static str, cause: &str) -> CryptoError {
    CryptoError::BadKey {
        kind,
        cause: cause.to_owned(),
    }
}

fn internal(error: impl fmt::Display) -> CryptoError {
    CryptoError::Internal(error.to_string())
}

fn check_bits(bits: usize, kind: &'static str) -> Result<(), CryptoError> {
    match bits {
        MIN_KEY_BITS..=MAX_KEY_BITS => Ok(()),
        _ => Err(bad_key(
            kind,
            &format!("it has {bits} bits, not {MIN_KEY_BITS} to {MAX_KEY_BITS}"),
        )),
    }
}

/// Salt's `clean_key`: white space around the text stripped, LF between the lines.
fn normalise(pem: &str) -> String {
    let lines: Vec<&str> = pem.trim().lines().collect();
    lines.join("\n")
}

fn oaep(algo: EncAlgo) -> Oaep {
    match algo {
        EncAlgo::OaepSha1 => Oaep::new::<Sha1>(),
        EncAlgo::OaepSha224 => Oaep::new::<Sha224>(),
    }
}

fn pkcs1v15(algo: SigAlgo, message: &[u8]) -> (Pkcs1v15Sign, Vec<u8>) {
    match algo {
        SigAlgo::Pkcs1v15Sha1 => (Pkcs1v15Sign::new::<Sha1>(), Sha1::digest(message).to_vec()),
        SigAlgo::Pkcs1v15Sha224 => (
            Pkcs1v15Sign::new::<Sha224>(),
            Sha224::digest(message).to_vec(),
        ),
    }
}

/// Big endian, filled with zeros at the front.
fn to_len(number: &BigUint, len: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut out = vec![0; len.saturating_sub(bytes.len())];
    out.extend_from_slice(&bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    #[test]
    fn a_generated_key_does_everything() {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        let public = PublicKey::from_pem(&key.public().file_pem()).unwrap();
        assert_eq!(&public, key.public());
        assert_eq!(public.bits(), 1024);
        for algo in EncAlgo::ALL {
            let sealed = public.encrypt_oaep(algo, b"secret", &mut OsRandom).unwrap();
            let opened = key.decrypt_oaep(algo, &sealed, &mut OsRandom).unwrap();
            assert_eq!(opened.as_slice(), b"secret");
        }
        for algo in SigAlgo::ALL {
            let signature = key.sign(algo, b"text", &mut OsRandom).unwrap();
            assert!(public.verify(algo, "text", b"text", &signature).is_ok());
            assert!(public.verify(algo, "text", b"test", &signature).is_err());
        }
        let again = PrivateKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
        assert!(format!("{key:?}").contains("[redacted]"));
    }

    #[test]
    fn both_branches_of_x931_come_back() {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        let half = key.key.n() >> 1usize;
        for i in 0..32u8 {
            let s = key.x931(&[i; 20], &mut OsRandom).unwrap();
            assert!(BigUint::from_bytes_be(&s) <= half);
            assert_eq!(key.public().x931_recover(&s).unwrap(), [i; 20]);
        }
        assert_eq!(key.public().x931_recover(&[0; 128]), None);
        assert_eq!(key.public().x931_recover(&[0xff; 128]), None);
        assert_eq!(key.public().x931_recover(b""), None);
        assert!(key.x931(&[0; 127], &mut OsRandom).is_err());
    }

    #[test]
    fn bad_keys_are_told_apart() {
        let why = |pem: &str| match PrivateKey::from_pem(pem) {
            Err(CryptoError::BadKey { cause, .. }) => cause,
            other => panic!("{other:?}"),
        };
        assert!(why("").contains("neither"));
        assert!(why("-----BEGIN ENCRYPTED PRIVATE KEY-----").contains("passphrase"));
        assert!(
            !why("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----").is_empty()
        );
        assert!(
            PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")
                .is_err()
        );
        assert!(PrivateKey::generate(512, &mut OsRandom).is_err());
    }
}
