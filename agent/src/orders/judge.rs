//! What a text is worth: an order for us and for now, a certificate of our master's key, or a reason why not.

use salt_wire::Map;
use salt_wire::ids::MinionId;
use salt_wire::order::handover::{self, Handover};
use salt_wire::order::signed::SignedOrder;
use salt_wire::order::{Order, OrderError};

use super::Ledger;
use crate::config::Settings;
use crate::keys::Masters;

/// What to do about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An operator's order, and its sequence number for the ledger.
    Order(Order, u64),
    /// A certificate of our master's key: as an order, to move or to take another key.
    Handover(Order),
}

/// Judges a text at this time (Unix seconds).
pub fn judge(
    text: &str,
    settings: &Settings,
    grains: &Map,
    ledger: &Ledger,
    now: u64,
) -> Result<Verdict, OrderError> {
    if text.trim_start().starts_with(handover::MARK) {
        return certificate(text, settings, now).map(Verdict::Handover);
    }
    let signed = SignedOrder::open(text, &settings.agent.order_keys)?;
    let id: MinionId = settings.id.parse().map_err(|_| OrderError {
        field: "targets",
        problem: "this agent has no valid id".into(),
    })?;
    signed.check(&id, grains, now, ledger.floor(&signed))?;
    Ok(Verdict::Order(signed.order, signed.sequence))
}

fn certificate(text: &str, settings: &Settings, now: u64) -> Result<Order, OrderError> {
    let read = Handover::open(text)?;
    let masters = Masters::of(settings);
    let ours = &settings.master.addresses;
    let believed = |key: &_| ours.iter().any(|address| masters.believes(address, key));
    read.check(believed, now)?;
    let owner = ours.iter().find(|a| masters.believes(a, &read.old));
    let (master, master_port) = match (&read.master, owner) {
        (Some(master), _) => (master.clone(), read.master_port),
        (None, Some(address)) => (address.host.clone(), address.port),
        (None, None) => (String::new(), read.master_port),
    };
    let finger = read.new.fingerprint(salt_wire::crypto::HashType::Sha256);
    let mut fields = salt_wire::map! {
        "master" => master,
        "master_port" => u64::from(master_port),
        "finger" => finger.to_string(),
        "key" => read.new.wire_pem(),
        "expires" => read.not_after,
        "rekey" => read.master.is_none(),
    };
    if read.master.is_some() {
        fields.insert("publish_port".into(), u64::from(read.publish_port).into());
        // The old master said so itself, and may be gone: nobody else has to confirm.
        fields.insert("rounds".into(), 3.into());
    }
    let digits: String = finger
        .to_string()
        .chars()
        .filter(|c| *c != ':')
        .take(16)
        .collect();
    Order::from_map(&fields, now, &format!("handover-{digits}"))
}

#[cfg(test)]
mod tests {
    use salt_wire::crypto::{HashType, OrderKey, OsRandom, PrivateKey};
    use salt_wire::map;
    use salt_wire::order::target::Target;

    use super::*;

    fn settings(dir: &std::path::Path, keys: &[&OrderKey]) -> Settings {
        let keys: Vec<_> = keys.iter().map(|k| k.public().to_string()).collect();
        let opts = map! {
            "pki_dir" => dir.to_str().unwrap(),
            "master" => "old",
            "agent" => map! {"order_keys" => keys},
        };
        Settings::from_overrides(dir, "web1", opts).unwrap()
    }

    fn signed(sequence: u64, target: &str) -> SignedOrder {
        let fields = map! {
            "id" => "move", "master" => "new", "finger" => "ab".repeat(32), "expires" => 2000,
        };
        SignedOrder {
            order: Order::from_map(&fields, 0, "").unwrap(),
            targets: vec![Target::parse(target)],
            not_before: 1000,
            sequence,
        }
    }

    #[test]
    fn each_bad_order_has_its_word() {
        let dir = tempfile::tempdir().unwrap();
        let (key, other) = (
            OrderKey::generate(&mut OsRandom).unwrap(),
            OrderKey::generate(&mut OsRandom).unwrap(),
        );
        let settings = settings(dir.path(), &[&key]);
        let ledger = Ledger::of(dir.path());
        ledger.take(&signed(4, "*").order, 4).unwrap();
        ledger.done().unwrap();
        let grains = map! {"level" => "staging"};
        let code = |text: &str, now| {
            judge(text, &settings, &grains, &ledger, now)
                .map_err(|e| e.code())
                .map(|_| ())
        };
        let seal = |sequence, target| signed(sequence, target).seal(&key);
        assert_eq!(code(&seal(5, "web*"), 1500), Ok(()));
        assert_eq!(code(&seal(5, "G@level:staging"), 1500), Ok(()));
        assert_eq!(
            code(&seal(5, "G@level:prod"), 1500),
            Err("order-not-for-us")
        );
        assert_eq!(code(&seal(5, "*"), 999), Err("order-too-early"));
        assert_eq!(code(&seal(5, "*"), 2000), Err("order-expired"));
        assert_eq!(code(&seal(4, "*"), 1500), Err("order-replayed"));
        assert_eq!(
            code(&signed(5, "*").seal(&other), 1500),
            Err("order-not-signed")
        );
        assert_eq!(
            code("salt-agent-order:v1:zzzz", 1500),
            Err("order-unreadable")
        );
        assert_eq!(code("hello", 1500), Err("order-unreadable"));
    }

    #[test]
    fn a_certificate_counts_for_who_believes_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path(), &[]);
        let ledger = Ledger::of(dir.path());
        let (old, new) = (
            PrivateKey::generate(1024, &mut OsRandom).unwrap(),
            PrivateKey::generate(1024, &mut OsRandom).unwrap(),
        );
        let mut certificate = Handover::new(old.public().clone(), new.public().clone(), 2000);
        let judged = |certificate: &Handover| {
            let text = certificate.seal(&old, &mut OsRandom).unwrap();
            judge(&text, &settings, &Map::new(), &ledger, 1000)
        };
        assert_eq!(judged(&certificate).unwrap_err().code(), "order-not-signed");
        std::fs::write(
            dir.path().join("minion_master.pub"),
            old.public().wire_pem(),
        )
        .unwrap();
        let Verdict::Handover(order) = judged(&certificate).unwrap() else {
            panic!("no certificate")
        };
        assert!(order.rekey);
        assert_eq!((order.master.as_str(), order.expires), ("old", 2000));
        let finger = new.public().fingerprint(HashType::Sha256);
        assert_eq!(order.finger, finger.to_string());
        certificate.master = Some("new".into());
        let Verdict::Handover(order) = judged(&certificate).unwrap() else {
            panic!("no certificate")
        };
        assert!(!order.rekey && order.master == "new" && order.rounds == 3);
    }
}
