//! Keys and messages as Salt's own code makes them.

use salt_wire::crypto::{EncAlgo, HashType, OsRandom, PublicKey, SigAlgo};
use salt_wire::{Value, map};

use crate::fixtures::{bytes, folder, json, list, minion_key, text};

fn public() -> PublicKey {
    let pem = std::fs::read_to_string(folder().join("minion.pub")).unwrap();
    PublicKey::from_pem(&pem).unwrap()
}

#[test]
fn keys_are_written_as_salt_writes_them() {
    let file = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let key = minion_key();
    assert_eq!(*key.to_pem().unwrap(), file("minion.pem"));
    assert_eq!(key.public().file_pem(), file("minion.pub"));
    assert_eq!(key.public().wire_pem().len(), 450);
    // However it was mangled on its way, it is the same key with the same text.
    let mangled = format!("\r\n  {}\r\n\r\n", file("minion.pub").replace('\n', "\r\n"));
    let again = PublicKey::from_pem(&mangled).unwrap();
    assert_eq!(again.wire_pem(), key.public().wire_pem());
}

#[test]
fn fingerprints_in_both_forms() {
    let vectors = json("crypt.json");
    for hash in HashType::ALL {
        let body = &vectors["fingers"][hash.name()];
        let armour = &vectors["fingers_with_armour"][hash.name()];
        assert_eq!(public().fingerprint(hash).to_string(), text(body));
        assert_eq!(
            public().fingerprint_with_armour(hash).to_string(),
            text(armour)
        );
        for finger in [body, armour] {
            assert!(public().matches(&text(finger).parse().unwrap()));
        }
    }
}

#[test]
fn x931_in_both_directions() {
    let key = minion_key();
    for vector in list(&json("crypt.json")["x931"]) {
        let (message, signature) = (bytes(&vector[0]), bytes(&vector[1]));
        assert_eq!(key.x931(&message, &mut OsRandom).unwrap(), signature);
        assert_eq!(key.public().x931_recover(&signature).unwrap(), message);
    }
}

#[test]
fn signatures_and_wrapped_secrets() {
    let vectors = json("crypt.json");
    let key = minion_key();
    for algo in SigAlgo::ALL {
        let theirs = bytes(&vectors["signatures"][algo.name()]);
        // PKCS#1 v1.5 has no randomness: ours is theirs.
        assert_eq!(key.sign(algo, b"message", &mut OsRandom).unwrap(), theirs);
        public()
            .verify(algo, "message", b"message", &theirs)
            .unwrap();
    }
    for algo in EncAlgo::ALL {
        let wrapped = bytes(&vectors["wrapped"][algo.name()]);
        let secret = key.decrypt_oaep(algo, &wrapped, &mut OsRandom).unwrap();
        assert_eq!(secret.as_slice(), b"secret");
    }
}

#[test]
fn values_as_salt_packs_them() {
    let values = [
        Value::Null,
        true.into(),
        1.into(),
        (-1).into(),
        Value::Int(1 << 63),
        1.5.into(),
        "text".into(),
        "ü".repeat(40).into(),
        Value::Bytes(vec![0xff, 0xfe]),
        Value::List(vec![1.into(), Value::List(vec![2.into()])]),
        Value::Map(map! { "a" => map! { 1 => Value::Null } }),
    ];
    let vectors = json("crypt.json");
    let packed = list(&vectors["packed"]);
    assert_eq!(packed.len(), values.len());
    for (value, packed) in values.iter().zip(packed) {
        // On the wire the old dialect; in local files and signed loads the modern one, as ours.
        let (old, modern) = (bytes(&packed[1]), bytes(&packed[2]));
        assert_eq!(&Value::from_msgpack(&old).unwrap(), value);
        assert_eq!(&Value::from_msgpack(&modern).unwrap(), value);
        assert_eq!(value.to_msgpack(), modern, "{value:?}");
    }
}
