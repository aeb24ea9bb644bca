//! Digests, base64, and what is made by chance.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::Filter;
use crate::error::{Error, Result};
use crate::twister::Twister;
use crate::value::repr::str;
use crate::value::{Val, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("md5", |_, v, _| Ok(hex(&Md5::digest(raw(&v)?)).into())),
    ("sha1", |_, v, _| Ok(hex(&Sha1::digest(raw(&v)?)).into())),
    (
        "sha256",
        |_, v, _| Ok(hex(&Sha256::digest(raw(&v)?)).into()),
    ),
    (
        "sha512",
        |_, v, _| Ok(hex(&Sha512::digest(raw(&v)?)).into()),
    ),
    ("hmac", |_, v, a| {
        let [secret, challenge] = a.bind("hmac_signature", ["shared_secret", "challenge_hmac"])?;
        let tag = hmac(&v, secret)?;
        let challenge = raw(&challenge.unwrap_or(Val::None))?;
        Ok(Val::Bool(STANDARD.encode(tag).as_bytes() == challenge))
    }),
    ("hmac_compute", |_, v, a| {
        let [secret] = a.bind("hmac_compute", ["shared_secret"])?;
        Ok(hex(&hmac(&v, secret)?).into())
    }),
    ("base64_encode", |_, v, _| {
        Ok(STANDARD.encode(raw(&v)?).into())
    }),
    ("base64_decode", |_, v, _| {
        let text: Vec<u8> = raw(&v)?
            .into_iter()
            .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
            .collect();
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| Error::python("Error", "Incorrect padding"))?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(e) => Val::bytes(e.into_bytes()),
        })
    }),
    ("uuid", |_, v, _| Ok(uuid5(&str(&v)?).into())),
    ("random_hash", random_hash),
    ("rand_str", random_hash),
    ("random_str", |_, v, _| {
        let size = v.as_index().unwrap_or(32).clamp(0, 1 << 20) as usize;
        let text = STANDARD.encode(random_bytes(size)?);
        Ok(text[..size.min(text.len())].into())
    }),
    ("random_sample", |_, v, a| {
        let [size, seed] = a.bind("sample", ["size", "seed"])?;
        let size = size.and_then(|s| s.as_index()).unwrap_or(0);
        sample(&v, size, seed)
    }),
    ("random_shuffle", |_, v, a| {
        let [seed] = a.bind("shuffle", ["seed"])?;
        let size = v.length()? as i128;
        sample(&v, size, seed)
    }),
    ("gen_mac", |_, v, _| {
        let bytes = random_bytes(3)?;
        Ok(format!(
            "{}:{:02X}:{:02X}:{:02X}",
            str(&v)?,
            bytes[0],
            bytes[1],
            bytes[2]
        )
        .into())
    }),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A digest by its name in Python's `hashlib`.
pub(super) fn digest(kind: &str, data: &[u8]) -> Option<String> {
    Some(match kind {
        "md5" => hex(&Md5::digest(data)),
        "sha1" => hex(&Sha1::digest(data)),
        "sha224" => hex(&Sha224::digest(data)),
        "sha256" => hex(&Sha256::digest(data)),
        "sha384" => hex(&Sha384::digest(data)),
        "sha512" => hex(&Sha512::digest(data)),
        _ => return None,
    })
}

fn raw(value: &Val) -> Result<Vec<u8>> {
    match value {
        Val::Str(t) => Ok(t.text.as_bytes().to_vec()),
        Val::Bytes(b) => Ok(b.to_vec()),
        other => {
            other.strict()?;
            Err(Error::type_error(format!(
                "expected str, bytes, or bytearray not <class '{}'>",
                other.type_name()
            )))
        }
    }
}

fn hmac(value: &Val, secret: Option<Val>) -> Result<Vec<u8>> {
    let secret = raw(&secret.unwrap_or(Val::None))?;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
    Ok(ring::hmac::sign(&key, &raw(value)?).as_ref().to_vec())
}

/// A name-based uuid below Salt's own.
fn uuid5(name: &str) -> String {
    const SALT: [u8; 16] = [
        0x91, 0x63, 0x3e, 0xbf, 0x1c, 0x86, 0x5e, 0x33, 0x93, 0x5a, 0x28, 0x06, 0x1f, 0x4b, 0x48,
        0x0e,
    ];
    let mut hash = Sha1::new();
    hash.update(SALT);
    hash.update(name.as_bytes());
    let mut id = hash.finalize();
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    let text = hex(&id[..16]);
    let (a, b, c, d, e) = (
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

fn random_bytes(size: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::python("OSError", format!("no random bytes: {e}")))?;
    Ok(bytes)
}

/// A number below `bound`; the bias of the remainder does not matter here.
pub(super) fn random_below(bound: u64) -> Result<u64> {
    let bytes = random_bytes(8)?;
    let number = bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    Ok(number % bound.max(1))
}

fn random_hash(_: &crate::eval::Interp<'_>, value: Val, args: &crate::eval::Args) -> Result {
    let [kind] = args.bind("random_hash", ["hash_type"])?;
    let kind = match kind {
        Some(kind) if kind.truth()? => str(&kind)?,
        _ => "md5".into(),
    };
    let size = value.as_index().unwrap_or(9_999_999_999).max(0);
    let number = random_below(u64::try_from(size).unwrap_or(u64::MAX - 1) + 1)?;
    match digest(&kind, number.to_string().as_bytes()) {
        Some(text) => Ok(text.into()),
        None => Err(Error::python(
            "AttributeError",
            format!("module 'hashlib' has no attribute '{kind}'"),
        )),
    }
}

fn sample(value: &Val, size: i128, seed: Option<Val>) -> Result {
    let mut items = ops::items(value)?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > items.len() {
        return Err(Error::value_error(
            "Sample larger than population or is negative",
        ));
    }
    if let Some(seed) = seed.filter(|s| !matches!(s, Val::None)) {
        // Salt seeds with the checksum of the seed.
        let seed = hex(&Sha512::digest(str(&seed)?.as_bytes()));
        let chosen = Twister::of_text(&seed).sample(items.len(), size);
        let chosen: Vec<Val> = chosen.into_iter().map(|at| items[at].clone()).collect();
        return Ok(Val::list(chosen));
    }
    for at in 0..size {
        let step = random_below((items.len() - at) as u64)?;
        items.swap(at, at + step as usize);
    }
    items.truncate(size);
    Ok(Val::list(items))
}
