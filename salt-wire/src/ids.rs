//! Names that cross the wire: parsed once at the edge, safe to print and to use as a file name after.

use std::fmt;
use std::str::FromStr;

use crate::crypto::{HashType, Random};

/// Why a text is not such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is no valid {kind}: {cause}", text.escape_debug())]
pub struct IdError {
    kind: &'static str,
    text: String,
    cause: &'static str,
}

impl IdError {
    fn new(kind: &'static str, text: &str, cause: &'static str) -> Self {
        // What came may be anything; the message stays short.
        let text = text.chars().take(80).collect();
        Self { kind, text, cause }
    }
}

/// The id of a minion: what Salt's `valid_id` lets pass, since a master keeps its key in a file of that name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MinionId(String);

impl MinionId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic on which a master with `zmq_filtering` publishes for this minion alone.
    pub fn topic(&self) -> String {
        HashType::Sha1.hex(self.0.as_bytes())
    }
}

impl FromStr for MinionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = |cause| Err(IdError::new("minion id", text, cause));
        match text {
            "" => bad("it is empty"),
            "." | ".." => bad("it is the name of a directory"),
            _ if text.contains(['/', '\\', '\0']) => bad("it contains a slash, backslash or NUL"),
            // Not Salt's rule, but its fate: the key could not be stored under it.
            _ if text.len() > 255 => bad("it has more than 255 bytes"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// A job's id: 20 digits from Salt, or what an operator chose; `req` for runs nobody asked for.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid(String);

impl Jid {
    /// What returns carry that belong to no published job: `salt-call`, the schedule, `startup_states`.
    pub fn req() -> Self {
        Self("req".to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Jid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = |cause| Err(IdError::new("job id", text, cause));
        let safe = |c: char| c.is_ascii_alphanumeric() || "_-.:@+=,".contains(c);
        match text {
            "" => bad("it is empty"),
            _ if text.len() > 128 => bad("it has more than 128 characters"),
            _ if text.starts_with('.') => bad("it starts with a dot"),
            // It becomes a file name under proc/ and in the spool.
            _ if !text.chars().all(safe) => {
                bad("it has characters that a file name should not have")
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// What ties an answer to its question: 32 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce(String);

impl Nonce {
    /// A new one.
    pub fn generate(rng: &mut dyn Random) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(crate::crypto::hex(&bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Nonce {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::new("nonce", text, "it has not 32 hex digits"))
        }
    }
}

macro_rules! printed_safely {
    ($($name:ty),*) => {$(
        /// Control characters are escaped: an id from the wire cannot forge a log line.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for c in self.0.chars() {
                    if c.is_control() {
                        write!(f, "{}", c.escape_default())?;
                    } else {
                        write!(f, "{c}")?;
                    }
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&$name> for crate::Value {
            fn from(id: &$name) -> Self {
                Self::Str(id.0.clone())
            }
        }
    )*};
}

printed_safely!(MinionId, Jid, Nonce);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minion_ids_are_judged_as_salt_does() {
        for good in [
            "app1",
            "App-1.example.org",
            "web 1",
            "ünïcode",
            "a..b",
            "...",
            "*",
        ] {
            assert!(good.parse::<MinionId>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "a\0b", &"x".repeat(256)] {
            assert!(bad.parse::<MinionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_cannot_forge_a_log_line() {
        let id: MinionId = "a\nERROR b".parse().unwrap();
        assert_eq!(id.to_string(), "a\\nERROR b");
        assert_eq!(id.as_str(), "a\nERROR b");
    }

    #[test]
    fn a_topic_is_the_sha1_of_the_id() {
        let id: MinionId = "abc".parse().unwrap();
        assert_eq!(id.topic(), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn jids_are_file_names() {
        for good in [
            "20261121015720144447",
            "req",
            "20261121015720144447_12",
            "my-job",
        ] {
            assert!(good.parse::<Jid>().is_ok(), "{good}");
        }
        for bad in ["", "../x", ".x", "a/b", "a b", &"1".repeat(129)] {
            assert!(bad.parse::<Jid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nonces_have_32_hex_digits() {
        let nonce = Nonce::generate(&mut crate::crypto::OsRandom);
        assert_eq!(nonce.as_str().parse(), Ok(nonce));
        assert!("00112233445566778899AABBCCDDEEFF".parse::<Nonce>().is_err());
    }
}
