//! Primes for keys. The `rsa` crate finds them too, several times slower: it sieves with 15 small primes,
//! here it is some thousands, so that few candidates need the costly test; and the two primes of a key can be
//! looked for on two threads.

use std::sync::LazyLock;

use num_bigint_dig::RandBigInt;
use num_bigint_dig::prime::probably_prime;
use rsa::BigUint;
use zeroize::Zeroize;

use super::Random;

/// The public exponent of every key.
pub(super) const EXPONENT: u32 = 65537;
/// Odd numbers looked at from one random start: a prime is there with near certainty.
const WINDOW: usize = 8192;
/// Sieve with the primes below this.
const SIEVE: usize = 20_000;
/// Rounds of Miller and Rabin, beside a Lucas test: FIPS 186-4 asks for 4 to 7 at these sizes.
const ROUNDS: usize = 10;

/// A secret prime. Does not print, and is wiped when dropped.
pub struct Prime(BigUint);

impl Prime {
    /// Finds a prime of this many bits that fits a key.
    pub fn find(bits: usize, rng: &mut dyn Random) -> Self {
        loop {
            if let Some(prime) = search(bits, rng) {
                return Self(prime);
            }
        }
    }

    pub(super) fn number(&self) -> BigUint {
        self.0.clone()
    }
}

impl Drop for Prime {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Looks through one window.
fn search(bits: usize, mut rng: &mut dyn Random) -> Option<BigUint> {
    let mut start = (&mut rng).gen_biguint(bits);
    // The two highest bits: then the product of two has all its bits. The lowest: odd.
    let one = BigUint::from(1u8);
    for bit in [bits - 1, bits - 2, 0] {
        let mask = &one << bit;
        if (&start >> bit) % 2u8 != one {
            start += mask;
        }
    }
    let mut composite = vec![false; WINDOW];
    for &small in SMALL.iter() {
        let small_usize = small as usize;
        let rest = residue(&start, small);
        // start + 2·i ≡ 0, so i ≡ -start / 2 modulo the small prime.
        let half = small_usize.div_ceil(2);
        let first = (small_usize - rest) % small_usize * half % small_usize;
        for slot in composite.iter_mut().skip(first).step_by(small_usize) {
            *slot = true;
        }
    }
    for (i, _) in composite.iter().enumerate().filter(|(_, c)| !**c) {
        let candidate = &start + BigUint::from(2 * i);
        let fits = residue(&candidate, EXPONENT) != 1;
        if fits && candidate.bits() == bits && probably_prime(&candidate, ROUNDS) {
            start.zeroize();
            return Some(candidate);
        }
    }
    None
}

fn residue(number: &BigUint, small: u32) -> usize {
    let rest = (number % small).to_bytes_le();
    rest.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// Odd primes below [`SIEVE`].
static SMALL: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut composite = vec![false; SIEVE];
    let mut primes = Vec::new();
    for n in (3..SIEVE).step_by(2) {
        if !composite[n] {
            primes.push(n as u32);
            for multiple in (n * n..SIEVE).step_by(n) {
                composite[multiple] = true;
            }
        }
    }
    primes
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OsRandom;

    #[test]
    fn found_numbers_are_primes_of_the_right_size() {
        for bits in [512, 513, 1024] {
            let prime = Prime::find(bits, &mut OsRandom);
            assert_eq!(prime.0.bits(), bits);
            assert!(probably_prime(&prime.0, 30));
            assert_ne!(residue(&prime.0, EXPONENT), 1);
            assert_eq!(
                (&prime.0 >> (bits - 2)),
                BigUint::from(3u8),
                "the two highest bits"
            );
        }
    }

    #[test]
    fn the_sieve_drops_no_prime() {
        assert_eq!(SMALL.len(), 2261, "odd primes below 20000");
        // Every number of a window that the sieve leaves out has a small factor: so the first prime of a
        // window is found. Checked with numbers small enough to be divided out.
        let found = Prime::find(40, &mut OsRandom);
        assert!(probably_prime(&found.0, 30));
    }
}
