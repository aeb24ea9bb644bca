//! Measures whether the time of an RSA-OAEP decryption tells something about its plaintext.
//!
//!     cargo run --release -p salt-wire --example oaep_timing -- [SAMPLES]
//!
//! Somebody between agent and master can answer a `_pillar` request with a ciphertext of their choice, so
//! `decrypt_oaep` must not be an oracle (RUSTSEC-2023-0071). Two classes of ciphertexts that all fail are
//! decrypted in random order, and Welch's t-test is made on the times, as they are and without the slowest.
//! |t| beyond 4.5 is what the literature takes for a leak.
#![expect(clippy::print_stdout, reason = "a measurement prints its result")]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that fails is no measurement"
)]

use std::time::Instant;

use rsa::hazmat::rsa_encrypt;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};
use salt_wire::crypto::{EncAlgo, OsRandom, PrivateKey, RngCore};

fn main() {
    let samples: usize = std::env::args()
        .nth(1)
        .map_or(20_000, |arg| arg.parse().unwrap());
    let key = PrivateKey::generate(2048, &mut OsRandom).unwrap();
    let public = RsaPublicKey::from_public_key_pem(&key.public().file_pem()).unwrap();
    println!("{samples} decryptions of each class, RSA 2048, OAEP-SHA1");
    // Manger: does the first byte of the plaintext have to be zero?
    compare(
        "first byte zero, or not",
        &key,
        samples,
        || sealed(&public, 0, 256),
        || sealed(&public, 1, 256),
    );
    // Marvin: how long is the plaintext as a number?
    compare(
        "plaintext of 255 bytes, or of 223",
        &key,
        samples,
        || sealed(&public, 0, 256),
        || sealed(&public, 0, 224),
    );
    // The same class twice: what the machine itself does to the numbers.
    compare(
        "control: the same class twice",
        &key,
        samples,
        || sealed(&public, 0, 256),
        || sealed(&public, 0, 256),
    );
}

/// The ciphertext of random bytes after a given first one, with zeros before the last `len`.
fn sealed(public: &RsaPublicKey, first: u8, len: usize) -> Vec<u8> {
    let size = public.size();
    let mut plain = vec![0; size];
    OsRandom.fill_bytes(&mut plain[size - len.min(size)..]);
    plain[0] = first;
    if len == size {
        // The byte after it is never zero, or the classes would overlap.
        plain[1] |= 1;
    }
    let sealed = rsa_encrypt(public, &BigUint::from_bytes_be(&plain)).unwrap();
    let bytes = sealed.to_bytes_be();
    let mut out = vec![0; size - bytes.len()];
    out.extend(bytes);
    out
}

fn compare(
    what: &str,
    key: &PrivateKey,
    samples: usize,
    a: impl Fn() -> Vec<u8>,
    b: impl Fn() -> Vec<u8>,
) {
    let mut times = [Vec::with_capacity(samples), Vec::with_capacity(samples)];
    while times.iter().any(|t| t.len() < samples) {
        let class = (OsRandom.next_u32() & 1) as usize;
        let ciphertext = if class == 0 { a() } else { b() };
        let start = Instant::now();
        let failed = key.decrypt_oaep(EncAlgo::OaepSha1, &ciphertext, &mut OsRandom);
        let took = start.elapsed();
        assert!(failed.is_err());
        if times[class].len() < samples {
            times[class].push(took.as_nanos() as f64);
        }
    }
    println!("\n{what}");
    for (name, keep) in [("all", 1.0), ("fastest 90 %", 0.9), ("fastest half", 0.5)] {
        let mut kept: Vec<f64> = times.iter().flatten().copied().collect();
        kept.sort_by(f64::total_cmp);
        let limit = kept[((kept.len() - 1) as f64 * keep) as usize];
        let [a, b] = [0, 1].map(|c| stats(times[c].iter().copied().filter(|t| *t <= limit)));
        let t = (a.mean - b.mean) / (a.variance / a.count + b.variance / b.count).sqrt();
        println!(
            "  {name:12}  mean {:9.0} ns and {:9.0} ns, difference {:+6.0} ns, sd {:7.0} ns, t = {t:+.2}",
            a.mean,
            b.mean,
            a.mean - b.mean,
            a.variance.sqrt(),
        );
    }
}

struct Stats {
    count: f64,
    mean: f64,
    variance: f64,
}

fn stats(times: impl Iterator<Item = f64> + Clone) -> Stats {
    let count = times.clone().count() as f64;
    let mean = times.clone().sum::<f64>() / count;
    let variance = times.map(|t| (t - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Stats {
        count,
        mean,
        variance,
    }
}
