//! Masters' keys: what speaks for them, and where the believed ones are kept. The verdict itself is
//! `salt_wire::channel::trust`'s; here are the files and the words.
//!
//! `minion_master.pub` is the key of the masters as Salt has it, one for all. Masters that have keys of
//! their own get them in `masters/ADDRESS.pub` beside it. A key is written only after everything about the
//! master's answer was verified.

use std::fs;
use std::path::PathBuf;

use salt_wire::channel::handshake::Ticket;
use salt_wire::channel::trust::{Algorithms, Distrust, Spoken, Standing, Trust};
use salt_wire::crypto::{EncAlgo, Fingerprint, HashType, PublicKey, SigAlgo};
use salt_wire::frame::Version;
use salt_wire::{Map, Value, map};

use super::store::{broken, write_error};
use super::{KeyError, Store, Succession};
use crate::config::{MasterAddress, Settings, Trust as Policy};
use crate::host::crash;
use crate::host::fs::write_atomic;

/// Masters remembered with what they can do; more are forgotten, the oldest first.
const REMEMBERED: usize = 64;

/// What we know of our masters' keys.
#[derive(Debug, Clone)]
pub struct Masters {
    store: Store,
    fingers: Vec<Fingerprint>,
    signer: Option<PathBuf>,
    always_verify_signature: bool,
    first_use: bool,
    open_mode: bool,
    algorithms: Algorithms,
    config_dir: PathBuf,
    candidate: Option<PathBuf>,
    succession: Succession,
}

impl Masters {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Self {
        let (master, crypto) = (&settings.master, &settings.crypto);
        let signer = format!("{}.pub", master.sign_key_name);
        Self {
            store: Store::of(settings),
            fingers: master.finger.clone().into_iter().collect(),
            signer: master
                .verify_pubkey_sign
                .then(|| settings.pki_dir.join(signer)),
            always_verify_signature: master.always_verify_signature,
            first_use: settings.agent.trust == Policy::FirstUse,
            open_mode: crypto.open_mode,
            algorithms: algorithms(crypto.fips, crypto.encryption, crypto.signing),
            config_dir: settings.config_dir.clone(),
            candidate: None,
            succession: Succession::of(&settings.pki_dir),
        }
    }

    /// The same, for the candidate of a remaster: only this fingerprint speaks for it, and its key is kept in
    /// `file` alone, apart from those of our masters.
    pub fn candidate(&self, finger: Fingerprint, file: PathBuf) -> Self {
        Self {
            fingers: vec![finger],
            candidate: Some(file),
            first_use: false,
            open_mode: false,
            ..self.clone()
        }
    }

    /// The same, for a look at a master of which nothing is known: whatever key it shows is seen, and kept
    /// nowhere. `file` must not exist.
    pub fn stranger(&self, file: PathBuf) -> Self {
        Self {
            fingers: Vec::new(),
            candidate: Some(file),
            first_use: true,
            open_mode: false,
            ..self.clone()
        }
    }

    /// The algorithms that may be used.
    pub fn algorithms(&self) -> Algorithms {
        self.algorithms.clone()
    }

    /// Where the key of all masters is kept.
    pub fn common_file(&self) -> PathBuf {
        self.store.dir().join("minion_master.pub")
    }

    /// Where a master's own key is kept.
    pub fn own_file(&self, address: &MasterAddress) -> PathBuf {
        let host = address.host.replace(':', "-");
        let name = format!("{host}_{}.pub", address.port);
        self.store.dir().join("masters").join(name)
    }

    /// The key believed before for a master.
    pub fn stored(&self, address: &MasterAddress) -> Result<Option<PublicKey>, KeyError> {
        let candidate = self.candidate.clone().into_iter();
        for file in candidate.chain([self.own_file(address), self.common_file()]) {
            if let Some(text) = self.store.read(&file)? {
                let key = PublicKey::from_pem(&text).map_err(|cause| broken(&file, cause))?;
                // Whatever else is stored is not the candidate's.
                if self.candidate.is_none() || self.fingers.iter().any(|f| key.matches(f)) {
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    /// Lets a key follow the believed one of a master until a time; false if it is that one already.
    pub fn permit(
        &self,
        address: &MasterAddress,
        to: &Fingerprint,
        not_after: u64,
    ) -> Result<bool, KeyError> {
        let stored = self.stored(address)?;
        if stored.as_ref().is_some_and(|key| key.matches(to)) {
            return Ok(false);
        }
        let from = match &stored {
            Some(key) => key.fingerprint(HashType::default()).to_string(),
            None => self
                .fingers
                .first()
                .map_or_else(String::new, ToString::to_string),
        };
        self.succession.permit(&from, &to.to_string(), not_after)?;
        crash::point(format_args!("successor permitted"));
        Ok(true)
    }

    /// Whether a key is believed to be that of a master: stored, or pinned.
    pub fn believes(&self, address: &MasterAddress, key: &PublicKey) -> bool {
        match self.stored(address) {
            Ok(Some(stored)) => stored == *key,
            Ok(None) => self.fingers.iter().any(|f| key.matches(f)),
            Err(_) => false,
        }
    }

    /// Everything that speaks for a master's key.
    pub fn trust(&self, address: &MasterAddress) -> Result<Trust, KeyError> {
        let signers = self.signer.as_ref().map(|file| {
            let text = self.store.read(file)?;
            let key = text.map(|text| PublicKey::from_pem(&text)).transpose();
            let key = key.map_err(|cause| broken(file, cause))?;
            Ok(key.into_iter().collect())
        });
        let stored = self.stored(address)?;
        // A candidate is what its order names, and nothing that followed.
        let (fingers, successors) = match &self.candidate {
            Some(_) => (self.fingers.clone(), Vec::new()),
            None => {
                let fingers = self.succession.followed(&self.fingers);
                let successors = self.succession.permitted(stored.as_ref(), &fingers);
                (fingers, successors)
            }
        };
        Ok(Trust {
            stored,
            fingers,
            successors,
            signers: signers.transpose()?,
            always_verify_signature: self.always_verify_signature,
            first_use: self.first_use,
            open_mode: self.open_mode,
        })
    }

    /// Keeps what a master has proven: its key where that is new, and what it can do.
    pub fn remember(&self, address: &MasterAddress, ticket: &Ticket) -> Result<(), KeyError> {
        if ticket.standing == Standing::Successor {
            // Recorded first: with the record and without the key it is taken once more, but not the other
            // way round.
            let old = self.stored(address)?;
            self.succession.take(&ticket.master, old.as_ref())?;
            crash::point(format_args!("successor recorded"));
        }
        if ticket.standing.must_be_stored() {
            let own = self.own_file(address);
            let file = match &self.candidate {
                Some(file) => file.clone(),
                None if own.exists() => own,
                None => self.common_file(),
            };
            let fingerprint = ticket.master.fingerprint(HashType::default());
            match self.write(&file, &ticket.master) {
                Ok(()) => {
                    crash::point(format_args!("master's key stored"));
                    tracing::info!(master = %address, %fingerprint, standing = ?ticket.standing, file = %file.display(), "The master's key was stored.");
                }
                // A key that was believed once, at first sight, must be known the next time, and that of a remaster's
                // candidate is carried on from its file. What else speaks for a key will speak for it again, and
                // whoever must make room on this machine needs a way in.
                Err(error) if ticket.standing == Standing::FirstUse || self.candidate.is_some() => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(master = %address, %error, "The master's key is believed and was not stored.");
                }
            }
        }
        if self.spoken(&ticket.master) != ticket.spoken()
            && let Err(error) = self.remember_spoken(&ticket.master, &ticket.spoken())
        {
            tracing::warn!(master = %address, %error, "What the master can do was not stored.");
        }
        Ok(())
    }

    /// Keeps a key that was proven otherwise, as the key of all masters: the end of a remaster.
    pub fn replace_common(&self, key: &PublicKey) -> Result<(), KeyError> {
        self.write(&self.common_file(), key)
    }

    fn write(&self, file: &std::path::Path, key: &PublicKey) -> Result<(), KeyError> {
        // Salt writes it without the final newline.
        write_atomic(file, key.wire_pem().as_bytes(), 0o644)
            .map_err(|cause| write_error(file, cause))
    }

    /// What the owner of a key has shown that it can do: nothing weaker is taken from it again.
    pub fn spoken(&self, key: &PublicKey) -> Spoken {
        let name = key.fingerprint(HashType::default()).to_string();
        let all = self.all_spoken();
        let Some(entry) = all.get(name.as_str()) else {
            return Spoken::default();
        };
        let text = |field| entry.get(field).and_then(Value::as_str);
        let version = entry.get("version").and_then(Value::as_int);
        Spoken {
            version: version.and_then(Version::from_number),
            enc_algo: text("enc_algo").and_then(|t| t.parse().ok()),
            sig_algo: text("sig_algo").and_then(|t| t.parse().ok()),
        }
    }

    fn spoken_file(&self) -> PathBuf {
        self.store.dir().join("masters.json")
    }

    fn all_spoken(&self) -> Map {
        let text = fs::read_to_string(self.spoken_file()).unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(Value::Map(map)) => map,
            _ => Map::new(),
        }
    }

    fn remember_spoken(&self, key: &PublicKey, spoken: &Spoken) -> Result<(), KeyError> {
        let mut all = self.all_spoken();
        let name = key.fingerprint(HashType::default()).to_string();
        let before = self.spoken(key);
        all.shift_remove(name.as_str());
        while all.len() >= REMEMBERED {
            all.shift_remove_index(0);
        }
        let version = before.version.max(spoken.version);
        let enc = before.enc_algo.max(spoken.enc_algo);
        let sig = before.sig_algo.max(spoken.sig_algo);
        let entry = map! {
            "version" => version.map(|v| Value::Int(v.number().into())),
            "enc_algo" => enc.map(EncAlgo::name),
            "sig_algo" => sig.map(SigAlgo::name),
        };
        all.insert(name.into(), entry.into());
        let file = self.spoken_file();
        serde_json::to_vec_pretty(&Value::Map(all))
            .map_err(std::io::Error::other)
            .and_then(|text| write_atomic(&file, &text, 0o600))
            .map_err(|cause| write_error(&file, cause))
    }

    /// What an operator has to do about a key that is not believed.
    pub fn advice(&self, distrust: &Distrust) -> String {
        let conf = self.config_dir.join("minion");
        let (conf, common) = (conf.display(), self.common_file());
        let common = common.display();
        match distrust {
            Distrust::Unknown { seen } => format!(
                "compare with `salt-key -F master` on the master; if it is the same, put `master_finger: {seen}` \
                 into {conf}, or the key itself into {common}"
            ),
            Distrust::Mismatch { seen, from, .. } => format!(
                "if the master's key was changed on purpose, compare {seen} with `salt-key -F master` there; then \
                 mend what is {from} ({conf}, {common})"
            ),
            Distrust::Unsigned { .. } => {
                let signer = self.signer.as_ref();
                let signer = signer.map_or_else(
                    || "set verify_master_pubkey_sign".to_owned(),
                    |file| format!("put the master's master_sign.pub to {}", file.display()),
                );
                format!("{signer}, or set the master's master_sign_pubkey accordingly")
            }
        }
    }
}

/// What the options allow; where they say nothing, the strongest that the master takes.
fn algorithms(fips: bool, enc: Option<EncAlgo>, sig: Option<SigAlgo>) -> Algorithms {
    let all = if fips {
        Algorithms::fips()
    } else {
        Algorithms::strongest()
    };
    Algorithms {
        enc: enc.map_or(all.enc, |algo| vec![algo]),
        sig: sig.map_or(all.sig, |algo| vec![algo]),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use salt_wire::crypto::{OsRandom, PrivateKey};

    use super::*;

    fn masters(dir: &Path, extra: Map) -> Masters {
        let mut opts = map! { "pki_dir" => dir.to_str().unwrap() };
        opts.extend(extra);
        Masters::of(&Settings::from_overrides(dir, "m1", opts).unwrap())
    }

    fn key() -> PublicKey {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        key.public().clone()
    }

    fn address() -> MasterAddress {
        MasterAddress::parse("salt", 4506).unwrap()
    }

    #[test]
    fn the_stored_key_is_found_and_a_masters_own_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let masters = masters(dir.path(), Map::new());
        assert!(masters.trust(&address()).unwrap().stored.is_none());
        let (common, own) = (key(), key());
        masters.replace_common(&common).unwrap();
        let text = fs::read_to_string(masters.common_file()).unwrap();
        assert_eq!(text, common.wire_pem(), "without a final newline");
        let mode = fs::metadata(masters.common_file()).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o644);
        assert_eq!(masters.trust(&address()).unwrap().stored, Some(common));
        let file = masters.own_file(&address());
        fs::create_dir(file.parent().unwrap()).unwrap();
        fs::write(&file, own.file_pem()).unwrap();
        assert_eq!(masters.trust(&address()).unwrap().stored, Some(own));
    }

    #[test]
    fn a_broken_stored_key_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let masters = masters(dir.path(), map! { "verify_master_pubkey_sign" => true });
        assert_eq!(masters.trust(&address()).unwrap().signers, Some(vec![]));
        fs::write(dir.path().join("master_sign.pub"), "junk").unwrap();
        let error = masters.trust(&address()).unwrap_err().to_string();
        assert!(error.contains("master_sign.pub"), "{error}");
        fs::write(dir.path().join("master_sign.pub"), key().file_pem()).unwrap();
        assert_eq!(
            masters.trust(&address()).unwrap().signers.map(|s| s.len()),
            Some(1)
        );
        fs::write(masters.common_file(), "").unwrap();
        assert!(matches!(
            masters.trust(&address()),
            Err(KeyError::Empty { .. })
        ));
    }

    #[test]
    fn what_a_master_can_do_never_becomes_less() {
        let dir = tempfile::tempdir().unwrap();
        let masters = masters(dir.path(), Map::new());
        let key = key();
        assert_eq!(masters.spoken(&key), Spoken::default());
        let high = Spoken {
            version: Some(Version::V3),
            enc_algo: Some(EncAlgo::OaepSha224),
            sig_algo: Some(SigAlgo::Pkcs1v15Sha224),
        };
        masters.remember_spoken(&key, &high).unwrap();
        let low = Spoken {
            version: Some(Version::V2),
            enc_algo: Some(EncAlgo::OaepSha1),
            sig_algo: None,
        };
        masters.remember_spoken(&key, &low).unwrap();
        assert_eq!(masters.spoken(&key), high);
        fs::write(masters.spoken_file(), "{broken").unwrap();
        assert_eq!(masters.spoken(&key), Spoken::default());
    }

    #[test]
    fn options_choose_algorithms() {
        let dir = tempfile::tempdir().unwrap();
        let of = |extra| masters(dir.path(), extra).algorithms();
        assert_eq!(of(Map::new()), Algorithms::strongest());
        assert_eq!(of(map! { "fips_mode" => true }), Algorithms::fips());
        let weak = of(map! { "signing_algorithm" => "PKCS1v15-SHA1" });
        assert_eq!(weak.sig, [SigAlgo::Pkcs1v15Sha1]);
        assert_eq!(weak.enc, EncAlgo::ALL);
    }

    #[test]
    fn advice_names_the_fingerprint_and_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let masters = masters(dir.path(), Map::new());
        let seen = key().fingerprint(HashType::default());
        let words = masters.advice(&Distrust::Unknown { seen: seen.clone() });
        assert!(words.contains(&format!("master_finger: {seen}")), "{words}");
        assert!(words.contains("minion_master.pub"), "{words}");
    }
}
