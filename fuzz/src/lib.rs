//! What is fuzzed, apart from the fuzzer: each function takes any bytes, and panics if a decoder is wrong.
//!
//! `fuzz_targets/` hands them to libFuzzer, and `tests/wire/seeds.rs` includes this file to run every seed
//! with an ordinary `cargo test`. A new decoder is a function here, a line in [`TARGETS`], a file in
//! `fuzz_targets/`, and seeds in `seeds/` (made by `tests/fixtures/seeds.py`).

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use salt_jinja::{Environment, Limits, Options};
use salt_wire::channel::handshake::{Handshake, Outcome, Terms, Ticket};
use salt_wire::channel::publish::{Publications, Received, SignatureRules};
use salt_wire::channel::request::Requests;
use salt_wire::channel::trust::{Algorithms, Standing, Trust};
use salt_wire::crypto::{
    Crypticle, CryptoRng, EncAlgo, OrderKey, OrderPublicKey, PrivateKey, RngCore, RngError, SigAlgo,
};
use salt_wire::frame::{Field, Fields, Frame, MAX_REPLY, Version, is_pong};
use salt_wire::ids::{Jid, MinionId, Nonce};
use salt_wire::load::{
    AuthReply, AuthRequest, PillarReply, Publication, PublicationFrame, Request,
};
use salt_wire::order::Order;
use salt_wire::order::signed::{SignedOrder, from_metadata, to_metadata};
use salt_wire::zmtp;
use salt_wire::{Map, Value, map};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by the name of its file and of its folder of seeds.
pub const TARGETS: [(&str, Target); 14] = [
    ("value", value),
    ("frame", frame),
    ("auth_reply", auth_reply),
    ("auth_request", auth_request),
    ("request", request),
    ("crypticle", crypticle),
    ("publication", publication),
    ("pillar", pillar),
    ("order", order),
    ("zmtp", zmtp),
    ("yaml", yaml),
    ("config", config),
    ("argument", argument),
    ("jinja", jinja),
];

/// msgpack: what is read is written and read again as the same value.
pub fn value(data: &[u8]) {
    let Ok((value, rest)) = Value::from_msgpack_prefix(data) else {
        return;
    };
    assert!(rest.len() < data.len());
    let again = Value::from_msgpack(&value.to_msgpack()).expect("what we write can be read");
    assert_eq!(again, value);
}

/// The envelope: a borrowed field is what the full decoder sees.
pub fn frame(data: &[u8]) {
    let _pong: bool = is_pong(data);
    let frame = Frame::decode(data, "frame", MAX_REPLY);
    let (Ok(frame), Ok(value)) = (frame, Value::from_msgpack(data)) else {
        return;
    };
    match frame {
        Frame::Blob(blob) => assert_eq!(value.as_bytes(), Some(blob)),
        Frame::Fields(fields) => same(&fields, value.as_map().expect("both see a map")),
    }
}

fn same(fields: &Fields<'_>, map: &Map) {
    for key in map.keys().filter_map(Value::as_str) {
        match (fields.get(key), map.get(key)) {
            (Some(Field::Bytes(b)), Some(value)) => assert_eq!(value.as_bytes(), Some(*b)),
            (Some(Field::Int(i)), value) => assert_eq!(value, Some(&Value::Int(*i))),
            (Some(Field::Bool(b)), value) => assert_eq!(value, Some(&Value::Bool(*b))),
            (Some(Field::Null), value) => assert_eq!(value, Some(&Value::Null)),
            (Some(Field::Map(inner)), Some(Value::Map(map))) => same(inner, map),
            (Some(Field::Other), Some(_)) => {}
            (seen, value) => panic!("{key}: {seen:?} against {value:?}"),
        }
    }
}

/// The answer to `_auth`, through all checks. Seeds were recorded for just this question.
pub fn auth_reply(data: &[u8]) {
    let _reply: Result<_, _> = AuthReply::decode(data);
    let trust = Trust {
        first_use: true,
        ..Trust::default()
    };
    let mut terms = Terms::new(id(), KEY.clone(), trust);
    terms.min_version = Version::V0;
    let mut handshake = Handshake::new(terms, &mut Constant);
    handshake
        .request(&mut Constant)
        .expect("a request can always be made");
    let outcome = handshake.reply(data, &mut Constant);
    if let Outcome::Accepted(ticket) = outcome {
        assert!(ticket.session.is_some() || ticket.version < Version::V3);
    }
    let again = handshake.reply(data, &mut Constant);
    assert!(
        matches!(again, Outcome::Refused(_)),
        "an answer counts once"
    );
}

/// The question, as the master's side reads it.
pub fn auth_request(data: &[u8]) {
    if let Ok((request, version)) = AuthRequest::decode(data) {
        let (again, _) = AuthRequest::decode(&request.encode(version)).expect("we can read ours");
        assert_eq!(again, request);
    }
}

/// A request as the master's side reads it, and any load as ours writes it.
pub fn request(data: &[u8]) {
    let session = || TICKET.session.clone().expect("it has one");
    let _request: Result<_, _> = Request::decode(data, |_| Some(session()));
    let _reply: Result<_, _> = EXPECTED.reply(data);
    let Ok(Value::Map(load)) = Value::from_msgpack(data) else {
        return;
    };
    let (frame, _) = REQUESTS
        .encode(&load, 1, &mut Constant)
        .expect("any load can be sent");
    let sent = Request::decode(&frame, |_| Some(session())).expect("we can read ours");
    let ours = ["nonce", "ts", "tok", "id", "sig"];
    for (key, value) in &load {
        if !key.as_str().is_some_and(|k| ours.contains(&k)) {
            assert_eq!(sent.get(key), Some(value));
        }
    }
}

/// The symmetric envelope, with bytes from outside and with bytes inside.
pub fn crypticle(data: &[u8]) {
    let key = &TICKET.aes;
    let nonce: Nonce = NONCE.parse().expect("it is one");
    assert!(key.decrypt(data, None).is_err(), "nobody has the key");
    for nonce in [None, Some(&nonce)] {
        let blob = key.encrypt(nonce, data, &mut Constant);
        assert_eq!(
            key.decrypt(&blob, nonce)
                .expect("we can read ours")
                .payload(),
            data
        );
    }
    if let Ok(key) = Crypticle::from_text(data) {
        assert_eq!(Crypticle::from_text(key.text().as_bytes()), Ok(key));
    }
}

/// A publication, with bytes from outside and with a load inside the encryption.
pub fn publication(data: &[u8]) {
    let rules = SignatureRules {
        required: false,
        allowed: SigAlgo::ALL.to_vec(),
    };
    let mut publications = Publications::new(&id(), &TICKET, rules);
    let _outside: Result<_, _> = publications.receive(&[data]);
    let _filtered: Result<_, _> = publications.receive(&[b"broadcast", data]);
    let blob = TICKET.aes.encrypt(None, data, &mut Constant);
    let frame = PublicationFrame::encode(&blob, None);
    if let Ok(Received::Job(Publication { jid, load })) = publications.receive(&[&frame]) {
        assert_eq!(load.get("jid").and_then(Value::as_str), Some(jid.as_str()));
        assert_eq!(jid.as_str().parse::<Jid>(), Ok(jid));
        assert!(!load.contains_key("serial"));
    }
}

/// A pillar reply, with bytes from outside, under the one-time key, and under the signature.
pub fn pillar(data: &[u8]) {
    let _outside: Result<_, _> = EXPECTED.pillar(data, &mut Constant);
    // Behind the encryption only a map gets any further, and each step costs an RSA operation.
    if Fields::decode(data, "pillar").is_err() {
        return;
    }
    let nonce: Nonce = NONCE.parse().expect("it is one");
    let open = |blob: &[u8]| {
        let reply = PillarReply {
            key: &WRAPPED,
            pillar: blob,
        };
        let secret = reply.unwrap_key(EncAlgo::OaepSha1, &KEY, &mut Constant);
        secret
            .expect("it is wrapped for us")
            .open(KEY.public(), &[SigAlgo::Pkcs1v15Sha1], &nonce)
    };
    let _encrypted: Result<_, _> = open(&TICKET.aes.encrypt(None, data, &mut Constant));
    let signature = KEY
        .sign(SigAlgo::Pkcs1v15Sha1, data, &mut Constant)
        .expect("we can sign");
    let signed = salt_wire::map! {
        "data" => Value::Bytes(data.to_vec()),
        "sig" => Value::Bytes(signature),
    };
    let signed = Value::Map(signed).to_msgpack();
    let _signed: Result<_, _> = open(&TICKET.aes.encrypt(None, &signed, &mut Constant));
}

/// An order, as fields and as text.
pub fn order(data: &[u8]) {
    if let Ok(Value::Map(fields)) = Value::from_msgpack(data)
        && let Ok(order) = Order::from_map(&fields, 0, "fuzz")
    {
        assert_eq!(Order::from_map(&order.to_map(), 0, ""), Ok(order.clone()));
        let signed = SignedOrder {
            order,
            targets: vec![salt_wire::order::target::Target::parse("*")],
            not_before: 0,
            sequence: 1,
        };
        let text = signed.seal(&ORDER_KEY);
        let keys = [ORDER_KEY.public()];
        assert_eq!(SignedOrder::open(&text, &keys), Ok(signed));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _text: Result<_, _> = SignedOrder::open(text, &[ORDER_KEY.public()]);
    let _key: Result<OrderPublicKey, _> = text.parse();
    if text.is_ascii() && !text.is_empty() && text.len() < 10_000 {
        let parts = to_metadata(text);
        let whole = from_metadata(|k| Some(parts.iter().find(|(key, _)| key == k)?.1.as_str()));
        assert_eq!(whole.as_deref(), Some(text));
    }
    let lines: Vec<&str> = text.lines().collect();
    let _parts: Option<String> = from_metadata(|key| {
        let at: usize = key.rsplit('-').next()?.parse().ok()?;
        lines.get(at).copied()
    });
}

/// A connection's bytes, in one piece and byte by byte: the same events come out.
pub fn zmtp(data: &[u8]) {
    let now = Instant::now();
    let roles = [
        zmtp::Role::Req,
        zmtp::Role::Sub {
            prefixes: vec![vec![]],
        },
    ];
    for role in roles {
        let run = |chunk: usize| {
            let limits = zmtp::Limits {
                message: 1 << 20,
                ..zmtp::Limits::default()
            };
            let heartbeat = zmtp::Heartbeat {
                dead_after: Duration::from_secs(15),
            };
            let mut connection = zmtp::Connection::new(role.clone(), limits, Some(heartbeat), now);
            let (mut events, mut sent) = (Vec::new(), Vec::new());
            for mut piece in data.chunks(chunk) {
                loop {
                    let event = connection.receive(&mut piece, now);
                    sent.extend(connection.transmit().unwrap_or_default());
                    match event {
                        Ok(Some(event)) => {
                            if connection.peer().is_some() {
                                // Refused unless it may ask now; never a panic.
                                let _asked: Result<(), _> = connection.request(b"question");
                            }
                            events.push(format!("{event:?}"));
                        }
                        Ok(None) => break,
                        Err(_) => {
                            // Its text may quote as much as has come.
                            events.push("error".to_owned());
                            return (events, sent);
                        }
                    }
                }
            }
            let _timeout: Result<(), _> = connection.handle_timeout(now + Duration::from_secs(6));
            (events, sent)
        };
        assert_eq!(run(data.len().max(1)), run(1));
    }
}

const NONCE: &str = "42424242424242424242424242424242";

fn id() -> MinionId {
    "cap1".parse().expect("it is one")
}

/// The key of the recorded minion.
static KEY: LazyLock<Arc<PrivateKey>> = LazyLock::new(|| {
    let pem = include_str!("../../tests/fixtures/minion.pem");
    Arc::new(PrivateKey::from_pem(pem).expect("it is one"))
});

/// What a master would have given.
static TICKET: LazyLock<Ticket> = LazyLock::new(|| Ticket {
    version: Version::V3,
    aes: Crypticle::generate(&mut Constant),
    session: Some(Crypticle::generate(&mut Constant)),
    publish_port: 4505,
    master: KEY.public().clone(),
    standing: Standing::Known,
    enc_algo: Algorithms::strongest().enc[1],
    sig_algo: Algorithms::strongest().sig[1],
});

static REQUESTS: LazyLock<Requests> = LazyLock::new(|| {
    Requests::new(&id(), &KEY, &TICKET, false, &mut Constant).expect("the key works")
});

static EXPECTED: LazyLock<salt_wire::channel::request::Expected> = LazyLock::new(|| {
    let (_, expected) = REQUESTS
        .encode(&Map::new(), 0, &mut Constant)
        .expect("it can be sent");
    expected
});

/// The key of [`TICKET`], wrapped as the one-time key of a pillar.
static WRAPPED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let text = TICKET.aes.text();
    let wrapped = KEY
        .public()
        .encrypt_oaep(EncAlgo::OaepSha1, text.as_bytes(), &mut Constant);
    wrapped.expect("it has room")
});

static ORDER_KEY: LazyLock<OrderKey> =
    LazyLock::new(|| OrderKey::generate(&mut Constant).expect("any seed does"));

/// Always the same byte: the recorded answers fit, and every run is the same.
struct Constant;

impl RngCore for Constant {
    fn next_u32(&mut self) -> u32 {
        0x4242_4242
    }

    fn next_u64(&mut self) -> u64 {
        0x4242_4242_4242_4242
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        out.fill(0x42);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Constant {}

/// An SLS as data: what is read is written and read again as the same value.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(value) = salt_yaml::load(text) else {
        return;
    };
    if let Ok(written) = salt_yaml::dump(&value, &salt_yaml::DumpOptions::default()) {
        // Bytes, and what Python alone can tell from its neighbour, do not come back as they were.
        let _again = salt_yaml::load(&written);
    }
}

/// A configuration file.
pub fn config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _read = salt_yaml::load_config(text);
    }
}

/// An argument of the command line.
pub fn argument(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _value = salt_yaml::yamlify_arg(text);
    }
}

/// A template, with few steps to spend.
pub fn jinja(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut environment = Environment::new(Options {
        limits: Limits {
            steps: 20_000,
            output: 1 << 20,
            ..Limits::default()
        },
        ..Options::default()
    });
    let roles = vec![Value::from("web"), Value::from(7), Value::Null];
    environment.set("grains", map! {"os" => "Debian", "roles" => roles.clone()});
    environment.set("pillar", map! {"a" => map! {"b" => 1.5}, "l" => roles});
    environment.set("n", 3);
    if let Err(error) = environment.render(text) {
        assert!(
            !error.message.starts_with("the renderer failed"),
            "{}",
            error.message
        );
    }
}
