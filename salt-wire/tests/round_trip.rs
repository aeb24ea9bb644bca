//! What is written is read again, whatever it was.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use proptest::prelude::*;
use salt_wire::crypto::{Crypticle, Fingerprint, HashType, OsRandom};
use salt_wire::frame::{Field, Fields};
use salt_wire::ids::{Jid, MinionId, Nonce};
use salt_wire::load::{Event, Request, RequestFields};
use salt_wire::{Map, Value, frame};

/// Any value as Salt has them: text and bytes by content, integers within the range of msgpack.
fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::from),
    ];
    let keys = scalar.clone();
    scalar.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            prop::collection::vec((keys.clone(), inner), 0..8)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

fn maps() -> impl Strategy<Value = Map> {
    prop::collection::vec(("[a-z_]{1,12}", values()), 0..8)
        .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

proptest! {
    #[test]
    fn values_and_the_order_of_their_maps(value in values()) {
        let again = Value::from_msgpack(&value.to_msgpack()).unwrap();
        prop_assert_eq!(&again, &value);
        // Equality of maps does not look at their order; the bytes do.
        prop_assert_eq!(again.to_msgpack(), value.to_msgpack());
    }

    #[test]
    fn cut_values_are_refused(value in values(), cut in any::<prop::sample::Index>()) {
        let bytes = value.to_msgpack();
        prop_assert!(Value::from_msgpack(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn the_envelope_sees_what_the_decoder_sees(map in maps()) {
        let bytes = Value::Map(map.clone()).to_msgpack();
        let fields = Fields::decode(&bytes, "map").unwrap();
        for (key, value) in &map {
            let key = key.as_str().unwrap();
            match value {
                Value::Str(_) | Value::Bytes(_) => {
                    prop_assert_eq!(fields.bytes(key), value.as_bytes());
                }
                Value::Int(int) => prop_assert_eq!(fields.int(key), Some(*int)),
                Value::Map(inner) if inner.len() <= 64 => {
                    prop_assert!(fields.map(key).is_some());
                }
                Value::Null => prop_assert_eq!(fields.get(key), Some(&Field::Null)),
                Value::Bool(b) => prop_assert_eq!(fields.get(key), Some(&Field::Bool(*b))),
                _ => prop_assert_eq!(fields.get(key), Some(&Field::Other)),
            }
        }
    }

    #[test]
    fn encrypted_messages(payload in prop::collection::vec(any::<u8>(), 0..200), with in any::<bool>()) {
        let rng = &mut OsRandom;
        let key = Crypticle::generate(rng);
        let nonce = Nonce::generate(rng);
        let nonce = with.then_some(&nonce);
        let blob = key.encrypt(nonce, &payload, rng);
        prop_assert_eq!(blob.len() % 16, 0);
        let opened = key.decrypt(&blob, nonce).unwrap();
        prop_assert_eq!(opened.payload(), payload.as_slice());
        prop_assert!(Crypticle::generate(rng).decrypt(&blob, nonce).is_err());
    }

    #[test]
    fn requests(load in maps(), ts in any::<u32>(), sign in any::<bool>()) {
        let rng = &mut OsRandom;
        let key = Crypticle::generate(rng);
        let id: MinionId = "app1".parse().unwrap();
        let request = Request {
            load: &load,
            fields: RequestFields {
                id: &id,
                nonce: &Nonce::generate(rng),
                ts: ts.into(),
                tok: &[0xff; 256],
            },
            version: frame::Version::V3,
            enc_algo: Default::default(),
            sig_algo: Default::default(),
        };
        let frame = request.encode(&key, sign.then_some(&[0xfe; 256]), rng);
        let mut sent = Request::decode(&frame, |_| Some(key)).unwrap();
        for field in ["nonce", "tok"] {
            prop_assert!(sent.shift_remove(field).is_some());
        }
        prop_assert_eq!(sent.shift_remove("sig").is_some(), sign);
        // What a master makes of it is what was signed, to the byte.
        prop_assert_eq!(Value::Map(sent).to_msgpack(), request.signed_bytes());
    }

    #[test]
    fn events(events in prop::collection::vec(("[a-z/]{1,20}", values()), 0..5)) {
        let events: Vec<Event> = events.into_iter().map(|(tag, data)| Event { tag, data }).collect();
        prop_assert_eq!(Event::from_map(&Event::batch(&events)), events.clone());
        for event in events {
            prop_assert_eq!(Event::from_map(&event.to_map(None)), vec![event]);
        }
    }

    #[test]
    fn names(text in any::<String>()) {
        if let Ok(id) = text.parse::<MinionId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(!id.to_string().contains(char::is_control));
        }
        if let Ok(jid) = text.parse::<Jid>() {
            prop_assert!(!jid.as_str().contains(['/', '\0', ' ']));
        }
    }

    #[test]
    fn fingerprints(data in prop::collection::vec(any::<u8>(), 0..64)) {
        for hash in HashType::ALL {
            let finger: Fingerprint = hash.hex(&data).parse().unwrap();
            prop_assert_eq!(finger.to_string().parse(), Ok(finger));
        }
    }
}
