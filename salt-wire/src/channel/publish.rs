//! Publications: is it for minions, is it the master's, is it new.

use crate::channel::handshake::Ticket;
use crate::crypto::{Crypticle, CryptoError, PublicKey, SigAlgo};
use crate::error::Error;
use crate::ids::MinionId;
use crate::load::{BROADCAST, Publication, PublicationFrame};
use crate::value::Value;

const WHAT: &str = "publication";

/// The keys to listen with, and what has been heard.
#[derive(Clone, Debug)]
pub struct Publications {
    topic: String,
    aes: Crypticle,
    master: PublicKey,
    rules: SignatureRules,
    /// The highest serial since the AES key was made.
    serial: i128,
}

/// What is wanted of signatures.
#[derive(Clone, Debug)]
pub struct SignatureRules {
    /// `sign_pub_messages`: an unsigned publication is refused. A signature that is there is always checked.
    pub required: bool,
    /// The algorithms that count; the message's own claim chooses among these only.
    pub allowed: Vec<SigAlgo>,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// A job. Whether it is for us, targeting says.
    Job(Publication),
    /// Nothing to do.
    Ignored(Ignored),
}

/// Why nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// With `zmq_filtering`: for another minion, or for syndics.
    OtherTopic,
    /// Not encrypted, so not for minions.
    NotEncrypted,
    /// It was heard before: somebody sends it again.
    Replayed {
        /// Its serial.
        serial: i128,
        /// The highest one so far.
        highest: i128,
    },
}

impl Publications {
    /// Takes what the ticket gives.
    pub fn new(id: &MinionId, ticket: &Ticket, rules: SignatureRules) -> Self {
        Self {
            topic: id.topic(),
            aes: ticket.aes.clone(),
            master: ticket.master.clone(),
            rules,
            serial: 0,
        }
    }

    /// The topics to subscribe to: all messages, or with `zmq_filtering` two prefixes.
    pub fn subscriptions(&self, zmq_filtering: bool) -> Vec<Vec<u8>> {
        match zmq_filtering {
            true => vec![BROADCAST.to_vec(), self.topic.as_bytes().to_vec()],
            false => vec![Vec::new()],
        }
    }

    /// Takes the keys of a re-authentication. Serials start anew if and only if the AES key is a new one:
    /// forgetting them earlier would let old jobs in again, and keeping them would lock new ones out.
    pub fn renew(&mut self, ticket: &Ticket) {
        if self.aes != ticket.aes {
            self.aes = ticket.aes.clone();
            self.serial = 0;
        }
        self.master = ticket.master.clone();
    }

    /// Judges the frames of one message. An error for which [`key_may_be_old`] is true means: `_auth`,
    /// [`Self::renew`], then hand in the same message once more.
    pub fn receive(&mut self, frames: &[&[u8]]) -> Result<Received, Error> {
        let frame = PublicationFrame::decode(frames)?;
        if let Some(topic) = frame.topic
            && topic != BROADCAST
            && topic != self.topic.as_bytes()
        {
            return Ok(Received::Ignored(Ignored::OtherTopic));
        }
        if !frame.encrypted {
            return Ok(Received::Ignored(Ignored::NotEncrypted));
        }
        self.verify(&frame)?;
        let opened = self
            .aes
            .decrypt(frame.load, None)
            .map_err(|e| Error::untrusted(WHAT, e))?;
        let Value::Map(mut load) =
            Value::from_msgpack(opened.payload()).map_err(Error::msgpack(WHAT))?
        else {
            return Err(Error::malformed(WHAT, "the load is no map"));
        };
        // Masters of a cluster send none.
        let serial = match load.shift_remove("serial") {
            None | Some(Value::Null) => None,
            Some(Value::Int(serial)) => Some(serial),
            Some(_) => return Err(Error::malformed(WHAT, "its serial is no integer")),
        };
        if let Some(serial) = serial {
            if serial <= self.serial {
                return Ok(Received::Ignored(Ignored::Replayed {
                    serial,
                    highest: self.serial,
                }));
            }
            // Before the load is judged: a message that is no job has been heard all the same.
            self.serial = serial;
        }
        Publication::new(load).map(Received::Job)
    }

    fn verify(&self, frame: &PublicationFrame<'_>) -> Result<(), Error> {
        let what = "publication";
        let distrust = |e| Err(Error::untrusted(WHAT, e));
        match (frame.signature, frame.sig_algo) {
            (None, _) if self.rules.required => distrust(CryptoError::Signature { what }),
            (None, _) => Ok(()),
            (Some(signature), name) => {
                let algo: Result<SigAlgo, _> = name.unwrap_or_default().parse();
                let allowed = algo.map(|a| self.rules.allowed.contains(&a).then_some(a));
                match allowed {
                    Ok(Some(algo)) => self
                        .master
                        .verify(algo, what, frame.load, signature)
                        .or_else(distrust),
                    _ => Err(Error::Incompatible {
                        cause: format!(
                            "it signs publications with \"{}\", which is not allowed here",
                            name.unwrap_or_default()
                                .chars()
                                .take(40)
                                .collect::<String>()
                                .escape_debug()
                        ),
                    }),
                }
            }
        }
    }
}

/// Whether a message may have been made with a key that is newer than ours.
pub fn key_may_be_old(error: &Error) -> bool {
    matches!(
        error,
        Error::Untrusted {
            source: CryptoError::Mac,
            ..
        }
    )
}
