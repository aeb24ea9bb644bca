//! The keys that may log in to an account.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{Result, account, fingerprint};
use crate::host::fs::{make_dirs, rewrite};
use crate::host::perms::chown;

/// One key without itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// Its kind, such as `ssh-rsa`.
    pub enc: String,
    /// The comment behind it.
    pub comment: String,
    /// The options in front of it.
    pub options: Vec<String>,
    /// Its fingerprint.
    pub fingerprint: String,
}

/// Keys by themselves.
pub type Keys = IndexMap<String, Key>;

/// How a key stands to what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not there.
    Add,
    /// There with other options, kind or comment.
    Update,
    /// There.
    Exists,
}

impl Standing {
    /// Salt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Exists => "exists",
        }
    }
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Put there.
    New,
    /// Its line was replaced.
    Replaced,
    /// It was there.
    Same,
    /// It is no single word.
    Invalid,
    /// It is no key.
    NoKey,
    /// There is no such account, or it has no home.
    Failed,
}

impl Became {
    /// Salt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "replace",
            Self::Same => "no change",
            Self::Invalid => "invalid",
            Self::NoKey => "Invalid public key",
            Self::Failed => "fail",
        }
    }
}

/// The full name of a kind of key.
pub fn refine(enc: &str) -> Result<String> {
    const ALLOWED: &[&str] = &[
        "ecdsa-sha2-nistp521",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp256",
        "rsa-sha2-512",
        "rsa-sha2-256",
        "rsa-sha2-512-cert-v01@openssh.com",
        "rsa-sha2-256-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
        "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com",
        "sk-ssh-ed25519@openssh.com",
        "sk-ssh-ed25519-cert-v01@openssh.com",
    ];
    Ok(match enc {
        "r" | "rsa" | "ssh-rsa" => "ssh-rsa",
        "d" | "dsa" | "dss" | "ssh-dss" => "ssh-dss",
        "e" | "ecdsa" => "ecdsa-sha2-nistp256",
        "ed25519" | "ssh-ed25519" => "ssh-ed25519",
        other if ALLOWED.contains(&other) => other,
        other => return Err(format!("Incorrect encryption key type '{other}'.")),
    }
    .to_owned())
}

/// A line taken apart: options, kind, key, comment.
pub struct Line<'a> {
    /// What stands in front.
    pub options: &'a str,
    /// The kind.
    pub enc: &'a str,
    /// The key, if there is one.
    pub key: Option<&'a str>,
    /// What stands behind.
    pub comment: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// Finds the kind of a key in a line, and with it the rest; `None` when there is none.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut at = 0;
        while at < line.len() {
            let rest = &line[at..];
            let kind = rest.strip_prefix("sk-").unwrap_or(rest);
            if kind.starts_with("ssh-") || kind.starts_with("ecds") {
                let word = rest
                    .find(|c: char| !(c.is_alphanumeric() || "_@.-".contains(c)))
                    .unwrap_or(rest.len());
                let after = &rest[word..];
                if after.starts_with(char::is_whitespace) && !after.trim().is_empty() {
                    let mut words = after.split_whitespace();
                    return Some(Self {
                        options: line[..at].trim_end(),
                        enc: &rest[..word],
                        key: words.next(),
                        comment: words.collect(),
                    });
                }
            }
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        None
    }
}

/// The keys of a file.
pub fn read(path: &Path, hash_type: Option<&str>) -> Result<Keys> {
    let text =
        fs::read(path).map_err(|_| format!("Problem reading ssh key file {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut keys = Keys::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(parsed) = Line::parse(line) else {
            continue;
        };
        let Some(key) = parsed.key else { continue };
        let Some(fingerprint) = fingerprint(key, hash_type)? else {
            continue;
        };
        let options = parsed.options.split(',').filter(|o| !o.is_empty());
        keys.insert(
            key.to_owned(),
            Key {
                enc: parsed.enc.to_owned(),
                comment: parsed.comment.join(" "),
                options: options.map(str::to_owned).collect(),
                fingerprint,
            },
        );
    }
    Ok(keys)
}

fn format_line(key: &str, enc: &str, comment: &str, options: &[String]) -> String {
    let mut line = String::new();
    if !options.is_empty() {
        line = format!("{} ", options.join(","));
    }
    line + &format!("{enc} {key} {comment}\n")
}

/// The keys that may log in to one account.
pub struct Authorized {
    /// Whose account.
    pub user: String,
    /// The file, with `%u` and `%h` as sshd has them, below the home if it is relative.
    pub config: String,
    /// Algorithm of the fingerprints.
    pub hash_type: Option<String>,
}

impl Authorized {
    /// The file.
    pub fn path(&self) -> Result<PathBuf> {
        let account = account(&self.user)?;
        let mut path = String::new();
        let mut letters = self.config.chars();
        while let Some(c) = letters.next() {
            if c != '%' {
                path.push(c);
                continue;
            }
            match letters.next() {
                Some('%') => path.push('%'),
                Some('u') => path += &self.user,
                Some('h') => path += &account.home,
                Some(other) => {
                    return Err(format!(
                        "AuthorizedKeysFile path: unknown token character \"%{other}\""
                    ));
                }
                None => {
                    return Err(
                        "AuthorizedKeysFile path: Last character can't be escape character".into(),
                    );
                }
            }
        }
        Ok(Path::new(&account.home).join(path))
    }

    /// The keys that are there.
    pub fn keys(&self) -> Result<Keys> {
        match self.path() {
            Ok(path) if path.is_file() => read(&path, self.hash_type.as_deref()),
            _ => Ok(Keys::new()),
        }
    }

    /// How a key stands.
    pub fn standing(
        &self,
        key: &str,
        enc: &str,
        comment: &str,
        options: &[String],
    ) -> Result<Standing> {
        let wanted = format_line(key, &refine(enc)?, comment, options);
        Ok(match self.keys()?.get(key) {
            None => Standing::Add,
            Some(now) if format_line(key, &now.enc, &now.comment, &now.options) != wanted => {
                Standing::Update
            }
            Some(_) => Standing::Exists,
        })
    }

    /// Puts a key there, or brings its line up to date.
    pub fn set(&self, key: &str, enc: &str, comment: &str, options: &[String]) -> Result<Became> {
        if key.split_whitespace().count() > 1 {
            return Ok(Became::Invalid);
        }
        let enc = refine(enc)?;
        let Ok(account) = account(&self.user) else {
            return Ok(Became::Failed);
        };
        if fingerprint(key, self.hash_type.as_deref())?.is_none() {
            return Ok(Became::NoKey);
        }
        let line = format_line(key, &enc, comment, options);
        match self.standing(key, &enc, comment, options)? {
            Standing::Exists => return Ok(Became::Same),
            Standing::Update => {
                self.rewrite(|old, pkey| {
                    Some(if pkey == Some(key) {
                        line.clone()
                    } else {
                        old.to_owned()
                    })
                })
                .map_err(|e| format!("Problem reading or writing to key file: {e}"))?;
                return Ok(Became::Replaced);
            }
            Standing::Add => {}
        }
        let path = self.path()?;
        let home = Path::new(&account.home);
        if path.starts_with(home) && !home.is_dir() {
            return Ok(Became::Failed);
        }
        let unwritten = |e: io::Error| format!("{}: {e}", path.display());
        if let Some(dir) = path.parent().filter(|d| !d.is_dir()) {
            make_dirs(dir, 0o755).map_err(unwritten)?;
            own(dir, account.uid, account.gid).map_err(unwritten)?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(unwritten)?;
        }
        let is_new = !path.is_file();
        let mut text = if is_new {
            Vec::new()
        } else {
            fs::read(&path).map_err(unwritten)?
        };
        if text.last().is_some_and(|c| *c != b'\n') {
            text.push(b'\n');
        }
        text.extend(line.as_bytes());
        rewrite(&path, &text, 0o600).map_err(unwritten)?;
        if is_new {
            own(&path, account.uid, account.gid).map_err(unwritten)?;
        }
        Ok(Became::New)
    }

    /// Takes a key away; Salt's words for what became of it.
    pub fn remove(&self, key: &str) -> Result<String> {
        if !self.keys()?.contains_key(key) {
            return Ok("Key not present".to_owned());
        }
        let done = self.rewrite(|old, pkey| (pkey != Some(key)).then(|| old.to_owned()));
        Ok(if done.is_ok() {
            "Key removed"
        } else {
            "Key not removed"
        }
        .to_owned())
    }

    /// Writes the file anew, without empty lines, each line through `change` with the key that it holds.
    fn rewrite(&self, change: impl Fn(&str, Option<&str>) -> Option<String>) -> io::Result<()> {
        let path = self.path().map_err(io::Error::other)?;
        let text = fs::read(&path)?;
        let text = String::from_utf8_lossy(&text);
        let mut new = String::new();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let key = if line.starts_with('#') {
                None
            } else {
                Line::parse(line).and_then(|l| l.key)
            };
            if let Some(line) = change(&format!("{line}\n"), key) {
                new += &line;
            }
        }
        rewrite(&path, new.as_bytes(), 0o600)
    }
}

/// Gives a file to its account; only root can, and only root needs to.
pub(super) fn own(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        chown(path, Some(uid), Some(gid), true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = Line::parse("command=\"a b\",no-pty ssh-rsa AAAA me at home").unwrap();
        assert_eq!(line.options, "command=\"a b\",no-pty");
        assert_eq!((line.enc, line.key), ("ssh-rsa", Some("AAAA")));
        assert_eq!(line.comment, ["me", "at", "home"]);
        let line = Line::parse("sk-ssh-ed25519@openssh.com BBBB").unwrap();
        assert_eq!(line.enc, "sk-ssh-ed25519@openssh.com");
        assert!(Line::parse("AAAA me").is_none());
        assert!(Line::parse("ssh-rsa").is_none());
    }

    #[test]
    fn keys_come_change_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys");
        let config = file.to_string_lossy().into_owned();
        let user = crate::host::account::current_name();
        let auth = Authorized {
            user,
            config,
            hash_type: None,
        };
        assert_eq!(auth.set("YWJj", "rsa", "me", &[]).unwrap(), Became::New);
        assert_eq!(auth.set("YWJj", "rsa", "me", &[]).unwrap(), Became::Same);
        assert_eq!(
            auth.set("YWJk", "ed25519", "", &["no-pty".into()]).unwrap(),
            Became::New
        );
        assert_eq!(
            auth.set("YWJj", "rsa", "you", &[]).unwrap(),
            Became::Replaced
        );
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "ssh-rsa YWJj you\nno-pty ssh-ed25519 YWJk\n"
        );
        assert_eq!(auth.set("a b", "rsa", "", &[]).unwrap(), Became::Invalid);
        assert_eq!(auth.set("!", "rsa", "", &[]).unwrap(), Became::NoKey);
        assert!(auth.set("YWJj", "x", "", &[]).is_err());
        assert_eq!(auth.remove("YWJk").unwrap(), "Key removed");
        assert_eq!(auth.remove("YWJk").unwrap(), "Key not present");
        assert_eq!(fs::read_to_string(&file).unwrap(), "ssh-rsa YWJj you\n");
    }
}
