//! An encrypted request: any load, with the fields that bind it to its minion, its time and its answer.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::crypto::{Crypticle, EncAlgo, Random, SigAlgo};
use crate::error::Error;
use crate::frame::{Frame, MAX_REQUEST, Version};
use crate::ids::{MinionId, Nonce};
use crate::value::{Map, Value, write_msgpack};

const WHAT: &str = "request";

/// Fields that the channel sets, whatever the caller's load says about them.
const OURS: [&str; 5] = ["nonce", "ts", "tok", "id", "sig"];

/// What is added to a load.
#[derive(Clone, Copy, Debug)]
pub struct RequestFields<'a> {
    /// Who asks.
    pub id: &'a MinionId,
    /// What the reply must carry.
    pub nonce: &'a Nonce,
    /// Unix time, for masters with `request_server_ttl`.
    pub ts: u64,
    /// Proof of the key: X9.31 of a constant.
    pub tok: &'a [u8],
}

/// A request on its way out: everything that is in the outer envelope or in the load.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is asked.
    pub load: &'a Map,
    /// What is added to it.
    pub fields: RequestFields<'a>,
    /// The version to speak.
    pub version: Version,
    /// How a `_pillar` reply shall be wrapped.
    pub enc_algo: EncAlgo,
    /// How a `_pillar` reply shall be signed.
    pub sig_algo: SigAlgo,
}

impl Request<'_> {
    /// The bytes that `minion_sign_messages` signs: the load with `ts` and `id`, but without `nonce` and `tok`.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_msgpack(&self.body(None), &mut out);
        out
    }

    /// The frame to send. The load is written and encrypted in place: no copy of a large return is made.
    pub fn encode(
        &self,
        key: &Crypticle,
        signature: Option<&[u8]>,
        rng: &mut dyn Random,
    ) -> Vec<u8> {
        // By hand, because the length of `load` is known only after it has been written behind the rest.
        let mut out = vec![0x86];
        let mut put = |key: &str, value: Value| {
            Value::from(key).write_msgpack(&mut out);
            value.write_msgpack(&mut out);
        };
        put("enc", "aes".into());
        put("id", self.fields.id.into());
        put("version", i64::from(self.version.number()).into());
        put("enc_algo", self.enc_algo.name().into());
        put("sig_algo", self.sig_algo.name().into());
        Value::from("load").write_msgpack(&mut out);
        out.push(0xc6);
        let len_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let body = self.body(Some(Proof {
            nonce: self.fields.nonce,
            tok: self.fields.tok,
            signature,
        }));
        key.encrypt_into(&mut out, None, rng, |out| write_msgpack(&body, out));
        // A longer message is refused before it gets here; see `MAX_REQUEST`.
        let len = u32::try_from(out.len() - len_at - 4).unwrap_or(u32::MAX);
        out[len_at..len_at + 4].copy_from_slice(&len.to_be_bytes());
        out
    }

    fn body<'a>(&'a self, proof: Option<Proof<'a>>) -> Body<'a> {
        Body {
            load: self.load,
            fields: self.fields,
            proof,
        }
    }

    /// Reads a frame with the key that belongs to its outer id: the master's side. Gives the id and the
    /// load as it was encrypted, the channel's fields included.
    pub fn decode(
        bytes: &[u8],
        key: impl FnOnce(Option<&str>) -> Option<Crypticle>,
    ) -> Result<Map, Error> {
        let Frame::Fields(outer) = Frame::decode(bytes, WHAT, MAX_REQUEST)? else {
            return Err(Error::malformed(WHAT, "it is no map"));
        };
        if outer.bytes("enc") != Some(b"aes") {
            return Err(Error::malformed(WHAT, "it is not encrypted"));
        }
        let id = outer.text("id");
        let key = key(id).ok_or_else(|| Error::refused(WHAT, "unknown minion"))?;
        let opened = key
            .decrypt(outer.need("load", WHAT)?, None)
            .map_err(|e| Error::untrusted(WHAT, e))?;
        match Value::from_msgpack(opened.payload()).map_err(Error::msgpack(WHAT))? {
            Value::Map(load) if load.get("id").and_then(Value::as_str) == id => Ok(load),
            Value::Map(_) => Err(Error::refused(WHAT, "the outer id is not the inner one")),
            _ => Err(Error::malformed(WHAT, "the load is no map")),
        }
    }
}

/// What is in the load, but not in what is signed.
#[derive(Clone, Copy)]
struct Proof<'a> {
    nonce: &'a Nonce,
    tok: &'a [u8],
    signature: Option<&'a [u8]>,
}

/// Writes the load with our fields at its end, without cloning it.
struct Body<'a> {
    load: &'a Map,
    fields: RequestFields<'a>,
    proof: Option<Proof<'a>>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = |key: &Value| key.as_str().is_some_and(|k| OURS.contains(&k));
        let theirs = self.load.iter().filter(|(key, _)| !own(key));
        let proof = self
            .proof
            .map_or(0, |p| 2 + usize::from(p.signature.is_some()));
        let mut map = serializer.serialize_map(Some(theirs.clone().count() + 2 + proof))?;
        for (key, value) in theirs {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("ts", &self.fields.ts)?;
        map.serialize_entry("id", self.fields.id.as_str())?;
        if let Some(proof) = self.proof {
            map.serialize_entry("nonce", proof.nonce.as_str())?;
            map.serialize_entry("tok", &Bytes(proof.tok))?;
            if let Some(signature) = proof.signature {
                map.serialize_entry("sig", &Bytes(signature))?;
            }
        }
        map.end()
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
