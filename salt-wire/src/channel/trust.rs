//! Whether a master's key is to be believed: what the operator said, what was learned before, and the verdict.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{EncAlgo, Fingerprint, HashType, PublicKey, SigAlgo};
use crate::frame::Version;

/// Everything that can speak for a master's key.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The key that was believed before: `minion_master.pub`.
    pub stored: Option<PublicKey>,
    /// Fingerprints of which the key must have one: `master_finger`, or that of an order. Each in any of
    /// Salt's two forms.
    pub fingers: Vec<Fingerprint>,
    /// With `verify_master_pubkey_sign`: the keys that may sign a master's key (`master_sign.pub`).
    pub signers: Option<Vec<PublicKey>>,
    /// `always_verify_signature`: check `pub_sig` even when the key is the stored one.
    pub always_verify_signature: bool,
    /// `agent: {trust: first-use}`: believe the first key that comes, if nothing else speaks for or against it.
    pub first_use: bool,
    /// `open_mode`: a changed key is no reason to refuse.
    pub open_mode: bool,
    /// Keys that may follow the believed one, since its owner or an operator signed that.
    pub successors: Vec<Fingerprint>,
}

/// How a believed key stands to what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the stored one.
    Known,
    /// There was none; a fingerprint speaks for it.
    Pinned,
    /// A signing key speaks for it.
    Signed,
    /// The key before it, or an operator's order, names it as what follows.
    Successor,
    /// Nothing speaks for it but the operator's leave to believe the first one.
    FirstUse,
}

impl Standing {
    /// Whether `minion_master.pub` has to be written.
    pub fn must_be_stored(self) -> bool {
        self != Self::Known
    }
}

/// Why a key is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It is not the stored or pinned one.
    #[error("the master showed the key {seen}, but {expected} is {from}")]
    Mismatch {
        /// Fingerprint of the key that came.
        seen: Fingerprint,
        /// Fingerprint that it should have.
        expected: Fingerprint,
        /// Where that comes from.
        from: &'static str,
    },
    /// Nothing speaks for it.
    #[error("the master showed the key {seen}, and nothing says whether to trust it")]
    Unknown {
        /// Fingerprint of the key that came.
        seen: Fingerprint,
    },
    /// Its signature is missing or wrong, or came without being asked for.
    #[error("the master showed the key {seen}, but {cause}")]
    Unsigned {
        /// Fingerprint of the key that came.
        seen: Fingerprint,
        /// What is wrong with the signature.
        cause: &'static str,
    },
}

impl Trust {
    /// Judges a key that has proven to be the sender's. `text` is the key as it came, which `pub_sig` signs.
    pub(crate) fn judge(
        &self,
        key: &PublicKey,
        pub_sig: Option<&[u8]>,
        algos: &[SigAlgo],
    ) -> Result<Standing, Distrust> {
        let seen = || key.fingerprint(HashType::default());
        let known = self.stored.as_ref() == Some(key);
        let pinned = self.fingers.iter().any(|f| key.matches(f));
        let signed = self.signed(key, pub_sig, algos, known)?;
        if !known && self.successors.iter().any(|f| key.matches(f)) {
            return Ok(Standing::Successor);
        }
        if !pinned && let Some(expected) = self.fingers.first() {
            return Err(Distrust::Mismatch {
                seen: key.fingerprint(expected.hash_type()),
                expected: expected.clone(),
                from: "pinned by master_finger",
            });
        }
        match &self.stored {
            Some(_) if known => Ok(Standing::Known),
            _ if signed => Ok(Standing::Signed),
            // The operator named this very key: that outweighs the one of before.
            _ if pinned => Ok(Standing::Pinned),
            Some(_) if self.open_mode => Ok(Standing::FirstUse),
            Some(stored) => Err(Distrust::Mismatch {
                seen: seen(),
                expected: stored.fingerprint(HashType::default()),
                from: "stored in minion_master.pub",
            }),
            None if self.first_use => Ok(Standing::FirstUse),
            None => Err(Distrust::Unknown { seen: seen() }),
        }
    }

    /// Salt wants `pub_sig` if and only if it is to be verified: a half-done set-up is a mistake, not a choice.
    fn signed(
        &self,
        key: &PublicKey,
        pub_sig: Option<&[u8]>,
        algos: &[SigAlgo],
        known: bool,
    ) -> Result<bool, Distrust> {
        let unsigned = |cause| {
            Err(Distrust::Unsigned {
                seen: key.fingerprint(HashType::default()),
                cause,
            })
        };
        let (signers, signature) = match (&self.signers, pub_sig) {
            (None, None) => return Ok(false),
            (Some(signers), Some(signature)) => (signers, signature),
            (None, Some(_)) => {
                return unsigned("it is signed while verify_master_pubkey_sign is not set");
            }
            (Some(_), None) => {
                return unsigned("it is not signed while verify_master_pubkey_sign is set");
            }
        };
        if known && !self.always_verify_signature {
            return Ok(false);
        }
        if signers.is_empty() {
            return unsigned("there is no master_sign.pub to verify its signature with");
        }
        // Salt's base64 ends with a newline, or has one every 76 characters.
        let text: Vec<u8> = signature
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        let Ok(signature) = STANDARD.decode(text) else {
            return unsigned("its signature is no base64 text");
        };
        let message = key.wire_pem().as_bytes();
        let verified = signers.iter().any(|signer| {
            // The master signs with its `publish_signing_algorithm`, whatever we asked for.
            algos.iter().any(|algo| {
                signer
                    .verify(*algo, "master key", message, &signature)
                    .is_ok()
            })
        });
        match verified {
            true => Ok(true),
            false => unsigned("its signature does not verify"),
        }
    }
}

/// What a master has shown that it can do. Kept beside its key: a master never becomes weaker by itself, so
/// an answer that is weaker than this comes from somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The highest version.
    pub version: Option<Version>,
    /// The strongest wrapping.
    pub enc_algo: Option<EncAlgo>,
    /// The strongest signature.
    pub sig_algo: Option<SigAlgo>,
}

/// Which algorithms may be used with a master, and which is tried first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithms {
    /// For wrapping, the preferred first. Never empty in effect: none means Salt's default.
    pub enc: Vec<EncAlgo>,
    /// For signatures, the preferred first.
    pub sig: Vec<SigAlgo>,
}

impl Algorithms {
    /// The strongest that the master takes: what is used when the options say nothing.
    pub fn strongest() -> Self {
        Self {
            enc: EncAlgo::ALL.to_vec(),
            sig: SigAlgo::ALL.to_vec(),
        }
    }

    /// Exactly these: `encryption_algorithm` and `signing_algorithm` are set.
    pub fn only(enc: EncAlgo, sig: SigAlgo) -> Self {
        Self {
            enc: vec![enc],
            sig: vec![sig],
        }
    }

    /// What FIPS allows: `fips_mode`.
    pub fn fips() -> Self {
        Self::only(EncAlgo::OaepSha224, SigAlgo::Pkcs1v15Sha224)
    }

    /// Without what is weaker than the master has shown to take.
    pub(crate) fn at_least(mut self, spoken: &Spoken) -> Self {
        self.enc
            .retain(|algo| spoken.enc_algo.is_none_or(|s| *algo >= s));
        self.sig
            .retain(|algo| spoken.sig_algo.is_none_or(|s| *algo >= s));
        self
    }
}
