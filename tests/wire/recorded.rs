//! Every recorded frame, judged as the agent would judge it.

use salt_wire::channel::handshake::{Handshake, Outcome, Terms, Ticket};
use salt_wire::channel::publish::{Ignored, Publications, Received, SignatureRules};
use salt_wire::channel::request::Requests;
use salt_wire::channel::trust::{Algorithms, Trust};
use salt_wire::crypto::{PublicKey, SigAlgo};
use salt_wire::frame::Version;
use salt_wire::ids::MinionId;
use salt_wire::load::Chunk;
use salt_wire::{Map, Reason, Value, map};
use serde_json::Value as Json;

use crate::fixtures::{Constant, bytes, list, minion_key, runs, text};

fn id() -> MinionId {
    "cap1".parse().unwrap()
}

/// Asks as it was asked when this entry was recorded.
fn handshake(run: &Json, entry: &Json) -> Handshake {
    let master = PublicKey::from_pem(text(&run["master"])).unwrap();
    let signers = run["signer"]
        .as_str()
        .map(|pem| vec![PublicKey::from_pem(pem).unwrap()]);
    let trust = Trust {
        stored: entry["token"].as_bool().unwrap().then_some(master),
        first_use: signers.is_none(),
        signers,
        ..Trust::default()
    };
    let mut terms = Terms::new(id(), minion_key(), trust);
    if let (Ok(enc), Ok(sig)) = (
        text(&entry["enc_algo"]).parse(),
        text(&entry["sig_algo"]).parse(),
    ) {
        terms.algorithms = Algorithms::only(enc, sig);
    }
    let mut handshake = Handshake::new(terms, &mut Constant);
    handshake.request(&mut Constant).unwrap();
    handshake
}

fn outcome(run: &Json, name: &str) -> Outcome {
    let entry = list(&run["auth"]).iter().find(|e| e["name"] == name);
    let entry = entry.unwrap();
    handshake(run, entry).reply(&bytes(&entry["frame"]), &mut Constant)
}

fn ticket(run: &Json, name: &str) -> Ticket {
    match outcome(run, name) {
        Outcome::Accepted(ticket) => *ticket,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn tickets_open_to_the_keys_that_salt_reads_from_them() {
    for (run_name, run) in runs() {
        for entry in list(&run["auth"]) {
            let name = text(&entry["name"]);
            if !name.starts_with("accepted") {
                continue;
            }
            let ticket = ticket(&run, name);
            let context = format!("{run_name}: {name}");
            assert_eq!(ticket.aes.text(), text(&entry["aes"]), "{context}");
            let session = ticket.session.as_ref().unwrap();
            assert_eq!(session.text(), text(&entry["session"]), "{context}");
            assert_eq!(ticket.version, Version::V3, "{context}");
            assert_eq!(ticket.enc_algo.name(), text(&entry["enc_algo"]));
            assert_eq!(ticket.sig_algo.name(), text(&entry["sig_algo"]));
            assert_eq!(ticket.master.wire_pem(), text(&run["master"]));
            assert!(ticket.publish_port >= 21000);
            let known = entry["token"].as_bool().unwrap();
            assert_eq!(ticket.standing.must_be_stored(), !known, "{context}");
        }
    }
}

#[test]
fn every_no_is_understood() {
    for (run_name, run) in runs() {
        for (name, reason) in [
            ("pending", Reason::Pending),
            ("rejected", Reason::Rejected),
            ("denied", Reason::Rejected),
            ("no valid id", Reason::Rejected),
        ] {
            match outcome(&run, name) {
                Outcome::Refused(refusal) => {
                    assert_eq!(refusal.reason, reason, "{run_name}: {name}: {refusal}");
                    assert!(refusal.proven, "{run_name}: {name}");
                }
                other => panic!("{run_name}: {name}: {other:?}"),
            }
        }
        for entry in list(&run["auth"]) {
            let name = text(&entry["name"]);
            if name.starts_with("bad ") {
                let outcome = outcome(&run, name);
                assert!(matches!(outcome, Outcome::TryAgain { .. }), "{outcome:?}");
            }
        }
    }
}

#[test]
fn lower_versions_are_refused_by_masters_and_by_us() {
    for (run_name, run) in runs() {
        let plain = run_name.ends_with("plain");
        for name in ["version 2", "version 1", "version 0"] {
            let reason = match outcome(&run, name) {
                Outcome::Refused(refusal) => Some(refusal.reason),
                Outcome::Accepted(ticket) => {
                    // A master of today gives a session key to whoever asks: as good as version 3.
                    assert_eq!((name, ticket.version), ("version 2", Version::V3));
                    None
                }
                other => panic!("{run_name}: {name}: {other:?}"),
            };
            let expected = match (plain, name) {
                (true, _) => Some(Reason::BadLoad),
                (false, "version 2") => None,
                // Unsigned, and nobody has allowed that.
                (false, _) => Some(Reason::AuthVersionTooOld),
            };
            assert_eq!(reason, expected, "{run_name}: {name}");
        }
    }
}

#[test]
fn replies_open_to_what_salt_reads_from_them() {
    for (run_name, run) in runs() {
        let ticket = ticket(&run, "accepted");
        let requests = Requests::new(&id(), &minion_key(), &ticket, false, &mut Constant).unwrap();
        let (_, expected) = requests.encode(&Map::new(), 0, &mut Constant).unwrap();
        for entry in list(&run["replies"]) {
            let value = expected.reply(&bytes(&entry["frame"])).unwrap();
            assert_eq!(value, from_json(&entry["value"]), "{run_name}: {entry}");
        }
        for entry in list(&run["answers"]) {
            let name = text(&entry["name"]);
            let frame = bytes(&entry["frame"]);
            match name {
                "ping" => assert!(salt_wire::frame::is_pong(&frame)),
                "binary chunk" => {
                    let chunk = Chunk::from_value(expected.reply(&frame).unwrap()).unwrap();
                    let all: Vec<u8> = (0..=255).collect();
                    assert_eq!((chunk.data, chunk.dest), (all, "binary.bin".into()));
                }
                _ => {
                    let error = expected.reply(&frame).unwrap_err();
                    assert_eq!(error.fault(), salt_wire::Fault::Refused, "{name}: {error}");
                    assert!(expected.pillar(&frame, &mut Constant).is_err());
                }
            }
        }
    }
}

#[test]
fn pillars_open_and_other_nonces_do_not() {
    let pillar = map! {
        "secret" => "s3cret",
        7 => Value::List(vec![1.into(), 2.5.into(), Value::Null, "ünïcode".into()]),
        "nested" => map! { "a" => map! { "b" => "c" } },
    };
    for (run_name, run) in runs() {
        for (ticket_name, entry) in ["accepted", "accepted, SHA-224"]
            .iter()
            .zip(list(&run["pillars"]))
        {
            let ticket = ticket(&run, ticket_name);
            let key = minion_key();
            let requests = Requests::new(&id(), &key, &ticket, false, &mut Constant).unwrap();
            let (_, expected) = requests.encode(&Map::new(), 0, &mut Constant).unwrap();
            let frame = bytes(&entry["frame"]);
            let opened = expected.pillar(&frame, &mut Constant).unwrap();
            assert_eq!(opened, pillar, "{run_name}");
            let rng = &mut salt_wire::crypto::OsRandom;
            let (_, other) = requests.encode(&Map::new(), 0, rng).unwrap();
            assert!(other.pillar(&frame, rng).is_err());
        }
    }
}

#[test]
fn publications_open_in_their_order_and_once() {
    for (run_name, run) in runs() {
        let filtering = run["options"]["zmq_filtering"] == true;
        let ticket = ticket(&run, "accepted");
        let rules = SignatureRules {
            required: true,
            allowed: SigAlgo::ALL.to_vec(),
        };
        let mut publications = Publications::new(&id(), &ticket, rules);
        let mut heard = Vec::new();
        for entry in list(&run["publications"]) {
            let frames: Vec<Vec<u8>> = list(&entry["frames"]).iter().map(bytes).collect();
            assert_eq!(frames.len(), if filtering { 2 } else { 1 });
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            let Received::Job(job) = publications.receive(&frames).unwrap() else {
                panic!("{run_name}: not heard");
            };
            assert_eq!(job.load.get("fun"), Some(&from_json(&entry["fun"])));
            assert_eq!(
                job.load.get("tgt_type"),
                Some(&from_json(&entry["tgt_type"]))
            );
            assert_eq!(job.jid.as_str().len(), 20);
            assert!(!job.load.contains_key("serial"));
            let again = publications.receive(&frames).unwrap();
            assert!(matches!(again, Received::Ignored(Ignored::Replayed { .. })));
            heard.push(job);
        }
        assert_eq!(heard.len(), 5, "{run_name}");
        let arg = heard[1].load.get("arg").unwrap();
        let kwarg = map! { "__kwarg__" => true, "foo" => "bär" };
        assert_eq!(
            arg.as_list().unwrap(),
            [
                1.into(),
                "two".into(),
                1.5.into(),
                Value::Null,
                Value::Map(kwarg)
            ]
        );
        assert_eq!(heard[4].fun(), "test.ping,test.echo");
    }
}

#[test]
fn tok_is_what_salt_makes() {
    for (_, run) in runs() {
        assert_eq!(minion_key().tok(&mut Constant).unwrap(), bytes(&run["tok"]));
    }
}

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => n
            .as_i64()
            .map_or_else(|| n.as_f64().unwrap().into(), Value::from),
        Json::String(s) => s.as_str().into(),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (key.as_str().into(), from_json(value)))
                .collect(),
        ),
    }
}
