//! The keys of hosts that are known.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::auth::own;
use super::{Result, fingerprint};
use crate::host::fs::{make_dirs, rewrite};
use crate::host::program::Programs;
use crate::host::user;

const PORT: u16 = 22;

/// One key of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The host, hashed on wish.
    pub hostname: String,
    /// The key.
    pub key: String,
    /// Its kind.
    pub enc: String,
    /// Its fingerprint; none for a key that the caller brought.
    pub fingerprint: Option<String>,
    /// The port, where it is told.
    pub port: Option<u16>,
}

/// A list of known hosts.
pub struct Known<'a> {
    /// Runs ssh's own programs.
    pub programs: Programs<'a>,
    /// Whose list; none is the machine's.
    pub user: Option<&'a str>,
    /// The file; relative to the home.
    pub config: Option<&'a str>,
    /// Algorithm of the fingerprints.
    pub hash_type: Option<&'a str>,
}

/// What is wanted of a host.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// The host.
    pub hostname: &'a str,
    /// One of its keys must have this fingerprint.
    pub fingerprint: Option<&'a str>,
    /// Its key.
    pub key: Option<&'a str>,
    /// Its port.
    pub port: Option<u16>,
    /// The kind of key.
    pub enc: Option<&'a str>,
    /// Whether the host's name is hashed.
    pub hash: bool,
    /// Seconds to wait for the host.
    pub timeout: i64,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// It is there.
    Exists(Vec<String>),
    /// It was written: what was there, what is there now.
    Updated(Option<Vec<Entry>>, Vec<Entry>),
    /// It could not be, and why.
    Error(String),
}

fn with_port(hostname: &str, port: Option<u16>) -> String {
    match port.filter(|p| *p != PORT && *p != 0) {
        Some(port) => format!("[{hostname}]:{port}"),
        None => hostname.to_owned(),
    }
}

impl Known<'_> {
    /// The file, or why there is none.
    pub fn path(&self) -> std::result::Result<PathBuf, String> {
        let config = self.config.filter(|c| !c.is_empty());
        let usual = if self.user.is_some() {
            ".ssh/known_hosts"
        } else {
            "/etc/ssh/ssh_known_hosts"
        };
        let config = Path::new(config.unwrap_or(usual));
        if config.is_absolute() {
            return Ok(config.to_path_buf());
        }
        let Some(user) = self.user else {
            return Err("Cannot determine absolute path to file.".to_owned());
        };
        match user::account(user) {
            Some(account) => Ok(Path::new(&account.home).join(config)),
            None => Err(format!("User {user} does not exist")),
        }
    }

    fn parse(&self, text: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
            let words: Vec<_> = line.split_whitespace().collect();
            let [hostname, enc, key] = words.as_slice() else {
                continue;
            };
            if let Some(print) = fingerprint(key, self.hash_type)? {
                entries.push(Entry {
                    hostname: (*hostname).to_owned(),
                    key: (*key).to_owned(),
                    enc: (*enc).to_owned(),
                    fingerprint: Some(print),
                    port: None,
                });
            }
        }
        Ok(entries)
    }

    fn find(&self, path: &Path, hostname: &str) -> Result<String> {
        let path = path.to_string_lossy();
        let said = self
            .programs
            .run(&["ssh-keygen", "-F", hostname, "-f", &path])?;
        Ok(said.stdout)
    }

    /// The entries of a host; none is `None`. The inner error is told, not raised.
    pub fn entries(
        &self,
        hostname: &str,
        port: Option<u16>,
    ) -> Result<std::result::Result<Option<Vec<Entry>>, String>> {
        let path = match self.path() {
            Ok(path) => path,
            Err(error) => return Ok(Err(error)),
        };
        let found = self.parse(&self.find(&path, &with_port(hostname, port))?)?;
        Ok(Ok((!found.is_empty()).then_some(found)))
    }

    /// The keys that a host itself shows.
    pub fn receive(&self, wanted: &Wanted<'_>) -> Result<Option<Vec<Entry>>> {
        let (port, timeout) = (
            wanted.port.map(|p| p.to_string()),
            wanted.timeout.to_string(),
        );
        let mut argv = vec!["ssh-keyscan"];
        if let Some(port) = &port {
            argv.extend(["-p", port]);
        }
        if let Some(enc) = wanted.enc.filter(|e| !e.is_empty()) {
            argv.extend(["-t", enc]);
        }
        if wanted.hash {
            argv.push("-H");
        }
        argv.extend(["-T", &timeout, wanted.hostname]);
        for _ in 0..5 {
            let said = self.programs.run(&argv)?;
            if !said.stdout.is_empty() || !said.stderr.is_empty() {
                let found = self.parse(&said.stdout)?;
                return Ok((!found.is_empty()).then_some(found));
            }
        }
        Ok(None)
    }

    /// Writes a host's keys, unless they are there.
    pub fn set(&self, wanted: &Wanted<'_>) -> Result<Became> {
        if wanted.hostname.is_empty() {
            return Ok(Became::Error("hostname argument required".to_owned()));
        }
        if wanted.port.is_some_and(|p| p != PORT) && wanted.hash {
            return Ok(Became::Error(
                "argument port can not be used in conjunction with argument hash_known_hosts"
                    .into(),
            ));
        }
        let stored = match self.entries(wanted.hostname, wanted.port)? {
            Ok(stored) => stored,
            Err(error) => return Ok(Became::Error(error)),
        };
        let of_kind = |e: &&Entry| wanted.enc.is_none_or(|enc| e.enc == enc);
        let all = stored.as_deref().unwrap_or_default();
        let stored_keys: Vec<String> = all.iter().filter(of_kind).map(|e| e.key.clone()).collect();
        let has_print = |print: &str, list: &[Entry]| {
            list.iter().any(|e| e.fingerprint.as_deref() == Some(print))
        };
        let update = stored.is_none()
            || wanted.fingerprint.is_some_and(|p| !has_print(p, all))
            || wanted
                .key
                .is_some_and(|k| !stored_keys.iter().any(|s| s == k));
        let check = !update && wanted.key.is_none() && wanted.fingerprint.is_none();
        if !update && !check {
            return Ok(Became::Exists(stored_keys));
        }
        let mut new = match wanted.key {
            Some(key) => vec![Entry {
                hostname: wanted.hostname.to_owned(),
                enc: wanted.enc.unwrap_or_default().to_owned(),
                key: key.to_owned(),
                fingerprint: None,
                port: None,
            }],
            None => match self.receive(wanted)? {
                Some(remote) => remote,
                None => {
                    return Ok(Became::Error(
                        "Unable to receive remote host keys".to_owned(),
                    ));
                }
            },
        };
        if wanted.key.is_none() {
            if wanted.fingerprint.is_some_and(|p| !has_print(p, &new)) {
                return Ok(Became::Error(
                    "Remote host public keys found but none of their fingerprints match the one you have provided".into(),
                ));
            }
            let same = new.iter().all(|e| stored_keys.contains(&e.key))
                && stored_keys.iter().all(|k| new.iter().any(|e| e.key == *k));
            if check && same {
                return Ok(Became::Exists(stored_keys));
            }
        }
        let path = match self.path() {
            Ok(path) => path,
            Err(error) => return Ok(Became::Error(error)),
        };
        self.write(&path, wanted, &mut new)
            .map_err(|e| format!("Couldn't append to known hosts file: '{e}'"))?;
        if wanted.key.is_some() && wanted.hash {
            self.hash(&path)?;
        }
        Ok(Became::Updated(stored, new))
    }

    fn write(&self, path: &Path, wanted: &Wanted<'_>, new: &mut [Entry]) -> io::Result<()> {
        let mut text = String::new();
        if path.is_file() {
            let host = with_port(wanted.hostname, wanted.port);
            let found = self.find(path, &host).map_err(io::Error::other)?;
            let gone = matched_lines(&found, wanted.enc);
            let old = fs::read_to_string(path)?;
            for (number, line) in old.split_inclusive('\n').enumerate() {
                if !gone.contains(&(number + 1)) {
                    text += line;
                }
            }
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
        }
        for entry in new.iter_mut() {
            let plain = wanted.hash
                || matches!(wanted.port, None | Some(PORT))
                || entry.hostname.contains(':');
            let host = if plain {
                entry.hostname.clone()
            } else {
                entry.port = wanted.port;
                with_port(&entry.hostname, wanted.port)
            };
            text += &format!("{host} {} {}\n", entry.enc, entry.key);
        }
        let account = self.user.and_then(user::account);
        if let Some(dir) = path.parent().filter(|d| !d.is_dir()) {
            make_dirs(dir, 0o755)?;
            if let Some(account) = &account {
                own(dir, account.uid, account.gid)?;
                fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
            }
        }
        rewrite(path, text.as_bytes(), 0o600)?;
        if let Some(account) = &account {
            own(path, account.uid, account.gid)?;
        }
        Ok(())
    }

    /// Hashes all names of the file; gives what `ssh-keygen` says.
    pub fn hash(&self, path: &Path) -> Result<String> {
        let mode = crate::host::fs::mode_of(path, 0o600);
        let name = path.to_string_lossy();
        let said = self.programs.run(&["ssh-keygen", "-H", "-f", &name])?;
        self.keep(path, mode)?;
        Ok(said.stdout)
    }

    /// Removes a host; gives what `ssh-keygen` says.
    pub fn remove(
        &self,
        hostname: &str,
        port: Option<u16>,
    ) -> Result<std::result::Result<String, String>> {
        let path = match self.path() {
            Ok(path) => path,
            Err(error) => return Ok(Err(error)),
        };
        if !path.is_file() {
            return Ok(Err(format!(
                "Known hosts file {} does not exist",
                path.display()
            )));
        }
        let mode = crate::host::fs::mode_of(&path, 0o600);
        let name = path.to_string_lossy();
        let host = with_port(hostname, port);
        let said = self
            .programs
            .run(&["ssh-keygen", "-R", &host, "-f", &name])?;
        self.keep(&path, mode)?;
        let text = [said.stdout, said.stderr];
        let text: Vec<_> = text.into_iter().filter(|t| !t.is_empty()).collect();
        Ok(Ok(text.join("\n")))
    }

    /// Mode and owner as before: `ssh-keygen` writes a new file.
    fn keep(&self, path: &Path, mode: u32) -> Result<()> {
        let told = |e: io::Error| format!("{}: {e}", path.display());
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(told)?;
        if let Some(account) = self.user.and_then(user::account) {
            own(path, account.uid, account.gid).map_err(told)?;
        }
        Ok(())
    }
}

/// The numbers of the lines that `ssh-keygen -F` found, of one kind of key if it is given.
fn matched_lines(found: &str, enc: Option<&str>) -> Vec<usize> {
    let mut lines = found.lines();
    let mut numbers = Vec::new();
    while let Some(line) = lines.next() {
        let Some((_, number)) = line
            .strip_prefix("# Host ")
            .and_then(|l| l.split_once(" found: line "))
        else {
            continue;
        };
        let number = number
            .split_whitespace()
            .next()
            .and_then(|n| n.parse().ok());
        let kind = lines.next().and_then(|l| l.split_whitespace().nth(1));
        if let Some(number) = number
            && enc.is_none_or(|enc| kind == Some(enc))
        {
            numbers.push(number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_lines_are_counted() {
        let found =
            "# Host a found: line 3 \na ssh-rsa AAAA\n# Host a found: line 7\na ssh-ed25519 BBBB\n";
        assert_eq!(matched_lines(found, None), [3, 7]);
        assert_eq!(matched_lines(found, Some("ssh-ed25519")), [7]);
        assert_eq!(with_port("a", Some(22)), "a");
        assert_eq!(with_port("a", Some(2222)), "[a]:2222");
    }
}
