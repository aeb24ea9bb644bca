//! Proof of a minion's key: what its fingerprint should be, from a place that the network cannot forge.
//!
//! Such places are the operator's own word (`--finger`), a file of `id fingerprint` lines, and a captured
//! console log with the line that the agent prints at start, see [`salt_wire::announce`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use salt_wire::Announcement;
use salt_wire::crypto::{Fingerprint, HashType};

use crate::error::{Error, Kind, Result};
use crate::salt::keys::Key;

/// Where fingerprints are known from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Proof")]
pub struct Sources {
    /// The fingerprint that the key must have; for one id
    #[arg(long, value_name = "FINGERPRINT")]
    pub finger: Option<Fingerprint>,
    /// A file with a line `ID FINGERPRINT` for each minion
    #[arg(long, value_name = "FILE")]
    pub fingers: Option<PathBuf>,
    /// A captured console log, in which the agent printed its id and fingerprint
    #[arg(long, value_name = "FILE")]
    pub console: Vec<PathBuf>,
}

/// Expected fingerprints by minion id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected(BTreeMap<String, Fingerprint>);

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The key is the one that was expected.
    Proven,
    /// It is another one: an impostor, or a machine that was made anew.
    Different,
    /// Nobody said what to expect.
    Unproven,
    /// The master's file is no key.
    Unreadable,
}

impl Verdict {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Different => "DIFFERENT",
            Self::Unproven => "unproven",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Sources {
    /// Whether any source was named.
    pub fn is_empty(&self) -> bool {
        self.finger.is_none() && self.fingers.is_none() && self.console.is_empty()
    }

    /// Reads all sources. Two that disagree are an error: one of them is wrong.
    pub fn read(&self, ids: &[String]) -> Result<Expected> {
        let mut expected = Expected::default();
        if let Some(finger) = &self.finger {
            let [id] = ids else {
                return Err(Error::new(Kind::Usage, "--finger proves exactly one key")
                    .hint("name one id, or give a file of `ID FINGERPRINT` lines with --fingers"));
            };
            expected.add(id, finger.clone(), "--finger")?;
        }
        if let Some(path) = &self.fingers {
            for (number, line) in read(path)?.lines().enumerate() {
                let place = format!("{}:{}", path.display(), number + 1);
                if let Some((id, finger)) = listed(line, &place)? {
                    expected.add(id, finger, &place)?;
                }
            }
        }
        for path in &self.console {
            let text = read(path)?;
            let mut latest = BTreeMap::new();
            for line in text.lines() {
                if let Some(said) = Announcement::parse(line) {
                    // A machine that was started again may print a new key: the last line counts.
                    latest.insert(said.id.to_string(), said.fingerprint);
                }
            }
            if latest.is_empty() {
                let text = format!(
                    "{} has no line of salt-agent with id and fingerprint",
                    path.display()
                );
                return Err(Error::new(Kind::Refused, text).hint(
                    "is the log complete? The agent prints it to the console when its key is new",
                ));
            }
            for (id, finger) in latest {
                expected.add(&id, finger, &path.display().to_string())?;
            }
        }
        for finger in expected.0.values() {
            if !matches!(finger.hash_type(), HashType::Sha256) {
                let text = format!("{finger} is no SHA-256 fingerprint");
                return Err(Error::new(Kind::Usage, text)
                    .hint("salt-call --local key.finger shows it with hash_type sha256"));
            }
        }
        Ok(expected)
    }
}

impl Expected {
    /// What a console that Nova showed says about a minion. A server of another minion proves nothing about this one.
    pub fn add_console(&mut self, id: &str, console: &str, place: &str) -> Result<()> {
        let said = console
            .lines()
            .rev()
            .filter_map(Announcement::parse)
            .find(|s| s.id.as_str() == id);
        match said {
            Some(said) => self.add(id, said.fingerprint, place),
            None => Ok(()),
        }
    }

    fn add(&mut self, id: &str, finger: Fingerprint, place: &str) -> Result<()> {
        match self.0.insert(id.to_owned(), finger.clone()) {
            Some(other) if other != finger => Err(Error::new(
                Kind::Refused,
                format!("{place}: {id} has fingerprint {finger}, but another source says {other}"),
            )
            .hint("find out which is right before any key is accepted")),
            _ => Ok(()),
        }
    }

    /// The ids that something is known about.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What should be under this id.
    pub fn of(&self, id: &str) -> Option<&Fingerprint> {
        self.0.get(id)
    }

    /// Compares a key with what is known about its id.
    pub fn verdict(&self, key: &Key) -> Verdict {
        match (self.of(&key.id), key.fingerprint()) {
            (_, None) => Verdict::Unreadable,
            (None, Some(_)) => Verdict::Unproven,
            (Some(expected), Some(found)) if *expected == found => Verdict::Proven,
            (Some(_), Some(_)) => Verdict::Different,
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| {
        Error::new(Kind::Local, format!("cannot read {}", path.display())).because(&e)
    })?;
    // Consoles print all kinds of bytes.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line `ID FINGERPRINT`, also with a colon behind the id as `salt-key -F` prints it.
fn listed<'a>(line: &'a str, place: &str) -> Result<Option<(&'a str, Fingerprint)>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(id), Some(finger), None) = (words.next(), words.next(), words.next()) else {
        return Err(Error::new(
            Kind::Usage,
            format!("{place}: no `ID FINGERPRINT`"),
        ));
    };
    let finger = finger
        .parse()
        .map_err(|e| Error::new(Kind::Usage, format!("{place}: no fingerprint")).because(&e))?;
    Ok(Some((id.strip_suffix(':').unwrap_or(id), finger)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finger(byte: &str) -> String {
        vec![byte; 32].join(":")
    }

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_console_log_proves_with_its_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let log = format!(
            "[    1.2] Linux version 6\n\u{fffd}[ 9.1] salt-agent: id=web1 fingerprint={} nonce=aa state=pending\r\n\
             [   12.0] salt-agent: id=web1 fingerprint={} nonce=bb state=pending\nsalt-agent: starting\n",
            finger("11"),
            finger("22")
        );
        let sources = Sources {
            console: vec![write(dir.path(), "log", &log)],
            ..Sources::default()
        };
        let expected = sources.read(&[]).unwrap();
        assert_eq!(expected.of("web1").unwrap().to_string(), finger("22"));
        let empty = Sources {
            console: vec![write(dir.path(), "empty", "nothing\n")],
            ..Sources::default()
        };
        assert_eq!(empty.read(&[]).unwrap_err().kind, Kind::Refused);
    }

    #[test]
    fn a_list_may_look_like_salt_keys_own() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("# all\n\na {}\n b:  {}\n", finger("11"), finger("22"));
        let mut sources = Sources {
            fingers: Some(write(dir.path(), "list", &text)),
            ..Sources::default()
        };
        let expected = sources.read(&[]).unwrap();
        assert_eq!(expected.ids().collect::<Vec<_>>(), ["a", "b"]);
        sources.fingers = Some(write(dir.path(), "bad", "a\n"));
        let error = sources.read(&[]).unwrap_err();
        assert!(error.message.contains("bad:1"), "{error}");
    }

    #[test]
    fn sources_that_disagree_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources {
            finger: Some(finger("33").parse().unwrap()),
            fingers: Some(write(dir.path(), "list", &format!("a {}\n", finger("11")))),
            console: Vec::new(),
        };
        assert_eq!(sources.read(&["a".into()]).unwrap_err().kind, Kind::Refused);
        assert_eq!(sources.read(&[]).unwrap_err().kind, Kind::Usage);
    }
}
