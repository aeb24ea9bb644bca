//! Everything that touches a key: RSA, Crypticle, digests and signatures. No file outside of this folder
//! names a crypto crate.
//!
//! Randomness is an argument ([`Random`]); [`OsRandom`] is the kernel's. Types that hold a secret print as
//! `[redacted]` and are wiped when dropped. A new algorithm name goes into `names.rs` and into the two
//! `match`es of `rsa.rs`; the compiler finds them.

mod crypticle;
mod ed25519;
mod fingerprint;
mod hash;
pub mod locked;
mod names;
mod prime;
mod rsa;
mod x931;

pub use crypticle::{Crypticle, Opened};
pub use ed25519::{OrderKey, OrderPublicKey};
pub use fingerprint::Fingerprint;
pub use hash::{HashType, Hasher};
pub use names::{EncAlgo, SigAlgo};
pub use prime::Prime;
pub use rand_core::{
    CryptoRng, CryptoRngCore as Random, Error as RngError, OsRng as OsRandom, RngCore,
};
pub use rsa::{MIN_KEY_BITS, PrivateKey, PublicKey};
pub use zeroize::Zeroizing;

pub(crate) use hash::hex;

/// Why a cryptographic operation gave nothing.
///
/// The variants never say which byte was wrong: a peer that sees our answer learns only that it failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The text is no PEM key that we read.
    #[error("no usable {kind}: {cause}")]
    BadKey {
        /// `RSA private key`, `RSA public key`, `session key`…
        kind: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// A ciphertext was not made for this key.
    #[error("the {what} does not decrypt with this key")]
    Decrypt {
        /// What was to be decrypted.
        what: &'static str,
    },
    /// The authentication code is wrong: another key, or a changed message.
    #[error("the message was made with another key, or was changed on its way")]
    Mac,
    /// It authenticates, but the nonce is not the one that was sent.
    #[error("the answer carries another nonce than the question")]
    Nonce,
    /// It authenticates, but it holds something else.
    #[error("the message authenticates, but is no Salt message")]
    Unmarked,
    /// A signature does not verify.
    #[error("the signature of the {what} does not verify")]
    Signature {
        /// What was signed.
        what: &'static str,
    },
    /// An algorithm, hash or fingerprint that is not known.
    #[error("unknown {kind} \"{name}\"; known are {known}")]
    UnknownName {
        /// What it names.
        kind: &'static str,
        /// As it was given.
        name: String,
        /// The words that are known.
        known: &'static str,
    },
    /// The operation itself failed, which a valid key never does.
    #[error("the RSA operation failed: {0}")]
    Internal(String),
}

/// Compares two secrets without telling by the time taken where they differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // Lengths are public; the fold looks at every byte whatever the others were.
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}
