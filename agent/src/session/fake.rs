//! A master in memory, for tests: it can be told to misbehave.

use std::sync::{Arc, LazyLock, Mutex};

use salt_wire::channel::handshake::{Terms, Ticket};
use salt_wire::channel::trust::{Distrust, Trust};
use salt_wire::crypto::{Crypticle, HashType, OsRandom, PrivateKey, SigAlgo};
use salt_wire::load::{AuthAnswer, AuthRequest, AuthTicket, PublicationFrame, Request, SignedAuth};
use salt_wire::zmtp::frame::encode_part;
use salt_wire::{Map, Value, map};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::{broadcast, mpsc};

use super::{Credentials, Trouble};
use crate::transport::Port;
use crate::transport::memory::{Memory, hello, next_request, reply};

/// Keys take long to make: one for each side, for all tests.
static KEYS: LazyLock<[Arc<PrivateKey>; 2]> = LazyLock::new(|| {
    std::array::from_fn(|_| Arc::new(PrivateKey::generate(1088, &mut OsRandom).unwrap()))
});

/// What it knows and how it behaves; changed while it runs.
pub(super) struct Behaviour {
    pub(super) aes: Crypticle,
    pub(super) session: Crypticle,
    /// Says this instead of letting us in.
    pub(super) answer: Option<AuthAnswer<'static>>,
    /// Answers this to each `_auth`.
    pub(super) raw_auth: Option<Vec<u8>>,
    /// Answers this to the next encrypted request.
    pub(super) raw_reply: Option<Vec<u8>>,
    /// Sends this on the publish port instead of a greeting.
    pub(super) raw_publish: Option<Vec<u8>>,
    /// Answers nothing on the request port.
    pub(super) mute: bool,
    pub(super) serial: i64,
    pub(super) auths: usize,
}

/// The master. Clones are the same.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) is: Arc<Mutex<Behaviour>>,
    publish: broadcast::Sender<Vec<u8>>,
}

impl Fake {
    /// A master that lets everybody in, and the way to it.
    pub(super) fn start() -> (Self, Memory) {
        let (memory, served) = Memory::new();
        let fake = Self {
            is: Arc::new(Mutex::new(Behaviour {
                aes: Crypticle::generate(&mut OsRandom),
                session: Crypticle::generate(&mut OsRandom),
                answer: None,
                raw_auth: None,
                raw_reply: None,
                raw_publish: None,
                mute: false,
                serial: 0,
                auths: 0,
            })),
            publish: broadcast::Sender::new(100),
        };
        tokio::spawn(fake.clone().serve(served));
        (fake, memory)
    }

    /// Changes how it is.
    pub(super) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.is.lock().unwrap());
    }

    /// A publication as it goes over the wire, signed unless told otherwise.
    pub(super) fn publication(&self, jid: &str, signed: bool) -> Vec<u8> {
        let mut is = self.is.lock().unwrap();
        is.serial += 1;
        let load = map! {
            "fun" => "test.ping", "arg" => Value::List(vec![]), "tgt" => "*", "jid" => jid,
            "serial" => is.serial,
        };
        let blob = is
            .aes
            .encrypt(None, &Value::Map(load).to_msgpack(), &mut OsRandom);
        let signature = KEYS[1]
            .sign(SigAlgo::default(), &blob, &mut OsRandom)
            .unwrap();
        let signature = (&signature[..], SigAlgo::default().name());
        PublicationFrame::encode(&blob, signed.then_some(signature))
    }

    /// Sends one frame to all subscribers.
    pub(super) fn send(&self, frame: &[u8]) {
        let mut wire = Vec::new();
        encode_part(frame, false, &mut wire);
        self.send_raw(wire);
    }

    /// Sends bytes as they are.
    pub(super) fn send_raw(&self, wire: Vec<u8>) {
        self.publish.send(wire).unwrap();
    }

    async fn serve(self, mut served: mpsc::UnboundedReceiver<(Port, DuplexStream)>) {
        while let Some((port, stream)) = served.recv().await {
            match port {
                Port::Publish => drop(tokio::spawn(self.clone().publisher(stream))),
                Port::Request => drop(tokio::spawn(self.clone().router(stream))),
            }
        }
    }

    async fn publisher(self, mut stream: DuplexStream) {
        let mut queue = self.publish.subscribe();
        let raw = self.is.lock().unwrap().raw_publish.clone();
        if stream
            .write_all(&raw.unwrap_or_else(|| hello("PUB")))
            .await
            .is_err()
        {
            return;
        }
        while let Ok(bytes) = queue.recv().await {
            // An empty one hangs up.
            if bytes.is_empty() || stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn router(self, mut stream: DuplexStream) {
        drop(stream.write_all(&hello("ROUTER")).await);
        while let Some(body) = next_request(&mut stream).await {
            let answer = self.answer(&body);
            if let Some(answer) = answer
                && stream.write_all(&reply(&answer)).await.is_err()
            {
                return;
            }
        }
    }

    fn answer(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut is = self.is.lock().unwrap();
        if is.mute {
            return None;
        }
        if let Ok((request, _)) = AuthRequest::decode(body) {
            is.auths += 1;
            return Some(is.raw_auth.clone().unwrap_or_else(|| is.auth(&request)));
        }
        if let Some(raw) = is.raw_reply.take() {
            return Some(raw);
        }
        let load = Request::decode(body, |_| Some(is.session.clone())).ok()?;
        let nonce = load["nonce"].as_str()?.parse().ok()?;
        let echo = load.get("cmd").cloned().unwrap_or_default().to_msgpack();
        Some(Value::Bytes(is.session.encrypt(Some(&nonce), &echo, &mut OsRandom)).to_msgpack())
    }
}

impl Behaviour {
    fn auth(&self, request: &AuthRequest) -> Vec<u8> {
        let master = &KEYS[1];
        let signed = match self.answer {
            Some(answer) => answer.encode(request.nonce.as_str()),
            None => {
                let wrap = |secret: &[u8]| {
                    let minion = &request.public;
                    minion
                        .encrypt_oaep(request.enc_algo, secret, &mut OsRandom)
                        .unwrap()
                };
                let token = request.token.as_ref().map(|token| {
                    wrap(
                        &master
                            .decrypt_oaep(request.enc_algo, token, &mut OsRandom)
                            .unwrap(),
                    )
                });
                let digest = HashType::Sha256.hex(self.aes.text().as_bytes());
                let ticket = AuthTicket {
                    pub_key: master.public().wire_pem().as_bytes(),
                    publish_port: 4505,
                    pub_sig: None,
                    token: token.as_deref(),
                    aes: &wrap(self.aes.text().as_bytes()),
                    session: Some(&wrap(self.session.text().as_bytes())),
                    sig: &master.x931(digest.as_bytes(), &mut OsRandom).unwrap(),
                };
                ticket.encode(Some(request.nonce.as_str()))
            }
        };
        let signature = master
            .sign(request.sig_algo, &signed, &mut OsRandom)
            .unwrap();
        SignedAuth::encode(&signed, &signature)
    }
}

/// Ours: the master's key is known.
pub(super) struct Known;

impl Credentials for Known {
    fn terms(&self) -> Result<Terms, Trouble> {
        let trust = Trust {
            stored: Some(KEYS[1].public().clone()),
            ..Trust::default()
        };
        Ok(Terms::new("m1".parse().unwrap(), KEYS[0].clone(), trust))
    }

    fn remember(&self, _: &Ticket) -> Result<(), Trouble> {
        Ok(())
    }

    fn advice(&self, _: &Distrust) -> String {
        String::new()
    }
}

/// Nothing but a command.
pub(super) fn command(cmd: &str) -> Map {
    map! { "cmd" => cmd }
}
