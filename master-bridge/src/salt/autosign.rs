//! One-time enrolment tokens: values of a grain for which a master accepts a key by itself (`autosign_grains_dir`).
//!
//! Salt never takes a value out, so whoever puts one in does. Each of ours has a line before it that says until
//! when; what is past that is taken out by whichever bridge comes by.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::MasterConfig;
use crate::error::{Error, Kind, Result};
use crate::journal::millis;

/// The grain that carries the token.
pub const GRAIN: &str = "bridge_enrolment";
/// What stands before the second until which the next line counts. To Salt it is a comment.
const UNTIL: &str = "# master-bridge: until ";
/// For whoever holds the lock.
const LOCKED: Duration = Duration::from_secs(10);

/// The place where a master on this host looks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autosign {
    dir: PathBuf,
    /// Whom the master's files belong to.
    owner: (u32, u32),
}

impl Autosign {
    /// That of this master, if it has one.
    pub fn of(config: &MasterConfig) -> Result<Self> {
        let Some(dir) = &config.autosign_grains_dir else {
            return Err(Error::new(Kind::Usage, "the master knows no autosign_grains_dir, so it takes no enrolment token")
                .hint("its configuration needs `autosign_grains_dir: /etc/salt/autosign_grains`, and a restart; --enrol console needs neither"));
        };
        let keys = config.pki_dir.join("minions");
        let owner = fs::metadata(&keys).map_err(|e| {
            let text = format!("cannot see the master's keys in {}", keys.display());
            Error::new(Kind::Permission, text).because(&e)
        })?;
        Ok(Self {
            dir: dir.clone(),
            owner: (owner.uid(), owner.gid()),
        })
    }

    /// Lets a token in for this long.
    pub fn arm(&self, token: &str, within: Duration) -> Result<()> {
        let until = millis() / 1000 + within.as_secs();
        self.change(token, Some(until))
    }

    /// Makes a token worth nothing.
    pub fn burn(&self, token: &str) -> Result<()> {
        self.change(token, None)
    }

    /// Whether a token is let in at this moment, as far as its file goes.
    pub fn is_armed(&self, token: &str) -> Result<bool> {
        let path = self.dir.join(GRAIN);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().any(|line| line.trim() == token)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => {
                let text = format!("cannot read the enrolment tokens in {}", path.display());
                Err(Error::new(Kind::Permission, text).because(&e))
            }
        }
    }

    fn change(&self, token: &str, until: Option<u64>) -> Result<()> {
        self.rewrite(token, until, millis() / 1000).map_err(|e| {
            let path = self.dir.join(GRAIN);
            let text = format!("cannot write the enrolment token into {}", path.display());
            Error::new(Kind::Permission, text)
                .because(&e)
                .hint("run as root or as the master's user")
        })
    }

    /// The file without this token and without any that is past, and with it if it is to count.
    fn rewrite(&self, token: &str, until: Option<u64>, now: u64) -> io::Result<()> {
        if !self.dir.exists() {
            if until.is_none() {
                return Ok(());
            }
            fs::create_dir_all(&self.dir)?;
            self.give(&self.dir, 0o700)?;
        }
        let locked = lock(File::open(&self.dir)?)?;
        let path = self.dir.join(GRAIN);
        let (before, mode) = match fs::metadata(&path) {
            Ok(there) => (fs::read_to_string(&path)?, Some(there)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (String::new(), None),
            Err(e) => return Err(e),
        };
        let after = without(&before, token, now);
        let after = match until {
            Some(until) => format!("{after}{UNTIL}{until}\n{token}\n"),
            None => after,
        };
        if after == before {
            return Ok(());
        }
        let temporary = self
            .dir
            .join(format!(".{GRAIN}.{}.tmp", std::process::id()));
        let written = self
            .fill(&temporary, &after, mode.as_ref())
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| locked.sync_all());
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written
    }

    fn fill(&self, path: &Path, text: &str, like: Option<&fs::Metadata>) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        match like {
            Some(like) => {
                fs::set_permissions(path, like.permissions())?;
                chown(path, Some(like.uid()), Some(like.gid()))?;
            }
            None => self.give(path, 0o600)?,
        }
        file.sync_all()
    }

    fn give(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        let ours = fs::metadata(path)?;
        if (ours.uid(), ours.gid()) == self.owner {
            return Ok(());
        }
        chown(path, Some(self.owner.0), Some(self.owner.1))
    }
}

/// Another bridge, another VM: one after the other. Each holds it for a moment.
fn lock(mut dir: File) -> io::Result<Flock<File>> {
    let end = Instant::now() + LOCKED;
    loop {
        match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < end => dir = back,
            Err((_, error)) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The lines of others stay as they are.
fn without(text: &str, token: &str, now: u64) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(until) = line.strip_prefix(UNTIL) {
            let past = until.trim().parse().is_ok_and(|until: u64| until < now);
            let ours = lines.peek().is_none_or(|next| next.trim() == token);
            if past || ours {
                lines.next();
                continue;
            }
            kept.push_str(line);
            kept.push('\n');
            // What it speaks of stays with it.
            if let Some(next) = lines.next() {
                kept.push_str(next);
                kept.push('\n');
            }
            continue;
        }
        if line.trim() != token {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Autosign {
        let there = fs::metadata(dir).unwrap();
        Autosign {
            dir: dir.join("grains"),
            owner: (there.uid(), there.gid()),
        }
    }

    #[test]
    fn a_token_comes_and_goes_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        let path = place.dir.join(GRAIN);
        place.burn("t").unwrap();
        assert!(!path.exists(), "nothing is made to take nothing out");
        place.rewrite("t1", Some(100), 50).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let own = format!(
            "# of an operator\nstays\n{}",
            fs::read_to_string(&path).unwrap()
        );
        fs::write(&path, own).unwrap();
        place.rewrite("t2", Some(200), 60).unwrap();
        // Twice is once.
        place.rewrite("t2", Some(210), 60).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|l| *l == "t2").count(), 1, "{text}");
        assert!(place.is_armed("t2").unwrap() && !place.is_armed("t3").unwrap());
        place.rewrite("t2", None, 60).unwrap();
        assert!(!place.is_armed("t2").unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("# of an operator\nstays\n{UNTIL}100\nt1\n"));
        // What is past goes with whoever comes by.
        place.rewrite("t3", None, 101).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "# of an operator\nstays\n"
        );
        let left: Vec<_> = fs::read_dir(&place.dir).unwrap().collect();
        assert_eq!(left.len(), 1, "no file of ours beside it: {left:?}");
    }
}
