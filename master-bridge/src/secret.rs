//! Secrets of operators: passphrases from a terminal or a file, and key files that their owner alone reads.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use salt_wire::crypto::{OrderKey, OsRandom, Zeroizing, locked};

use crate::error::{Error, Kind, Result};

/// A key is one line; a file that is longer is something else.
const MAX_KEY: u64 = 16 * 1024;

/// Reads a passphrase from a file, or asks for it on the terminal without showing it.
pub(crate) fn passphrase(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>> {
    if let Some(path) = file {
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| {
            Error::new(Kind::Local, format!("cannot read {}", path.display())).because(&e)
        })?);
        let line = text.lines().next().unwrap_or_default();
        return Ok(Zeroizing::new(line.to_owned()));
    }
    if !io::stdin().is_terminal() {
        return Err(
            Error::new(Kind::Usage, "nobody is there to be asked for a passphrase")
                .hint("give it in a file: --passphrase-file FILE"),
        );
    }
    ask(prompt).map_err(|e| {
        Error::new(Kind::Local, "cannot read a passphrase from the terminal").because(&e)
    })
}

fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    let mut talk = io::stderr().lock();
    write!(talk, "{prompt}: ")?;
    talk.flush()?;
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut line);
    // Whatever was read, the terminal is as it was.
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &before)?;
    writeln!(talk)?;
    read?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

/// Writes a new key file with mode 0600; one that is there is never overwritten.
pub(crate) fn write_key(path: &Path, key: &OrderKey, passphrase: Option<&str>) -> Result<()> {
    let failed = |e: io::Error| {
        let error = Error::new(Kind::Local, format!("cannot write {}", path.display())).because(&e);
        match e.kind() {
            io::ErrorKind::AlreadyExists => {
                error.hint("orders that it signed would be worth nothing: name another file")
            }
            _ => error,
        }
    };
    let secret = key.to_text();
    let text = match passphrase {
        None => secret,
        Some(passphrase) => {
            let locked = locked::lock(&secret, passphrase, &mut OsRandom)
                .map_err(|e| Error::new(Kind::Local, "cannot lock the key").because(&e))?;
            Zeroizing::new(locked)
        }
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    writeln!(file, "{}", *text)
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Reads a key file; `passphrase` is called if it is locked. A file that others may read is refused.
pub(crate) fn read_key(
    path: &Path,
    passphrase: impl FnOnce() -> Result<Zeroizing<String>>,
) -> Result<OrderKey> {
    let failed = || {
        Error::new(
            Kind::Local,
            format!("cannot read the key {}", path.display()),
        )
    };
    let file = File::open(path).map_err(|e| {
        failed()
            .because(&e)
            .hint("`master-bridge orders keygen FILE` makes one")
    })?;
    let mode = file
        .metadata()
        .map_err(|e| failed().because(&e))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let text = format!("others than its owner may read the key {}", path.display());
        return Err(Error::new(Kind::Refused, text).hint(format!(
            "if nobody has: chmod 600 {}; else make a new one and take this one out of agent: order_keys",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY)
        .read_to_string(&mut text)
        .map_err(|e| failed().because(&e))?;
    let secret = if locked::is_locked(&text) {
        locked::unlock(&text, &passphrase()?)
            .map_err(|e| failed().because(&e).hint("is the passphrase right?"))?
    } else {
        text
    };
    OrderKey::from_text(&secret).map_err(|e| failed().because(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_for_its_owner_alone_and_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let key = OrderKey::generate(&mut OsRandom).unwrap();
        for passphrase in [None, Some("pass")] {
            let path = dir.path().join(format!("{}", passphrase.is_some()));
            write_key(&path, &key, passphrase).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(write_key(&path, &key, None).unwrap_err().kind, Kind::Local);
            let pass = || Ok(Zeroizing::new("pass".to_owned()));
            assert_eq!(read_key(&path, pass).unwrap().public(), key.public());
        }
        let open = dir.path().join("false");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = read_key(&open, || Ok(Zeroizing::default())).unwrap_err();
        assert_eq!(refused.kind, Kind::Refused);
    }

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        std::fs::write(&path, "pass word\nrest\n").unwrap();
        assert_eq!(passphrase(Some(&path), "").unwrap().as_str(), "pass word");
    }
}
