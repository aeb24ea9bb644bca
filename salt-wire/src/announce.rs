//! The console line: what an agent says of itself on the serial console, and what an operator's tool believes,
//! because only the machine itself can write there.
//!
//! `salt-agent: id=ID fingerprint=FINGERPRINT nonce=NONCE state=STATE [reason=REASON] [cloned_from=ID]`
//!
//! Both programs use this one description of it. Every field is a word; a field that is added later is passed over
//! by an older reader.

use std::fmt;

use crate::crypto::Fingerprint;
use crate::ids::MinionId;

/// What stands before the fields, whatever the kernel or a logger put before that.
pub const MARK: &str = "salt-agent: ";
/// No field is longer.
const MAX_WORD: usize = 512;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The minion id.
    pub id: MinionId,
    /// The fingerprint of its key.
    pub fingerprint: Fingerprint,
    /// What the operator gave it to repeat.
    pub nonce: Option<String>,
    /// The state of the session.
    pub state: String,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// The instance that this one is a copy of.
    pub cloned_from: Option<String>,
}

impl Announcement {
    /// What a console line says, if it is one of ours and whole.
    pub fn parse(line: &str) -> Option<Self> {
        // A line that was printed into another one: the last beginning counts.
        let (_, rest) = line.rsplit_once(MARK)?;
        let field = |name: &str| {
            let found = rest
                .split_whitespace()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.filter(|value| !value.is_empty() && value.len() <= MAX_WORD)
        };
        let text = |name| field(name).filter(|v| *v != "-").map(str::to_owned);
        Some(Self {
            id: field("id")?.parse().ok()?,
            fingerprint: field("fingerprint")?.parse().ok()?,
            nonce: text("nonce"),
            state: field("state")?.to_owned(),
            reason: text("reason"),
            cloned_from: text("cloned_from"),
        })
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nonce = self.nonce.as_deref().unwrap_or("-");
        write!(
            f,
            "{MARK}id={} fingerprint={} nonce={} state={}",
            self.id,
            self.fingerprint,
            Word(nonce),
            Word(&self.state)
        )?;
        for (name, value) in [("reason", &self.reason), ("cloned_from", &self.cloned_from)] {
            if let Some(value) = value {
                write!(f, " {name}={}", Word(value))?;
            }
        }
        Ok(())
    }
}

/// One word, whatever it was: no value makes a second field or a second line.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graphic = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        let word: String = self.0.chars().take(MAX_WORD).map(graphic).collect();
        f.write_str(if word.is_empty() { "-" } else { &word })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement() -> Announcement {
        Announcement {
            id: "web1.example.org".parse().unwrap(),
            fingerprint: vec!["ab"; 32].join(":").parse().unwrap(),
            nonce: Some("n-1".into()),
            state: "pending".into(),
            reason: Some("pending".into()),
            cloned_from: None,
        }
    }

    #[test]
    fn the_form_is_fixed() {
        let finger = vec!["ab"; 32].join(":");
        let mut said = announcement();
        assert_eq!(
            said.to_string(),
            format!(
                "salt-agent: id=web1.example.org fingerprint={finger} nonce=n-1 state=pending reason=pending"
            )
        );
        said.nonce = None;
        said.reason = None;
        said.cloned_from = Some("i 1\nsalt-agent: id=x".into());
        assert_eq!(
            said.to_string(),
            format!(
                "salt-agent: id=web1.example.org fingerprint={finger} nonce=- state=pending \
                 cloned_from=i_1_salt-agent:_id=x"
            )
        );
    }

    #[test]
    fn what_is_said_is_read_whatever_is_around_it() {
        let said = announcement();
        for line in [
            format!("{said}"),
            format!("[   12.3] {said}\r"),
            format!("\u{fffd}x[ OK ] salt-agent: id=half {said} later=field"),
        ] {
            assert_eq!(Announcement::parse(&line).as_ref(), Some(&said), "{line}");
        }
        let whole = said.to_string();
        for cut in 0..whole.find(" reason").unwrap() - "pending".len() {
            assert_eq!(Announcement::parse(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(Announcement::parse("salt-agent: starting"), None);
    }
}
