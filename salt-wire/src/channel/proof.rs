//! Has a master prove a key before it has seen ours.
//!
//! A master signs even the answer to an id that cannot be one, and keeps nothing of who asked: so whoever
//! holds a public key can see whether the master holds the other half, and no trace is left there.

use crate::crypto::{PublicKey, Random, SigAlgo, constant_time_eq};
use crate::frame::{Version, clear};
use crate::ids::Nonce;
use crate::load::{AuthAnswer, AuthReply};

/// No minion has it: it would be a path.
const NOBODY: &str = "no/body";

/// One question.
#[derive(Debug)]
pub struct KeyProof {
    nonce: Nonce,
    algo: SigAlgo,
}

/// Why a key is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// Ask with the other algorithm.
    #[error("the master does not sign with this algorithm")]
    Algorithm,
    /// The answer is signed by another key.
    #[error("the master's answer is not signed by the expected key")]
    OtherKey,
    /// The answer is not signed at all, or is no answer.
    #[error("the master's answer is not signed: it is too old, or no Salt master")]
    Unsigned,
}

impl KeyProof {
    /// A question, and the frame to send.
    pub fn new(algo: SigAlgo, rng: &mut dyn Random) -> (Self, Vec<u8>) {
        let proof = Self {
            nonce: Nonce::generate(rng),
            algo,
        };
        let load = crate::map! {
            "cmd" => "_auth",
            "id" => NOBODY,
            "nonce" => &proof.nonce,
            "sig_algo" => algo.name(),
            "pub" => "",
        };
        (proof, clear(load, Version::V3))
    }

    /// Judges the answer; each question takes one.
    pub fn judge(self, bytes: &[u8], key: &PublicKey) -> Result<(), Unproven> {
        match AuthReply::decode(bytes) {
            Ok(AuthReply::Signed(signed)) => {
                let ours = constant_time_eq(signed.nonce, self.nonce.as_str().as_bytes());
                let made = |algo| {
                    key.verify(algo, "proof", signed.signed, signed.signature)
                        .is_ok()
                };
                if ours && SigAlgo::ALL.into_iter().any(made) {
                    Ok(())
                } else {
                    Err(Unproven::OtherKey)
                }
            }
            Ok(AuthReply::Word(AuthAnswer::BadSigAlgo)) if self.algo != SigAlgo::Pkcs1v15Sha1 => {
                Err(Unproven::Algorithm)
            }
            _ => Err(Unproven::Unsigned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{OsRandom, PrivateKey};
    use crate::value::Value;

    #[test]
    fn only_the_owner_of_the_key_can_answer() {
        let (master, other) = (
            PrivateKey::generate(1024, &mut OsRandom).unwrap(),
            PrivateKey::generate(1024, &mut OsRandom).unwrap(),
        );
        let algo = SigAlgo::Pkcs1v15Sha224;
        let answer = |nonce: &str| {
            let load = Value::Map(crate::map! {"ret" => false, "nonce" => nonce}).to_msgpack();
            let sig = master.sign(algo, &load, &mut OsRandom).unwrap();
            Value::Map(crate::map! {
                "enc" => "clear", "load" => Value::Bytes(load), "sig" => Value::Bytes(sig),
            })
            .to_msgpack()
        };
        let ask = || KeyProof::new(algo, &mut OsRandom).0;
        let proof = ask();
        let good = answer(proof.nonce.as_str());
        assert_eq!(proof.judge(&good, master.public()), Ok(()));
        let proof = ask();
        let good = answer(proof.nonce.as_str());
        assert_eq!(proof.judge(&good, other.public()), Err(Unproven::OtherKey));
        assert_eq!(
            ask().judge(&good, master.public()),
            Err(Unproven::OtherKey),
            "an old answer"
        );
        assert_eq!(ask().judge(b"", master.public()), Err(Unproven::Unsigned));
    }
}
