//! Our own pair: `minion.pem` (0400) and `minion.pub`, as Salt names and writes them.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use nix::unistd::{Uid, User, chown};
use salt_wire::crypto::{CryptoError, OsRandom, Prime, PrivateKey, PublicKey, Zeroizing};

use super::{KeyError, guard};
use crate::config::Settings;
use crate::host::fs::write_atomic;

/// No key file is longer.
const MAX_FILE: u64 = 64 << 10;

/// A directory of keys.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    bits: u32,
    /// `permissive_pki_access`: the group may look and write.
    group: bool,
    /// The account that new files are given to.
    owner: Option<Uid>,
}

impl Store {
    /// The store that the settings name.
    pub fn of(settings: &Settings) -> Self {
        let permissive = settings.opts.get("permissive_pki_access");
        let owner = User::from_name(&settings.user).ok().flatten();
        Self {
            dir: settings.pki_dir.clone(),
            bits: settings.crypto.keysize,
            group: permissive.is_some_and(salt_wire::Value::is_truthy),
            owner: owner.map(|user| user.uid),
        }
    }

    /// The same in another directory.
    pub fn in_dir(settings: &Settings, dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            ..Self::of(settings)
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The private key's file.
    pub fn private_file(&self) -> PathBuf {
        self.dir.join("minion.pem")
    }

    /// The public key's file.
    pub fn public_file(&self) -> PathBuf {
        self.dir.join("minion.pub")
    }

    /// The pair, if there is one.
    pub fn load(&self) -> Result<Option<PrivateKey>, KeyError> {
        let key = self.load_private(&self.private_file())?;
        if let Some(key) = &key {
            self.check_public(key)?;
        }
        Ok(key)
    }

    /// The private key in a file of ours, if there is one.
    pub(super) fn load_private(&self, path: &Path) -> Result<Option<PrivateKey>, KeyError> {
        let Some(pem) = self.read(path)? else {
            return Ok(None);
        };
        guard::close(path, self.group)?;
        let pem = Zeroizing::new(pem);
        PrivateKey::from_pem(&pem)
            .map(Some)
            .map_err(|cause| broken(path, cause))
    }

    /// The pair; a new one where there is none. A new key takes seconds: call it where nobody waits.
    pub fn load_or_make(&self) -> Result<Arc<PrivateKey>, KeyError> {
        if let Some(key) = self.load()? {
            return Ok(Arc::new(key));
        }
        let made = self.make()?;
        Ok(Arc::new(self.keep(made)?))
    }

    /// A new key of our size, on no disk yet.
    pub(super) fn make(&self) -> Result<PrivateKey, KeyError> {
        let bits = self.bits;
        tracing::info!(bits, folder = %self.dir.display(), "Making a new key. This takes a few seconds.");
        let start = Instant::now();
        let made = make(bits as usize).map_err(|cause| KeyError::Generate { bits, cause })?;
        let took = start.elapsed().as_millis();
        let fingerprint = made.public().fingerprint(Default::default());
        tracing::info!(bits, took, %fingerprint, "A new key was made.");
        Ok(made)
    }

    /// Writes a new pair, unless somebody was faster: then theirs is ours.
    pub fn keep(&self, key: PrivateKey) -> Result<PrivateKey, KeyError> {
        self.make_dir()?;
        guard::directory(&self.dir, self.group, self.owner)?;
        let path = self.private_file();
        match self.put(&path, &key) {
            Ok(()) => {}
            Err(KeyError::Write { cause, .. }) if cause.kind() == io::ErrorKind::AlreadyExists => {
                let theirs = self.load()?;
                return theirs.ok_or(KeyError::Write { path, cause });
            }
            Err(error) => return Err(error),
        }
        self.write_public(key.public())?;
        Ok(key)
    }

    /// Writes a private key under a name that nobody has.
    pub(super) fn put(&self, path: &Path, key: &PrivateKey) -> Result<(), KeyError> {
        let pem = key.to_pem().map_err(|cause| KeyError::Generate {
            bits: self.bits,
            cause,
        })?;
        create(path, pem.as_bytes()).map_err(|cause| write_error(path, cause))?;
        self.give(path)
    }

    /// Makes the folder of a file beside the pair, for our own eyes.
    pub(super) fn make_beside(&self, path: &Path) -> Result<(), KeyError> {
        let folder = path.parent().unwrap_or(&self.dir);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|cause| write_error(folder, cause))?;
        self.give(folder)
    }

    pub(super) fn write_public(&self, key: &PublicKey) -> Result<(), KeyError> {
        let path = self.public_file();
        write_atomic(&path, key.file_pem().as_bytes(), 0o644)
            .map_err(|cause| write_error(&path, cause))?;
        self.give(&path)
    }

    /// The public file follows from the private one: a missing one is written, another one is left and named.
    fn check_public(&self, key: &PrivateKey) -> Result<(), KeyError> {
        let path = self.public_file();
        match self.read(&path) {
            Ok(None) => self.write_public(key.public()),
            Ok(Some(text)) if PublicKey::from_pem(&text).is_ok_and(|k| k == *key.public()) => {
                Ok(())
            }
            // A rotation was interrupted between the two files.
            Ok(Some(text)) if PublicKey::from_pem(&text).is_ok_and(|k| self.is_of_rotation(&k)) => {
                self.write_public(key.public())
            }
            _ => {
                tracing::warn!(file = %path.display(), "The public key's file does not belong to the private key. It is not used; remove it to have it written anew.");
                Ok(())
            }
        }
    }

    fn make_dir(&self) -> Result<(), KeyError> {
        // As Salt does it: those above stay open, since the account of `user` must get through them.
        let above = self.dir.parent().map_or(Ok(()), fs::create_dir_all);
        let own = || {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.dir)
        };
        above
            .and_then(|()| own())
            .map_err(|cause| write_error(&self.dir, cause))?;
        self.give(&self.dir)
    }

    /// Files belong to the account in `user`, when we may give them away.
    fn give(&self, path: &Path) -> Result<(), KeyError> {
        match self.owner {
            Some(owner) if nix::unistd::geteuid().is_root() && !owner.is_root() => {
                chown(path, Some(owner), None).map_err(|e| write_error(path, e.into()))
            }
            _ => Ok(()),
        }
    }

    /// The text of a key file that is safe to use; `None` when there is none.
    pub(super) fn read(&self, path: &Path) -> Result<Option<String>, KeyError> {
        let read_error = |cause| KeyError::Read {
            path: path.to_owned(),
            cause,
        };
        let size = match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(read_error(e)),
            Ok(meta) => meta.len(),
        };
        guard::directory(&self.dir, self.group, self.owner)?;
        guard::file(path, self.group, self.owner)?;
        if size > MAX_FILE {
            return Err(read_error(io::Error::other("it is far too long for a key")));
        }
        let text = fs::read_to_string(path).map_err(read_error)?;
        if text.trim().is_empty() {
            let path = path.to_owned();
            return Err(KeyError::Empty { path });
        }
        Ok(Some(text))
    }
}

/// Two primes, looked for side by side.
fn make(bits: usize) -> Result<PrivateKey, CryptoError> {
    let (p, q) = thread::scope(|scope| {
        let other = scope.spawn(|| Prime::find(bits / 2, &mut OsRandom));
        let p = Prime::find(bits - bits / 2, &mut OsRandom);
        (p, other.join().ok())
    });
    let q = q.unwrap_or_else(|| Prime::find(bits / 2, &mut OsRandom));
    PrivateKey::of_primes(&p, &q)
}

pub(super) fn broken(path: &Path, cause: CryptoError) -> KeyError {
    KeyError::Broken {
        path: path.to_owned(),
        cause,
    }
}

pub(super) fn write_error(path: &Path, cause: io::Error) -> KeyError {
    KeyError::Write {
        path: path.to_owned(),
        cause,
    }
}

/// Writes a private key under a name that nobody has, complete or not at all.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let temporary = path.with_extension(format!("pem.{}.tmp", std::process::id()));
    drop(fs::remove_file(&temporary));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(&temporary)?;
    let linked = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        // A link fails where a rename would replace.
        .and_then(|()| fs::hard_link(&temporary, path));
    drop(fs::remove_file(&temporary));
    linked?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use salt_wire::{Map, map};

    use super::*;

    pub(crate) fn store(dir: &Path, extra: Map) -> Store {
        let mut opts = map! { "pki_dir" => dir.to_str().unwrap(), "keysize" => 2048 };
        opts.extend(extra);
        Store::of(&Settings::from_overrides(dir, "m1", opts).unwrap())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A pair made once: it takes a while.
    fn with_pair() -> (tempfile::TempDir, Store) {
        static PEM: std::sync::LazyLock<(String, String)> = std::sync::LazyLock::new(|| {
            let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
            (key.to_pem().unwrap().to_string(), key.public().file_pem())
        });
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("minion.pem"), &PEM.0).unwrap();
        fs::write(dir.path().join("minion.pub"), &PEM.1).unwrap();
        set_mode(&dir.path().join("minion.pem"), 0o400);
        let store = store(dir.path(), Map::new());
        (dir, store)
    }

    #[test]
    fn a_new_pair_has_salts_names_and_modes() {
        let dir = tempfile::tempdir().unwrap();
        let pki = dir.path().join("etc/pki");
        let store = store(&pki, Map::new());
        assert!(store.load().unwrap().is_none());
        let key = store.load_or_make().unwrap();
        assert_eq!(key.public().bits(), 2048);
        assert_eq!(mode(&pki), 0o700);
        assert_eq!(mode(&store.private_file()), 0o400);
        assert_eq!(mode(&store.public_file()), 0o644);
        let pem = fs::read_to_string(store.private_file()).unwrap();
        assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        assert!(pem.ends_with("-----END RSA PRIVATE KEY-----\n"));
        let again = store.load_or_make().unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(
            fs::read_dir(&pki).unwrap().count(),
            2,
            "nothing else is left"
        );
        // Somebody else was faster: theirs counts.
        let other = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        assert_eq!(store.keep(other).unwrap().public(), key.public());
    }

    #[test]
    fn broken_files_are_named_and_left_alone() {
        for (content, words) in [
            ("", "is empty"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
                "is no usable key",
            ),
            ("garbage", "is no usable key"),
        ] {
            let (_dir, store) = with_pair();
            let file = store.private_file();
            set_mode(&file, 0o600);
            fs::write(&file, content).unwrap();
            let error = store.load_or_make().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(error.contains("minion.pem"), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), content);
        }
        let (_dir, store) = with_pair();
        let whole = fs::read_to_string(store.private_file()).unwrap();
        set_mode(&store.private_file(), 0o600);
        fs::write(store.private_file(), &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(store.load(), Err(KeyError::Broken { .. })));
    }

    #[test]
    fn what_others_may_change_is_refused() {
        let (dir, store) = with_pair();
        set_mode(dir.path(), 0o777);
        let error = store.load().unwrap_err().to_string();
        assert!(
            error.contains("others may write") && error.contains("chmod go-w"),
            "{error}"
        );
        set_mode(dir.path(), 0o770);
        assert!(matches!(store.load(), Err(KeyError::Unsafe { .. })));
        let permissive = self::store(dir.path(), map! { "permissive_pki_access" => true });
        assert!(permissive.load().unwrap().is_some());
        set_mode(dir.path(), 0o700);
        set_mode(&store.private_file(), 0o622);
        assert!(matches!(store.load(), Err(KeyError::Unsafe { .. })));
    }

    #[test]
    fn keys_belong_to_us_or_to_the_account_that_is_set() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (dir, store) = with_pair();
        let nobody = User::from_name("nobody").unwrap().unwrap();
        chown(&store.private_file(), Some(nobody.uid), None).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("belongs to nobody"), "{error}");
        let theirs = self::store(dir.path(), map! { "user" => "nobody" });
        assert!(theirs.load().unwrap().is_some());
    }

    #[test]
    fn a_key_that_others_may_read_is_closed() {
        let (_dir, store) = with_pair();
        set_mode(&store.private_file(), 0o644);
        assert!(store.load().unwrap().is_some());
        assert_eq!(mode(&store.private_file()), 0o400);
    }

    #[test]
    fn the_public_file_is_made_anew_but_never_replaced() {
        let (_dir, store) = with_pair();
        let text = fs::read(store.public_file()).unwrap();
        fs::remove_file(store.public_file()).unwrap();
        store.load().unwrap();
        assert_eq!(fs::read(store.public_file()).unwrap(), text);
        fs::write(store.public_file(), "something else").unwrap();
        store.load().unwrap();
        assert_eq!(fs::read(store.public_file()).unwrap(), b"something else");
    }
}
