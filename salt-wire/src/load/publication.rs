//! A publication: one frame, or a topic and a frame, to all minions at once.

use crate::error::Error;
use crate::frame::{Frame, MAX_PUBLICATION};
use crate::ids::Jid;
use crate::value::{Map, Value};

const WHAT: &str = "publication";

/// The topic of everything that is not for one minion alone.
pub(crate) const BROADCAST: &[u8] = b"broadcast";

/// The outer side of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationFrame<'a> {
    /// The topic, with `zmq_filtering`.
    pub topic: Option<&'a [u8]>,
    /// Whether it is encrypted with the AES key: anything else is not for minions.
    pub encrypted: bool,
    /// The encrypted load, which is what is signed.
    pub load: &'a [u8],
    /// The signature, if the master signs.
    pub signature: Option<&'a [u8]>,
    /// The name of the algorithm that made it.
    pub sig_algo: Option<&'a str>,
}

impl<'a> PublicationFrame<'a> {
    /// Reads the frames of one message.
    pub fn decode(frames: &[&'a [u8]]) -> Result<Self, Error> {
        let (topic, frame) = match frames {
            [frame] => (None, *frame),
            [topic, frame] => (Some(*topic), *frame),
            _ => {
                let cause = format!("{} frames instead of one or two", frames.len());
                return Err(Error::malformed(WHAT, cause));
            }
        };
        let Frame::Fields(outer) = Frame::decode(frame, WHAT, MAX_PUBLICATION)? else {
            return Err(Error::malformed(WHAT, "it is no map"));
        };
        let encrypted = outer.bytes("enc") == Some(b"aes");
        Ok(Self {
            topic,
            encrypted,
            load: match encrypted {
                true => outer.need("load", WHAT)?,
                false => &[],
            },
            signature: outer.bytes("sig"),
            sig_algo: outer.text("sig_algo"),
        })
    }

    /// The frame to send: the master's side.
    pub fn encode(load: &[u8], signed: Option<(&[u8], &str)>) -> Vec<u8> {
        let mut outer = crate::map! { "enc" => "aes", "load" => Value::Bytes(load.to_vec()) };
        if let Some((signature, algo)) = signed {
            outer.insert("sig".into(), Value::Bytes(signature.to_vec()));
            outer.insert("sig_algo".into(), algo.into());
        }
        Value::Map(outer).to_msgpack()
    }
}

/// A job that a master has published, decrypted and proven. Whether it is for us, targeting says.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Its job id.
    pub jid: Jid,
    /// All fields, without `serial`.
    pub load: Map,
}

impl Publication {
    /// Checks a decrypted load. `serial` must have been taken out before.
    pub(crate) fn new(load: Map) -> Result<Self, Error> {
        for field in ["fun", "arg", "tgt", "jid"] {
            if !load.contains_key(field) {
                return Err(Error::malformed(WHAT, format!("\"{field}\" is missing")));
            }
        }
        let jid = match load.get("jid") {
            Some(Value::Str(jid)) => jid.parse().map_err(|e| Error::malformed(WHAT, e))?,
            _ => return Err(Error::malformed(WHAT, "its jid is no text")),
        };
        Ok(Self { jid, load })
    }

    /// The function, or the functions of a multi-function job as text joined with commas: for logs.
    pub fn fun(&self) -> String {
        match self.load.get("fun") {
            Some(Value::Str(fun)) => fun.clone(),
            Some(Value::List(funs)) => {
                let names: Vec<_> = funs.iter().filter_map(Value::as_str).collect();
                names.join(",")
            }
            _ => String::new(),
        }
    }
}
