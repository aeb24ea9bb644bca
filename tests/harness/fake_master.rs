//! A master that misbehaves on demand: what no stock master can be made to say.
//!
//! It speaks through our own codec, so it proves nothing about the wire; it proves what becomes of lies on it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use salt_wire::crypto::{Crypticle, HashType, OsRandom, PrivateKey, PublicKey, SigAlgo};
use salt_wire::load::{
    AuthAnswer, AuthRequest, AuthTicket, PillarReply, PublicationFrame, Request, SignedAuth,
};
use salt_wire::zmtp::frame::{Decoder, Room, encode_command, encode_part};
use salt_wire::zmtp::{command, greeting};
use salt_wire::{Map, Value, map};

use crate::{Address, next_address};

/// Keys take long to make: all fakes have the same one. The second is nobody's.
static KEYS: LazyLock<[PrivateKey; 2]> =
    LazyLock::new(|| [0; 2].map(|_| PrivateKey::generate(2048, &mut OsRandom).unwrap()));

/// How `_auth` is answered.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everybody is let in.
    Accept,
    /// With a word, signed.
    Word(AuthAnswer<'static>),
    /// With a word in clear, which needs no key.
    Unsigned(AuthAnswer<'static>),
    /// With these bytes.
    Raw(Vec<u8>),
    /// With the right answer, changed.
    Changed(fn(Vec<u8>) -> Vec<u8>),
    /// With the answer to the first request, which it kept for later.
    Replayed,
    /// With a ticket whose outer signature is another key's.
    BadlySigned,
    /// With keys that are wrapped for somebody else.
    WronglyWrapped,
    /// With an AES key that nobody signed.
    UnsignedKey,
    /// With a ticket of protocol version 1: nothing is signed, no session key.
    Ancient,
    /// Not at all.
    Silence,
}

/// How other requests are answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// As it should be.
    Proper,
    /// With these bytes.
    Raw(Vec<u8>),
    /// With the right answer, changed.
    Changed(fn(Vec<u8>) -> Vec<u8>),
    /// With the nonce of another request.
    WrongNonce,
    /// Encrypted with another key.
    WrongKey,
    /// Not at all.
    Silence,
}

/// What it knows and how it behaves; changed while it runs.
pub struct Behaviour {
    /// How `_auth` is answered.
    pub auth: Auth,
    /// How other requests are answered.
    pub reply: Reply,
    /// What each socket says first, in place of a ZeroMQ greeting: request port, publish port. After nothing it closes.
    pub greetings: [Option<Vec<u8>>; 2],
    /// How often somebody authenticated.
    pub auths: usize,
    /// Returns by job id.
    pub returns: BTreeMap<String, Value>,
    first_answer: Option<Vec<u8>>,
    minion: Option<AuthRequest>,
    aes: Crypticle,
    session: Crypticle,
    serial: i64,
}

/// The master. Its connections end with it.
pub struct FakeMaster {
    /// Where it listens, at Salt's own ports.
    pub address: Address,
    is: Arc<Mutex<Behaviour>>,
    subscribers: Arc<Mutex<Vec<TcpStream>>>,
    over: Arc<AtomicBool>,
}

impl FakeMaster {
    /// A master that answers `_auth` like this.
    pub fn start(auth: Auth) -> Self {
        Self::start_with(auth, |_| {})
    }

    /// The same, changed before anybody can ask.
    pub fn start_with(auth: Auth, change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut behaviour = Behaviour {
            auth,
            reply: Reply::Proper,
            greetings: [None, None],
            auths: 0,
            returns: BTreeMap::new(),
            first_answer: None,
            minion: None,
            aes: Crypticle::generate(&mut OsRandom),
            session: Crypticle::generate(&mut OsRandom),
            serial: 0,
        };
        change(&mut behaviour);
        let master = Self {
            address: next_address(),
            is: Arc::new(Mutex::new(behaviour)),
            subscribers: Arc::default(),
            over: Arc::default(),
        };
        let is = master.is.clone();
        master.listen(4506, move |stream| router(stream, &is));
        let (is, subscribers) = (master.is.clone(), master.subscribers.clone());
        master.listen(4505, move |mut stream| {
            let greeting = is.lock().unwrap().greetings[1].clone();
            let hello = greeting.unwrap_or_else(|| hello("PUB"));
            if !hello.is_empty() && stream.write_all(&hello).is_ok() {
                subscribers
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                pongs(stream, &subscribers);
            }
        });
        master
    }

    fn listen(&self, port: u16, serve: impl Fn(TcpStream) + Clone + Send + 'static) {
        let listener = TcpListener::bind((self.address.to_string(), port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let over = self.over.clone();
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(false).unwrap();
                        stream.set_nodelay(true).unwrap();
                        let serve = serve.clone();
                        thread::spawn(move || serve(stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
    }

    /// The fingerprint of its key.
    pub fn finger() -> String {
        KEYS[0].public().fingerprint(HashType::Sha256).to_string()
    }

    /// Changes how it is, or looks.
    pub fn set<T>(&self, change: impl FnOnce(&mut Behaviour) -> T) -> T {
        change(&mut self.is.lock().unwrap())
    }

    /// A job as it goes over the wire; `key` and `signed` as they should be, or not.
    pub fn publication(&self, jid: &str, proper_key: bool, signature: Signature) -> Vec<u8> {
        let mut is = self.is.lock().unwrap();
        is.serial += 1;
        let load = map! {
            "fun" => "test.ping", "arg" => Value::List(vec![]), "tgt" => "*", "tgt_type" => "glob",
            "jid" => jid, "ret" => "", "user" => "root", "serial" => is.serial,
        };
        let other = Crypticle::generate(&mut OsRandom);
        let key = if proper_key { &is.aes } else { &other };
        let blob = key.encrypt(None, &Value::Map(load).to_msgpack(), &mut OsRandom);
        let algo = SigAlgo::default();
        let signature = match signature {
            Signature::Good => Some(KEYS[0].sign(algo, &blob, &mut OsRandom).unwrap()),
            Signature::Anothers => Some(KEYS[1].sign(algo, &blob, &mut OsRandom).unwrap()),
            Signature::None => None,
        };
        PublicationFrame::encode(&blob, signature.as_ref().map(|s| (&s[..], algo.name())))
    }

    /// Sends a message of one part to all subscribers.
    pub fn publish(&self, part: &[u8]) {
        let mut wire = Vec::new();
        encode_part(part, false, &mut wire);
        self.publish_raw(&wire);
    }

    /// Sends bytes as they are to all subscribers.
    pub fn publish_raw(&self, wire: &[u8]) {
        let mut subscribers = self.subscribers.lock().unwrap();
        subscribers.retain_mut(|stream| stream.write_all(wire).is_ok());
    }

    /// What was returned for a job.
    pub fn returned(&self, jid: &str) -> Option<Value> {
        self.set(|is| is.returns.get(jid).cloned())
    }
}

/// How a publication is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// By the master.
    Good,
    /// By another key.
    Anothers,
    /// Not at all.
    None,
}

impl Drop for FakeMaster {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for stream in self.subscribers.lock().unwrap().drain(..) {
            stream.shutdown(std::net::Shutdown::Both).ok();
        }
    }
}

/// What a socket of this type says first: greeting and READY.
pub fn hello(socket_type: &str) -> Vec<u8> {
    let mut bytes = greeting::ours().to_vec();
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend(u32::try_from(socket_type.len()).unwrap().to_be_bytes());
    body.extend(socket_type.as_bytes());
    encode_command(&body, &mut bytes);
    bytes
}

/// Answers a subscriber's pings, as libzmq does: who hears nothing takes the master for dead.
fn pongs(mut stream: TcpStream, writers: &Mutex<Vec<TcpStream>>) {
    if stream.read_exact(&mut [0; greeting::LENGTH]).is_err() {
        return;
    }
    let room = Room {
        command: 4096,
        part: 4096,
    };
    let (mut decoder, mut buffer) = (Decoder::default(), vec![0; 4096]);
    while let Ok(length) = stream.read(&mut buffer) {
        let mut input = &buffer[..length];
        if length == 0 {
            return;
        }
        while let Ok(Some(frame)) = decoder.receive(&mut input, room) {
            // The name, two bytes of time to live, and a context that goes back.
            let Some(rest) = frame.body.strip_prefix(b"\x04PING") else {
                continue;
            };
            let mut wire = Vec::new();
            command::pong(rest.get(2..).unwrap_or_default(), &mut wire);
            // Not into the middle of a publication.
            let _writers = writers.lock().unwrap();
            if stream.write_all(&wire).is_err() {
                return;
            }
        }
    }
}

fn router(mut stream: TcpStream, is: &Mutex<Behaviour>) {
    let greeting = is.lock().unwrap().greetings[0].clone();
    if greeting.as_ref().is_some_and(Vec::is_empty) {
        return;
    }
    if stream
        .write_all(&greeting.unwrap_or_else(|| hello("ROUTER")))
        .is_err()
    {
        return;
    }
    if stream.read_exact(&mut [0; greeting::LENGTH]).is_err() {
        return;
    }
    let room = Room {
        command: 4096,
        part: u64::MAX,
    };
    let (mut decoder, mut buffer) = (Decoder::default(), vec![0; 16 << 10]);
    while let Ok(length) = stream.read(&mut buffer) {
        let mut input = &buffer[..length];
        if length == 0 {
            return;
        }
        while let Ok(Some(frame)) = decoder.receive(&mut input, room) {
            if frame.command || frame.more {
                continue;
            }
            let Some(answer) = is.lock().unwrap().answer(&frame.body) else {
                continue;
            };
            let mut wire = Vec::new();
            encode_part(b"", true, &mut wire);
            encode_part(&answer, false, &mut wire);
            if stream.write_all(&wire).is_err() {
                return;
            }
        }
    }
}

impl Behaviour {
    fn answer(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        if let Ok((request, _)) = AuthRequest::decode(body) {
            self.auths += 1;
            let answer = self.auth(&request);
            self.minion = Some(request);
            return answer;
        }
        let load = Request::decode(body, |_| Some(self.session.clone())).ok()?;
        let proper = self.reply(&load);
        match &self.reply {
            Reply::Proper => Some(proper),
            Reply::Raw(bytes) => Some(bytes.clone()),
            Reply::Changed(change) => Some(change(proper)),
            Reply::WrongNonce => {
                let mut load = load.clone();
                load.insert("nonce".into(), "0".repeat(32).as_str().into());
                Some(self.reply(&load))
            }
            Reply::WrongKey => {
                let proper =
                    std::mem::replace(&mut self.session, Crypticle::generate(&mut OsRandom));
                let wrong = self.reply(&load);
                self.session = proper;
                Some(wrong)
            }
            Reply::Silence => None,
        }
    }

    fn reply(&mut self, load: &Map) -> Vec<u8> {
        let nonce = load["nonce"].as_str().unwrap().parse().unwrap();
        if load["cmd"].as_str() == Some("_pillar")
            && let Some(minion) = &self.minion
        {
            let algos = (minion.enc_algo, minion.sig_algo);
            let pillar = Map::new();
            return PillarReply::encode(
                &pillar,
                &nonce,
                &minion.public,
                &KEYS[0],
                algos,
                &mut OsRandom,
            )
            .unwrap();
        }
        let value = match load["cmd"].as_str() {
            Some("_return") => {
                let jid = load["jid"].as_str().unwrap_or_default().to_owned();
                self.returns.insert(jid, load["return"].clone());
                Value::Null
            }
            Some("_file_envs") => Value::List(vec!["base".into()]),
            _ => Value::Null,
        };
        let blob = self
            .session
            .encrypt(Some(&nonce), &value.to_msgpack(), &mut OsRandom);
        Value::Bytes(blob).to_msgpack()
    }

    fn auth(&mut self, request: &AuthRequest) -> Option<Vec<u8>> {
        let nonce = request.nonce.as_str();
        let master = &KEYS[0];
        Some(match self.auth.clone() {
            Auth::Silence => return None,
            Auth::Raw(bytes) => bytes,
            Auth::Unsigned(word) => word.encode_unsigned(),
            Auth::Word(word) => signed(&word.encode(nonce), master, request),
            Auth::Accept => self.ticket(request, master, &request.public, master, true),
            Auth::Changed(change) => {
                change(self.ticket(request, master, &request.public, master, true))
            }
            Auth::BadlySigned => self.ticket(request, &KEYS[1], &request.public, master, true),
            Auth::WronglyWrapped => self.ticket(request, master, KEYS[1].public(), master, true),
            Auth::UnsignedKey => self.ticket(request, master, &request.public, &KEYS[1], true),
            Auth::Ancient => self.ticket(request, master, &request.public, master, false),
            Auth::Replayed => match &self.first_answer {
                Some(first) => first.clone(),
                None => {
                    let first = self.ticket(request, master, &request.public, master, true);
                    self.first_answer = Some(first);
                    return None;
                }
            },
        })
    }

    /// A ticket: signed by `signer`, its keys wrapped for `minion`, its AES key proven by `prover`.
    fn ticket(
        &self,
        request: &AuthRequest,
        signer: &PrivateKey,
        minion: &PublicKey,
        prover: &PrivateKey,
        modern: bool,
    ) -> Vec<u8> {
        let wrap = |secret: &[u8]| {
            minion
                .encrypt_oaep(request.enc_algo, secret, &mut OsRandom)
                .unwrap()
        };
        let token = request.token.as_ref().and_then(|token| {
            let secret = KEYS[0].decrypt_oaep(request.enc_algo, token, &mut OsRandom);
            secret.ok().map(|secret| wrap(&secret))
        });
        let digest = HashType::Sha256.hex(self.aes.text().as_bytes());
        let session = wrap(self.session.text().as_bytes());
        let ticket = AuthTicket {
            pub_key: KEYS[0].public().wire_pem().as_bytes(),
            publish_port: 4505,
            pub_sig: None,
            token: token.as_deref(),
            aes: &wrap(self.aes.text().as_bytes()),
            session: modern.then_some(&session[..]),
            sig: &prover.x931(digest.as_bytes(), &mut OsRandom).unwrap(),
        };
        if !modern {
            return ticket.encode(None);
        }
        signed(
            &ticket.encode(Some(request.nonce.as_str())),
            signer,
            request,
        )
    }
}

fn signed(body: &[u8], signer: &PrivateKey, request: &AuthRequest) -> Vec<u8> {
    let signature = signer.sign(request.sig_algo, body, &mut OsRandom).unwrap();
    SignedAuth::encode(body, &signature)
}
