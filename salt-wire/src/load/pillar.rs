//! The pillar: a request that carries the grains, and a reply wrapped for one minion alone.

use crate::crypto::{Crypticle, CryptoError, EncAlgo, PrivateKey, PublicKey, Random, SigAlgo};
use crate::error::Error;
use crate::frame::{Field, Fields, Frame, MAX_REPLY};
use crate::ids::{MinionId, Nonce};
use crate::value::{Map, Value};

const WHAT: &str = "pillar reply";

/// What a pillar is compiled for. The grains also refresh the master's cache, by which `-G` targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PillarRequest {
    /// All grains.
    pub grains: Map,
    /// The state environment.
    pub saltenv: Option<String>,
    /// The pillar environment.
    pub pillarenv: Option<String>,
    /// Values that replace the compiled ones.
    pub pillar_override: Map,
    /// More data for external pillars.
    pub extra_minion_data: Map,
    /// Whether the master shall forget what it has cached.
    pub clean_cache: bool,
}

impl PillarRequest {
    /// The load.
    pub fn to_map(&self, id: &MinionId) -> Map {
        let mut load = crate::map! {
            "id" => id,
            "grains" => self.grains.clone(),
            "saltenv" => self.saltenv.clone(),
            "pillarenv" => self.pillarenv.clone(),
            "pillar_override" => self.pillar_override.clone(),
            "extra_minion_data" => self.extra_minion_data.clone(),
            "ver" => "2",
            "cmd" => "_pillar",
        };
        if self.clean_cache {
            load.insert("clean_cache".into(), true.into());
        }
        load
    }
}

/// A reply to `_pillar`, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PillarReply<'a> {
    /// The one-time key, wrapped for us.
    pub key: &'a [u8],
    /// The pillar under the one-time key.
    pub pillar: &'a [u8],
}

impl<'a> PillarReply<'a> {
    /// Reads a frame. Anything without a key is a refusal, in whatever words.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        match Frame::decode(bytes, WHAT, MAX_REPLY)? {
            Frame::Fields(outer) => match (outer.bytes("key"), outer.bytes("pillar")) {
                (Some(key), Some(pillar)) => Ok(Self { key, pillar }),
                _ => Err(Error::refused("pillar request", &complaint(&outer))),
            },
            // 3008 answers with an empty map under the AES key when it does not know us any more.
            Frame::Blob(text) => match std::str::from_utf8(text) {
                Ok(text) => Err(Error::refused("pillar request", text)),
                Err(_) => Err(Error::refused("pillar request", "an answer without a key")),
            },
        }
    }

    /// Unwraps the one-time key.
    ///
    /// This is the one place where anybody in between chooses what our private key decrypts, before a
    /// signature could be checked: it says nothing but yes or no, and is blinded.
    pub fn unwrap_key(
        &self,
        algo: EncAlgo,
        key: &PrivateKey,
        rng: &mut dyn Random,
    ) -> Result<PillarSecret<'a>, Error> {
        let distrust = |e| Error::untrusted(WHAT, e);
        let text = key.decrypt_oaep(algo, self.key, rng).map_err(distrust)?;
        let once = Crypticle::from_text(&text).map_err(distrust)?;
        Ok(PillarSecret { reply: *self, once })
    }

    /// The frame to send: the master's side.
    pub fn encode(
        pillar: &Map,
        nonce: &Nonce,
        minion: &PublicKey,
        master: &PrivateKey,
        (enc_algo, sig_algo): (EncAlgo, SigAlgo),
        rng: &mut dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        let once = Crypticle::generate(rng);
        let key = minion.encrypt_oaep(enc_algo, once.text().as_bytes(), rng)?;
        let data = Value::Map(crate::map! {
            "key" => Value::Bytes(key.clone()),
            "pillar" => pillar.clone(),
            "nonce" => nonce,
        })
        .to_msgpack();
        let sig = master.sign(sig_algo, &data, rng)?;
        let signed = crate::map! { "data" => Value::Bytes(data), "sig" => Value::Bytes(sig) };
        let blob = once.encrypt(None, &Value::Map(signed).to_msgpack(), rng);
        let outer = crate::map! { "key" => Value::Bytes(key), "pillar" => Value::Bytes(blob) };
        Ok(Value::Map(outer).to_msgpack())
    }
}

/// A reply whose one-time key is unwrapped.
#[derive(Debug)]
pub struct PillarSecret<'a> {
    reply: PillarReply<'a>,
    once: Crypticle,
}

impl PillarSecret<'_> {
    /// Opens and checks the signed form, from version 2 on: signature, then key, then nonce.
    pub fn open(&self, master: &PublicKey, algos: &[SigAlgo], nonce: &Nonce) -> Result<Map, Error> {
        let distrust = |e| Error::untrusted(WHAT, e);
        let opened = self
            .once
            .decrypt(self.reply.pillar, None)
            .map_err(distrust)?;
        let fields = Fields::decode(opened.payload(), WHAT)?;
        let data = fields.need("data", WHAT)?;
        let signature = fields.need("sig", WHAT)?;
        let verified = algos
            .iter()
            .any(|algo| master.verify(*algo, WHAT, data, signature).is_ok());
        if !verified {
            return Err(distrust(CryptoError::Signature { what: "pillar" }));
        }
        let Value::Map(mut data) = Value::from_msgpack(data).map_err(Error::msgpack(WHAT))? else {
            return Err(Error::malformed(WHAT, "the signed part is no map"));
        };
        if data.get("key").and_then(Value::as_bytes) != Some(self.reply.key) {
            return Err(Error::malformed(WHAT, "the signed key is another one"));
        }
        if data.get("nonce").and_then(Value::as_str) != Some(nonce.as_str()) {
            return Err(distrust(CryptoError::Nonce));
        }
        match data.swap_remove("pillar") {
            Some(Value::Map(pillar)) => Ok(pillar),
            _ => Err(Error::malformed(WHAT, "the pillar is no map")),
        }
    }

    /// Opens the form of versions 0 and 1, which nobody signed.
    pub fn open_unsigned(&self) -> Result<Map, Error> {
        let opened = self
            .once
            .decrypt(self.reply.pillar, None)
            .map_err(|e| Error::untrusted(WHAT, e))?;
        match Value::from_msgpack(opened.payload()).map_err(Error::msgpack(WHAT))? {
            Value::Map(pillar) => Ok(pillar),
            _ => Err(Error::malformed(WHAT, "the pillar is no map")),
        }
    }
}

/// The words of a map that is an error, as far as there are any.
pub(crate) fn complaint(fields: &Fields<'_>) -> String {
    for key in ["error", "msg"] {
        if let Some(text) = fields.text(key) {
            return text.to_owned();
        }
    }
    if let Some(load) = fields.map("load") {
        if load.get("cluster_retry") == Some(&Field::Bool(true)) {
            return "the master's cluster is not ready yet".to_owned();
        }
        if let Some(text) = load.text("ret") {
            return text.to_owned();
        }
    }
    "an answer that is no answer".to_owned()
}
