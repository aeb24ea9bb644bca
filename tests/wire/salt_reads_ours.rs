//! The other direction: what we write, read by Salt's own code.

use std::process::Command;

use harness::RELEASES;
use salt_wire::crypto::{Crypticle, EncAlgo, OsRandom, PrivateKey, SigAlgo};
use salt_wire::ids::Nonce;
use salt_wire::{Value, map};

/// Reads a folder of ours with Salt's code and prints what it finds.
const READER: &str = r#"
import json, pathlib, sys
import salt.crypt, salt.utils.crypt
folder = pathlib.Path(sys.argv[1])
read = lambda name: (folder / name).read_bytes()
load = lambda cls, name: getattr(cls, "from_file", cls)(str(folder / name))
key = load(salt.crypt.PrivateKey, "minion.pem")
public = load(salt.crypt.PublicKey, "minion.pub")
crypticle = salt.crypt.Crypticle({}, read("session").decode())
print(json.dumps({
    "pair": key.key.public_key().public_numbers() == public.key.public_numbers(),
    "bits": key.key.key_size,
    "finger": salt.utils.crypt.pem_finger(str(folder / "minion.pub"), sum_type="sha256"),
    "tok": public.decrypt(read("tok")).decode(),
    "verified": [public.verify(b"message", read(a), a) for a in salt.crypt.VALID_SIGNING_ALGORITHMS],
    "unwrapped": [key.decrypt(read(a), a).decode() for a in salt.crypt.VALID_ENCRYPTION_ALGORITHMS],
    "plain": crypticle.loads(read("plain")),
    "reply": crypticle.loads(read("reply"), nonce=read("nonce").decode()),
}))
"#;

#[test]
fn keys_signatures_and_messages_are_read_by_salt() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let rng = &mut OsRandom;
    let key = PrivateKey::generate(2048, rng).unwrap();
    write("minion.pem", key.to_pem().unwrap().as_bytes());
    write("minion.pub", key.public().file_pem().as_bytes());
    write("tok", key.tok(rng).unwrap());
    for algo in SigAlgo::ALL {
        write(algo.name(), &key.sign(algo, b"message", rng).unwrap());
    }
    for algo in EncAlgo::ALL {
        write(
            algo.name(),
            &key.public().encrypt_oaep(algo, b"secret", rng).unwrap(),
        );
    }
    let session = Crypticle::generate(rng);
    let nonce = Nonce::generate(rng);
    let value = Value::Map(map! { "z" => vec!["ü".repeat(300)], "a" => 2.5 });
    write("session", session.text().as_bytes());
    write("nonce", nonce.as_str().as_bytes());
    write("plain", &session.encrypt(None, &value.to_msgpack(), rng));
    write(
        "reply",
        &session.encrypt(Some(&nonce), &value.to_msgpack(), rng),
    );

    let message = serde_json::json!({ "z": ["ü".repeat(300)], "a": 2.5 });
    let expected = serde_json::json!({
        "pair": true,
        "bits": 2048,
        "finger": key.public().fingerprint(Default::default()).to_string(),
        "tok": "salt",
        "verified": [true, true],
        "unwrapped": ["secret", "secret"],
        "plain": message,
        "reply": message,
    });
    for release in RELEASES {
        if !release.is_installed() {
            continue;
        }
        let output = Command::new(release.program("python"))
            .args(["-W", "ignore", "-c", READER])
            .arg(folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let read: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{release}: {e}: {error}"));
        assert_eq!(read, expected, "{release}");
    }
}
