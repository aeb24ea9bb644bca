//! Reading tests/fixtures, and randomness that is none.

use std::path::PathBuf;
use std::sync::Arc;

use salt_wire::crypto::PrivateKey;
use serde_json::Value as Json;

/// Where the recordings are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A recording.
pub(crate) fn json(name: &str) -> Json {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Each run of each release, with a name for messages.
pub(crate) fn runs() -> Vec<(String, Json)> {
    let mut runs = Vec::new();
    for release in harness::RELEASES {
        let version = release.version();
        let recording = json(&format!("{version}.json"));
        assert_eq!(text(&recording["salt"]), version);
        for run in list(&recording["runs"]) {
            runs.push((format!("{version} {}", text(&run["name"])), run.clone()));
        }
    }
    assert_eq!(runs.len(), 6);
    runs
}

/// The key of the recorded minion.
pub(crate) fn minion_key() -> Arc<PrivateKey> {
    let pem = std::fs::read_to_string(folder().join("minion.pem")).unwrap();
    Arc::new(PrivateKey::from_pem(&pem).unwrap())
}

pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

pub(crate) fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

/// Bytes that are written as hex.
pub(crate) fn bytes(json: &Json) -> Vec<u8> {
    let hex = text(json);
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Always the same byte: nonces and tokens come out as they were recorded.
pub(crate) struct Constant;

impl salt_wire::crypto::RngCore for Constant {
    fn next_u32(&mut self) -> u32 {
        0x4242_4242
    }

    fn next_u64(&mut self) -> u64 {
        0x4242_4242_4242_4242
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        out.fill(0x42);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), salt_wire::crypto::RngError> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl salt_wire::crypto::CryptoRng for Constant {}
