//! Both ends in memory: a master that can be told to misbehave, and our side of the conversation.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::handshake::{Handshake, Outcome, Refusal, Terms, Ticket};
use super::publish::{Ignored, Publications, Received, SignatureRules, key_may_be_old};
use super::request::{Requests, needs_authentication};
use super::trust::{Algorithms, Spoken, Standing, Trust};
use crate::crypto::{
    Crypticle, EncAlgo, HashType, OsRandom, PrivateKey, PublicKey, SigAlgo, Zeroizing,
};
use crate::error::{Fault, Reason};
use crate::frame::Version;
use crate::ids::{MinionId, Nonce};
use crate::load::{
    AuthAnswer, AuthRequest, AuthTicket, PillarReply, PillarRequest, PublicationFrame, Request,
    SignedAuth,
};
use crate::value::{Map, Value};

/// Keys take long to make: four for all tests, the shortest in which SHA-224 leaves room for a key text.
static KEYS: LazyLock<[Arc<PrivateKey>; 4]> = LazyLock::new(|| {
    std::array::from_fn(|_| Arc::new(PrivateKey::generate(1088, &mut OsRandom).unwrap()))
});

fn own() -> Arc<PrivateKey> {
    KEYS[0].clone()
}

fn id() -> MinionId {
    "app1".parse().unwrap()
}

/// A master, and how it misbehaves.
struct Master {
    key: Arc<PrivateKey>,
    signer: Option<Arc<PrivateKey>>,
    aes: Crypticle,
    session: Option<Crypticle>,
    version: Version,
    /// What it takes; a master of the past takes no names and uses SHA-1.
    takes: Option<Algorithms>,
    answer: Option<AuthAnswer<'static>>,
    sign_with: Option<Arc<PrivateKey>>,
    other_nonce: bool,
    keep_token: bool,
    other_aes_sig: bool,
    port: i128,
}

impl Master {
    fn new() -> Self {
        Self {
            key: KEYS[1].clone(),
            signer: None,
            aes: Crypticle::generate(&mut OsRandom),
            session: Some(Crypticle::generate(&mut OsRandom)),
            version: Version::V3,
            takes: Some(Algorithms::strongest()),
            answer: None,
            sign_with: None,
            other_nonce: false,
            keep_token: false,
            other_aes_sig: false,
            port: 4505,
        }
    }

    fn auth(&self, frame: &[u8]) -> Vec<u8> {
        let rng = &mut OsRandom;
        let (request, version) = AuthRequest::decode(frame).unwrap();
        assert_eq!(version, Version::V3);
        assert_eq!(request.public, *own().public());
        let (enc, sig) = match &self.takes {
            Some(takes) if !takes.sig.contains(&request.sig_algo) => {
                return AuthAnswer::BadSigAlgo.encode_unsigned();
            }
            // As Salt does it: noticed only when there is a token to decrypt.
            Some(takes) if !takes.enc.contains(&request.enc_algo) && request.token.is_some() => {
                return AuthAnswer::BadEncAlgo.encode_unsigned();
            }
            Some(_) => (request.enc_algo, request.sig_algo),
            None => (EncAlgo::default(), SigAlgo::default()),
        };
        let nonce = match self.other_nonce {
            true => Nonce::generate(rng),
            false => request.nonce,
        };
        let signed_by = self.sign_with.as_ref().unwrap_or(&self.key);
        if let Some(answer) = self.answer {
            let signed = answer.encode(nonce.as_str());
            let signature = signed_by.sign(sig, &signed, rng).unwrap();
            return SignedAuth::encode(&signed, &signature);
        }
        let wrap = |secret: &[u8]| {
            request
                .public
                .encrypt_oaep(enc, secret, &mut OsRandom)
                .unwrap()
        };
        let token = request.token.as_ref().filter(|_| !self.keep_token);
        let token = token.and_then(|token| self.key.decrypt_oaep(enc, token, rng).ok());
        let token = token.map(|token| wrap(&token));
        let digest = match self.other_aes_sig {
            true => "0".repeat(64),
            false => HashType::Sha256.hex(self.aes.text().as_bytes()),
        };
        let aes = wrap(self.aes.text().as_bytes());
        let session = self.session.as_ref().map(|s| wrap(s.text().as_bytes()));
        let aes_sig = self.key.x931(digest.as_bytes(), rng).unwrap();
        let pem = self.key.public().wire_pem();
        let pub_sig = self.signer.as_ref().map(|signer| {
            let sig = signer.sign(SigAlgo::default(), pem.as_bytes(), &mut OsRandom);
            STANDARD.encode(sig.unwrap()) + "\n"
        });
        let ticket = AuthTicket {
            pub_key: pem.as_bytes(),
            publish_port: u16::try_from(self.port).unwrap(),
            pub_sig: pub_sig.as_ref().map(String::as_bytes),
            token: token.as_deref(),
            aes: &aes,
            session: session.as_deref(),
            sig: &aes_sig,
        };
        if self.version < Version::V2 {
            return ticket.encode(None);
        }
        let signed = ticket.encode(Some(nonce.as_str()));
        let signature = signed_by.sign(sig, &signed, rng).unwrap();
        SignedAuth::encode(&signed, &signature)
    }
}

fn knows(master: &Master) -> Trust {
    Trust {
        stored: Some(master.key.public().clone()),
        ..Trust::default()
    }
}

fn handshake(trust: Trust) -> Handshake {
    Handshake::new(Terms::new(id(), own(), trust), &mut OsRandom)
}

/// One question, one answer.
fn ask(handshake: &mut Handshake, master: &Master) -> Outcome {
    let frame = handshake.request(&mut OsRandom).unwrap();
    handshake.reply(&master.auth(&frame), &mut OsRandom)
}

fn accepted(outcome: Outcome) -> Ticket {
    match outcome {
        Outcome::Accepted(ticket) => *ticket,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn ticket(master: &Master) -> Ticket {
    accepted(ask(&mut handshake(knows(master)), master))
}

#[test]
fn a_known_master_gives_a_ticket_with_the_strongest_algorithms() {
    let master = Master::new();
    let ticket = ticket(&master);
    assert_eq!(ticket.aes, master.aes);
    assert_eq!(ticket.session, master.session);
    assert_eq!(ticket.publish_port, 4505);
    assert_eq!(ticket.version, Version::V3);
    assert_eq!(ticket.standing, Standing::Known);
    assert!(!ticket.standing.must_be_stored());
    assert_eq!(ticket.enc_algo, EncAlgo::OaepSha224);
    assert_eq!(ticket.sig_algo, SigAlgo::Pkcs1v15Sha224);
}

#[test]
fn an_unknown_master_is_believed_only_on_somebodys_word() {
    let master = Master::new();
    let unknown = refused(ask(&mut handshake(Trust::default()), &master));
    assert_eq!(unknown.reason, Reason::MasterNotTrusted);
    let finger = master.key.public().fingerprint(HashType::Sha256);
    assert!(unknown.text.contains(&finger.to_string()), "{unknown}");

    let first_use = Trust {
        first_use: true,
        ..Trust::default()
    };
    let ticket = accepted(ask(&mut handshake(first_use), &master));
    assert_eq!(ticket.standing, Standing::FirstUse);

    for finger in [
        finger,
        master
            .key
            .public()
            .fingerprint_with_armour(HashType::Sha256),
        master.key.public().fingerprint(HashType::Md5),
    ] {
        let pinned = Trust {
            fingers: vec![finger],
            ..Trust::default()
        };
        let ticket = accepted(ask(&mut handshake(pinned), &master));
        assert_eq!(ticket.standing, Standing::Pinned);
        assert!(ticket.standing.must_be_stored());
    }
}

#[test]
fn another_key_than_the_pinned_or_stored_one_is_refused() {
    let master = Master::new();
    let other = KEYS[2].public();
    for trust in [
        Trust {
            stored: Some(other.clone()),
            ..Trust::default()
        },
        Trust {
            fingers: vec![other.fingerprint(HashType::Sha256)],
            first_use: true,
            ..Trust::default()
        },
        Trust {
            // Even the stored key has to have the pinned fingerprint.
            stored: Some(master.key.public().clone()),
            fingers: vec![other.fingerprint(HashType::Sha512)],
            ..Trust::default()
        },
    ] {
        let refusal = refused(ask(&mut handshake(trust), &master));
        assert_eq!(refusal.reason, Reason::MasterKeyMismatch, "{refusal}");
    }
    // A pin in words outweighs the key of before, and so does open_mode.
    for trust in [
        Trust {
            stored: Some(other.clone()),
            fingers: vec![master.key.public().fingerprint(HashType::Sha256)],
            ..Trust::default()
        },
        Trust {
            stored: Some(other.clone()),
            open_mode: true,
            ..Trust::default()
        },
    ] {
        let ticket = accepted(ask(&mut handshake(trust), &master));
        assert!(ticket.standing.must_be_stored());
    }
}

#[test]
fn a_signed_master_key_is_believed_by_its_signature() {
    let mut master = Master::new();
    let signers = |keys: &[PublicKey]| Trust {
        signers: Some(keys.to_vec()),
        ..Trust::default()
    };
    let signer = KEYS[2].public().clone();

    let refusal = refused(ask(
        &mut handshake(signers(std::slice::from_ref(&signer))),
        &master,
    ));
    assert_eq!(refusal.reason, Reason::MasterNotTrusted);
    assert!(refusal.text.contains("not signed"), "{refusal}");

    master.signer = Some(KEYS[2].clone());
    let signed = accepted(ask(
        &mut handshake(signers(std::slice::from_ref(&signer))),
        &master,
    ));
    assert_eq!(signed.standing, Standing::Signed);

    let refusal = refused(ask(
        &mut handshake(signers(&[KEYS[3].public().clone()])),
        &master,
    ));
    assert!(refusal.text.contains("does not verify"), "{refusal}");
    let refusal = refused(ask(&mut handshake(signers(&[])), &master));
    assert!(refusal.text.contains("master_sign.pub"), "{refusal}");
    let refusal = refused(ask(&mut handshake(knows(&master)), &master));
    assert!(
        refusal.text.contains("verify_master_pubkey_sign"),
        "{refusal}"
    );

    // A changed key with a good signature replaces the stored one.
    let mut changed = signers(&[signer]);
    changed.stored = Some(KEYS[3].public().clone());
    let ticket = accepted(ask(&mut handshake(changed), &master));
    assert_eq!(ticket.standing, Standing::Signed);

    // An unchanged one is not checked again, unless always.
    let mut known = signers(&[KEYS[3].public().clone()]);
    known.stored = Some(master.key.public().clone());
    let ticket = accepted(ask(&mut handshake(known.clone()), &master));
    assert_eq!(ticket.standing, Standing::Known);
    known.always_verify_signature = true;
    refused(ask(&mut handshake(known), &master));
}

#[test]
fn what_is_not_quite_the_masters_is_refused() {
    type Spoil = fn(&mut Master);
    let cases: [(Spoil, &str); 4] = [
        (|m| m.other_nonce = true, "nonce"),
        (
            |m| m.sign_with = Some(KEYS[2].clone()),
            "not signed by the key",
        ),
        (|m| m.keep_token = true, "token"),
        (|m| m.other_aes_sig = true, "AES key is not signed"),
    ];
    for (spoil, word) in cases {
        let mut master = Master::new();
        spoil(&mut master);
        let refusal = refused(ask(&mut handshake(knows(&master)), &master));
        assert_eq!(refusal.reason, Reason::AnswerNotAuthentic, "{refusal}");
        assert!(refusal.text.contains(word), "{refusal}");
        assert!(!refusal.proven);
    }
}

#[test]
fn an_answer_is_taken_once_and_only_when_asked_for() {
    let master = Master::new();
    let mut handshake = handshake(knows(&master));
    let frame = handshake.request(&mut OsRandom).unwrap();
    let answer = master.auth(&frame);
    accepted(handshake.reply(&answer, &mut OsRandom));
    let again = refused(handshake.reply(&answer, &mut OsRandom));
    assert_eq!(again.reason, Reason::BadAnswer);
    handshake.request(&mut OsRandom).unwrap();
    let replayed = refused(handshake.reply(&answer, &mut OsRandom));
    assert_eq!(replayed.reason, Reason::AnswerNotAuthentic);
}

#[test]
fn every_no_has_its_word() {
    for (answer, reason) in [
        (AuthAnswer::Pending, Reason::Pending),
        (AuthAnswer::No, Reason::Rejected),
        (AuthAnswer::Full, Reason::MasterFull),
        (AuthAnswer::Other(b"whatever"), Reason::BadAnswer),
    ] {
        let mut master = Master::new();
        master.answer = Some(answer);
        let refusal = refused(ask(&mut handshake(knows(&master)), &master));
        assert_eq!((refusal.reason, refusal.proven), (reason, true));
        // On first contact nothing can be proven, and the answer is taken for what it is.
        let refusal = refused(ask(&mut handshake(Trust::default()), &master));
        assert_eq!((refusal.reason, refusal.proven), (reason, false));
        // A no from somebody else is none.
        master.key = KEYS[2].clone();
        let refusal = refused(ask(&mut handshake(knows(&Master::new())), &master));
        assert_eq!(refusal.reason, Reason::MasterKeyMismatch);
    }
    let mut handshake = handshake(Trust::default());
    for (frame, reason) in [
        (Value::from("bad load").to_msgpack(), Reason::BadLoad),
        (b"\xc1".to_vec(), Reason::BadAnswer),
        (b"".to_vec(), Reason::BadAnswer),
        (Value::Map(Map::new()).to_msgpack(), Reason::BadAnswer),
    ] {
        handshake.request(&mut OsRandom).unwrap();
        let refusal = refused(handshake.reply(&frame, &mut OsRandom));
        assert_eq!(refusal.reason, reason);
    }
}

#[test]
fn weaker_algorithms_are_tried_where_the_master_wants_them() {
    let mut master = Master::new();
    master.takes = Some(Algorithms::only(EncAlgo::OaepSha1, SigAlgo::Pkcs1v15Sha1));
    let mut handshake = handshake(knows(&master));
    for _ in 0..2 {
        let outcome = ask(&mut handshake, &master);
        assert!(matches!(outcome, Outcome::TryAgain { .. }), "{outcome:?}");
    }
    let ticket = accepted(ask(&mut handshake, &master));
    assert_eq!(ticket.enc_algo, EncAlgo::OaepSha1);
    assert_eq!(ticket.sig_algo, SigAlgo::Pkcs1v15Sha1);
}

#[test]
fn no_weaker_algorithm_than_allowed_or_shown_before() {
    let mut master = Master::new();
    master.takes = Some(Algorithms::only(EncAlgo::OaepSha1, SigAlgo::Pkcs1v15Sha1));
    let mut terms = Terms::new(id(), own(), knows(&master));
    terms.algorithms = Algorithms::fips();
    let mut fips = Handshake::new(terms.clone(), &mut OsRandom);
    assert_eq!(
        refused(ask(&mut fips, &master)).reason,
        Reason::BadAlgorithm
    );

    terms.algorithms = Algorithms::strongest();
    terms.spoken = Spoken {
        version: Some(Version::V3),
        enc_algo: Some(EncAlgo::OaepSha224),
        sig_algo: Some(SigAlgo::Pkcs1v15Sha224),
    };
    let mut before = Handshake::new(terms, &mut OsRandom);
    assert_eq!(
        refused(ask(&mut before, &master)).reason,
        Reason::BadAlgorithm
    );
    // A later attempt starts with the strongest again.
    master.takes = Some(Algorithms::strongest());
    accepted(ask(&mut before, &master));
}

#[test]
fn short_keys_get_the_algorithm_that_they_have_room_for() {
    let mut master = Master::new();
    master.key = Arc::new(PrivateKey::generate(1024, &mut OsRandom).unwrap());
    let ticket = accepted(ask(&mut handshake(knows(&master)), &master));
    assert_eq!(ticket.enc_algo, EncAlgo::OaepSha1);
}

#[test]
fn a_master_of_the_past_is_taken_and_never_one_that_fell_back() {
    let mut master = Master::new();
    master.session = None;
    master.version = Version::V2;
    // It does not know the names: SHA-1, whatever was asked for.
    master.takes = None;
    let mut handshake = handshake(knows(&master));
    // Nor can it read a token that was wrapped otherwise.
    let outcome = ask(&mut handshake, &master);
    assert!(matches!(outcome, Outcome::TryAgain { .. }), "{outcome:?}");
    let ticket = accepted(ask(&mut handshake, &master));
    assert_eq!(ticket.version, Version::V2);
    assert_eq!(ticket.enc_algo, EncAlgo::OaepSha1);
    assert_eq!(ticket.session, None);

    let mut spoke_3 = Terms::new(id(), own(), knows(&master));
    spoke_3.spoken.version = Some(Version::V3);
    let refusal = refused(ask(&mut Handshake::new(spoke_3, &mut OsRandom), &master));
    assert_eq!(refusal.reason, Reason::AuthVersionTooOld);

    // Within one conversation as well.
    let mut upgraded = Master::new();
    upgraded.takes = None;
    accepted(ask(&mut handshake, &upgraded));
    let refusal = refused(ask(&mut handshake, &master));
    assert_eq!(refusal.reason, Reason::AuthVersionTooOld);
}

#[test]
fn unsigned_answers_need_the_operators_leave() {
    let mut master = Master::new();
    master.session = None;
    master.version = Version::V1;
    master.takes = None;
    let refusal = refused(ask(&mut handshake(knows(&master)), &master));
    assert_eq!(refusal.reason, Reason::AuthVersionTooOld);

    let mut terms = Terms::new(id(), own(), knows(&master));
    terms.min_version = Version::V0;
    terms.algorithms = Algorithms::only(EncAlgo::OaepSha1, SigAlgo::Pkcs1v15Sha1);
    let ticket = accepted(ask(&mut Handshake::new(terms, &mut OsRandom), &master));
    assert_eq!(ticket.version, Version::V1);
}

fn requests(ticket: &Ticket) -> Requests {
    Requests::new(&id(), &own(), ticket, false, &mut OsRandom).unwrap()
}

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

#[test]
fn secrets_do_not_print() {
    let master = Master::new();
    let ticket = ticket(&master);
    let secret = Zeroizing::new(master.session.as_ref().unwrap().text().to_owned());
    let requests = requests(&ticket);
    let printed = format!("{ticket:?} {requests:?} {:?}", handshake(knows(&master)));
    assert!(!printed.contains(&*secret) && !printed.contains(master.aes.text()));
    assert!(!printed.contains("BEGIN"), "{printed}");
}
