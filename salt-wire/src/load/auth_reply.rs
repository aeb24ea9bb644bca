//! What a master answers to `_auth`: a ticket, a signed no, or a few unsigned words.
//!
//! Reading says nothing about truth: `channel::handshake` decides what to believe, in which order.

use crate::error::Error;
use crate::frame::{Field, Fields, Frame, MAX_REPLY};
use crate::value::{Map, Value};

const WHAT: &str = "_auth reply";

/// An answer to `_auth`, as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthReply<'a> {
    /// Signed, from version 2 on.
    Signed(SignedAuth<'a>),
    /// A ticket without a signature: versions 0 and 1.
    Unsigned(AuthTicket<'a>),
    /// A map with a word and no signature: `bad enc algo`, `bad sig algo`, or the yes and no of versions 0 and 1.
    Word(AuthAnswer<'a>),
    /// Nothing but text, such as `bad load`.
    Text(&'a [u8]),
}

/// The signed form: the signature is over exactly these bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedAuth<'a> {
    /// The bytes that are signed.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// The nonce of the question.
    pub nonce: &'a [u8],
    /// What it says.
    pub body: AuthBody<'a>,
}

/// What a signed answer says.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthBody<'a> {
    /// Come in.
    Ticket(AuthTicket<'a>),
    /// Not now, or not at all.
    Answer(AuthAnswer<'a>),
}

/// The `ret` of an answer without a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthAnswer<'a> {
    /// The key is stored and waits for acceptance.
    Pending,
    /// The key is rejected or denied, or the id is not valid.
    No,
    /// `max_minions` is reached.
    Full,
    /// The algorithm for wrapping is not known or not allowed.
    BadEncAlgo,
    /// The algorithm for signing is not known or not allowed.
    BadSigAlgo,
    /// Some other word.
    Other(&'a [u8]),
}

/// Everything that an accepted minion gets.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthTicket<'a> {
    /// The master's public key, PEM.
    pub pub_key: &'a [u8],
    /// Where publications come from.
    pub publish_port: u16,
    /// Signature of `pub_key` by the master's signing key, base64.
    pub pub_sig: Option<&'a [u8]>,
    /// Our token, wrapped for us.
    pub token: Option<&'a [u8]>,
    /// The master's AES key, wrapped for us.
    pub aes: &'a [u8],
    /// Our session key, wrapped for us: version 3.
    pub session: Option<&'a [u8]>,
    /// X9.31 over the digest of the AES key.
    pub sig: &'a [u8],
}

impl<'a> AuthReply<'a> {
    /// Reads a frame.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let outer = match Frame::decode(bytes, WHAT, MAX_REPLY)? {
            Frame::Blob(text) => return Ok(Self::Text(text)),
            Frame::Fields(outer) => outer,
        };
        match (outer.get("load"), outer.bytes("sig")) {
            (Some(Field::Bytes(signed)), Some(signature)) => {
                let inner = Fields::decode(signed, WHAT)?;
                let body = if inner.get("pub_key").is_some() {
                    AuthBody::Ticket(AuthTicket::read(&inner)?)
                } else {
                    AuthBody::Answer(AuthAnswer::read(&inner)?)
                };
                Ok(Self::Signed(SignedAuth {
                    signed,
                    signature,
                    nonce: inner.need("nonce", WHAT)?,
                    body,
                }))
            }
            (Some(Field::Map(inner)), _) => AuthAnswer::read(inner).map(Self::Word),
            // Versions 0 and 1 have no envelope at all.
            (None, _) if outer.get("pub_key").is_some() => {
                AuthTicket::read(&outer).map(Self::Unsigned)
            }
            _ => Err(Error::malformed(WHAT, "it has no load that makes sense")),
        }
    }
}

impl<'a> AuthAnswer<'a> {
    fn read(inner: &Fields<'a>) -> Result<Self, Error> {
        match inner.get("ret") {
            Some(Field::Bool(true)) => Ok(Self::Pending),
            Some(Field::Bool(false)) => Ok(Self::No),
            Some(Field::Bytes(b"full")) => Ok(Self::Full),
            Some(Field::Bytes(b"bad enc algo")) => Ok(Self::BadEncAlgo),
            Some(Field::Bytes(b"bad sig algo")) => Ok(Self::BadSigAlgo),
            Some(Field::Bytes(word)) => Ok(Self::Other(word)),
            _ => Err(Error::malformed(WHAT, "it has neither a key nor an answer")),
        }
    }

    /// The value of `ret`.
    fn ret(self) -> Value {
        match self {
            Self::Pending => true.into(),
            Self::No => false.into(),
            Self::Full => "full".into(),
            Self::BadEncAlgo => "bad enc algo".into(),
            Self::BadSigAlgo => "bad sig algo".into(),
            Self::Other(word) => Value::from(word.to_vec()),
        }
    }

    /// The signed part of an answer: the master's side.
    pub fn encode(self, nonce: &str) -> Vec<u8> {
        Value::Map(crate::map! { "ret" => self.ret(), "nonce" => nonce }).to_msgpack()
    }

    /// The whole frame of an unsigned word: the master's side.
    pub fn encode_unsigned(self) -> Vec<u8> {
        let load = crate::map! { "ret" => self.ret() };
        Value::Map(crate::map! { "enc" => "clear", "load" => load }).to_msgpack()
    }
}

impl<'a> AuthTicket<'a> {
    fn read(inner: &Fields<'a>) -> Result<Self, Error> {
        let port = inner
            .int("publish_port")
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)
            .ok_or_else(|| Error::malformed(WHAT, "\"publish_port\" is no port"))?;
        Ok(Self {
            pub_key: inner.need("pub_key", WHAT)?,
            publish_port: port,
            pub_sig: inner.bytes("pub_sig"),
            token: inner.bytes("token"),
            aes: inner.need("aes", WHAT)?,
            session: inner.bytes("session"),
            sig: inner.need("sig", WHAT)?,
        })
    }

    /// The map that gets signed, or sent as it is to versions 0 and 1: the master's side.
    pub fn encode(&self, nonce: Option<&str>) -> Vec<u8> {
        let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
        let mut map: Map = crate::map! {
            "enc" => "pub",
            "pub_key" => Value::from(self.pub_key.to_vec()),
            "publish_port" => u64::from(self.publish_port),
        };
        let parts = [
            ("pub_sig", self.pub_sig),
            ("token", self.token),
            ("aes", Some(self.aes)),
            ("session", self.session),
            ("sig", Some(self.sig)),
        ];
        for (key, part) in parts {
            if let Some(part) = part {
                map.insert(key.into(), bytes(part));
            }
        }
        if let Some(nonce) = nonce {
            map.insert("nonce".into(), nonce.into());
        }
        Value::Map(map).to_msgpack()
    }
}

impl SignedAuth<'_> {
    /// The whole frame around signed bytes: the master's side.
    pub fn encode(signed: &[u8], signature: &[u8]) -> Vec<u8> {
        Value::Map(crate::map! {
            "enc" => "clear",
            "load" => Value::Bytes(signed.to_vec()),
            "sig" => Value::Bytes(signature.to_vec()),
        })
        .to_msgpack()
    }
}
