//! Who takes part in a move, on both sides of it, and what proves each of them.

use std::fs;
use std::path::Path;

use salt_wire::crypto::{Fingerprint, HashType, PublicKey};
use salt_wire::order::{MASTER_PORT, PUBLISH_PORT};

use super::files::addresses;
use crate::config::{MasterAddress, Settings};
use crate::keys::Masters;
use crate::remaster::Journey;

/// A master on one side of a move.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Party {
    /// Where it is.
    pub(super) address: MasterAddress,
    /// Its publish port.
    pub(super) publish_port: u16,
    /// Its key's fingerprint.
    pub(super) finger: Fingerprint,
}

/// Everyone, as far as their keys are known.
pub(super) fn parties(settings: &Settings, journey: &Journey) -> Vec<Party> {
    let (masters, previous) = (Masters::of(settings), &journey.previous);
    // As it was before the switch: what that does not touch lies where it lay.
    let before = |path: &Path| {
        let text = match previous.files.iter().find(|f| f.path == path) {
            Some(file) => file.text.clone(),
            None => fs::read_to_string(path).ok(),
        };
        PublicKey::from_pem(&text?).ok()
    };
    let old = previous.master.split(", ").filter_map(|name| {
        let address = MasterAddress::parse(name, MASTER_PORT).ok()?;
        let key = before(&masters.own_file(&address)).or_else(|| before(&masters.common_file()));
        Some(Party {
            finger: key?.fingerprint(HashType::default()),
            publish_port: previous.publish_port.unwrap_or(PUBLISH_PORT),
            address,
        })
    });
    let new = addresses(&journey.order).unwrap_or_default();
    let new = new.into_iter().filter_map(|(address, finger)| {
        Some(Party {
            finger: finger.parse().ok()?,
            publish_port: journey.order.publish_port,
            address,
        })
    });
    old.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use salt_wire::crypto::{OsRandom, PrivateKey};
    use salt_wire::map;
    use salt_wire::order::Order;

    use super::super::files::{self, Real};
    use super::*;

    #[test]
    fn on_either_side_everyone_is_known_by_the_right_key() {
        let dir = tempfile::tempdir().unwrap();
        let pki = dir.path().join("pki");
        fs::create_dir_all(pki.join("masters")).unwrap();
        let opts = map! { "pki_dir" => pki.to_str().unwrap(), "master" => vec!["one", "two"] };
        let settings = Settings::from_overrides(dir.path(), "m1", opts).unwrap();
        let masters = Masters::of(&settings);
        let [one, two, new] = [(); 3].map(|()| {
            let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
            key.public().clone()
        });
        let address = |host| MasterAddress::parse(host, 4506).unwrap();
        fs::write(masters.common_file(), one.wire_pem()).unwrap();
        fs::write(masters.own_file(&address("two")), two.wire_pem()).unwrap();

        let finger = |key: &PublicKey| key.fingerprint(HashType::default());
        let fields = map! { "master" => "new", "finger" => finger(&new).to_string() };
        let order = Order::from_map(&fields, 0, "o1").unwrap();
        let previous = files::previous(&settings, &order).unwrap();
        let journey = Journey {
            previous,
            order,
            marks: Vec::new(),
            restarts: 0,
            trouble: None,
            rounds: 0,
        };
        let known = || -> Vec<_> {
            let parties = parties(&settings, &journey).into_iter();
            parties.map(|p| (p.address.to_string(), p.finger)).collect()
        };
        let all = [("one", &one), ("two", &two), ("new", &new)];
        let all = all.map(|(host, key)| (address(host).to_string(), finger(key)));
        assert_eq!(known(), all);
        fs::create_dir_all(files::folder(&pki)).unwrap();
        fs::write(files::candidate(&pki, &address("new")), new.wire_pem()).unwrap();
        files::switch(&settings, &journey, &Real).unwrap();
        assert_eq!(known(), all);
    }
}
