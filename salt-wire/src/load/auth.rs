//! The `_auth` request: who we are, and a secret that only our master can send back.

use crate::crypto::{EncAlgo, PublicKey, SigAlgo};
use crate::error::Error;
use crate::frame::{Fields, Frame, MAX_REQUEST, Version, clear};
use crate::ids::{MinionId, Nonce};
use crate::value::{Map, Value};

const WHAT: &str = "_auth request";

/// What a minion says to be let in.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthRequest {
    /// Its id.
    pub id: MinionId,
    /// Its public key.
    pub public: PublicKey,
    /// Ties the answer to this question.
    pub nonce: Nonce,
    /// How keys in the answer shall be wrapped.
    pub enc_algo: EncAlgo,
    /// How the answer shall be signed.
    pub sig_algo: SigAlgo,
    /// A random secret under the master's key, if that key is known.
    pub token: Option<Vec<u8>>,
    /// Grains by which the master may accept the key by itself.
    pub autosign_grains: Option<Map>,
}

impl AuthRequest {
    /// The frame to send.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut load = crate::map! {
            "cmd" => "_auth",
            "id" => &self.id,
            "nonce" => &self.nonce,
            "enc_algo" => self.enc_algo.name(),
            "sig_algo" => self.sig_algo.name(),
        };
        if let Some(grains) = &self.autosign_grains {
            load.insert("autosign_grains".into(), grains.clone().into());
        }
        if let Some(token) = &self.token {
            load.insert("token".into(), Value::Bytes(token.clone()));
        }
        load.insert("pub".into(), self.public.wire_pem().into());
        clear(load, version)
    }

    /// Reads a frame: the master's side.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Version), Error> {
        let Frame::Fields(outer) = Frame::decode(bytes, WHAT, MAX_REQUEST)? else {
            return Err(Error::malformed(WHAT, "it is no map"));
        };
        let version = Version::from_number(outer.int("version").unwrap_or(0))
            .ok_or_else(|| Error::malformed(WHAT, "the version is negative"))?;
        if outer.bytes("enc") != Some(b"clear") {
            return Err(Error::malformed(WHAT, "it is not in the clear"));
        }
        let load = outer
            .map("load")
            .ok_or_else(|| Error::malformed(WHAT, "it has no load"))?;
        if load.bytes("cmd") != Some(b"_auth") {
            return Err(Error::malformed(WHAT, "its cmd is not _auth"));
        }
        let request = Self {
            id: parse(load, "id")?,
            public: PublicKey::from_pem(text(load, "pub")?)
                .map_err(|e| Error::malformed(WHAT, e))?,
            nonce: parse(load, "nonce")?,
            enc_algo: parse(load, "enc_algo")?,
            sig_algo: parse(load, "sig_algo")?,
            token: load.bytes("token").map(<[u8]>::to_vec),
            autosign_grains: match Value::from_msgpack(bytes) {
                Ok(outer) => outer
                    .get("load")
                    .and_then(|l| l.get("autosign_grains"))
                    .and_then(Value::as_map)
                    .cloned(),
                Err(_) => None,
            },
        };
        Ok((request, version))
    }
}

fn text<'a>(load: &Fields<'a>, key: &'static str) -> Result<&'a str, Error> {
    load.text(key)
        .ok_or_else(|| Error::malformed(WHAT, format!("\"{key}\" is missing or no text")))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    load: &Fields<'_>,
    key: &'static str,
) -> Result<T, Error> {
    text(load, key)?
        .parse()
        .map_err(|e| Error::malformed(WHAT, e))
}
