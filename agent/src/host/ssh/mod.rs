//! Keys of SSH: those that may log in (`auth.rs`), and those of hosts that are known (`known.rs`).

pub mod auth;
pub mod known;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::digest;
use super::user::{self, Account};

/// What `ssh.*` fails with (`CommandExecutionError`).
pub type Result<T> = std::result::Result<T, String>;

/// A key's fingerprint as pairs of digits; `None` when the key is no base64.
pub fn fingerprint(key: &str, hash_type: Option<&str>) -> Result<Option<String>> {
    let form = hash_type
        .filter(|h| !h.is_empty())
        .unwrap_or("sha256")
        .to_lowercase();
    let Some(raw) = decoded(key) else {
        return Ok(None);
    };
    let sum = digest::bytes(&raw, &form)
        .map_err(|_| format!("The fingerprint_hash_type {form} is not supported."))?;
    let pairs: Vec<_> = sum
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).into_owned())
        .collect();
    Ok(Some(pairs.join(":")))
}

/// What Python makes of base64 that it validates: padding after whole groups of four letters does no harm.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=');
    let whole = !letters.is_empty() && letters.len().is_multiple_of(4);
    let text = if whole { letters } else { text };
    // What is left over in the last letters does not count.
    let engine = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    engine.decode(text).ok()
}

fn account(user: &str) -> Result<Account> {
    user::account(user).ok_or_else(|| format!("User '{user}' does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_pairs() {
        let print = fingerprint("YWJj", Some("md5")).unwrap().unwrap();
        assert_eq!(print, "90:01:50:98:3c:d2:4f:b0:d6:96:3f:7d:28:e1:7f:72");
        assert_eq!(fingerprint("not base64!", None).unwrap(), None);
        assert!(fingerprint("YWJj", Some("crc")).is_err());
    }

    #[test]
    fn base64_is_read_as_python_reads_it() {
        // Each as `base64.b64decode(…, validate=True)` has it.
        for (text, bytes) in [
            ("", Some(0)),
            ("AAAA==", Some(3)),
            ("AAAABB==", Some(4)),
            ("AAA=", Some(2)),
            ("AAA==", None),
            ("AA=", None),
            ("A===", None),
            ("AA AA", None),
            ("AAA=A", None),
            ("====", None),
            ("bad!", None),
        ] {
            assert_eq!(decoded(text).map(|b| b.len()), bytes, "{text}");
        }
    }
}
