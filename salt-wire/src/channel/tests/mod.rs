//! Both ends in memory: a master that can be told to misbehave, and our side of the conversation.

mod handshake;
mod publish;
mod request;

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

fn requests(ticket: &Ticket) -> Requests {
    Requests::new(&id(), &own(), ticket, false, &mut OsRandom).unwrap()
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
