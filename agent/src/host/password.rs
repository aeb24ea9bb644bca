//! Hashes of passwords as `/etc/shadow` holds them: `$6$` and `$5$`, as crypt(3) makes them.

use std::io;

use sha2::{Digest, Sha256, Sha512};

/// What crypt(3) makes of a password: `sha512` or `sha256`; of any other algorithm nothing. `salt` may begin with
/// `rounds=N$`.
fn hash(password: &str, salt: &str, algorithm: &str) -> Option<String> {
    let number = match algorithm {
        "sha512" => '6',
        "sha256" => '5',
        _ => return None,
    };
    let (rounds, salt) = match salt.strip_prefix("rounds=").and_then(|s| s.split_once('$')) {
        Some((rounds, salt)) => (Some(rounds.parse::<usize>().ok()?), salt),
        None => (None, salt),
    };
    let salt = salt.split('$').next().unwrap_or_default();
    let salt = salt.get(..16).unwrap_or(salt);
    // Fewer are refused by crypt(3); nobody waits for more, and a mistaken number must not hold a job for hours.
    if rounds.is_some_and(|r| !(1000..=10_000_000).contains(&r)) {
        return None;
    }
    let shown = rounds.map_or_else(String::new, |r| format!("rounds={r}$"));
    let rounds = rounds.unwrap_or(5000);
    let sum = if number == '6' {
        sum::<Sha512>(password, salt, rounds, &ORDER_512)
    } else {
        sum::<Sha256>(password, salt, rounds, &ORDER_256)
    };
    Some(format!("${number}${shown}{salt}${sum}"))
}

/// A salt as crypt(3) makes one: sixteen letters of the kernel's choice.
fn salt() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte & 63)]);
    Ok(bytes.map(letter).iter().collect())
}

/// A password that nobody knows: none given is no empty one.
pub fn secret() -> io::Result<String> {
    Ok(salt()? + &salt()?)
}

/// What is shown in place of one.
pub const HIDDEN: &str = "XXX-REDACTED-XXX";

/// The hash of a password with this salt, or a new one; the error names what is supported.
pub fn hash_of(password: &str, own: Option<String>, algorithm: &str) -> Result<String, String> {
    let salt = match own {
        Some(own) => own,
        None => salt().map_err(|e| e.to_string())?,
    };
    hash(password, &salt, algorithm).ok_or_else(|| unknown(algorithm))
}

/// What there is to say of an algorithm that is not one of ours.
fn unknown(algorithm: &str) -> String {
    format!(
        "Cannot hash using '{algorithm}' hash algorithm. Natively supported algorithms are: ['sha512', 'sha256']."
    )
}

const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Which three bytes of a checksum each group of four letters is made of.
const ORDER_512: [[usize; 3]; 21] = [
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
];
const ORDER_256: [[usize; 3]; 10] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
];

/// `bytes` over and over, as long as `length`.
fn repeated(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

/// The scheme of Ulrich Drepper, as in glibc and libxcrypt.
fn sum<D: Digest>(password: &str, salt: &str, rounds: usize, order: &[[usize; 3]]) -> String {
    let (password, salt) = (password.as_bytes(), salt.as_bytes());
    let joined = |parts: &[&[u8]]| {
        let mut digest = D::new();
        for part in parts {
            digest.update(part);
        }
        digest.finalize().to_vec()
    };
    let other = joined(&[password, salt, password]);
    let mut digest = D::new();
    digest.update(password);
    digest.update(salt);
    digest.update(repeated(&other, password.len()));
    let mut left = password.len();
    while left > 0 {
        digest.update(if left & 1 == 1 { &other[..] } else { password });
        left >>= 1;
    }
    let mut last = digest.finalize().to_vec();
    let mut digest = D::new();
    for _ in 0..password.len() {
        digest.update(password);
    }
    let key = repeated(&digest.finalize(), password.len());
    let mut digest = D::new();
    for _ in 0..16 + usize::from(last[0]) {
        digest.update(salt);
    }
    let salted = repeated(&digest.finalize(), salt.len());
    for round in 0..rounds {
        let odd = round % 2 == 1;
        let mut parts: Vec<&[u8]> = vec![if odd { &key } else { &last }];
        if round % 3 != 0 {
            parts.push(&salted);
        }
        if round % 7 != 0 {
            parts.push(&key);
        }
        parts.push(if odd { &last } else { &key });
        last = joined(&parts);
    }
    let mut text = String::new();
    let mut letters = |number: u32, count: u32| {
        for at in 0..count {
            let letter = (number >> (6 * at)) & 63;
            text.push(char::from(LETTERS[letter as usize]));
        }
    };
    for [a, b, c] in order {
        let number = u32::from(last[*a]) << 16 | u32::from(last[*b]) << 8 | u32::from(last[*c]);
        letters(number, 4);
    }
    if last.len() == 64 {
        letters(u32::from(last[63]), 2);
    } else {
        letters(u32::from(last[31]) << 8 | u32::from(last[30]), 3);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_crypt() {
        // Each as libxcrypt makes it.
        for (password, salt, algorithm, hashed) in [
            (
                "Hello world!",
                "saltstring",
                "sha512",
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            ),
            (
                "Hello world!",
                "saltstring",
                "sha256",
                "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            ),
            (
                "Hello world!",
                "rounds=10000$saltstringsaltstring",
                "sha256",
                "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            ),
            (
                "a very much longer text to encrypt.  This one even stretches over morethan one line.",
                "rounds=1400$anotherlongsaltstring",
                "sha512",
                "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
            ),
        ] {
            let made = hash(password, salt, algorithm).unwrap();
            assert_eq!(made, hashed);
        }
        assert_eq!(hash("x", "y", "md5"), None);
    }
}
