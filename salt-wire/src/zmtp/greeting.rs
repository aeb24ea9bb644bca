//! The 64 bytes that each side sends first: signature, version, mechanism.

use super::Error;

/// Length of a greeting.
pub const LENGTH: usize = 64;

/// The minor version from which on SUBSCRIBE is a command and PING is known.
pub const MINOR_WITH_COMMANDS: u8 = 1;

const MECHANISM: &[u8] = b"NULL";

/// Ours: ZMTP 3.1, NULL, not a server.
pub fn ours() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[0] = 0xff;
    // Where ZMTP 1 has a length: libzmq puts 1 here, so that an old peer sees a short frame.
    bytes[8] = 1;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[11] = MINOR_WITH_COMMANDS;
    bytes[12..12 + MECHANISM.len()].copy_from_slice(MECHANISM);
    bytes
}

/// Collects the peer's greeting, byte by byte if need be.
#[derive(Debug, Default)]
pub struct Greeting {
    bytes: Vec<u8>,
}

impl Greeting {
    /// Takes what it needs from `input`. The peer's minor version once all is there and fits us; a peer that speaks something else is told by its first bytes already.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<u8>, Error> {
        let (taken, rest) = input.split_at(input.len().min(LENGTH - self.bytes.len()));
        self.bytes.extend_from_slice(taken);
        *input = rest;
        let at = |n: usize| self.bytes.get(n).copied();
        if at(0).is_some_and(|b| b != 0xff) || at(9).is_some_and(|b| b & 1 == 0) {
            let first: Vec<u8> = self.bytes.iter().copied().take(16).collect();
            return Err(Error::NotZeroMq {
                first: format!("\"{}\"", first.escape_ascii()),
            });
        }
        if let Some(major) = at(10).filter(|major| *major < 3) {
            return Err(Error::Version { major });
        }
        if self.bytes.len() < LENGTH {
            return Ok(None);
        }
        let mechanism = &self.bytes[12..32];
        let name = mechanism.split(|b| *b == 0).next().unwrap_or_default();
        if name != MECHANISM {
            return Err(Error::Mechanism {
                name: name.escape_ascii().to_string(),
            });
        }
        Ok(at(11))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(bytes: &[u8]) -> Result<Option<u8>, Error> {
        let mut greeting = Greeting::default();
        let mut minor = None;
        for byte in bytes {
            minor = greeting.receive(&mut std::slice::from_ref(byte))?;
        }
        Ok(minor)
    }

    #[test]
    fn ours_is_complete_at_its_last_byte() {
        assert_eq!(feed(&ours()), Ok(Some(1)));
        assert_eq!(feed(&ours()[..63]), Ok(None));
    }

    #[test]
    fn what_follows_is_left_alone() {
        let mut bytes = ours().to_vec();
        bytes.extend(b"rest");
        let mut input = &bytes[..];
        assert_eq!(Greeting::default().receive(&mut input), Ok(Some(1)));
        assert_eq!(input, b"rest");
    }

    #[test]
    fn other_protocols_are_told_by_their_first_byte() {
        let err = feed(b"SSH-2.0-OpenSSH").unwrap_err();
        assert_eq!(
            err,
            Error::NotZeroMq {
                first: "\"S\"".into()
            }
        );
        let mut input: &[u8] = b"HTTP/1.1 400 Bad Request\r\n";
        let err = Greeting::default().receive(&mut input).unwrap_err();
        assert!(err.to_string().contains("HTTP/1.1 400 Bad"), "{err}");
    }

    #[test]
    fn old_versions_and_secured_peers_are_named() {
        let mut old = ours();
        old[10] = 1;
        assert_eq!(feed(&old), Err(Error::Version { major: 1 }));
        let mut curve = ours();
        curve[12..17].copy_from_slice(b"CURVE");
        assert_eq!(
            feed(&curve),
            Err(Error::Mechanism {
                name: "CURVE".into()
            })
        );
    }
}
