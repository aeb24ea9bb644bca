//! Who is believed, with which algorithms, and each word of a refusal.

use super::*;

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
