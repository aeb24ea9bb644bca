//! Python's `random.Random`: with the same seed the same numbers, for templates that shuffle by a minion's id.

use sha2::{Digest, Sha512};

const SIZE: usize = 624;
const MIDDLE: usize = 397;

/// Python's generator, the Mersenne Twister.
#[derive(Clone)]
pub struct Twister {
    state: [u32; SIZE],
    at: usize,
}

impl Twister {
    /// Seeded with a text, as `random.seed(text)`.
    pub fn of_text(seed: &str) -> Self {
        let mut bytes = seed.as_bytes().to_vec();
        bytes.extend(Sha512::digest(seed.as_bytes()));
        bytes.reverse();
        let words = bytes.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        });
        Self::of_words(words.collect())
    }

    /// Seeded with a number, as `random.seed(number)`.
    pub fn of_number(seed: i128) -> Self {
        let bytes = seed.unsigned_abs().to_le_bytes();
        let words = bytes.chunks(4).map(|c| {
            let mut word = [0; 4];
            word.copy_from_slice(c);
            u32::from_le_bytes(word)
        });
        Self::of_words(words.collect())
    }

    fn of_words(mut key: Vec<u32>) -> Self {
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        let mut state = [0u32; SIZE];
        state[0] = 19_650_218;
        for at in 1..SIZE {
            let before = state[at - 1];
            state[at] = (before ^ (before >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(at as u32);
        }
        let (mut at, mut of) = (1, 0);
        for _ in 0..SIZE.max(key.len()) {
            let before = state[at - 1];
            state[at] = (state[at] ^ (before ^ (before >> 30)).wrapping_mul(1_664_525))
                .wrapping_add(key[of])
                .wrapping_add(of as u32);
            (at, of) = (at + 1, (of + 1) % key.len());
            if at == SIZE {
                state[0] = state[SIZE - 1];
                at = 1;
            }
        }
        for _ in 0..SIZE - 1 {
            let before = state[at - 1];
            state[at] = (state[at] ^ (before ^ (before >> 30)).wrapping_mul(1_566_083_941))
                .wrapping_sub(at as u32);
            at += 1;
            if at == SIZE {
                state[0] = state[SIZE - 1];
                at = 1;
            }
        }
        state[0] = 0x8000_0000;
        Self { state, at: SIZE }
    }

    fn word(&mut self) -> u32 {
        if self.at == SIZE {
            for at in 0..SIZE {
                let joined =
                    (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % SIZE] & 0x7fff_ffff);
                let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + MIDDLE) % SIZE] ^ (joined >> 1) ^ odd;
            }
            self.at = 0;
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn bits(&mut self, count: u32) -> u64 {
        match count {
            0 => 0,
            1..=32 => u64::from(self.word() >> (32 - count)),
            _ => {
                let low = u64::from(self.word());
                low | u64::from(self.word() >> (64 - count)) << 32
            }
        }
    }

    /// A number below this one; nothing is below zero but zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let count = u64::BITS - bound.leading_zeros();
        loop {
            let number = self.bits(count);
            if number < bound || bound == 0 {
                return number;
            }
        }
    }

    /// The places of `count` things out of `all`, as `random.sample` chooses them.
    pub fn sample(&mut self, all: usize, count: usize) -> Vec<usize> {
        let count = count.min(all);
        let mut few = 21usize;
        if count > 5 {
            let mut power = 1usize;
            while power < count.saturating_mul(3) {
                power = power.saturating_mul(4);
            }
            few = few.saturating_add(power);
        }
        let mut chosen = Vec::with_capacity(count);
        if all <= few {
            let mut pool: Vec<usize> = (0..all).collect();
            for left in (all - count + 1..=all).rev() {
                let at = self.below(left as u64) as usize;
                chosen.push(pool[at]);
                pool[at] = pool[left - 1];
            }
        } else {
            let mut taken = std::collections::HashSet::new();
            while chosen.len() < count {
                let at = self.below(all as u64) as usize;
                if taken.insert(at) {
                    chosen.push(at);
                }
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_pythons() {
        // Each as `random.Random(seed)` of Python 3.11 gives it.
        assert_eq!(Twister::of_text("minion").below(10), MINION_BELOW_TEN);
        assert_eq!(Twister::of_text("x").sample(5, 5), X_OF_FIVE);
        assert_eq!(Twister::of_text("x").sample(1000, 4), X_OF_THOUSAND);
        assert_eq!(Twister::of_number(42).sample(30, 10), FORTY_TWO);
        assert_eq!(Twister::of_number(0).below(1 << 40), ZERO);
        assert_eq!(Twister::of_number(7).below(0), 0);
    }

    const MINION_BELOW_TEN: u64 = 2;
    const X_OF_FIVE: [usize; 5] = [2, 3, 0, 1, 4];
    const X_OF_THOUSAND: [usize; 4] = [645, 322, 611, 614];
    const FORTY_TWO: [usize; 10] = [20, 3, 0, 23, 8, 7, 24, 4, 28, 17];
    const ZERO: u64 = 849735321549;
}
