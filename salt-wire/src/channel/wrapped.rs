//! What a master has encrypted for our key in its answer, opened.

use std::thread;

use crate::crypto::{CryptoError, EncAlgo, OsRandom, PrivateKey, Random, Zeroizing};

type Plain = Result<Zeroizing<Vec<u8>>, CryptoError>;

/// The parts as they came.
pub(super) struct Wrapped<'a> {
    pub(super) aes: &'a [u8],
    pub(super) token: Option<&'a [u8]>,
    pub(super) session: Option<&'a [u8]>,
}

/// What was in them.
pub(super) struct Unwrapped {
    pub(super) aes: Zeroizing<Vec<u8>>,
    pub(super) token: Option<Plain>,
    pub(super) session: Option<Plain>,
}

impl Wrapped<'_> {
    /// Opens all of them side by side: private operations are the longest part of an agent's start.
    pub(super) fn open(
        &self,
        key: &PrivateKey,
        algo: EncAlgo,
        rng: &mut dyn Random,
    ) -> Result<Unwrapped, CryptoError> {
        let by_itself = |part: &[u8]| key.decrypt_oaep(algo, part, &mut OsRandom);
        thread::scope(|scope| {
            let begin = |part: Option<_>| {
                part.map(|part| {
                    let thread = thread::Builder::new();
                    (part, thread.spawn_scoped(scope, move || by_itself(part)))
                })
            };
            let (token, session) = (begin(self.token), begin(self.session));
            let aes = key.decrypt_oaep(algo, self.aes, rng);
            // Where no thread can be had, or it broke, this one does the work.
            let end =
                |(part, thread): (&[u8], std::io::Result<thread::ScopedJoinHandle<'_, Plain>>)| {
                    let plain = thread.ok().and_then(|thread| thread.join().ok());
                    plain.unwrap_or_else(|| by_itself(part))
                };
            let (token, session) = (token.map(end), session.map(end));
            Ok(Unwrapped {
                aes: aes?,
                token,
                session,
            })
        })
    }
}
