//! Requests and their replies, pillars among them.

use super::*;

#[test]
fn a_request_is_bound_to_its_minion_and_its_reply() {
    let master = Master::new();
    let session = master.session.clone().unwrap();
    let requests = requests(&ticket(&master));
    // What the caller says about our fields does not count.
    let load = crate::map! { "cmd" => "_return", "tok" => "no", "return" => vec!["x"; 3] };
    let (frame, expected) = requests.encode(&load, 1234, &mut OsRandom).unwrap();
    let load = Request::decode(&frame, |id| (id == Some("app1")).then(|| session.clone())).unwrap();
    let keys: Vec<_> = load.keys().filter_map(Value::as_str).collect();
    assert_eq!(keys, ["cmd", "return", "ts", "id", "nonce", "tok"]);
    assert_eq!(load.get("ts"), Some(&1234.into()));
    let tok = load.get("tok").and_then(Value::as_bytes).unwrap();
    assert_eq!(own().public().x931_recover(tok).unwrap(), b"salt");

    let nonce: Nonce = load
        .get("nonce")
        .unwrap()
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let answer = |nonce: Option<&Nonce>, key: &Crypticle| {
        let blob = key.encrypt(nonce, &Value::from(true).to_msgpack(), &mut OsRandom);
        Value::Bytes(blob).to_msgpack()
    };
    assert_eq!(
        expected.reply(&answer(Some(&nonce), &session)).unwrap(),
        true.into()
    );

    let other = Nonce::generate(&mut OsRandom);
    for (reply, fault) in [
        (answer(Some(&other), &session), Fault::Peer),
        (answer(None, &session), Fault::Peer),
        (answer(Some(&nonce), &master.aes), Fault::Peer),
        (Value::from("bad load").to_msgpack(), Fault::Refused),
        (
            Value::from("Some exception handling minion payload").to_msgpack(),
            Fault::Refused,
        ),
        (
            Value::Map(crate::map! { "msg" => "bad load" }).to_msgpack(),
            Fault::Refused,
        ),
        (
            Value::Map(crate::map! { "error" => "Routing error" }).to_msgpack(),
            Fault::Refused,
        ),
        (b"\xff\xff".to_vec(), Fault::Malformed),
    ] {
        let error = expected.reply(&reply).unwrap_err();
        assert_eq!(error.fault(), fault, "{error}");
        assert_eq!(needs_authentication(&error), fault != Fault::Malformed);
    }
    let error = expected
        .reply(&Value::from("bad load").to_msgpack())
        .unwrap_err();
    assert!(error.to_string().contains("bad load"), "{error}");
}

#[test]
fn a_signed_request_is_signed_without_nonce_and_tok() {
    let master = Master::new();
    let session = master.session.clone().unwrap();
    let requests = Requests::new(&id(), &own(), &ticket(&master), true, &mut OsRandom).unwrap();
    let load = crate::map! { "cmd" => "_return", "fun" => "test.ping", "data" => 1.5 };
    let (frame, _) = requests.encode(&load, 7, &mut OsRandom).unwrap();
    let mut load = Request::decode(&frame, |_| Some(session)).unwrap();
    let mut take = |key: &str| load.shift_remove(key).unwrap();
    let (signature, _nonce, _tok) = (take("sig"), take("nonce"), take("tok"));
    own()
        .public()
        .verify(
            SigAlgo::Pkcs1v15Sha224,
            "load",
            &Value::Map(load).to_msgpack(),
            signature.as_bytes().unwrap(),
        )
        .unwrap();
}

#[test]
fn a_pillar_is_proven_before_it_is_used() {
    let master = Master::new();
    let session = master.session.clone().unwrap();
    let requests = requests(&ticket(&master));
    let load = PillarRequest::default().to_map(&id());
    let (frame, expected) = requests.encode(&load, 7, &mut OsRandom).unwrap();
    let sent = Request::decode(&frame, |_| Some(session)).unwrap();
    let nonce: Nonce = sent
        .get("nonce")
        .unwrap()
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let pillar = crate::map! { "secret" => "s3", 7 => vec!["seven"] };
    let algos = (EncAlgo::OaepSha224, SigAlgo::Pkcs1v15Sha224);
    let reply = |nonce: &Nonce, minion: &PrivateKey, master: &PrivateKey, algos| {
        PillarReply::encode(
            &pillar,
            nonce,
            minion.public(),
            master,
            algos,
            &mut OsRandom,
        )
        .unwrap()
    };
    let good = reply(&nonce, &own(), &master.key, algos);
    assert_eq!(expected.pillar(&good, &mut OsRandom).unwrap(), pillar);

    let other = Nonce::generate(&mut OsRandom);
    let sha1 = (EncAlgo::OaepSha224, SigAlgo::Pkcs1v15Sha1);
    for bad in [
        reply(&other, &own(), &master.key, algos),
        reply(&nonce, &KEYS[2], &master.key, algos),
        reply(&nonce, &own(), &KEYS[2], algos),
        reply(&nonce, &own(), &master.key, sha1),
        Value::Map(crate::map! { "error" => "no" }).to_msgpack(),
        Value::from("bad load").to_msgpack(),
        Value::Bytes(vec![0xff; 80]).to_msgpack(),
    ] {
        let error = expected.pillar(&bad, &mut OsRandom).unwrap_err();
        assert!(needs_authentication(&error), "{error}");
    }
    // The wrapped key is part of what is signed.
    let Value::Map(mut outer) = Value::from_msgpack(&good).unwrap() else {
        panic!("no map");
    };
    let Value::Map(again) =
        Value::from_msgpack(&reply(&nonce, &own(), &master.key, algos)).unwrap()
    else {
        panic!("no map");
    };
    outer.insert("key".into(), again.get("key").unwrap().clone());
    let mixed = Value::Map(outer).to_msgpack();
    assert!(expected.pillar(&mixed, &mut OsRandom).is_err());
}
