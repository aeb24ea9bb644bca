//! Publications: serials, signatures, topics.

use super::*;

fn rules(required: bool) -> SignatureRules {
    SignatureRules {
        required,
        allowed: SigAlgo::ALL.to_vec(),
    }
}

fn publish(master: &Master, load: Map, algo: Option<&str>) -> Vec<u8> {
    let load = Value::Map(load).to_msgpack();
    let blob = master.aes.encrypt(None, &load, &mut OsRandom);
    let signature = algo.map(|name| {
        let algo = name.parse().unwrap_or_default();
        master.key.sign(algo, &blob, &mut OsRandom).unwrap()
    });
    PublicationFrame::encode(&blob, signature.as_deref().zip(algo))
}

fn job(serial: impl Into<Value>) -> Map {
    crate::map! {
        "fun" => "test.ping", "arg" => Value::List(vec![]), "tgt" => "*",
        "jid" => "20261121015720144447", "serial" => serial.into(),
    }
}

#[test]
fn publications_are_heard_once_and_in_order() {
    let master = Master::new();
    let first = ticket(&master);
    let mut publications = Publications::new(&id(), &first, rules(false));
    let mut hear = |serial: i64| {
        let frame = publish(&master, job(serial), Some("PKCS1v15-SHA1"));
        publications.receive(&[&frame]).unwrap()
    };
    let Received::Job(heard) = hear(5) else {
        panic!("not heard");
    };
    assert_eq!(heard.jid.as_str(), "20261121015720144447");
    assert_eq!(heard.fun(), "test.ping");
    assert!(!heard.load.contains_key("serial"));
    for serial in [5, 4, 0, -1] {
        let replayed = Received::Ignored(Ignored::Replayed {
            serial: serial.into(),
            highest: 5,
        });
        assert_eq!(hear(serial), replayed);
    }
    assert!(matches!(hear(9), Received::Job(_)));

    // The same AES key keeps the serials, a new one starts anew.
    publications.renew(&first);
    let old = publish(&master, job(6), None);
    let outcome = publications.receive(&[&old]).unwrap();
    assert!(matches!(
        outcome,
        Received::Ignored(Ignored::Replayed { .. })
    ));
    let rotated = Master::new();
    let frame = publish(&rotated, job(1), None);
    let error = publications.receive(&[&frame]).unwrap_err();
    assert!(key_may_be_old(&error), "{error}");
    publications.renew(&ticket(&rotated));
    let outcome = publications.receive(&[&frame]).unwrap();
    assert!(matches!(outcome, Received::Job(_)));

    // Clusters send no serial.
    let mut load = job(0);
    load.swap_remove("serial");
    let outcome = publications
        .receive(&[&publish(&rotated, load, None)])
        .unwrap();
    assert!(matches!(outcome, Received::Job(_)));
}

#[test]
fn signatures_of_publications_are_checked_when_there() {
    let master = Master::new();
    let ticket = ticket(&master);
    let judge = |rules, frame: &[u8]| Publications::new(&id(), &ticket, rules).receive(&[frame]);
    let sha224 = SignatureRules {
        required: false,
        allowed: vec![SigAlgo::Pkcs1v15Sha224],
    };
    let unsigned = publish(&master, job(1), None);
    assert!(judge(rules(false), &unsigned).is_ok());
    let error = judge(rules(true), &unsigned).unwrap_err();
    assert_eq!(error.fault(), Fault::Peer);
    assert!(!key_may_be_old(&error));
    for algo in ["PKCS1v15-SHA1", "PKCS1v15-SHA224"] {
        assert!(judge(rules(true), &publish(&master, job(1), Some(algo))).is_ok());
    }
    let weak = publish(&master, job(1), Some("PKCS1v15-SHA1"));
    assert_eq!(
        judge(sha224, &weak).unwrap_err().fault(),
        Fault::Incompatible
    );
    let odd = publish(&master, job(1), Some("none"));
    assert_eq!(
        judge(rules(false), &odd).unwrap_err().fault(),
        Fault::Incompatible
    );
    let mut forger = Master::new();
    forger.key = KEYS[2].clone();
    forger.aes = master.aes.clone();
    let forged = publish(&forger, job(1), Some("PKCS1v15-SHA1"));
    assert_eq!(
        judge(rules(false), &forged).unwrap_err().fault(),
        Fault::Peer
    );
}

#[test]
fn topics_and_odd_messages() {
    let master = Master::new();
    let ticket = ticket(&master);
    let mut publications = Publications::new(&id(), &ticket, rules(false));
    let topic = id().topic();
    assert_eq!(publications.subscriptions(false), [b""]);
    assert_eq!(
        publications.subscriptions(true),
        [b"broadcast".to_vec(), topic.clone().into_bytes()]
    );
    for (topic, ours) in [
        (&b"broadcast"[..], true),
        (topic.as_bytes(), true),
        (b"syndic", false),
        (b"", false),
    ] {
        let serial = i64::try_from(topic.len()).unwrap() + 1;
        let frame = publish(&master, job(serial), None);
        let outcome = publications.receive(&[topic, &frame]).unwrap();
        assert_eq!(matches!(outcome, Received::Job(_)), ours);
    }
    let clear = Value::Map(crate::map! { "enc" => "clear", "load" => job(99) }).to_msgpack();
    let outcome = publications.receive(&[&clear]).unwrap();
    assert_eq!(outcome, Received::Ignored(Ignored::NotEncrypted));
    let frame = publish(&master, job(98), None);
    assert!(publications.receive(&[]).is_err());
    assert!(publications.receive(&[b"a", b"b", &frame]).is_err());
    for field in ["fun", "arg", "tgt", "jid"] {
        let mut load = job(100);
        load.swap_remove(field);
        let frame = publish(&master, load, None);
        let mut fresh = Publications::new(&id(), &ticket, rules(false));
        let error = fresh.receive(&[&frame]).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(error.fault(), Fault::Malformed);
    }
    let mut evil = job(101);
    evil.insert("jid".into(), "../../etc/passwd".into());
    assert!(
        publications
            .receive(&[&publish(&master, evil, None)])
            .is_err()
    );
}
