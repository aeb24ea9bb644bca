//! Commands: what the two ends of a connection say to each other beside the messages.

use super::Error;
use super::frame::encode_command;

/// A command as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ends the handshake; what the peer says of itself.
    Ready {
        /// Its socket type.
        socket_type: String,
    },
    /// The peer refuses.
    Error {
        /// Why.
        reason: String,
    },
    /// A heartbeat that wants an answer.
    Ping {
        /// To be sent back.
        context: Vec<u8>,
    },
    /// The answer to ours.
    Pong,
    /// One that we have no use for: ignored, as the protocol asks.
    Other,
}

/// The longest context that a PING may carry.
const MAX_CONTEXT: usize = 16;

impl Command {
    /// Reads a command frame's body.
    pub fn decode(body: &[u8]) -> Result<Self, Error> {
        let (name, rest) = short(body).ok_or(Error::Malformed("a command without a name"))?;
        Ok(match name {
            b"READY" => Self::Ready {
                socket_type: socket_type(rest)?,
            },
            b"ERROR" => {
                let (reason, _) = short(rest).ok_or(Error::Malformed("an ERROR without text"))?;
                Self::Error {
                    reason: reason.escape_ascii().to_string(),
                }
            }
            b"PING" => {
                // Two bytes say how long the peer will go on listening: our own limit is the stricter one.
                let context = rest
                    .get(2..)
                    .ok_or(Error::Malformed("a PING without TTL"))?;
                if context.len() > MAX_CONTEXT {
                    return Err(Error::Malformed("a PING context of more than 16 bytes"));
                }
                Self::Ping {
                    context: context.to_vec(),
                }
            }
            b"PONG" => Self::Pong,
            _ => Self::Other,
        })
    }
}

/// Writes READY.
pub fn ready(socket_type: &str, out: &mut Vec<u8>) {
    let mut body = b"\x05READY".to_vec();
    property(b"Socket-Type", socket_type.as_bytes(), &mut body);
    if socket_type == "REQ" {
        // Empty: the ROUTER makes one up. An identity of ours could collide with that of a connection
        // of ours that the master still believes in, and take over its replies.
        property(b"Identity", b"", &mut body);
    }
    encode_command(&body, out);
}

/// Writes SUBSCRIBE, the command of ZMTP 3.1.
pub fn subscribe(prefix: &[u8], out: &mut Vec<u8>) {
    encode_command(&[b"\x09SUBSCRIBE", prefix].concat(), out);
}

/// Writes PING. No TTL and no context: the answer matters, not which one it is.
pub fn ping(out: &mut Vec<u8>) {
    encode_command(b"\x04PING\0\0", out);
}

/// Writes the answer to a PING.
pub fn pong(context: &[u8], out: &mut Vec<u8>) {
    encode_command(&[b"\x04PONG", context].concat(), out);
}

fn property(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    out.extend((value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// The socket type among READY's properties, whose names ignore case.
fn socket_type(mut rest: &[u8]) -> Result<String, Error> {
    let cut = Error::Malformed("a cut property in READY");
    let mut found = None;
    while !rest.is_empty() {
        let (name, after) = short(rest).ok_or_else(|| cut.clone())?;
        let (length, after) = after.split_first_chunk::<4>().ok_or_else(|| cut.clone())?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (value, after) = after.split_at_checked(length).ok_or_else(|| cut.clone())?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            found = Some(value.escape_ascii().to_string());
        }
        rest = after;
    }
    found.ok_or(Error::Malformed("READY without a socket type"))
}

/// Splits off a text whose first byte is its length.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_round_trip_and_literal_bytes() {
        let mut out = Vec::new();
        ready("SUB", &mut out);
        assert_eq!(out, b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB");
        assert_eq!(
            Command::decode(&out[2..]),
            Ok(Command::Ready {
                socket_type: "SUB".into()
            })
        );
    }

    #[test]
    fn ping_and_error() {
        assert_eq!(
            Command::decode(b"\x04PING\x00\x0aabc"),
            Ok(Command::Ping {
                context: b"abc".to_vec()
            })
        );
        assert_eq!(
            Command::decode(b"\x05ERROR\x03no!"),
            Ok(Command::Error {
                reason: "no!".into()
            })
        );
        assert_eq!(Command::decode(b"\x04PONG"), Ok(Command::Pong));
        assert_eq!(Command::decode(b"\x03FOO123"), Ok(Command::Other));
    }

    #[test]
    fn cut_and_lying_commands_are_refused() {
        let whole = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB";
        for end in 0..whole.len() {
            assert!(Command::decode(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(Command::decode(b"\x05READY\x01x\xff\xff\xff\xff").is_err());
        assert!(Command::decode(b"\x04PING\x00").is_err());
        assert!(Command::decode(b"\x04PING\x00\x0012345678901234567").is_err());
    }
}
